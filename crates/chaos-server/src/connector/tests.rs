//! The members of configurations: merged, chosen, found again.

use std::fs;

use chaos_core::{Connector, Members, MembersRequest};
use serde_json::{Value, json};

use super::ServerConnector;

fn request(config: Value) -> MembersRequest {
    MembersRequest { as_written: config.clone(), config, directory: None, seed: 7, only: None }
}

async fn members(request: MembersRequest) -> Members {
    ServerConnector.members(request).await.unwrap()
}

async fn names(config: Value) -> Vec<String> {
    members(request(config)).await.list.into_iter().map(|member| member.name).collect()
}

async fn refused(config: Value) -> String {
    ServerConnector.members(request(config)).await.unwrap_err().chain()
}

/// Ten hosts, half of them web servers.
fn ten() -> Value {
    let host = |number: usize| {
        json!({
            "host": format!("h{number}"), "labels": { "role": if number.is_multiple_of(2) { "web" } else { "db" } },
        })
    };
    json!((0..10).map(host).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_member_is_one_host_with_everything_merged_in() {
    let config = json!({
        "defaults": { "username": "deploy", "become": "sudo", "labels": { "zone": "a", "role": "any" },
                      "auth": { "type": "key", "private_key_path": "keys/id" } },
        "hosts": [{ "host": "web-1", "port": 2222, "username": null, "labels": { "role": "web" } }],
        "discovery": { "enabled": false }, "max_parallel_hosts": 3, "allow_unreachable": true,
    });
    let found = members(MembersRequest { directory: Some("/srv/plans".into()), ..request(config) }).await;
    assert_eq!((found.at_once, found.allow_unreachable, found.allow_same), (Some(3), true, false));
    assert_eq!(found.list[0].name, "web-1:2222");
    assert_eq!(
        found.list[0].config,
        json!({
            "hosts": [{
                "username": "deploy", "become": "sudo", "labels": { "zone": "a", "role": "web" },
                "auth": { "type": "key", "private_key_path": "/srv/plans/keys/id" },
                "host": "web-1", "port": 2222,
            }],
            "discovery": { "enabled": false },
        })
    );
}

#[tokio::test]
async fn references_stay_in_what_is_kept_and_lists_cannot_make_them() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory"), "a ansible_user='${HOME}'\n").unwrap();
    let written = json!({
        "defaults": { "become": "sudo", "become_password": "${PW}" },
        "hosts": [{ "host": "b" }], "inventory": [{ "ansible": "inventory" }],
    });
    let mut config = written.clone();
    config["defaults"]["become_password"] = "hunter2".into();
    let asked =
        MembersRequest { directory: Some(directory.path().into()), as_written: written, ..request(config) };
    let found = members(asked).await;
    assert_eq!(found.list[0].config["hosts"][0]["become_password"], "hunter2");
    assert_eq!(found.list[0].as_written["hosts"][0]["become_password"], "${PW}");
    assert_eq!(found.list[1].config["hosts"][0]["username"], "${HOME}");
    assert_eq!(found.list[1].as_written["hosts"][0]["username"], "$${HOME}");
}

#[tokio::test]
async fn labels_and_names_choose() {
    let with = |select: Value| json!({ "hosts": ten(), "select": select });
    assert_eq!(names(with(json!({ "labels": { "role": "web" } }))).await, ["h0", "h2", "h4", "h6", "h8"]);
    assert_eq!(names(with(json!({ "names": ["h[1-3]", "h9"] }))).await, ["h1", "h2", "h3", "h9"]);
    assert_eq!(names(with(json!({ "labels": { "role": "web" }, "names": ["h[1-3]"] }))).await, ["h2"]);
    assert_eq!(
        refused(with(json!({ "names": ["h1", "web-*"] }))).await,
        "find the hosts: `select`: no host is called `web-*`"
    );
    assert_eq!(
        refused(with(json!({ "labels": { "role": "app" } }))).await,
        "find the hosts: `select` leaves none of the 10 hosts: none has `role: app`"
    );
}

#[tokio::test]
async fn the_seed_chooses_and_the_same_seed_chooses_the_same() {
    let config = json!({ "hosts": ten(), "hosts_affected": "30%" });
    let found = members(request(config.clone())).await;
    assert_eq!(found.notes, ["3 of 10 hosts, chosen with seed 7"]);
    let first = names(config.clone()).await;
    assert_eq!((first.len(), names(config.clone()).await), (3, first.clone()));
    let mut others = Vec::new();
    for seed in 0..20 {
        let found = members(MembersRequest { seed, ..request(config.clone()) }).await;
        others.push(found.list.into_iter().map(|member| member.name).collect::<Vec<_>>());
    }
    assert!(others.iter().any(|other| *other != first));
    let one = json!({ "hosts": ten(), "hosts_affected": "1%" });
    assert_eq!(names(one).await.len(), 1);
    assert_eq!(
        refused(json!({ "hosts": ten(), "hosts_affected": 11 })).await,
        "find the hosts: `hosts_affected` is 11, and there are only 10 hosts"
    );
}

#[tokio::test]
async fn a_recovery_finds_the_host_that_it_asks_for_whatever_was_chosen() {
    let config = json!({ "hosts": ten(), "hosts_affected": 1, "select": { "labels": { "role": "web" } },
                         "inventory": [{ "file": "/gone" }] });
    for name in ["h1", "h7"] {
        let found = members(MembersRequest { only: Some(name.to_owned()), ..request(config.clone()) }).await;
        assert_eq!(found.list.iter().map(|member| &member.name).collect::<Vec<_>>(), [name]);
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("hosts"), "h1\n-broken-since\n").unwrap();
    let listed = MembersRequest {
        only: Some("h1".to_owned()),
        directory: Some(directory.path().into()),
        ..request(json!({ "inventory": [{ "file": "hosts" }] }))
    };
    assert_eq!(members(listed).await.list.len(), 1);
    let nobody = MembersRequest { only: Some("h77".to_owned()), ..request(json!({ "hosts": ten() })) };
    assert!(members(nobody).await.list.is_empty());
}

#[tokio::test]
async fn a_host_of_two_lists_is_refused_with_both_places() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("hosts"), "web-1\n").unwrap();
    let config = json!({ "hosts": [{ "host": "web-1" }], "inventory": [{ "file": "hosts" }] });
    let asked = MembersRequest { directory: Some(directory.path().into()), ..request(config) };
    let error = ServerConnector.members(asked).await.unwrap_err().chain();
    let file = directory.path().join("hosts");
    let expected =
        format!("`web-1` is listed twice: in `hosts`, entry 1 and in `{}`, line 1", file.display());
    assert_eq!(error, format!("find the hosts: {expected}"));
}

#[tokio::test]
async fn what_a_list_says_is_checked_like_what_a_person_says() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("hosts"), "ok\n-oProxyCommand=x\n").unwrap();
    let config = json!({ "inventory": [{ "file": "hosts" }] });
    let asked = MembersRequest { directory: Some(directory.path().into()), ..request(config) };
    let error = ServerConnector.members(asked).await.unwrap_err().chain();
    assert!(
        error.ends_with("line 2: host `-oProxyCommand=x`: `-oProxyCommand=x`: no host begins with `-`"),
        "{error}"
    );
}
