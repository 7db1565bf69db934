//! `server.disk_fill` on real hosts: what is taken, what stays free, and what gives it back.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::cell::Cell;
use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::disk_fill::DiskFill;
use serde_json::{Value, json};
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

type Disks = Stage<OnHost<DiskFill>>;

const MIB: u64 = 1 << 20;
const SOON: Duration = Duration::from_secs(20);

/// What others than root can still write there.
async fn available(host: &TestHost, path: &str) -> u64 {
    let text = host.sh(&format!("stat -f -c '%a %S' {path}")).await;
    text.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product()
}

fn short() -> Setup {
    Setup { hold: Duration::from_secs(1), margin: Some("1s"), ..Setup::default() }
}

/// Fills, sees that so many bytes are gone on this mount only, and undoes.
async fn fill_and_undo(stage: &Disks, params: Value, path: &str, expected: u64) {
    let before = available(&stage.host, path).await;
    let other = available(&stage.host, "/").await;
    let step = stage.step(params).await;
    stage.host.assert_same(&stage.before).await;
    let (session, effect) = stage.act(&step).await;
    let dropped = before - available(&stage.host, path).await;
    assert!(dropped.abs_diff(expected) < 4 * MIB, "{dropped} of {expected}: {effect:?}");
    assert!(effect.0["taken"].as_u64().unwrap().abs_diff(expected) < 4 * MIB, "{effect:?}");
    assert!(other.abs_diff(available(&stage.host, "/").await) < 4 * MIB);
    let measured = stage.finish(session).await.unwrap().unwrap();
    assert!(measured.0["taken"].as_u64().unwrap() >= expected / 100 * 95);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    stage.disarm(&step).await;
    // Without systemd the process that watched the deadline leaves the second behind that it slept.
    stage.host.assert_soon_same(&stage.before).await;
}

#[tokio::test]
async fn a_mount_is_filled_by_a_size_and_emptied_again() {
    let Some(stage) = Disks::get("any").await else { return };
    fill_and_undo(&stage, json!({"size": "100MiB", "target_mount": "/data"}), "/data", 100 * MIB).await;
}

