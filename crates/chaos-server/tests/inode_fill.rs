//! `server.inode_fill` on real hosts.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::inode_fill::InodeFill;
use serde_json::json;
use stage::{Setup, Stage};
use world::TestHost;

type Inodes = Stage<OnHost<InodeFill>>;

async fn free(host: &TestHost, path: &str) -> u64 {
    host.sh(&format!("stat -f -c %d {path}")).await.trim().parse().unwrap()
}

/// Sees that all is as it was, once what only looked has ended.
async fn end(stage: &Inodes, step: &chaos_server::HostStep<chaos_server::faults::inode_fill::Step>) {
    stage.disarm(step).await;
    stage.host.assert_soon_same(&stage.before).await;
}

#[tokio::test]
async fn so_many_inodes_are_gone_and_come_back() {
    for (host, user, path) in [("any", "root", "/data"), ("any", "chaos", "/ext"), ("th3", "root", "/ext")] {
        let Some(stage) = Inodes::with(host, Setup { user, ..Setup::default() }).await else { return };
        let before = free(&stage.host, path).await;
        let step = stage.step(json!({"inodes": 5000, "target_mount": path})).await;
        stage.host.assert_same(&stage.before).await;
        let (session, effect) = stage.act(&step).await;
        assert_eq!(effect.0["taken"], json!(5000));
        assert_eq!(before - free(&stage.host, path).await, 5000);
        assert_eq!(stage.finish(session).await.unwrap().unwrap().0["taken"], json!(5000));
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
        end(&stage, &step).await;
    }
}

#[tokio::test]
async fn a_file_system_without_a_single_inode_left_is_freed_again() {
    let Some(stage) = Inodes::get("any").await else { return };
    let step = stage.step(json!({"fill_percent": 100, "keep_free": 0, "target_mount": "/data"})).await;
    drop(stage.act(&step).await);
    assert_eq!(free(&stage.host, "/data").await, 0);
    assert!(!stage.host.is_true("touch /data/one-more").await);
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
    end(&stage, &step).await;
}

#[tokio::test]
async fn a_reboot_gives_the_inodes_of_a_disk_back() {
    let Some(host) = TestHost::get("any").await else { return };
    // What else runs there by chance is gone before it is compared.
    host.reboot_and_wait().await;
    let mut stage = Inodes::on(host, Setup::default()).await;
    let before = free(&stage.host, "/ext").await;
    let step = stage.step(json!({"inodes": 3000, "target_mount": "/ext"})).await;
    drop(stage.act(&step).await);
    stage.host.reboot_and_wait().await;
    assert_eq!(free(&stage.host, "/ext").await, before);
    stage.connect_again().await;
    assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::AlreadyUndone);
    end(&stage, &step).await;
}

#[tokio::test]
async fn what_somebody_else_put_there_stays_and_is_a_conflict() {
    let Some(stage) = Inodes::get("any").await else { return };
    let step = stage.step(json!({"inodes": 100, "target_mount": "/data"})).await;
    drop(stage.act(&step).await);
    stage.host.sh("cd /data/.chaos_*.inodes; echo mine >i5; touch theirs").await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert!(reverted.conflicts[0].found.contains("somebody else put something into it"), "{reverted:?}");
    assert_eq!(stage.host.sh("cd /data/.chaos_*.inodes; echo *").await.trim(), "i5 theirs");
    stage.host.sh("rm -r /data/.chaos_*.inodes").await;
    end(&stage, &step).await;
}

#[tokio::test]
async fn a_directory_that_was_replaced_before_the_inject_is_refused_and_no_conflict() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("mkdir /data/planned").await;
    let stage = Inodes::on(host, Setup::default()).await;
    let step = stage.step(json!({"inodes": 10, "target_mount": "/data/planned"})).await;
    stage.host.sh("mv /data/planned /data/away; mkdir /data/planned").await;
    let (session, effect) = stage.try_act(&step).await;
    assert!(effect.unwrap_err().chain().contains("is not the one that was planned any more"));
    drop(session);
    let reverted = stage.try_revert(&step, false).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
    stage.host.sh("rmdir /data/planned; mv /data/away /data/planned").await;
    stage.disarm(&step).await;
    stage.host.sh("rmdir /data/planned").await;
}

#[tokio::test]
async fn a_link_in_the_place_of_our_directory_is_not_followed() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("mkdir -p /data/victim; touch /data/victim/i1 /data/victim/i2").await;
    let stage = Inodes::on(host, Setup::default()).await;
    let step = stage.step(json!({"inodes": 10, "target_mount": "/data"})).await;
    drop(stage.act(&step).await);
    stage.host.sh("cd /data; name=$(echo .chaos_*.inodes); rm -r $name; ln -s victim $name").await;
    let reverted = stage.revert(&step).await;
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert_eq!(
        stage.host.sh("cd /data/victim; echo *; rm -r /data/victim /data/.chaos_*").await.trim(),
        "i1 i2"
    );
    stage.disarm(&step).await;
}

#[tokio::test]
async fn the_reserve_and_what_has_no_inodes_are_refused() {
    let Some(stage) = Inodes::get("any").await else { return };
    for (params, why) in [
        (json!({"inodes": 19_500, "target_mount": "/data"}), "1000 must stay as a reserve"),
        (json!({"inodes": 10, "target_mount": "/etc", "keep_free": 10}), "the host needs this mount itself"),
        (json!({"inodes": 10, "target_mount": "/readonly"}), "read-only"),
        (json!({"inodes": 10, "leave_free": 10}), "`leave_free` excludes `inodes`"),
        (json!({"inodes": 0}), "`inodes` must be 1 to 1000000"),
        (json!({"inodes": 1_000_001}), "`inodes` must be 1 to 1000000"),
        (json!({"fill_percent": 1, "target_mount": "/"}), "so many are taken already"),
        (json!({"count": 5}), "unknown field"),
    ] {
        let refusal = stage.refusal(params.clone()).await;
        assert!(refusal.contains(why), "{params}: {refusal}");
    }
}
