//! `server.process_pause` on a real host: what is stopped, and what goes on.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::process_pause::ProcessPause;
use serde_json::json;
use stage::{Setup, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{TestHost, wait_until};

type Pauses = Stage<OnHost<ProcessPause>>;

/// Whether the web server of the host answers within a second.
async fn answers(host: &TestHost) -> bool {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect((host.host.address, 80)).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        stream.read_u8().await
    };
    matches!(tokio::time::timeout(std::time::Duration::from_secs(1), ask).await, Ok(Ok(_)))
}

/// The states of the processes of a unit, as one word.
async fn states(host: &TestHost, unit: &str) -> String {
    let list = format!(
        "for pid in $(cat /sys/fs/cgroup/systemd/system.slice/{unit}.service/cgroup.procs); do ps -o stat= -p $pid; done"
    );
    host.sh(&format!("{list} | cut -c1 | tr -d '\\n'")).await
}

#[tokio::test]
async fn a_service_answers_nobody_until_it_goes_on() {
    let Some(stage) = Pauses::get("any").await else { return };
    assert!(answers(&stage.host).await);
    let step = stage.step(json!({"unit": "nginx"})).await;
    stage.host.assert_same(&stage.before).await;
    let (session, effect) = stage.act(&step).await;
    assert!(effect.0["processes_paused"].as_u64().unwrap() >= 2, "{effect:?}");
    // The workers too: they would answer without the main process.
    assert!(states(&stage.host, "nginx").await.chars().all(|state| state == 'T'));
    assert!(!answers(&stage.host).await);
    assert_eq!(
        stage.finish(session).await.unwrap().unwrap().0["processes_paused_at_end"],
        effect.0["processes_paused"]
    );
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    assert!(answers(&stage.host).await);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_login_without_root_pauses_through_sudo() {
    let Some(stage) = Pauses::with("any", Setup { user: "chaos", ..Setup::default() }).await else { return };
    let step = stage.step(json!({"name": "cron", "max_matches": 1})).await;
    let _session = stage.act(&step).await;
    assert_eq!(states(&stage.host, "cron").await, "T");
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_process_that_somebody_else_stopped_stays_stopped() {
    let Some(host) = TestHost::get("any").await else { return };
    let first = "pgrep -P $(systemctl show -p MainPID --value app-workers) | head -n 1";
    host.sh(&format!("kill -STOP $({first})")).await;
    let stage = Pauses::on(host, Setup::default()).await;
    let step = stage.step(json!({"unit": "app-workers"})).await;
    assert!(step.to_string().contains("stopped before and left alone: `sleep`"), "{step}");
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    assert_eq!(states(&stage.host, "app-workers").await.matches('T').count(), 1);
    stage.end(&step).await;
    stage.host.sh(&format!("kill -CONT $({first})")).await;
}

#[tokio::test]
async fn only_the_main_process_is_paused_and_its_children_are_told_of() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("systemctl show -p MainPID --value app-workers >/run/main.pid").await;
    let stage = Pauses::on(host, Setup::default()).await;
    let step = stage.step(json!({"pid_file": "/run/main.pid"})).await;
    assert!(step.to_string().ends_with("; 2 of their children run on"), "{step}");
    let _session = stage.act(&step).await;
    assert_eq!(states(&stage.host, "app-workers").await.matches('T').count(), 1);
    stage.revert(&step).await;
    stage.end(&step).await;
    stage.host.sh("rm /run/main.pid").await;
}

#[tokio::test]
async fn a_process_that_was_let_go_on_meanwhile_is_seen_at_the_end() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh("kill -CONT $(systemctl show -p MainPID --value app-base)").await;
    let error = stage.finish(session).await.unwrap_err();
    assert!(error.chain().contains("although it was paused"), "{}", error.chain());
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_paused_service_that_died_is_started_again() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    let _session = stage.act(&step).await;
    stage.host.sh("kill -KILL $(systemctl show -p MainPID --value app-base)").await;
    let is_failed = "systemctl is-failed -q app-base";
    wait_until("it is dead", std::time::Duration::from_secs(10), async || {
        stage.host.is_true(is_failed).await
    })
    .await;
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_paused_service_that_somebody_stopped_is_a_conflict_and_stays_stopped() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-restarting"})).await;
    let _session = stage.act(&step).await;
    stage.host.sh("systemctl stop app-restarting").await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.conflicts[0].what, "unit `app-restarting.service`", "{reverted:?}");
    stage.disarm(&step).await;
    stage.host.sh("systemctl start app-restarting").await;
    stage.host.assert_same(&stage.before).await;
}

#[tokio::test]
async fn a_watchdog_that_would_end_the_pause_is_in_the_plan() {
    let Some(host) = TestHost::get("any").await else { return };
    let unit = "[Service]\\nWatchdogSec=1h\\nExecStart=/bin/sleep infinity\\n";
    host.sh(&format!("printf '{unit}' >/run/systemd/system/app-watched.service; systemctl daemon-reload; systemctl start app-watched"))
        .await;
    let stage = Pauses::on(host, Setup::default()).await;
    let step = stage.step(json!({"unit": "app-watched"})).await;
    assert!(
        step.to_string().contains("systemd kills `app-watched.service` after 1h without a sign of life"),
        "{step}"
    );
    stage
        .host
        .sh("systemctl stop app-watched; rm /run/systemd/system/app-watched.service; systemctl daemon-reload")
        .await;
}

