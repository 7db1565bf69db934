//! `server.cpu_stress` and `server.io_stress` on real hosts: what they take, and that nothing of them stays.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::cpu_stress::CpuStress;
use chaos_server::faults::io_stress::IoStress;
use chaos_server::faults::stress::InUnit;
use serde_json::{Value, json};
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Cpu = Stage<OnHost<InUnit<CpuStress>>>;
type Io = Stage<OnHost<InUnit<IoStress>>>;

const SOON: Duration = Duration::from_secs(20);
/// Processes whose unit is a load of ours, seen by their control group.
const LOADS: &str = "cat /proc/[0-9]*/cgroup 2>/dev/null | grep -c 'name=systemd:.*-load.service'";
/// Files without a name that somebody has open in `/var/tmp` or `/ext`.
const UNNAMED: &str = "ls -lb /proc/[0-9]*/fd 2>/dev/null | grep -cE '(/var/tmp|/ext).*deleted'";

async fn count(host: &TestHost, question: &str) -> u64 {
    // `grep -c` counts none with status 1.
    host.try_sh(question).await.stdout.trim().parse().unwrap()
}

/// A deadline that comes at once.
fn short() -> Setup {
    Setup { hold: Duration::ZERO, margin: Some("3s"), ..Setup::default() }
}

fn number(effect: &chaos_core::Effect, key: &str) -> u64 {
    effect.0[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {effect:?}"))
}

#[tokio::test]
async fn cpus_are_busy_for_the_hold_and_idle_again() {
    for user in ["root", "chaos"] {
        let Some(stage) = Cpu::with("any", Setup { user, ..Setup::default() }).await else { return };
        let step = stage.step(json!({ "workers": 3 })).await;
        stage.host.assert_same(&stage.before).await;
        assert_eq!(step.to_string(), "keep CPUs busy with 3 workers at 100%");
        let (session, effect) = stage.act(&step).await;
        assert_eq!(number(&effect, "workers"), 3);
        // Others may be at work on the same machine.
        assert!(number(&effect, "cpu_percent") >= 5, "{effect:?}");
        // The shell that started them, and they.
        assert_eq!(count(&stage.host, LOADS).await, 4);
        let measured = stage.finish(session).await.unwrap().unwrap();
        assert!(number(&measured, "cpu_percent_average") >= 5, "{measured:?}");
        let reverted = stage.revert(&step).await;
        assert_eq!(reverted.outcome, RevertOutcome::Restored);
        assert!(reverted.conflicts.is_empty() && reverted.notes.is_empty(), "{reverted:?}");
        assert_eq!(count(&stage.host, LOADS).await, 0);
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
        stage.end(&step).await;
    }
}

#[tokio::test]
async fn a_share_of_a_cpu_is_kept_by_the_kernel_or_by_the_workers_themselves() {
    let Some(mut stage) = Cpu::get("any").await else { return };
    let mut step = stage.step(json!({ "workers": 1, "load": "30%" })).await;
    assert_eq!(serde_json::to_value(&step.what).unwrap()["limit"], "quota");
    for limit in ["quota", "duty_cycle"] {
        let mut what = serde_json::to_value(&step.what).unwrap();
        what["limit"] = limit.into();
        step.what = serde_json::from_value(what).unwrap();
        let (session, _) = stage.act(&step).await;
        // Long enough that one rest more or less is no matter.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let measured = stage.finish(session).await.unwrap().unwrap();
        let percent = number(&measured, "cpu_percent_average");
        // A machine that is busy otherwise gives less.
        assert!((1..=38).contains(&percent), "{limit}: {measured:?}");
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        stage.end(&step).await;
        stage = Cpu::on(stage.host, Setup::default()).await;
        step = stage.step(json!({ "workers": 1, "load": 30 })).await;
    }
}

#[tokio::test]
async fn the_load_of_somebody_else_goes_on() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("systemd-run -q --unit=foreign stress-ng --cpu 1 --timeout 300").await;
    let stage = Cpu::on(host, Setup::default()).await;
    for engine in ["builtin", "stress-ng"] {
        let step = stage.step(json!({ "workers": 1, "engine": engine })).await;
        let (session, effect) = stage.act(&step).await;
        assert!(number(&effect, "cpu_percent") >= 5, "{effect:?}");
        assert!(count(&stage.host, LOADS).await >= 2);
        stage.finish(session).await.unwrap();
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert_eq!(count(&stage.host, LOADS).await, 0);
        assert_eq!(stage.host.sh("systemctl is-active foreign").await.trim(), "active");
        stage.disarm(&step).await;
    }
    assert!(stage.host.is_true("pgrep -x stress-ng").await);
    assert_eq!(stage.host.sh("ls -d /tmp/*.pid /tmp/chaos* /run/chaos* 2>/dev/null || true").await, "");
    stage.host.sh("systemctl stop foreign").await;
}

