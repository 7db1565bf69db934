//! `server.memory_stress` on real hosts: memory is really taken, the host keeps its reserve, and all of it comes back.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::memory_stress::MemoryStress;
use chaos_server::faults::stress::InUnit;
use serde_json::json;
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Memory = Stage<OnHost<InUnit<MemoryStress>>>;

const SOON: Duration = Duration::from_secs(20);
const MIB: u64 = 1 << 20;

/// What the control group that is the whole host has of memory that is not a copy of files.
async fn taken(host: &TestHost) -> u64 {
    let line = host.sh("grep '^total_rss ' /sys/fs/cgroup/memory/memory.stat").await;
    line.trim().rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn memory_is_taken_for_the_hold_and_comes_back() {
    for (user, engine) in [("root", "builtin"), ("chaos", "builtin"), ("root", "stress-ng")] {
        let Some(stage) = Memory::with("any", Setup { user, ..Setup::default() }).await else { return };
        let step = stage.step(json!({ "memory": "200M", "workers": 2, "engine": engine })).await;
        stage.host.assert_same(&stage.before).await;
        let at_first = taken(&stage.host).await;
        let (session, effect) = stage.act(&step).await;
        let held = effect.0["memory_bytes"].as_u64().unwrap();
        assert!((380 * MIB..480 * MIB).contains(&held), "{engine}: {effect:?}");
        let seen = taken(&stage.host).await - at_first;
        assert!((370 * MIB..480 * MIB).contains(&seen), "{engine}: {seen}");
        assert!(stage.finish(session).await.unwrap().is_some());
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert!(taken(&stage.host).await < at_first + 30 * MIB);
        stage.end(&step).await;
    }
}

#[tokio::test]
async fn the_old_form_and_a_share_of_the_hosts_own_memory_are_understood() {
    let Some(stage) = Memory::get("any").await else { return };
    let step = stage.step(json!({ "memory": "256M", "workers": 1 })).await;
    assert_eq!(step.what.bytes_each, 256 * MIB);
    assert_eq!(stage.step(json!({})).await.what.bytes_each, 256 * MIB);
    // The host may have 4 GiB of this machine's memory.
    let step = stage.step(json!({ "percent": "10%", "workers": 2 })).await;
    assert_eq!(step.what.bytes_each, (4 << 30) / 10 / 2);
}

#[tokio::test]
async fn what_leaves_no_reserve_is_refused() {
    let Some(stage) = Memory::get("any").await else { return };
    for (params, part) in [
        (json!({ "memory": "4GiB" }), "are available"),
        (json!({ "percent": 100 }), "are available"),
        (json!({ "memory": "1GiB", "oom_reserve": "3500MiB" }), "are available"),
        (json!({ "memory": "100PB", "workers": 2 }), "are available"),
        (json!({ "memory": "1M", "percent": 1 }), "`percent` excludes `memory`"),
        (json!({ "memory": "0" }), "is nothing"),
        (json!({ "memory": "1M; id" }), "no size"),
        (json!({ "oom_reserve": "1M" }), "at least"),
        (json!({ "workers": 33 }), "start 33 workers on 2 CPUs"),
        (json!({ "mem": "1M" }), "unknown field `mem`"),
    ] {
        let Err(error) = stage.prepare(params.clone()).await else { panic!("not refused: {params}") };
        let said = format!("{} {}", error.chain(), error.hint().unwrap_or_default());
        assert!(said.contains(part), "{params}: {said}");
    }
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn memory_that_is_gone_since_the_plan_is_not_taken() {
    let Some(stage) = Memory::get("any").await else { return };
    let mut step = stage.step(json!({})).await;
    // As if so much had been free when it was planned.
    step.what.reserve = 1 << 50;
    let (session, effect) = stage.try_act(&step).await;
    let said = effect.unwrap_err().chain();
    assert!(said.contains("meanwhile only"), "{said}");
    drop(session);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
}

#[tokio::test]
async fn what_the_kernel_kills_is_noticed_at_the_end_of_the_hold() {
    let Some(stage) = Memory::get("any").await else { return };
    let step = stage.step(json!({ "memory": "64M" })).await;
    let (session, _) = stage.act(&step).await;
    // The worker is the process of the unit with most memory; the kernel would choose it.
    let group = format!("/sys/fs/cgroup/systemd/system.slice/{}-load.service", step.rope.id);
    let adjusted = stage
        .host
        .sh(&format!("for p in $(cat {group}/cgroup.procs); do cat /proc/$p/oom_score_adj; done"))
        .await;
    assert!(adjusted.lines().count() >= 3 && adjusted.lines().all(|line| line == "1000"), "{adjusted}");
    stage
        .host
        .sh(&format!(
            "for p in $(cat {group}/cgroup.procs); do grep -qx tail /proc/$p/comm && kill -9 $p; done; true"
        ))
        .await;
    let gone = "! grep -qx tail /proc/[0-9]*/comm";
    wait_until("the worker is gone", SOON, async || stage.host.is_true(gone).await).await;
    let error = stage.finish(session).await.unwrap_err();
    assert!(error.chain().contains("the load holds"), "{}", error.chain());
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.end(&step).await;
}

#[tokio::test]
async fn the_unit_can_never_have_more_than_was_planned() {
    let Some(stage) = Memory::get("any").await else { return };
    let step = stage.step(json!({ "memory": "64M" })).await;
    let (session, _) = stage.act(&step).await;
    let group = format!("/sys/fs/cgroup/memory/system.slice/{}-load.service", step.rope.id);
    let limit: u64 =
        stage.host.sh(&format!("cat {group}/memory.limit_in_bytes")).await.trim().parse().unwrap();
    assert!((64 * MIB..100 * MIB).contains(&limit), "{limit}");
    drop(session);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.end(&step).await;
}

#[tokio::test]
async fn the_deadline_alone_gives_the_memory_back() {
    let setup = Setup { hold: Duration::ZERO, margin: Some("4s"), ..Setup::default() };
    let Some(stage) = Memory::with("any", setup).await else { return };
    let step = stage.step(json!({ "memory": "100M" })).await;
    let at_first = taken(&stage.host).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("grep -q by=deadline {}/done", step.rope.dir);
    wait_until("the deadline ends the load", SOON, async || stage.host.is_true(&done).await).await;
    assert!(taken(&stage.host).await < at_first + 30 * MIB);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}