#[tokio::test]
async fn what_is_essential_is_never_paused() {
    let Some(stage) = Pauses::with("any", Setup { excluded: vec!["nginx"], ..Setup::default() }).await else {
        return;
    };
    for (params, why) in [
        (json!({"unit": "ssh"}), "we are connected through it"),
        (json!({"unit": "dbus"}), "is never touched"),
        (json!({"unit": "nginx"}), "is excluded by `nginx`"),
        (json!({"name": "nginx*", "max_matches": 9}), "is excluded by `nginx`"),
        (json!({"name": "sshd*", "max_matches": 99}), "pause process"),
        (json!({"name": "*", "max_matches": 99}), "must not match every process"),
        (json!({"name": "sleep", "max_matches": 1}), "`max_matches` is 1"),
        (json!({"pid_file": "relative.pid"}), "`pid_file` must be an absolute path"),
        (json!({"unit": "app-base", "name": "x", "max_matches": 1}), "`name` excludes `unit`"),
    ] {
        let refusal = stage.refusal(params.clone()).await;
        assert!(refusal.contains(why), "{params}: {refusal}");
    }
}

#[tokio::test]
async fn an_undo_without_an_inject_and_a_second_one_do_nothing() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
    let step = stage.step(json!({"unit": "app-base"})).await;
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.disarm(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_somebody_stopped_before_the_inject_is_no_conflict() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-restarting"})).await;
    stage.host.sh("systemctl stop app-restarting").await;
    let (session, effect) = stage.try_act(&step).await;
    assert!(effect.unwrap_err().chain().contains("none of the processes is there any more"));
    drop(session);
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
    assert!(!stage.host.is_true("systemctl is-active -q app-restarting").await);
    stage.host.sh("systemctl start app-restarting").await;
    stage.end(&step).await;
}

#[tokio::test]
async fn what_somebody_else_paused_is_not_let_go_on_by_an_undo_without_an_inject() {
    let Some(stage) = Pauses::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    let session = stage.arm(&step).await;
    stage.host.sh("kill -STOP $(systemctl show -p MainPID --value app-base)").await;
    drop(session);
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    let state = "[ $(ps -o state= -p $(systemctl show -p MainPID --value app-base)) = T ]";
    assert!(stage.host.is_true(state).await);
    stage.host.sh("kill -CONT $(systemctl show -p MainPID --value app-base)").await;
    stage.end(&step).await;
}

#[tokio::test]
async fn the_deadline_alone_lets_processes_go_on() {
    let setup = Setup { hold: std::time::Duration::ZERO, margin: Some("2s"), ..Setup::default() };
    let Some(stage) = Pauses::with("any", setup).await else { return };
    let step = stage.step(json!({"unit": "nginx"})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("[ -e {}/done ]", step.rope.dir);
    wait_until("the deadline comes", std::time::Duration::from_secs(30), async || {
        stage.host.is_true(&done).await
    })
    .await;
    assert!(answers(&stage.host).await);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_host_without_systemd_pauses_processes_too() {
    let Some(host) = TestHost::get("th3").await else { return };
    host.sh("setsid sleep 3607 </dev/null >/dev/null 2>&1 &").await;
    let runs = "ps -o args | grep -q '^[s]leep 3607$'";
    wait_until("it sleeps", std::time::Duration::from_secs(10), async || host.is_true(runs).await).await;
    let stage = Pauses::on(host, Setup::default()).await;
    let step = stage.step(json!({"name": "sleep 3607", "max_matches": 1})).await;
    let pid = step.what.processes[0].pid;
    let (session, _) = stage.act(&step).await;
    assert!(stage.host.is_true(&format!("grep -q '^State:.T' /proc/{pid}/status")).await);
    stage.finish(session).await.unwrap();
    stage.revert(&step).await;
    assert!(!stage.host.is_true(&format!("grep -q '^State:.T' /proc/{pid}/status")).await);
    stage.end(&step).await;
    assert!(stage.refusal(json!({"unit": "cron"})).await.contains("find systemd"));
    stage.host.sh(&format!("kill {pid}; while [ -d /proc/{pid} ]; do sleep 0.1; done")).await;
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_both_pause_a_process() {
    let Some(mut stage) = Pauses::get("any").await else { return };
    stage.refuses_a_second_run(json!({"unit": "nginx"}), "unit nginx.service").await;
    stage.host.sh("setsid sleep 54321 </dev/null >/dev/null 2>&1 &").await;
    let pid = stage.host.sh("pgrep -f '^sleep 54321'").await;
    stage.before = stage.host.snapshot().await;
    let params = json!({"name": "sleep 54321", "max_matches": 1});
    stage.refuses_a_second_run(params, &format!("process {}", pid.trim())).await;
    stage.host.sh(&format!("kill {}", pid.trim())).await;
}
