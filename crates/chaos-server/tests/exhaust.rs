//! `server.pid_exhaust` and `server.fd_exhaust` on real hosts: many are taken, the reserve stays, all come back.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::fd_exhaust::FdExhaust;
use chaos_server::faults::pid_exhaust::PidExhaust;
use chaos_server::faults::stress::InUnit;
use serde_json::json;
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Pids = Stage<OnHost<InUnit<PidExhaust>>>;
type Files = Stage<OnHost<InUnit<FdExhaust>>>;

const SOON: Duration = Duration::from_secs(30);

/// How many processes the host has.
async fn processes(host: &TestHost) -> u64 {
    host.sh("cat /sys/fs/cgroup/pids/pids.current").await.trim().parse().unwrap()
}

/// How many files are open on the host.
async fn files(host: &TestHost) -> usize {
    host.sh("ls /proc/[0-9]*/fd 2>/dev/null | wc -l").await.trim().parse().unwrap()
}

#[tokio::test]
async fn processes_are_taken_and_the_host_can_still_be_entered() {
    for user in ["root", "chaos"] {
        let Some(stage) = Pids::with("any", Setup { user, ..Setup::default() }).await else { return };
        let step = stage.step(json!({ "percent": 100, "max": 50_000 })).await;
        stage.host.assert_same(&stage.before).await;
        // The host may have 8192, of which 1000 stay.
        assert!((6000..=7192).contains(&step.what.count) && step.what.limit == "pids.max", "{step}");
        let (session, effect) = stage.act(&step).await;
        assert!(effect.0["processes"].as_u64().unwrap() >= step.what.count);
        let now = processes(&stage.host).await;
        assert!(now > step.what.count && now < 7300, "{now}");
        assert!(stage.finish(session).await.unwrap().is_some());
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert!(processes(&stage.host).await < 1000);
        stage.end(&step).await;
    }
}

#[tokio::test]
async fn the_deadline_alone_gives_the_processes_back() {
    let setup = Setup { hold: Duration::ZERO, margin: Some("5s"), ..Setup::default() };
    let Some(stage) = Pids::with("any", setup).await else { return };
    let step = stage.step(json!({ "max": 500 })).await;
    assert_eq!(step.what.count, 500);
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("grep -q by=deadline {}/done", step.rope.dir);
    wait_until("the deadline ends the load", SOON, async || stage.host.is_true(&done).await).await;
    assert!(processes(&stage.host).await < 400);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_bound_of_nothing_or_of_too_many_is_refused() {
    let Some(stage) = Pids::get("any").await else { return };
    for (params, part) in [
        (json!({ "max": 0 }), "`max` must be 1 to 50000"),
        (json!({ "max": 50_001 }), "`max` must be 1 to 50000"),
        (json!({ "percent": 0 }), "no share"),
        (json!({ "count": 5 }), "unknown field `count`"),
    ] {
        let said = stage.refusal(params.clone()).await;
        assert!(said.contains(part), "{params}: {said}");
    }
}

#[tokio::test]
async fn files_are_opened_and_closed_again() {
    for user in ["root", "chaos"] {
        let Some(stage) = Files::with("any", Setup { user, ..Setup::default() }).await else { return };
        let at_first = files(&stage.host).await;
        let step = stage.step(json!({ "max": 25_000 })).await;
        stage.host.assert_same(&stage.before).await;
        assert_eq!((step.what.count, step.what.limit.as_str()), (25_000, "fs.file-max"));
        let (session, effect) = stage.act(&step).await;
        assert!(effect.0["files_open"].as_u64().unwrap() >= 25_000, "{effect:?}");
        // They are files of the kernel, not names of the same one.
        assert!(effect.0["files_open_on_host"].as_u64().unwrap() >= 25_000, "{effect:?}");
        assert!(files(&stage.host).await >= at_first + 25_000);
        assert!(stage.finish(session).await.unwrap().is_some());
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert!(files(&stage.host).await < at_first + 500);
        stage.end(&step).await;
    }
}

#[tokio::test]
async fn a_part_of_the_load_that_dies_is_noticed() {
    let Some(stage) = Files::get("any").await else { return };
    let step = stage.step(json!({ "max": 12_000 })).await;
    let (session, _) = stage.act(&step).await;
    let group = format!("/sys/fs/cgroup/systemd/system.slice/{}-load.service", step.rope.id);
    stage
        .host
        .sh(&format!(
            "for p in $(cat {group}/cgroup.procs); do grep -qx tee /proc/$p/comm && kill -9 $p && break; done"
        ))
        .await;
    let error = stage.finish(session).await.unwrap_err();
    assert!(error.chain().contains("of 12000 files are open"), "{}", error.chain());
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.end(&step).await;
}
