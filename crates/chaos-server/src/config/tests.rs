//! Which configurations are refused, in which words, and what of one is kept.

use chaos_core::erase_connector;
use serde_json::{Value, json};

use super::*;
use crate::ServerConnector;

/// Says what is wrong with a configuration, as `chaos validate` hears it.
#[track_caller]
fn check_refused(config: Value, expected: &str) {
    let connector = erase_connector(ServerConnector);
    let error = connector.check_config(&config).expect_err("it is refused");
    assert_eq!(error.inner().to_string(), expected);
}

#[track_caller]
fn host_refused(host: Value, expected: &str) {
    check_refused(json!({ "hosts": [host] }), expected);
}

fn accepted(config: Value) -> bool {
    erase_connector(ServerConnector).check_config(&config).is_ok()
}

#[test]
fn the_old_form_of_a_host_still_holds() {
    assert!(accepted(json!({
        "hosts": [
            { "host": "10.0.1.50", "port": 22, "username": "chaos-agent",
              "auth": { "type": "key", "private_key_path": "~/.ssh/id_ed25519" } },
            { "host": "web-1", "username": "u", "auth": { "type": "password", "password": "${PW}" } },
        ],
        "discovery": { "enabled": true, "exclude_services": ["docker", "containerd"] },
    })));
}

#[test]
fn everything_that_can_be_said_is_accepted_together() {
    assert!(accepted(json!({
        "defaults": { "username": "deploy", "become": "sudo", "become_password": "file:/run/pw", "known_hosts": "k",
                      "ssh_config": "none", "host_key": "accept_new", "connect_timeout": "2s" },
        "hosts": [
            { "host": "[fd00::5]", "name": "db", "labels": { "role": "db" }, "host_key": "${PIN}" },
            { "host": "${HOST}", "auth": { "type": "agent", "fingerprint": format!("SHA256:{}", "a".repeat(43)) } },
            { "host": "c", "auth": { "type": "certificate", "certificate_path": "c.pub", "passphrase": "${P}" } },
            { "host": "c", "container": "shop-db-1", "container_engine": "podman" },
            { "host": "localhost", "connection": "local" },
        ],
        "inventory": [{ "file": "h.txt", "labels": { "role": "web" } }, { "ssh_config": "web-* db-*" },
                      { "ansible": "i.ini", "group": "web" }],
        "select": { "labels": { "role": "web" }, "names": ["web-*"] },
        "hosts_affected": "30%", "max_parallel_hosts": 5, "allow_unreachable": true, "allow_same_machine": true,
        "deadline_margin": "90s",
    })));
}

