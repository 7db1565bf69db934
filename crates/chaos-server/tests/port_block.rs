//! `server.port_block` on a real host, seen by real packets.

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::port_block::PortBlock;
use network_world::{Use, connect, here, lets_in, refusal};
use serde_json::json;
use world::TestHost;

type Block = Use<PortBlock>;

/// How long a caller of the host's web server on this machine has to wait, and whether it is served.
async fn call(host: &TestHost) -> (bool, Duration) {
    let (served, _, took) = here(&format!("curl -sS -m 2 http://{}/", host.host.address)).await;
    (served, took)
}

#[tokio::test]
async fn a_blocked_port_is_silent_or_refused_from_outside_and_open_from_inside() {
    for backend in ["nft", "iptables"] {
        for action in ["drop", "reject"] {
            let Some(host) = TestHost::get("any").await else { return };
            let before = host.snapshot().await;
            assert!(call(&host).await.0);
            let mut block =
                Block::new(&host, json!({ "ports": [80], "action": action, "backend": backend })).await;
            block.inject().await;
            let (served, took) = call(&host).await;
            assert!(!served);
            assert_eq!(took < Duration::from_secs(1), action == "reject", "{backend} {action}: {took:?}");
            host.sh("curl -sS -m 2 http://127.0.0.1/ && curl -sS -m 2 http://10.77.0.50/").await;
            assert!(lets_in(&host).await);
            assert!(block.measured().await.0["packets_cut"].as_u64().unwrap() > 0);
            assert_eq!(block.revert().await.outcome, RevertOutcome::Restored);
            block.disarm().await;
            assert!(call(&host).await.0);
            host.assert_same(&before).await;
        }
    }
}

#[tokio::test]
async fn ports_of_others_can_be_closed_to_the_host_and_its_own_too() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let params = json!({ "ports": [8080, 80], "direction": "both", "protocol": "tcp", "action": "reject", "loopback": true });
    let mut block = Block::new(&host, params).await;
    assert_eq!(block.step.to_string(), "refuse packets to TCP ports 80, 8080 from and to everybody");
    block.inject().await;
    assert!(!host.is_true("curl -sS -m 2 http://10.77.0.50:8080/").await);
    assert!(!host.is_true("curl -sS -m 2 http://127.0.0.1/").await);
    assert!(!call(&host).await.0);
    block.recover(&host).await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_port_is_closed_only_to_those_who_are_named() {
    let Some(hosts) = TestHost::get_all(&["th4", "th5"]).await else { return };
    let [other, host] = hosts.as_slice() else { unreachable!("two were asked for") };
    let mut block = Block::new(host, json!({ "ports": [80], "from": ["th4.world.test"] })).await;
    block.inject().await;
    assert!(!other.is_true(&format!("curl -sS -m 2 http://{}/", host.host.address)).await);
    assert!(call(host).await.0);
    block.recover(host).await;
    other.sh(&format!("curl -sS -m 2 http://{}/", host.host.address)).await;
}

#[tokio::test]
async fn the_port_we_came_to_stays_open_for_us_only() {
    let Some(hosts) = TestHost::get_all(&["th4", "th5"]).await else { return };
    let [other, host] = hosts.as_slice() else { unreachable!("two were asked for") };
    let target = connect(host, "chaos", "1s").await;
    let mut block = Block::on(target, Duration::from_secs(2), json!({ "ports": [22] })).await;
    let line = block.step.to_string();
    let gateway = world::inventory().unwrap().gateway;
    assert_eq!(line, format!("drop packets to ports 22 from everybody; SSH from {gateway} stays"));
    block.inject().await;
    assert!(lets_in(host).await, "a new login gets in");
    assert!(!other.is_true(&format!("nc -z -w 1 {} 22", host.host.address)).await);
    block.die();
    block.wait_for_deadline(host).await;
    other.sh(&format!("nc -z -w 2 {} 22", host.host.address)).await;
    assert_eq!(block.recover(host).await.outcome, RevertOutcome::AlreadyUndone);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    let target = connect(&host, "root", "60s").await;
    for params in [
        json!({}),
        json!({ "ports": [] }),
        json!({ "ports": [0] }),
        json!({ "ports": [-1] }),
        json!({ "ports": ["80; drop"] }),
        json!({ "ports": (1..=65).collect::<Vec<_>>() }),
        json!({ "ports": [80], "from": ["$(id)"] }),
        json!({ "ports": [80], "action": "accept" }),
        json!({ "ports": [53], "direction": "out" }),
        json!({ "port": [80] }),
    ] {
        let error = refusal::<PortBlock>(&target, params.clone()).await;
        assert!(matches!(error, FaultError::Params(_)), "{params}: {error:?}");
    }
}
