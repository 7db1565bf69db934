//! Faults that put a queue of theirs on an interface of a real host. The kernel of these hosts has no netem, which they
//! must find out (`network_netem.rs` has one that does); what they share is seen with the bandwidth.

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::dns_failure::DnsFailure;
use chaos_server::faults::network::queue::OnQueue;
use chaos_server::faults::network_bandwidth::NetworkBandwidth;
use chaos_server::faults::network_corrupt::NetworkCorrupt;
use chaos_server::faults::network_duplicate::NetworkDuplicate;
use chaos_server::faults::network_latency::NetworkLatency;
use chaos_server::faults::network_loss::NetworkLoss;
use chaos_server::faults::network_partition::NetworkPartition;
use network_world::{Use, connect, here, lets_in, refusal, ssh};
use serde_json::json;
use world::TestHost;

type Bandwidth = Use<OnQueue<NetworkBandwidth>>;

/// What the host sends in the test: at a megabit a second it takes two seconds.
const SENT: u32 = 250_000;

/// How long the host takes to send [`SENT`] bytes to this machine.
async fn sending(host: &TestHost) -> Duration {
    host.sh(&format!("head -c {SENT} /dev/zero > /dev/shm/sent")).await;
    let (_, count, took) = here(&format!("{} cat /dev/shm/sent | wc -c", ssh(host))).await;
    host.sh("rm /dev/shm/sent").await;
    assert_eq!(count.trim(), SENT.to_string());
    took
}