#[tokio::test]
async fn who_looks_at_the_units_of_the_host_reads_a_short_line_about_ours() {
    let Some(stage) = Disks::get("any").await else { return };
    let step = stage.step(json!({"size": "10MiB", "target_mount": "/data"})).await;
    let (_session, _) = stage.act(&step).await;
    let id = &step.rope.id;
    let status = stage.host.sh(&format!("systemctl status -n 0 {id}-fill.service {id}.timer")).await;
    for line in [format!("{id}-fill.service - Space taken by {id}"), format!("{id}.timer - Deadline of {id}")]
    {
        assert!(status.contains(&line), "{status}");
    }
    assert!(status.lines().count() < 30, "{status}");
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn a_disk_is_filled_up_to_a_share_by_a_login_without_root() {
    let Some(stage) = Disks::with("any", Setup { user: "chaos", ..Setup::default() }).await else { return };
    let room = stage.host.sh("df -PB1 /ext | awk 'NR == 2 { print $3, $4 }'").await;
    let numbers: Vec<u64> = room.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let expected = (numbers[0] + numbers[1]) * 80 / 100 - numbers[0];
    let params = json!({"fill_percent": "80%", "target_mount": "/ext", "keep_free": "10MiB"});
    fill_and_undo(&stage, params, "/ext", expected).await;
}

#[tokio::test]
async fn a_disk_is_filled_until_so_much_is_left_by_writing() {
    let Some(stage) = Disks::get("any").await else { return };
    let expected = available(&stage.host, "/ext").await - 60 * MIB;
    let params =
        json!({"leave_free": "60MiB", "target_mount": "/ext", "keep_free": "10MiB", "method": "write"});
    fill_and_undo(&stage, params, "/ext", expected).await;
}

#[tokio::test]
async fn a_gigabyte_is_reserved_and_seen_in_two_round_trips() {
    let Some(stage) = Disks::get("any").await else { return };
    let step = stage.step(json!({})).await;
    assert_eq!(step.what.bytes, 1_000_000_000);
    let before = available(&stage.host, "/tmp").await;
    let start = std::time::Instant::now();
    let (_session, effect) = stage.act(&step).await;
    println!("arm, inject and verify of 1 GB: {:?}", start.elapsed());
    // Arm and inject are one script each. A third one would have told what is available now.
    assert!(!effect.0.contains_key("available_now"), "{effect:?}");
    assert!(effect.0["taken"].as_u64().unwrap() >= 990_000_000, "{effect:?}");
    assert!(before - available(&stage.host, "/tmp").await >= 990_000_000);
    stage.revert(&step).await;
    stage.end(&step).await;
}

#[tokio::test]
async fn the_reserve_is_never_touched() {
    let Some(stage) = Disks::get("any").await else { return };
    let refusal = stage.refusal(json!({"size": "200MiB", "target_mount": "/data"})).await;
    assert!(refusal.contains("100 MiB must stay as a reserve"), "{refusal}");
    let refusal = stage.refusal(json!({"leave_free": "50MiB", "target_mount": "/data"})).await;
    assert!(refusal.contains("`leave_free` must not be less than the reserve"), "{refusal}");
    let refusal = stage.refusal(json!({"size": "5TB", "target_mount": "/data"})).await;
    assert!(refusal.contains("fill `/data` (tmpfs, mounted at `/data`)"), "{refusal}");
    let refusal = stage.refusal(json!({"size": "1MB", "target_mount": "/etc", "keep_free": "1MiB"})).await;
    assert!(refusal.contains("the host needs this mount itself, and 64 MiB must stay free"), "{refusal}");
    // Somebody else takes the room between plan and inject.
    let step = stage.step(json!({"size": "100MiB", "target_mount": "/data"})).await;
    stage.host.sh("fallocate -l 100MiB /data/other").await;
    let (session, effect) = stage.try_act(&step).await;
    let error = effect.unwrap_err().chain();
    assert!(error.contains("not enough room any more"), "{error}");
    drop(session);
    stage.revert(&step).await;
    stage.host.sh("rm /data/other").await;
    stage.end(&step).await;
}

#[tokio::test]
async fn what_cannot_be_filled_is_refused_with_its_reason() {
    let Some(stage) = Disks::get("any").await else { return };
    for (path, why) in [
        ("/readonly", "it is mounted read-only"),
        ("/proc/sys", "read-only"),
        ("/proc/1", "it is a part of the kernel"),
        ("/no/such/place", "find the directory `/no/such/place`"),
        ("/etc/passwd", "it is not a directory"),
        ("tmp", "`target_mount` must be an absolute path"),
        ("", "`target_mount` must be an absolute path"),
        ("-rf /", "`target_mount` must be an absolute path"),
    ] {
        let refusal = stage.refusal(json!({"size": "1MB", "target_mount": path})).await;
        assert!(refusal.contains(why), "{path}: {refusal}");
    }
    for params in [
        json!({"size": "1MB", "fill_percent": 50}),
        json!({"size": "0"}),
        json!({"size": "1MB; touch /tmp/x"}),
        json!({"fill_percent": 0}),
        json!({"fill_percent": 101}),
        json!({"method": "dd"}),
        json!({"sise": "1MB"}),
        json!({"fill_percent": 1, "target_mount": "/"}),
    ] {
        stage.refusal(params).await;
    }
}

#[tokio::test]
async fn a_link_is_followed_in_the_plan_and_said_and_no_other_directory_is_filled_later() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("mkdir -p /data/real /ext/other && ln -sfn /data/real /data/link").await;
    let stage = Disks::on(host, Setup::default()).await;
    let step = stage.step(json!({"size": "10MiB", "target_mount": "/data/link"})).await;
    let line = step.to_string();
    assert!(line.contains("in `/data/real`; `/data/link` leads there through a symbolic link"), "{line}");
    let before = available(&stage.host, "/ext").await;
    stage.host.sh("rmdir /data/real && ln -s /ext/other /data/real").await;
    let (session, effect) = stage.try_act(&step).await;
    let error = effect.unwrap_err().chain();
    assert!(error.contains("/data/real is not the one that was planned any more"), "{error}");
    assert_eq!(available(&stage.host, "/ext").await, before);
    drop(session);
    stage.revert(&step).await;
    stage.disarm(&step).await;
    stage.host.sh("rm /data/real /data/link; rmdir /ext/other").await;
}