#[tokio::test]
async fn the_deadline_alone_ends_the_load() {
    let Some(stage) = Cpu::with("any", short()).await else { return };
    let step = stage.step(json!({ "workers": 1 })).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    wait_until("the deadline ends the load", SOON, async || count(&stage.host, LOADS).await == 0).await;
    let done = format!("grep -q by=deadline {}/done", step.rope.dir);
    wait_until("the undo has written down what it did", SOON, async || stage.host.is_true(&done).await).await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone);
    assert!(reverted.notes[0].contains("its deadline had come"), "{reverted:?}");
    stage.end(&step).await;
}

#[tokio::test]
async fn without_any_deadline_the_unit_ends_by_itself_although_its_first_process_is_killed() {
    let Some(stage) = Cpu::with("any", short()).await else { return };
    let step = stage.step(json!({ "workers": 2 })).await;
    let (session, _) = stage.act(&step).await;
    let id = step.rope.id.clone();
    assert!(
        stage.host.sh(&format!("systemctl show -p RuntimeMaxUSec --value {id}-load")).await.trim() == "7s"
    );
    stage.host.sh(&format!("kill -9 $(systemctl show -p MainPID --value {id}-load)")).await;
    wait_until("its workers end with it", SOON, async || count(&stage.host, LOADS).await == 0).await;
    let error = stage.finish(session).await.unwrap_err();
    assert!(error.chain().contains("the load has ended before its time"), "{}", error.chain());
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::Restored);
    assert!(reverted.notes[0].contains("ended before its time (signal)"), "{reverted:?}");
    stage.end(&step).await;
}

