//! What of the parameters is refused before anybody is asked, and where.

use chaos_core::document::path_text;
use serde_json::{Value, json};

use super::*;

fn fault(name: &str) -> Arc<dyn DynFault> {
    let name = format!("server.{name}");
    all().into_iter().find(|fault| fault.spec().name == name).unwrap_or_else(|| panic!("{name}"))
}

/// Says where parameters are wrong and why; nothing where they are not.
fn refused(name: &str, params: &Value) -> Option<String> {
    let fault = fault(name);
    // The types take them.
    fault.check_params(params).unwrap_or_else(|error| panic!("{name} {params}: {error}"));
    fault.check(params).err().map(|misfit| format!("{}: {}", path_text(&misfit.path), misfit.why))
}

#[track_caller]
fn check_refused(name: &str, params: Value, expected: &str) {
    assert_eq!(refused(name, &params).as_deref(), Some(expected), "{name} {params}");
}

#[track_caller]
fn check_taken(name: &str, params: Value) {
    assert_eq!(refused(name, &params), None, "{name} {params}");
}

#[test]
fn what_is_documented_as_a_default_is_taken() {
    for fault in all() {
        let needs_more = ["server.network_bandwidth", "server.port_block"].contains(&fault.spec().name);
        let names_nobody = ["server.process_kill", "server.process_pause"].contains(&fault.spec().name);
        if !needs_more && !names_nobody {
            check_taken(fault.spec().name.trim_start_matches("server."), json!({}));
        }
    }
}

#[test]
fn a_file_system_is_filled_to_one_level_and_not_below_its_reserve() {
    for (params, expected) in [
        (json!({ "size": "1MB", "fill_percent": 90 }), "fill_percent: `fill_percent` excludes `size`"),
        (json!({ "size": "1MB", "leave_free": "1GB" }), "leave_free: `leave_free` excludes `size`"),
        (
            json!({ "size": 1, "fill_percent": 1, "leave_free": "1GB" }),
            "leave_free: `leave_free` excludes `size` and `fill_percent`",
        ),
        (json!({ "target_mount": "tmp" }), "target_mount: `target_mount` must be an absolute path"),
        (json!({ "target_mount": "" }), "target_mount: `target_mount` must be an absolute path"),
        (json!({ "target_mount": "/a\0b" }), "target_mount: `target_mount` holds a zero byte"),
        (
            json!({ "leave_free": "99MiB" }),
            "leave_free: `leave_free` must not be less than the reserve, which is at least 100 MiB",
        ),
        (
            json!({ "leave_free": "1GB", "keep_free": "2GB" }),
            "leave_free: `leave_free` must not be less than `keep_free` 2 GB",
        ),
    ] {
        check_refused("disk_fill", params, expected);
    }
    check_taken("disk_fill", json!({ "leave_free": "100MiB" }));
    check_taken(
        "disk_fill",
        json!({ "leave_free": "1MiB", "keep_free": "1MiB", "target_mount": "/a b\n/../c" }),
    );
    for (params, expected) in [
        (json!({ "inodes": 0 }), "inodes: `inodes` must be 1 to 1000000"),
        (json!({ "inodes": 1_000_001 }), "inodes: `inodes` must be 1 to 1000000"),
        (json!({ "inodes": 1, "fill_percent": 1 }), "fill_percent: `fill_percent` excludes `inodes`"),
        (json!({ "fill_percent": 1, "leave_free": 1 }), "leave_free: `leave_free` excludes `fill_percent`"),
        (json!({ "target_mount": "./x" }), "target_mount: `target_mount` must be an absolute path"),
        (
            json!({ "leave_free": 999 }),
            "leave_free: `leave_free` must not be less than the reserve, which is at least 1000",
        ),
        (
            json!({ "leave_free": 5, "keep_free": 6 }),
            "leave_free: `leave_free` must not be less than `keep_free` 6",
        ),
    ] {
        check_refused("inode_fill", params, expected);
    }
    check_taken("inode_fill", json!({ "leave_free": 1000 }));
}

#[test]
fn paths_whose_mode_is_changed_mean_one_thing_only() {
    let absolute = "each path in `paths` must be absolute";
    let parts = "no path in `paths` may hold an empty part, `.` or `..`";
    for (path, why) in [
        ("etc/x", absolute),
        ("", absolute),
        ("/etc/../x", parts),
        ("/etc/./x", parts),
        ("/etc//x", parts),
        ("/a\0b", "no path in `paths` may hold a zero byte"),
    ] {
        check_refused("permission_change", json!({ "paths": ["/ok", path] }), &format!("paths[1]: {why}"));
    }
    check_taken("permission_change", json!({ "paths": ["/", "/etc/x/", "/a b"] }));
    for max in [0, 20_001] {
        let expected = "max_paths: `max_paths` must be 1 to 20000";
        check_refused("permission_change", json!({ "max_paths": max }), expected);
    }
}

