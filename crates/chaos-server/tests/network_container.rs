//! Network faults on a container of a real host act in its network, and not in that of the host.

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::dns_failure::DnsFailure;
use chaos_server::faults::network::queue::OnQueue;
use chaos_server::faults::network_bandwidth::NetworkBandwidth;
use chaos_server::faults::network_partition::NetworkPartition;
use chaos_server::faults::port_block::PortBlock;
use network_world::{Use, connect_container, refusal};
use serde_json::json;
use world::{HostSnapshot, TestHost};

const HOLD: Duration = Duration::from_secs(60);
/// Whether the container's web server answers to the host.
const SERVES: &str = "curl -sS -m 2 http://10.99.0.2:8000/";
/// What the kernel holds for the network of the container.
const INSIDE: &str = "nsenter -t $(podman inspect -f '{{.State.Pid}}' web) -n \
                      sh -c 'nft -s list ruleset; tc qdisc show; ip addr'";

/// Starts a web server in a container with a cable to the host.
async fn with_container() -> Option<TestHost> {
    let host = TestHost::get("any").await?;
    remove(&host).await;
    host.sh("podman import -q /usr/lib/world/busybox.tar localhost/world/web:1 >/dev/null 2>&1").await;
    host.sh(&format!(
        "podman run -d --name web --network none localhost/world/web:1 \
         busybox httpd -f -p 8000 -h /bin </dev/null >/dev/null 2>&1\n{PLUG}"
    ))
    .await;
    world::wait_until("the container serves", Duration::from_secs(20), async || {
        host.is_true("curl -sS -o /dev/null -m 2 http://10.99.0.2:8000/busybox").await
    })
    .await;
    // A new address is looked for on the cable before it is used.
    world::wait_until("its addresses are its own", Duration::from_secs(20), async || {
        host.is_true(&format!("! {{ ip addr show dev web0; {INSIDE}; }} | grep -q tentative")).await
    })
    .await;
    Some(host)
}

const PLUG: &str = "pid=$(podman inspect -f '{{.State.Pid}}' web)
    ip link add web0 type veth peer name eth0 netns $pid && ip addr add 10.99.0.1/30 dev web0 && ip link set web0 up
    nsenter -t $pid -n sh -c 'ip addr add 10.99.0.2/30 dev eth0; ip link set eth0 up; ip link set lo up; \
        ip route add default via 10.99.0.1'";

async fn remove(host: &TestHost) {
    host.sh("podman rm -f -t 0 -a >/dev/null 2>&1; podman rmi -f localhost/world/web:1 >/dev/null 2>&1; \
             ip link del web0 2>/dev/null; true")
        .await;
}

async fn serves(host: &TestHost) -> bool {
    host.is_true(&format!("{SERVES}busybox -o /dev/null")).await
}

async fn both(host: &TestHost) -> (HostSnapshot, String) {
    (host.snapshot().await, host.sh(INSIDE).await)
}

async fn assert_same(host: &TestHost, before: &(HostSnapshot, String)) {
    host.assert_same(&before.0).await;
    assert_eq!(host.sh(INSIDE).await, before.1);
}

#[tokio::test]
async fn a_container_is_cut_off_and_its_host_is_not() {
    let Some(host) = with_container().await else { return };
    let before = both(&host).await;
    let target = connect_container(&host, "web").await;
    let mut cut = Use::<NetworkPartition>::on(target, HOLD, json!({})).await;
    assert_eq!(cut.step.to_string(), "drop every packet from and to everybody of container web");
    cut.inject().await;
    assert!(!serves(&host).await);
    host.sh("curl -sS -m 2 http://peer.world.test/").await;
    assert!(!host.sh("nft list tables").await.contains("chaos"));
    assert!(cut.measured().await.0["packets_cut"].as_u64().unwrap() > 0);
    assert_eq!(cut.revert().await.outcome, RevertOutcome::Restored);
    cut.disarm().await;
    assert!(serves(&host).await);
    assert_same(&host, &before).await;
    remove(&host).await;
}

#[tokio::test]
async fn ports_names_and_rates_of_a_container_are_its_own() {
    let Some(host) = with_container().await else { return };
    let before = both(&host).await;
    for backend in ["nft", "iptables"] {
        let target = connect_container(&host, "web").await;
        let params = json!({ "ports": [8000], "action": "reject", "backend": backend });
        let mut block = Use::<PortBlock>::on(target, HOLD, params).await;
        block.inject().await;
        assert!(!serves(&host).await);
        assert_eq!(block.revert().await.outcome, RevertOutcome::Restored);
        block.disarm().await;
        assert!(serves(&host).await);
    }
    let target = connect_container(&host, "web").await;
    let mut dns = Use::<DnsFailure>::on(target, HOLD, json!({})).await;
    dns.inject().await;
    host.sh("getent ahosts peer.world.test").await;
    dns.revert().await;
    dns.disarm().await;
    let target = connect_container(&host, "web").await;
    let mut slow = Use::<OnQueue<NetworkBandwidth>>::on(target, HOLD, json!({ "rate": "1mbit" })).await;
    assert_eq!(slow.step.to_string(), "send at most 1000000 bits a second on eth0 of container web");
    slow.inject().await;
    assert!(host.sh(INSIDE).await.contains("qdisc tbf"));
    slow.revert().await;
    slow.disarm().await;
    assert_same(&host, &before).await;
    let target = connect_container(&host, "web").await;
    let wrong = json!({ "mode": "wrong_answer", "names": ["a.test"] });
    let error = refusal::<DnsFailure>(&target, wrong).await;
    assert!(error.chain().contains("wrong answers in a container"), "{}", error.chain());
    remove(&host).await;
}

#[tokio::test]
async fn a_container_that_is_gone_or_restarted_has_nothing_left() {
    for end in ["podman rm -f -t 0 web", "podman restart -t 0 web"] {
        let Some(host) = with_container().await else { return };
        let target = connect_container(&host, "web").await;
        let mut cut = Use::<NetworkPartition>::on(target, HOLD, json!({})).await;
        cut.inject().await;
        host.sh(&format!("{end} >/dev/null 2>&1 </dev/null")).await;
        let error = cut.finish().await.unwrap_err().chain();
        assert!(error.contains("any more"), "{error}");
        assert_eq!(cut.revert().await.outcome, RevertOutcome::NothingToDo);
        cut.disarm().await;
        let mut late =
            Use::<NetworkPartition>::on(network_world::connect(&host, "root", "60s").await, HOLD, json!({}))
                .await;
        late.step.what.firewall = cut.step.what.firewall.clone();
        let error = late.try_inject().await.unwrap_err().chain();
        assert!(error.contains("was restarted since the plan"), "{error}");
        late.recover(&host).await;
        remove(&host).await;
    }
}

#[tokio::test]
async fn a_container_without_a_network_of_its_own_is_refused() {
    let Some(host) = with_container().await else { return };
    host.sh("podman rm -f -t 0 web >/dev/null 2>&1; podman run -d --name web --network host localhost/world/web:1 \
             busybox sleep 600 </dev/null >/dev/null 2>&1")
        .await;
    let target = connect_container(&host, "web").await;
    let error = refusal::<NetworkPartition>(&target, json!({})).await;
    assert!(matches!(error, FaultError::Preflight(_)), "{error:?}");
    assert!(error.chain().contains("shares the network of the host"), "{}", error.chain());
    remove(&host).await;
}