#[test]
fn a_host_that_cannot_be_one_is_refused() {
    for (host, why) in [
        ("", "a host has no name"),
        ("10.0.0.1:22", "the port has a key of its own: `port`"),
        ("web-1:2222", "the port has a key of its own: `port`"),
        ("root@web-1", "the user has a key of its own: `username`"),
        ("ssh://web-1", "this is a URL, and a host is wanted"),
        ("-oProxyCommand=x", "no host begins with `-`"),
        ("web 1", "no host has such a name"),
        ("web;reboot", "no host has such a name"),
        ("$(reboot)", "no host has such a name"),
        ("web\n1", "no host has such a name"),
        ("fd00:::5", "this is no IPv6 address"),
    ] {
        host_refused(json!({ "host": host }), &format!("host `{host}`: `{host}`: {why}"));
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_the_name_of_the_host() {
    host_refused(
        json!({ "host": "a", "become_password": "x" }),
        "host `a`: `become_password` is of no use without `become: sudo`",
    );
    host_refused(
        json!({ "host": "a", "auth": { "type": "password" } }),
        "host `a`: `auth` of type `password` needs a `password`",
    );
    host_refused(
        json!({ "host": "a", "auth": { "type": "key", "password": "x" } }),
        "host `a`: `auth` of type `key` takes no `password`",
    );
    host_refused(
        json!({ "host": "a", "auth": { "type": "agent", "fingerprint": "MD5:12" } }),
        "host `a`: `MD5:12` is no fingerprint; `ssh-add -l` prints them: `SHA256:` and 43 characters",
    );
    host_refused(
        json!({ "host": "a", "host_key": "no" }),
        "host `a`: `no` is no rule for host keys; write `strict`, `accept_new` or the fingerprint of the key: `SHA256:` and 43 \
         characters",
    );
    host_refused(
        json!({ "host": "a", "connect_timeout": "10m" }),
        "host `a`: `connect_timeout`: `10m` is not between 100ms and 300s",
    );
    host_refused(json!({ "host": "a", "container": "-x" }), "host `a/-x`: `-x` is no name of a container");
    host_refused(
        json!({ "host": "a", "name": "b\u{1b}c" }),
        "host `b\u{1b}c`: its `name` is empty or holds characters that cannot be shown",
    );
}

#[test]
fn a_host_that_is_listed_twice_is_refused() {
    let twice = |second: Value| json!({ "hosts": [{ "host": "web-1" }, second] });
    check_refused(
        twice(json!({ "host": "WEB-1", "port": 22, "username": "b" })),
        "`WEB-1` is listed twice, as host 1 and 2",
    );
    check_refused(
        twice(json!({ "host": "db", "name": "web-1" })),
        "`web-1` is listed twice, as host 1 and 2",
    );
    assert!(accepted(twice(json!({ "host": "web-1", "port": 2222 }))));
    assert!(accepted(twice(json!({ "host": "web-1", "container": "db" }))));
}

#[test]
fn what_cannot_be_for_all_hosts_is_refused() {
    check_refused(
        json!({}),
        "there is no host: list some in `hosts`, or say in `inventory` where they are listed",
    );
    let with = |key: &str, value: Value| json!({ "hosts": [{ "host": "a" }], key: value });
    check_refused(
        with("hosts_affected", json!(0)),
        "`0` is no number of hosts; write `all`, a number from 1, or a share from `1%` to `100%`",
    );
    check_refused(
        with("hosts_affected", json!("0%")),
        "`0%` is no number of hosts; write `all`, a number from 1, or a share from `1%` to `100%`",
    );
    check_refused(with("defaults", json!({ "container": "db" })), "a `container` is of one host");
    check_refused(
        with("deadline_margin", json!("2h")),
        "`deadline_margin`: `2h` is not between 1s and 3600s",
    );
    check_refused(
        with("select", json!({ "names": ["web[1"] })),
        "`web[1` is no pattern: unclosed character class; missing ']'",
    );
    check_refused(
        with("discovery", json!({ "exclude_services": ["{a"] })),
        "`{a` is no pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
    );
    check_refused(
        with("inventory", json!([{ "labels": {} }])),
        "a source says with `file`, `ssh_config` or `ansible` where its hosts are",
    );
    check_refused(
        with("inventory", json!([{ "file": "a", "ansible": "b" }])),
        "one source is one of `file`, `ssh_config` and `ansible`; write several sources",
    );
    check_refused(
        with("inventory", json!([{ "file": "a", "group": "web" }])),
        "only an `ansible` inventory has a `group`",
    );
}

#[test]
fn passwords_are_left_out_and_references_to_them_are_kept() {
    let config = json!({
        "defaults": { "become_password": "hunter2" },
        "hosts": [
            { "host": "a", "become_password": "${PW}", "auth": { "type": "password", "password": "hunter2" } },
            { "host": "b", "auth": { "type": "key", "private_key_path": "/k", "passphrase": "${P:-hunter2}" } },
            { "host": "c", "auth": { "type": "password", "password": "file:/run/pw" } },
            { "host": "d", "auth": { "type": "password", "password": "hunter2${X}" } },
            { "host": "e", "auth": { "type": "password", "password": 12345 } },
        ],
    });
    let redacted = redact(&config);
    assert!(
        !redacted.to_string().contains("hunter2") && !redacted.to_string().contains("12345"),
        "{redacted}"
    );
    let of = |place: usize, key: &str| redacted["hosts"][place]["auth"][key].clone();
    assert_eq!(redacted["hosts"][0]["become_password"], "${PW}");
    assert_eq!((of(1, "passphrase"), of(1, "private_key_path")), (json!("${P}"), json!("/k")));
    assert_eq!((of(2, "password"), of(3, "password")), (json!("file:/run/pw"), Value::Null));
}

#[test]
fn a_debug_print_shows_no_password() {
    let config = json!({ "hosts": [{
        "host": "a", "become": "sudo", "become_password": "hunter2", "auth": { "type": "password", "password": "hunter2" },
    }] });
    let config: ServerConfig = serde_json::from_value(config).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