#[test]
fn a_load_has_bounds() {
    for name in ["cpu_stress", "memory_stress", "io_stress"] {
        check_refused(name, json!({ "workers": 0 }), "workers: `workers` must be at least 1");
    }
    for (name, params, expected) in [
        ("memory_stress", json!({ "memory": "1M", "percent": 5 }), "percent: `percent` excludes `memory`"),
        (
            "memory_stress",
            json!({ "oom_reserve": "63M" }),
            "oom_reserve: `oom_reserve` must be at least 64 MiB",
        ),
        ("io_stress", json!({ "path": "var" }), "path: `path` must be an absolute path"),
        ("io_stress", json!({ "path": "/\0" }), "path: `path` holds a zero byte"),
        ("io_stress", json!({ "read_percent": 101 }), "read_percent: `read_percent` must be 0 to 100"),
        ("io_stress", json!({ "size": "65GiB" }), "size: `size` must be at most 64 GiB"),
        ("fd_exhaust", json!({ "max": 0 }), "max: `max` must be 1 to 2000000"),
        ("fd_exhaust", json!({ "max": 2_000_001 }), "max: `max` must be 1 to 2000000"),
        ("pid_exhaust", json!({ "max": 0 }), "max: `max` must be 1 to 50000"),
        ("pid_exhaust", json!({ "max": 50_001 }), "max: `max` must be 1 to 50000"),
    ] {
        check_refused(name, params, expected);
    }
}

#[test]
fn a_queue_lets_a_login_through_and_goes_to_an_interface() {
    let share = "percent: `percent` must be at most 90: with less of the packets our SSH would be lost too";
    check_refused("network_loss", json!({ "percent": 90.5 }), share);
    check_refused("network_corrupt", json!({ "percent": "100%" }), share);
    check_taken("network_duplicate", json!({ "percent": 100 }));
    check_refused(
        "network_latency",
        json!({ "delay": "10ms", "jitter": "11ms" }),
        "jitter: `jitter` must not be more than `delay`, 10ms",
    );
    check_refused(
        "network_latency",
        json!({ "correlation": 5 }),
        "correlation: `correlation` needs `jitter`: without it all delays are the same",
    );
    for burst in ["85", "65MiB"] {
        let expected = "burst: `burst` must be a packet at least and 64 MiB at most";
        check_refused("network_bandwidth", json!({ "rate": "1mbit", "burst": burst }), expected);
    }
    check_taken("network_bandwidth", json!({ "rate": "1mbit", "burst": 86 }));
    for link in ["", "eth0/1", "eth 0", "eth0\n", "a_name_too_long_", "-e", ".", "eth0;id"] {
        for name in ["bandwidth", "corrupt", "duplicate", "latency", "loss"] {
            let params = json!({ "rate": "1mbit", "interface": link });
            let params = if name == "bandwidth" { params } else { json!({ "interface": link }) };
            let expected = "interface: `interface` must be a name of 1 to 15 letters, digits and `._-:`";
            check_refused(&format!("network_{name}"), params, expected);
        }
    }
}

#[test]
fn whom_a_firewall_cuts_off_can_be_somebody_else() {
    let unknown = "must hold host names, addresses or networks";
    for (key, bad) in [("peers", ""), ("peers", "a b"), ("peers", "10.0.0.0/33"), ("peers", "a\nb")] {
        let expected = format!("{key}[1]: `{key}` {unknown}");
        check_refused("network_partition", json!({ key: ["ok", bad] }), &expected);
    }
    check_refused(
        "port_block",
        json!({ "ports": [1], "from": ["é"] }),
        &format!("from[0]: `from` {unknown}"),
    );
    check_refused("network_partition", json!({ "cidrs": ["db"] }), "cidrs[0]: `cidrs` must hold networks");
    for own in ["127.0.0.1", "127.0.0.0/8", "::1"] {
        check_refused(
            "network_partition",
            json!({ "peers": [own] }),
            "peers[0]: `peers` must not hold the host itself",
        );
    }
    let many: Vec<_> = (0..129).map(|number| format!("h{number}")).collect();
    let expected = "peers: `peers` has 129 entries, but 128 are the most";
    check_refused("network_partition", json!({ "peers": many }), expected);
    let ports: Vec<_> = (1000..1065).collect();
    for name in ["network_partition", "port_block"] {
        let expected = "ports: `ports` has 65 entries, but 64 are the most";
        check_refused(name, json!({ "ports": ports }), expected);
    }
    check_refused(
        "network_partition",
        json!({ "ports": [53] }),
        "ports: `ports` names the name service only, which always comes through",
    );
    check_refused("port_block", json!({ "ports": [] }), "ports: `ports` is empty");
    check_refused(
        "port_block",
        json!({ "ports": [80, 53], "direction": "both" }),
        "ports[1]: `ports` must not hold those of the host's own name service",
    );
    check_taken("port_block", json!({ "ports": [80, 53] }));
    check_taken("network_partition", json!({ "ports": [53, 80], "peers": ["db", "fd00::/8"] }));
}