#[tokio::test]
async fn an_undo_without_an_inject_finds_nothing_to_do() {
    let Some(stage) = Cpu::get("any").await else { return };
    let step = stage.step(json!({})).await;
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!(reverted.outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_reboot_takes_the_load_and_nothing_comes_back() {
    let Some(mut stage) = Cpu::get("any").await else { return };
    let step = stage.step(json!({ "workers": 1 })).await;
    let (session, _) = stage.act(&step).await;
    drop(session);
    stage.host.reboot_and_wait().await;
    assert_eq!(count(&stage.host, LOADS).await, 0);
    stage.connect_again().await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone);
    assert!(reverted.notes[0].contains("it was rebooted"), "{reverted:?}");
    stage.disarm(&step).await;
    let id = &step.rope.id;
    assert!(!stage.host.is_true(&format!("find /etc /var/lib /run -xdev -name '*{id}*' | grep .")).await);
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let Some(stage) = Cpu::get("any").await else { return };
    for (params, part) in [
        (json!({ "workers": 0 }), "`workers` must be at least 1"),
        (json!({ "workers": 100_000 }), "start 100000 workers on"),
        (json!({ "load": 0 }), "no share"),
        (json!({ "load": "101%" }), "no share"),
        (json!({ "worker": 1 }), "unknown field `worker`"),
        (json!({ "engine": "stress; id" }), "unknown variant"),
        (json!({ "workers": -1 }), "invalid value"),
    ] {
        let said = stage.refusal(params.clone()).await;
        assert!(said.contains(part), "{params}: {said}");
    }
}

#[tokio::test]
async fn a_host_without_systemd_is_refused() {
    let Some(stage) = Cpu::get("th3").await else { return };
    let said = stage.refusal(json!({})).await;
    assert!(said.contains("find systemd on"), "{said}");
}

/// Reads and writes below a directory, sees it, and undoes.
async fn read_and_write(stage: &Io, params: Value) -> Value {
    let step = stage.step(params).await;
    stage.host.assert_same(&stage.before).await;
    let (session, effect) = stage.act(&step).await;
    assert!(number(&effect, "bytes_written") > 0, "{effect:?}");
    // What they write to has no name.
    assert!(count(&stage.host, UNNAMED).await >= 1);
    let named = format!("find / -xdev -name '*{}-load-*' 2>/dev/null | grep .", step.rope.id);
    assert!(!stage.host.is_true(&named).await);
    let measured = stage.finish(session).await.unwrap().unwrap();
    assert!(number(&measured, "bytes_written") >= number(&effect, "bytes_written"));
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    assert_eq!(count(&stage.host, UNNAMED).await, 0);
    stage.end(&step).await;
    serde_json::to_value(&step.what).unwrap()
}

#[tokio::test]
async fn a_disk_is_read_and_written_and_no_file_stays() {
    let Some(stage) = Io::with("any", Setup { user: "chaos", ..Setup::default() }).await else { return };
    let step = read_and_write(&stage, json!({ "workers": 2, "size": "8MiB" })).await;
    assert_eq!(step["path"], "/var/tmp");
}

#[tokio::test]
async fn paths_with_hostile_names_are_directories_like_others() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh(r#"cd /ext && mkdir -p -- '-o x' 'a b;touch owned' '$(touch owned)' '${HOME}' '$HOME' '%n%H' "it's" 'line
'"#)
        .await;
    let mut stage = Io::on(host, Setup::default()).await;
    for name in ["-o x", "a b;touch owned", "$(touch owned)", "${HOME}", "$HOME", "%n%H", "it's", "line\n"] {
        let path = format!("/ext/{name}");
        let params = json!({ "workers": 1, "size": "2MiB", "read_percent": 0, "path": path });
        assert_eq!(read_and_write(&stage, params).await["path"], path);
        stage = Io::on(stage.host, Setup::default()).await;
    }
    assert!(!stage.host.is_true("find / -xdev -name owned | grep .").await);
    stage.host.sh(r#"cd /ext && rmdir -- '-o x' 'a b;touch owned' '$(touch owned)' '${HOME}' '$HOME' '%n%H' "it's" 'line
'"#)
        .await;
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_is_noticed_and_what_it_named_is_removed() {
    let Some(stage) = Io::get("any").await else { return };
    let step = stage.step(json!({ "workers": 1, "size": "4MiB", "path": "/ext" })).await;
    let (session, _) = stage.act(&step).await;
    let id = step.rope.id.clone();
    // As if it had been killed between the making of its file and the loss of its name.
    stage.host.sh(&format!("echo x > /ext/{id}-load-1; systemctl kill -s KILL {id}-load")).await;
    wait_until("the load ends", SOON, async || count(&stage.host, LOADS).await == 0).await;
    assert!(stage.finish(session).await.is_err());
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.end(&step).await;
}

#[tokio::test]
async fn places_where_nothing_can_be_read_and_written_are_refused() {
    let Some(stage) = Io::get("any").await else { return };
    for (params, part) in [
        (json!({ "path": "/tmp" }), "it is in memory (tmpfs)"),
        (json!({ "path": "/nowhere" }), "it is not there"),
        (json!({ "path": "/etc/passwd" }), "it is not a directory"),
        (json!({ "path": "var/tmp" }), "`path` must be an absolute path"),
        (json!({ "path": "/readonly" }), "it cannot be written to"),
        (json!({ "path": "/ext", "size": "200MiB" }), "are free"),
        (json!({ "size": "1PB" }), "`size` must be at most 64 GiB"),
        (json!({ "read_percent": 101 }), "`read_percent` must be 0 to 100"),
        (json!({ "direct": true }), "unknown field `direct`"),
    ] {
        let Err(error) = stage.prepare(params.clone()).await else { panic!("not refused: {params}") };
        assert!(matches!(error, FaultError::Params(_) | FaultError::Preflight(_)), "{error:?}");
        assert!(error.chain().contains(part), "{params}: {}", error.chain());
    }
    stage.host.assert_same(&stage.before).await;
}
