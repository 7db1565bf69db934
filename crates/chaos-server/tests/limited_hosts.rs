//! What a host, or our login there, lacks is said before anything is done; what does not need it goes on.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod plan;
mod stage;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::OnHost;
use chaos_server::faults::port_block::PortBlock;
use plan::{as_root, connect, faults, plan};
use serde_json::{Value, json};
use stage::{Setup, Stage};
use tokio::net::TcpStream;
use world::TestHost;

/// Returns parameters that a fault takes; most take none.
fn params(fault: &str) -> Value {
    match fault {
        "server.disk_fill" => json!({ "size": "1MiB", "target_mount": "/data" }),
        "server.inode_fill" => json!({ "inodes": 10, "target_mount": "/data" }),
        "server.network_bandwidth" => json!({ "rate": "1mbit" }),
        "server.network_corrupt" | "server.network_duplicate" | "server.network_loss" => {
            json!({ "percent": 1 })
        }
        "server.network_latency" => json!({ "delay": "10ms" }),
        "server.permission_change" => json!({ "paths": ["/etc/hostname"] }),
        "server.port_block" => json!({ "ports": [80] }),
        "server.process_kill" | "server.process_pause" => json!({ "unit": "nginx" }),
        "server.service_stop" => json!({ "services": ["nginx"] }),
        _ => json!({}),
    }
}

/// Whether the host's web server takes us.
async fn serves(host: &TestHost) -> bool {
    let connect = TcpStream::connect((host.host.address, 80));
    tokio::time::timeout(Duration::from_secs(2), connect).await.is_ok_and(|stream| stream.is_ok())
}

#[tokio::test]
async fn without_root_every_fault_is_refused_and_says_how_to_become_root() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    for user in ["plain", "chaos"] {
        let target = connect(&host, json!({ "username": user })).await.unwrap();
        for fault in faults() {
            let Err(error) = plan(fault, &target, params(fault)).await else { panic!("{fault} is planned") };
            assert!(matches!(error, FaultError::Preflight(_)), "{fault}: {error:?}");
            let said = error.chain();
            assert!(said.contains("act as root on `") && said.contains(user), "{fault}: {said}");
            assert_eq!(error.hint(), Some("log in as root, or set `become: sudo`"), "{fault}");
        }
    }
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_load_by_a_program_that_is_not_there_is_refused_and_names_it() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    host.sh("mv /usr/bin/stress-ng /root/stress-ng.hidden").await;
    let target = as_root(&host).await;
    let mut ended = Vec::new();
    for fault in ["server.cpu_stress", "server.memory_stress"] {
        ended.push((fault, plan(fault, &target, json!({ "engine": "stress-ng" })).await));
    }
    let builtin = plan("server.cpu_stress", &target, json!({})).await;
    host.sh("mv /root/stress-ng.hidden /usr/bin/stress-ng").await;
    for (fault, ended) in ended {
        let Err(error) = ended else { panic!("{fault} is planned") };
        assert!(matches!(error, FaultError::Preflight(_)), "{fault}: {error:?}");
        let said = error.chain();
        assert!(said.contains("use `engine: stress-ng`") && said.contains("find `stress-ng` on"), "{said}");
        assert_eq!(error.hint(), Some("leave out `engine`: the load of our own needs nothing there"));
    }
    assert_eq!(builtin.unwrap().len(), 1);
    host.assert_same(&before).await;
    // With it there, the same is planned.
    let target = as_root(&host).await;
    let planned = plan("server.cpu_stress", &target, json!({ "engine": "stress-ng" })).await;
    assert!(planned.unwrap()[0].step.to_string().contains("stress-ng"));
}

#[tokio::test]
async fn where_nothing_can_be_written_for_a_reboot_only_what_a_reboot_takes_is_done() {
    let Some(host) = TestHost::get("any").await else { return };
    host.sh("touch /ext/lasting").await;
    let untouched = host.snapshot().await;
    let mut host = Some(host);
    for dir in ["/var/lib", "/etc/systemd/system"] {
        let taken = host.take().unwrap();
        taken.sh(&format!("mount --bind {dir} {dir} && mount -o remount,bind,ro {dir}")).await;
        let stage: Stage<OnHost<PortBlock>> = Stage::on(taken, Setup::default()).await;
        for (fault, params) in [
            ("server.permission_change", json!({ "paths": ["/ext/lasting"] })),
            ("server.inode_fill", json!({ "inodes": 10, "target_mount": "/ext" })),
        ] {
            let Err(error) = plan(fault, &stage.target, params).await else { panic!("{fault} is planned") };
            assert!(matches!(error, FaultError::Preflight(_)), "{fault}: {error:?}");
            let why = "that survives a reboot: /var/lib or /etc/systemd/system cannot be written";
            assert!(error.chain().contains(why), "{fault}: {}", error.chain());
        }
        stage.host.assert_same(&stage.before).await;
        let step = stage.step(json!({ "ports": [80] })).await;
        let (session, _) = stage.act(&step).await;
        assert!(!serves(&stage.host).await);
        stage.finish(session).await.unwrap();
        assert_eq!(stage.revert(&step).await.outcome, RevertOutcome::Restored);
        assert!(serves(&stage.host).await);
        stage.end(&step).await;
        // Who needs the directory keeps the unit of its mount, until units are loaded anew.
        stage.host.sh(&format!("umount {dir} && systemctl daemon-reload")).await;
        stage.host.assert_same(&untouched).await;
        host = Some(stage.host);
    }
    host.unwrap().sh("rm /ext/lasting").await;
}