#[test]
fn names_fail_as_they_can() {
    let names: Vec<_> = (0..21).map(|number| format!("h{number}")).collect();
    let answers: Vec<_> = (0..9).map(|number| format!("192.0.2.{number}")).collect();
    for (params, expected) in [
        (json!({ "names": ["a", "b/c"] }), "names[1]: `names` must hold host names"),
        (json!({ "names": names }), "names: `names` has 21 entries, but 20 are the most"),
        (
            json!({ "mode": "wrong_answer", "names": ["a"], "answer": answers }),
            "answer: `answer` has 9 entries, but 8 are the most",
        ),
        (json!({ "mode": "wrong_answer" }), "mode: `mode` must not be `wrong_answer` for every name"),
        (
            json!({ "answer": ["192.0.2.1"] }),
            "answer: `answer` needs `mode: wrong_answer`: otherwise no answer is given",
        ),
        (
            json!({ "mode": "wrong_answer", "names": ["a"], "backend": "nft" }),
            "backend: `backend` must be left out for wrong answers: no firewall has a part in them",
        ),
    ] {
        check_refused("dns_failure", params, expected);
    }
    check_taken("dns_failure", json!({ "mode": "wrong_answer", "names": ["a."], "answer": ["192.0.2.1"] }));
}

#[test]
fn processes_are_named_in_one_way() {
    let letters = "such a name holds letters, digits and `:-_.\\@` only";
    for (params, expected) in [
        (json!({}), ": nothing says which processes are meant".to_owned()),
        (json!({ "unit": "a/b" }), format!("unit: `unit` must name a service: {letters}")),
        (json!({ "unit": "a\n" }), format!("unit: `unit` must name a service: {letters}")),
        (json!({ "unit": " " }), format!("unit: `unit` must name a service: {letters}")),
        (json!({ "unit": "" }), format!("unit: `unit` must name a service: {letters}")),
        (json!({ "unit": "a", "pid_file": "/p" }), "pid_file: `pid_file` excludes `unit`".to_owned()),
        (json!({ "unit": "a", "name": "b" }), "name: `name` excludes `unit`".to_owned()),
        (json!({ "pid_file": "/p", "name": "b" }), "name: `name` excludes `pid_file`".to_owned()),
        (json!({ "pid_file": "p" }), "pid_file: `pid_file` must be an absolute path".to_owned()),
        (json!({ "name": "a" }), "name: `name` needs `max_matches`".to_owned()),
        (json!({ "name": "**?", "max_matches": 1 }), "name: `name` must not match every process".to_owned()),
        (
            json!({ "name": "a[", "max_matches": 1 }),
            "name: `name` must be a pattern: unclosed character class; missing ']'".to_owned(),
        ),
        (json!({ "name": "a", "max_matches": 0 }), "max_matches: `max_matches` must be 1 to 100".to_owned()),
        (
            json!({ "name": "a", "max_matches": 101 }),
            "max_matches: `max_matches` must be 1 to 100".to_owned(),
        ),
        (
            json!({ "unit": "a", "max_matches": 1 }),
            "max_matches: `max_matches` needs `name`: it bounds what that matches".to_owned(),
        ),
    ] {
        check_refused("process_kill", params.clone(), &expected);
        check_refused("process_pause", params, &expected);
    }
    check_taken("process_kill", json!({ "name": "nginx: worker*", "max_matches": 100 }));
}

#[test]
fn services_have_names_and_a_bound() {
    let letters = "such a name holds letters, digits and `:-_.\\@` only";
    let template = "it is a template; name one of its instances, as in `getty@tty1`";
    for (name, why) in [
        ("a/b", letters),
        ("", letters),
        ("a b", letters),
        ("a\n", letters),
        ("getty@", template),
        ("apt-daily.timer", "this is another kind of unit"),
    ] {
        let expected = format!("services[1]: `services` must name a service: {why}");
        check_refused("service_stop", json!({ "services": ["ok", name] }), &expected);
    }
    for max in [0, 51] {
        let expected = "max_services: `max_services` must be 1 to 50";
        check_refused("service_stop", json!({ "max_services": max }), expected);
    }
    let more = "services: `services` has 2 entries, which is more than `max_services`";
    check_refused("service_stop", json!({ "services": ["a", "b"], "max_services": 1 }), more);
    let many: Vec<_> = (0..51).map(|number| format!("s{number}")).collect();
    let expected = "services: `services` has 51 entries, but 50 are the most";
    check_refused("service_stop", json!({ "services": many }), expected);
}

#[test]
fn containers_and_hosts_end_as_they_are_told() {
    let signal = "signal: `signal` must be a signal that ends a process";
    for bad in ["STOP", "9", "KILL; id"] {
        check_refused("container_kill", json!({ "signal": bad }), signal);
    }
    let grace = "grace_seconds: `grace_seconds` must be 0 to 20";
    check_refused("container_stop", json!({ "grace_seconds": 21 }), grace);
    for (text, why) in [("9s", "10s to 15m"), ("16m", "10s to 15m"), ("soon", "a time"), ("300", "a time")] {
        let expected = format!("come_back_within: `come_back_within` must be {why}");
        check_refused("reboot", json!({ "come_back_within": text }), &expected);
    }
}
