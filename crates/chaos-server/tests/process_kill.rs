//! `server.process_kill` on a real host: only what comes back is killed, and it comes back.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::process_kill::ProcessKill;
use serde_json::json;
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Kills = Stage<OnHost<ProcessKill>>;

async fn main_pid(host: &TestHost, unit: &str) -> u32 {
    host.sh(&format!("systemctl show -p MainPID --value {unit}")).await.trim().parse().unwrap()
}

#[tokio::test]
async fn a_service_without_restart_is_started_again_by_the_undo() {
    let Some(stage) = Kills::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    stage.host.assert_same(&stage.before).await;
    let pid = main_pid(&stage.host, "app-base").await;
    let (_session, effect) = stage.act(&step).await;
    assert_eq!(effect.0["processes_killed"], json!(1));
    assert!(!stage.host.is_true("systemctl is-active -q app-base").await);
    let reverted = stage.revert(&step).await;
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0), "{reverted:?}");
    assert_ne!(main_pid(&stage.host, "app-base").await, pid);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_service_that_restarts_by_itself_is_seen_to_run_again() {
    let Some(stage) = Kills::with("any", Setup { user: "chaos", ..Setup::default() }).await else { return };
    let pid = main_pid(&stage.host, "app-restarting").await;
    let step = stage.step(json!({"unit": "app-restarting.service", "signal": "TERM"})).await;
    assert!(step.to_string().starts_with("send TERM to `sleep` ("), "{step}");
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    assert_ne!(main_pid(&stage.host, "app-restarting").await, pid);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_worker_that_nobody_replaces_comes_back_with_its_service() {
    let Some(stage) = Kills::get("any").await else { return };
    let main = main_pid(&stage.host, "app-workers").await;
    let worker = stage.host.sh(&format!("pgrep -P {main} | head -n 1 | tee /run/worker.pid")).await;
    let step = stage.step(json!({"pid_file": "/run/worker.pid"})).await;
    stage.host.sh("rm /run/worker.pid").await;
    let _session = stage.act(&step).await;
    assert!(!stage.host.is_true(&format!("[ -d /proc/{} ]", worker.trim())).await);
    assert_eq!(main_pid(&stage.host, "app-workers").await, main);
    let reverted = stage.revert(&step).await;
    assert!(
        reverted.notes.iter().any(|note| note.contains("app-workers.service was restarted")),
        "{reverted:?}"
    );
    stage.end(&step).await;
}

#[tokio::test]
async fn a_pattern_matches_whole_names_and_no_more_than_its_bound() {
    let Some(stage) = Kills::get("any").await else { return };
    let step = stage.step(json!({"name": "nginx: master process*", "max_matches": 1})).await;
    assert!(step.to_string().contains("of `nginx.service`"), "{step}");
    for (params, why) in [
        (json!({"name": "slee*", "max_matches": 2}), "and `max_matches` is 2"),
        (json!({"name": "nginx: master", "max_matches": 2}), "it matches none"),
        (json!({"name": "ngin", "max_matches": 5}), "it matches none"),
        (json!({"name": "sleep"}), "`name` needs `max_matches`"),
    ] {
        let refusal = stage.refusal(params.clone()).await;
        assert!(refusal.contains(why), "{params}: {refusal}");
    }
}

#[tokio::test]
async fn a_process_that_nothing_would_start_again_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("mkdir /sys/fs/cgroup/systemd/stray; setsid sh -c 'echo $$ >/sys/fs/cgroup/systemd/stray/cgroup.procs; \
             exec sleep 3601' </dev/null >/dev/null 2>&1 & \
             systemd-run -q --unit=app-fleeting sleep 3602")
        .await;
    wait_until("it runs", std::time::Duration::from_secs(10), async || {
        host.is_true(
            "grep -q . /sys/fs/cgroup/systemd/stray/cgroup.procs && pgrep -f 'bin/sleep 3602$' >/dev/null",
        )
        .await
    })
    .await;
    let stage = Kills::on(host, Setup::default()).await;
    for (params, why) in [
        (json!({"name": "*sleep 3601", "max_matches": 2}), "it belongs to no service"),
        (json!({"name": "*sleep 3602", "max_matches": 1}), "nothing could start it again"),
        (json!({"unit": "app-idle"}), "it is inactive"),
        (json!({"unit": "app-nowhere"}), "there is no such unit"),
    ] {
        let refusal = stage.refusal(params.clone()).await;
        assert!(refusal.contains(why), "{params}: {refusal}");
    }
    stage
        .host
        .sh("systemctl stop app-fleeting; kill $(cat /sys/fs/cgroup/systemd/stray/cgroup.procs)
             while ! rmdir /sys/fs/cgroup/systemd/stray; do sleep 0.1; done 2>/dev/null")
        .await;
}

#[tokio::test]
async fn what_is_essential_or_excluded_is_never_killed() {
    let setup = Setup {
        excluded: vec!["postgres*"],
        filters: vec!["app-", "ssh", "systemd", "postgres", "nc"],
        ..Setup::default()
    };
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("echo 1 >/run/first.pid; echo '1; reboot' >/run/odd.pid; echo 999999 >/run/dead.pid; ln -s /etc /run/dir.pid").await;
    let stage = Kills::on(host, setup).await;
    for (params, why) in [
        (json!({"unit": "ssh"}), "we are connected through it"),
        (json!({"unit": "systemd-journald"}), "it is never touched"),
        (json!({"name": "sshd", "max_matches": 50}), "(`sshd`): "),
        (json!({"name": "systemd-*", "max_matches": 50}), "never touched"),
        (json!({"pid_file": "/run/first.pid"}), "process 1 "),
        (json!({"pid_file": "/run/odd.pid"}), "does not hold the number of a process"),
        (json!({"pid_file": "/run/dead.pid"}), "process 999999 does not run"),
        (json!({"pid_file": "/run/dir.pid"}), "there is no file"),
        (json!({"pid_file": "/run/no such; $(reboot).pid"}), "there is no file /run/no such; $(reboot).pid"),
        (json!({"unit": "postgresql"}), "is excluded by `postgres*`"),
        (json!({"unit": "nginx"}), "not matched by any of `resource_filters`"),
        (json!({"unit": "a;b"}), "such a name holds letters"),
        (json!({"unit": "app-base", "signal": "QUIT"}), "QUIT"),
        (json!({"unit": "app-base", "max_matches": 1}), "`max_matches` needs `name`"),
        (json!({}), "which processes are meant"),
    ] {
        let refusal = stage.refusal(params.clone()).await;
        assert!(refusal.contains(why), "{params}: {refusal}");
    }
    stage.host.sh("rm /run/first.pid /run/odd.pid /run/dead.pid /run/dir.pid").await;
}

#[tokio::test]
async fn a_process_that_was_replaced_since_the_plan_is_left_alone() {
    let Some(stage) = Kills::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    let mut replaced = step.clone();
    replaced.what.processes[0].start += 1;
    let pid = main_pid(&stage.host, "app-base").await;
    let (session, refused) = stage.try_act(&replaced).await;
    assert!(refused.unwrap_err().chain().contains("has ended since the plan was made"));
    drop(session);
    assert_eq!(main_pid(&stage.host, "app-base").await, pid);
    assert_eq!(stage.try_revert(&replaced, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&replaced).await;
}

#[tokio::test]
async fn an_undo_without_an_inject_and_a_second_one_do_nothing() {
    let Some(stage) = Kills::get("any").await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
    let step = stage.step(json!({"unit": "app-base"})).await;
    let _session = stage.act(&step).await;
    stage.revert(&step).await;
    let pid = main_pid(&stage.host, "app-base").await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    assert_eq!(main_pid(&stage.host, "app-base").await, pid);
    stage.disarm(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn the_deadline_alone_starts_the_service_again() {
    let setup = Setup { hold: std::time::Duration::ZERO, margin: Some("2s"), ..Setup::default() };
    let Some(stage) = Kills::with("any", setup).await else { return };
    let step = stage.step(json!({"unit": "app-base"})).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    let done = format!("[ -e {}/done ]", step.rope.dir);
    wait_until("the deadline comes", std::time::Duration::from_secs(30), async || {
        stage.host.is_true(&done).await
    })
    .await;
    assert!(stage.host.is_true("systemctl is-active -q app-base").await);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_both_kill_a_service() {
    let Some(mut stage) = Kills::get("any").await else { return };
    stage.refuses_a_second_run(json!({"unit": "app-base"}), "unit app-base.service").await;
}