#[tokio::test]
async fn an_undo_works_twice_and_without_an_inject() {
    let Some(stage) = Disks::get("any").await else { return };
    let step = stage.step(json!({"size": "10MiB", "target_mount": "/data"})).await;
    assert_eq!(stage.try_revert(&step, false).await.unwrap().outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
    let step = stage.step(json!({"size": "10MiB", "target_mount": "/data"})).await;
    drop(stage.act(&step).await);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_written_fill_ends_when_its_client_is_gone_and_does_not_go_on_until_the_disk_is_full() {
    let Some(stage) = Disks::with("any", short()).await else { return };
    let before = available(&stage.host, "/tmp").await;
    let step = stage.step(json!({"size": "1500MB", "method": "write"})).await;
    let session = stage.arm(&step).await;
    let id = &step.rope.id;
    {
        let mut session = session;
        let acting = stage.inject(&step, &mut session);
        tokio::pin!(acting);
        tokio::select! {
            ended = &mut acting => panic!("it has ended before it was cut: {ended:?}"),
            () = wait_until("it writes", SOON, async || available(&stage.host, "/tmp").await < before - 20 * MIB) => {}
        }
        // Neither the call nor the heartbeats go on from here.
    }
    let gone = format!("! systemctl is-active -q {id}-fill.service && [ -e /run/{id}/done ]");
    let least = Cell::new(before);
    wait_until("the host ends it", SOON, async || {
        least.set(least.get().min(available(&stage.host, "/tmp").await));
        stage.host.is_true(&gone).await
    })
    .await;
    let taken = before - least.get();
    assert!(taken < 1_450_000_000, "it went on until {taken} bytes were taken");
    assert!(available(&stage.host, "/tmp").await.abs_diff(before) < 4 * MIB);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_reboot_frees_the_space_and_leaves_nothing() {
    let Some(host) = TestHost::get("any").await else { return };
    // What else runs there by chance is gone before it is compared.
    host.reboot_and_wait().await;
    let mut stage = Disks::on(host, Setup::default()).await;
    let before = available(&stage.host, "/ext").await;
    let step = stage.step(json!({"size": "50MiB", "target_mount": "/ext", "keep_free": "10MiB"})).await;
    drop(stage.act(&step).await);
    stage.host.reboot_and_wait().await;
    assert!(available(&stage.host, "/ext").await.abs_diff(before) < MIB);
    stage.connect_again().await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_filler_that_somebody_killed_is_seen_at_the_end_of_the_hold() {
    let Some(stage) = Disks::get("any").await else { return };
    let step = stage.step(json!({"size": "50MiB", "target_mount": "/data"})).await;
    let (session, _) = stage.act(&step).await;
    stage.host.sh(&format!("systemctl kill -s KILL {}-fill.service", step.rope.id)).await;
    let failed = format!("! systemctl is-active -q {}-fill.service", step.rope.id);
    wait_until("it is killed", SOON, async || stage.host.is_true(&failed).await).await;
    let error = stage.finish(session).await.unwrap_err().chain();
    assert!(error.contains("what held the space in /data has ended"), "{error}");
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::NothingToDo);
    stage.end(&step).await;
}

#[tokio::test]
async fn a_host_without_systemd_holds_the_space_in_a_process() {
    let Some(stage) = Disks::get("th3").await else { return };
    for method in ["auto", "write"] {
        let params = json!({"size": "50MiB", "target_mount": "/ext", "keep_free": "10MiB", "method": method});
        fill_and_undo(&stage, params, "/ext", 50 * MIB).await;
    }
}
