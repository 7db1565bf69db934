//! Every text that a person can write and that reaches a host, written so that a shell, an option parser or a list would take
//! it for something else: each is an error of its own or means what it says, and nothing of it is ever run.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod plan;
mod world;

#[path = "world/hostile.rs"]
mod hostile;

use std::fs;
use std::path::Path;

use chaos_core::FaultError;
use chaos_server::ServerTarget;
use futures::StreamExt;
use plan::{as_root, connect, plan};
use serde_json::{Value, json};
use world::{HostSnapshot, TestHost};

/// How many questions are on their way at once.
const AT_ONCE: usize = 6;
/// Names that are in nobody's way in a path, and all the more in everything that handles paths.
const DIRECTORIES: [&str; 15] = [
    "a b",
    " leading",
    "trailing ",
    "a\nb",
    "trailing\n",
    "; touch chaos-canary-1",
    "$(touch chaos-canary-2)",
    "`touch chaos-canary-3`",
    "'; touch chaos-canary-9; '",
    "-rf",
    "*",
    "${HOME}",
    "\\040",
    "%n%s%d",
    "it's \"x\"",
];

/// The uses of a name as a parameter of a fault: what it is called, the fault, and its parameters.
fn uses(name: &str) -> Vec<(&'static str, &'static str, Value)> {
    let below = format!("/nowhere/{name}");
    vec![
        ("services", "server.service_stop", json!({ "services": [name] })),
        ("unit", "server.process_kill", json!({ "unit": name })),
        ("unit", "server.process_pause", json!({ "unit": name })),
        ("name", "server.process_kill", json!({ "name": name, "max_matches": 1 })),
        ("name", "server.process_pause", json!({ "name": name, "max_matches": 1 })),
        ("pid_file", "server.process_kill", json!({ "pid_file": name })),
        ("pid_file", "server.process_pause", json!({ "pid_file": below })),
        ("peers", "server.network_partition", json!({ "peers": [name] })),
        ("cidrs", "server.network_partition", json!({ "cidrs": [name] })),
        ("names", "server.dns_failure", json!({ "names": [name] })),
        ("names", "server.dns_failure", json!({ "names": [name], "mode": "wrong_answer" })),
        ("interface", "server.network_bandwidth", json!({ "rate": "1mbit", "interface": name })),
        ("target_mount", "server.disk_fill", json!({ "size": "1MiB", "target_mount": name })),
        ("target_mount", "server.disk_fill", json!({ "size": "1MiB", "target_mount": below })),
        ("target_mount", "server.inode_fill", json!({ "inodes": 10, "target_mount": below })),
        ("path", "server.io_stress", json!({ "path": below })),
        ("paths", "server.permission_change", json!({ "paths": [below] })),
    ]
}

/// Returns whether a text can be the name of a host, so that a plan may be made with it.
fn is_host_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(is_plain) && !name.starts_with(['-', '.'])
}

/// Returns what is wrong with how a use of a name ended, if anything.
fn wrong(name: &str, what: &str, ended: Result<Vec<String>, FaultError>) -> Option<String> {
    let said = match ended {
        Err(FaultError::Params(_) | FaultError::Preflight(_)) => return None,
        Err(other) => format!("{other:?}"),
        Ok(steps) if steps.is_empty() || (what == "names" && is_host_name(name)) => return None,
        Ok(steps) => steps.join("; "),
    };
    Some(format!("{what}: {name:?}: {said}"))
}

/// Sees that nothing is different there, and that nothing was run, there or here.
async fn assert_untouched(host: &TestHost, before: &HostSnapshot) {
    host.assert_same(before).await;
    let find = format!("find / -name '{}*' -not -path '/proc/*' 2>/dev/null", hostile::CANARY);
    assert_eq!(host.sh(&format!("{find}; true")).await, "");
    for dir in [Path::new("/tmp"), Path::new("."), Path::new("/"), &std::env::temp_dir()] {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let made: Vec<_> = names.filter(|name| name.to_string_lossy().contains(hostile::CANARY)).collect();
        assert!(made.is_empty(), "{}: {made:?}", dir.display());
    }
}

#[tokio::test]
async fn no_parameter_is_run_or_taken_for_an_option_or_for_another_name() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let names = hostile::names();
    assert!(names.len() >= 60, "{}", names.len());
    let target = as_root(&host).await;
    let all = names.iter().flat_map(|name| uses(name).into_iter().map(move |each| (name, each)));
    let ended = futures::stream::iter(all).map(|(name, (what, fault, params))| {
        let target: &ServerTarget = &target;
        async move {
            let ended = plan(fault, target, params).await;
            let lines = ended.map(|steps| steps.into_iter().map(|step| step.summary).collect());
            wrong(name, what, lines)
        }
    });
    let wrong: Vec<Option<String>> = ended.buffer_unordered(AT_ONCE).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    assert_untouched(&host, &before).await;
}

#[tokio::test]
async fn directories_with_such_names_are_the_ones_that_are_meant() {
    let Some(host) = TestHost::get("any").await else { return };
    for name in DIRECTORIES {
        fs::create_dir_all(host.path("/ext/hostile").join(name)).unwrap();
    }
    let before = host.snapshot().await;
    let target = as_root(&host).await;
    for name in DIRECTORIES {
        let path = format!("/ext/hostile/{name}");
        for (fault, params) in [
            ("server.disk_fill", json!({ "size": "1MiB", "target_mount": path, "keep_free": "1MiB" })),
            ("server.inode_fill", json!({ "inodes": 10, "target_mount": path, "keep_free": 10 })),
        ] {
            let planned = plan(fault, &target, params).await;
            let planned = planned.unwrap_or_else(|error| panic!("{fault}: {path:?}: {}", error.chain()));
            let step = &planned[0].step["what"];
            assert_eq!((&step["dir"], &step["mount"]), (&json!(path), &json!("/ext")), "{fault}");
            assert!(step.get("written").is_none(), "{fault}: {step}");
        }
    }
    assert_untouched(&host, &before).await;
    host.sh("rm -rf /ext/hostile").await;
}

#[tokio::test]
async fn no_host_user_or_container_of_a_configuration_is_run_or_taken_for_an_option() {
    let Some(host) = TestHost::get("any").await else { return };
    // What the engine makes for itself when it is first asked is not ours.
    host.sh("podman ps --all >/dev/null 2>&1; podman container inspect none >/dev/null 2>&1; true").await;
    let before = host.snapshot().await;
    let names = hostile::names();
    let all = names.iter().flat_map(|name| {
        [json!({ "host": name }), json!({ "username": name }), json!({ "container": name })]
            .map(|entry| (name, entry))
    });
    let ended = futures::stream::iter(all).map(|(name, entry)| {
        let host = &host;
        async move {
            let what = entry.as_object().unwrap().keys().next().unwrap().clone();
            let target = match connect(host, entry).await {
                Err(
                    FaultError::Params(_)
                    | FaultError::Preflight(_)
                    | FaultError::Unreachable(_)
                    | FaultError::Target(_),
                ) => return None,
                Err(other) => return Some(format!("{what}: {name:?}: {other:?}")),
                Ok(target) => target,
            };
            // A name like others: then there is no such container.
            if what != "container" || !is_host_name(name) {
                return Some(format!("{what}: {name:?}: connected"));
            }
            let ended = plan("server.container_kill", &target, json!({})).await;
            wrong(name, &what, ended.map(|steps| steps.into_iter().map(|step| step.summary).collect()))
        }
    });
    let wrong: Vec<Option<String>> = ended.buffer_unordered(AT_ONCE).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    assert_untouched(&host, &before).await;
}