#[tokio::test]
async fn a_rate_is_kept_and_ends_without_a_trace() {
    for user in ["root", "chaos"] {
        let Some(host) = TestHost::get("any").await else { return };
        let before = host.snapshot().await;
        assert!(sending(&host).await < Duration::from_secs(2));
        let target = connect(&host, user, "60s").await;
        let mut slow = Bandwidth::on(target, Duration::from_secs(60), json!({ "rate": "1mbit" })).await;
        assert_eq!(slow.step.to_string(), "send at most 1000000 bits a second on eth0, our SSH too");
        host.assert_same(&before).await;
        slow.inject().await;
        let took = sending(&host).await;
        assert!(took > Duration::from_millis(1800) && took < Duration::from_secs(10), "{took:?}");
        let measured = slow.measured().await;
        assert!(measured.0["bytes_sent"].as_u64().unwrap() > u64::from(SENT), "{measured:?}");
        assert_eq!(slow.revert().await.outcome, RevertOutcome::Restored);
        assert_eq!(slow.revert().await.outcome, RevertOutcome::AlreadyUndone);
        slow.disarm().await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn the_deadline_alone_takes_the_queue_away() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let target = connect(&host, "root", "1s").await;
    let mut slow = Bandwidth::on(target, Duration::from_secs(1), json!({ "rate": "64kbit" })).await;
    slow.inject().await;
    slow.die();
    assert!(lets_in(&host).await);
    host.cut_network();
    slow.wait_for_deadline(&host).await;
    host.join_network();
    assert_eq!(slow.recover(&host).await.outcome, RevertOutcome::AlreadyUndone);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_queue_that_somebody_put_in_place_of_ours_is_a_conflict_and_stays() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let mut slow = Bandwidth::new(&host, json!({ "rate": "10mbit" })).await;
    slow.inject().await;
    host.sh("tc qdisc replace dev eth0 root handle 42: tbf rate 50mbit burst 64k latency 50ms").await;
    slow.assert_queue_replaced().await;
    host.sh("tc qdisc show dev eth0 | grep '^qdisc tbf 42:' && tc qdisc del dev eth0 root").await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_queue_that_somebody_removed_is_nothing_to_do() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let mut slow = Bandwidth::new(&host, json!({ "rate": "10mbit", "interface": "lo" })).await;
    slow.inject().await;
    host.sh("tc qdisc del dev lo root").await;
    let reverted = slow.revert().await;
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0));
    slow.disarm().await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn of_two_runs_on_one_interface_the_second_is_refused_and_its_undo_leaves_the_first() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let mut first = Bandwidth::new(&host, json!({ "rate": "10mbit" })).await;
    let mut second = Bandwidth::new(&host, json!({ "rate": "20mbit" })).await;
    first.inject().await;
    let refused = refusal::<OnQueue<NetworkBandwidth>>(&first.target, json!({ "rate": "10mbit" })).await;
    assert!(refused.chain().contains("it has one of somebody's own, `tbf"), "{}", refused.chain());
    let hint = refused.hint().unwrap();
    assert!(hint.contains("another run acts on `interface eth0 queue` (`/run/chaos_"), "{hint}");
    let error = second.try_inject().await.unwrap_err().chain();
    assert!(error.contains("another run acts on interface eth0 queue there"), "{error}");
    let recovered = second.recover(&host).await;
    assert_eq!((recovered.outcome, recovered.conflicts_total), (RevertOutcome::NothingToDo, 0));
    host.sh("tc qdisc show dev eth0 | grep -q 'tbf .* root .* rate 10Mbit'").await;
    assert_eq!(first.recover(&host).await.outcome, RevertOutcome::Restored);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_kernel_without_netem_is_found_out_before_anything_is_touched() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let target = connect(&host, "root", "60s").await;
    for error in [
        refusal::<OnQueue<NetworkLatency>>(&target, json!({ "delay": "100ms" })).await,
        refusal::<OnQueue<NetworkLoss>>(&target, json!({ "percent": 10 })).await,
        refusal::<OnQueue<NetworkCorrupt>>(&target, json!({})).await,
        refusal::<OnQueue<NetworkDuplicate>>(&target, json!({})).await,
    ] {
        assert!(matches!(error, FaultError::Preflight(_)), "{error:?}");
        assert!(error.chain().contains("find `sch_netem` in the kernel"), "{}", error.chain());
        assert!(error.hint().unwrap().contains("linux-modules-extra"));
    }
    host.assert_same(&before).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    let target = connect(&host, "root", "60s").await;
    let is_params = |error: FaultError| assert!(matches!(error, FaultError::Params(_)), "{error:?}");
    for params in [
        json!({}),
        json!({ "rate": "1kbit" }),
        json!({ "rate": "fast" }),
        json!({ "rate": "1mbit", "burst": 100 }),
        json!({ "rate": "1mbit", "burst": "1GB" }),
        json!({ "rate": "1mbit", "interface": "eth0; reboot" }),
        json!({ "rate": "1mbit", "interface": "-eth0" }),
        json!({ "rate": "1mbit", "interface": "$(id)" }),
        json!({ "rate": "1mbit", "latency": "1h" }),
        json!({ "rate": "1mbit", "device": "eth0" }),
    ] {
        is_params(refusal::<OnQueue<NetworkBandwidth>>(&target, params).await);
    }
    let absent =
        refusal::<OnQueue<NetworkBandwidth>>(&target, json!({ "rate": "1mbit", "interface": "eth9" })).await;
    assert!(absent.chain().contains("there is no interface `eth9`"), "{}", absent.chain());
    is_params(refusal::<OnQueue<NetworkLoss>>(&target, json!({ "percent": 100 })).await);
    is_params(refusal::<OnQueue<NetworkCorrupt>>(&target, json!({ "percent": 91 })).await);
    is_params(refusal::<OnQueue<NetworkDuplicate>>(&target, json!({ "percent": 0 })).await);
    is_params(refusal::<OnQueue<NetworkLatency>>(&target, json!({ "delay": "11s" })).await);
    is_params(
        refusal::<OnQueue<NetworkLatency>>(&target, json!({ "delay": "10ms", "jitter": "20ms" })).await,
    );
    is_params(refusal::<OnQueue<NetworkLatency>>(&target, json!({ "correlation": 25 })).await);
}

#[tokio::test]
async fn a_host_without_the_tools_is_refused_and_nothing_is_touched() {
    let Some(host) = TestHost::get("th3").await else { return };
    let before = host.snapshot().await;
    let target = connect(&host, "root", "60s").await;
    let slow = refusal::<OnQueue<NetworkBandwidth>>(&target, json!({ "rate": "1mbit" })).await;
    assert!(slow.chain().contains("is not that of iproute2"), "{}", slow.chain());
    let cut = refusal::<NetworkPartition>(&target, json!({ "peers": ["10.77.0.51"] })).await;
    assert!(cut.chain().contains("there is no nft; there is no iptables"), "{}", cut.chain());
    let named = refusal::<NetworkPartition>(&target, json!({ "peers": ["peer.world.test"] })).await;
    assert!(named.chain().contains("find what `peer.world.test` stands for"), "{}", named.chain());
    let wrong = json!({ "mode": "wrong_answer", "names": ["peer.world.test"] });
    let wrong = refusal::<DnsFailure>(&target, wrong).await;
    assert!(wrong.chain().contains("find `getent"), "{}", wrong.chain());
    host.assert_same(&before).await;
}
