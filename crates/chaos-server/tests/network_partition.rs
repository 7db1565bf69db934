//! `server.network_partition` on real hosts, seen by real packets.

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::fault::RevertOutcome;
use chaos_core::{Connector, FaultError};
use chaos_server::ServerConnector;
use chaos_server::faults::network_partition::NetworkPartition;
use network_world::{Use, connect, here, lets_in, refusal, ssh};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use world::{TestHost, inventory};

type Partition = Use<NetworkPartition>;

/// The host that is cut off.
const HOST: &str = "any";
/// Both firewalls that a host may have.
const BACKENDS: [&str; 2] = ["nft", "iptables"];
/// Whether `other.world.test` answers to the host.
const REACHES_OTHER: &str = "curl -sS -m 2 http://10.77.0.51/";
const REACHES_PEER: &str = "curl -sS -m 2 http://peer.world.test/";

/// Whether the host's web server answers to this machine.
async fn serves(host: &TestHost) -> bool {
    here(&format!("curl -sS -m 2 http://{}/", host.host.address)).await.0
}

#[tokio::test]
async fn a_host_that_is_cut_off_from_one_peer_reaches_the_others() {
    for backend in BACKENDS {
        let Some(host) = TestHost::get(HOST).await else { return };
        let before = host.snapshot().await;
        let mut cut =
            Partition::new(&host, json!({ "peers": ["other.world.test"], "backend": backend })).await;
        host.assert_same(&before).await;
        cut.inject().await;
        assert!(!host.is_true(REACHES_OTHER).await);
        assert!(!host.is_true("curl -sS -6 -m 2 http://[fd77::51]:8080/").await);
        host.sh(REACHES_PEER).await;
        assert!(serves(&host).await && lets_in(&host).await);
        let measured = cut.measured().await;
        assert!(measured.0["packets_cut"].as_u64().unwrap() > 0, "{measured:?}");
        let reverted = cut.revert().await;
        assert_eq!(reverted.outcome, RevertOutcome::Restored);
        assert!(reverted.conflicts.is_empty() && reverted.notes.is_empty(), "{reverted:?}");
        host.sh(REACHES_OTHER).await;
        let again = cut.revert().await;
        assert_eq!(again.outcome, RevertOutcome::AlreadyUndone);
        assert_eq!(again.notes, ["already undone by chaos, in an earlier attempt"]);
        cut.disarm().await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn a_host_that_is_cut_off_from_everybody_lets_us_in_and_resolves_names() {
    for backend in BACKENDS {
        for user in ["root", "chaos"] {
            let Some(host) = TestHost::get(HOST).await else { return };
            let before = host.snapshot().await;
            let target = connect(&host, user, "60s").await;
            let mut cut = Partition::on(target, Duration::from_secs(60), json!({ "backend": backend })).await;
            assert!(
                cut.step.to_string().contains("SSH from 10.77.0.1 and the host's name servers stay"),
                "{}",
                cut.step
            );
            cut.inject().await;
            assert!(!serves(&host).await);
            assert!(lets_in(&host).await, "a new login gets in");
            assert!(!host.is_true("ping -c 1 -W 1 10.77.0.50").await);
            assert!(!host.is_true(REACHES_PEER).await);
            host.sh("host peer.world.test && host -T peer.world.test && curl -sS -m 2 http://127.0.0.1/")
                .await;
            assert!(cut.measured().await.0["packets_cut"].as_u64().unwrap() > 0);
            cut.revert().await;
            cut.disarm().await;
            assert!(serves(&host).await);
            host.assert_same(&before).await;
        }
    }
}

#[tokio::test]
async fn a_host_that_we_came_to_by_ipv6_lets_us_in_that_way_while_everything_else_is_cut() {
    let Some(host) = TestHost::get(HOST).await else { return };
    let world = inventory().unwrap();
    let before = host.snapshot().await;
    // Another server of the host, which is no way of ours.
    let answers = async || {
        let connect = TcpStream::connect((host.host.ipv6, host.host.port_many.unwrap()));
        tokio::time::timeout(Duration::from_secs(2), connect).await.is_ok_and(|stream| stream.is_ok())
    };
    assert!(answers().await);
    for backend in BACKENDS {
        let config = json!({ "hosts": [{
            "host": host.host.ipv6, "username": "root", "known_hosts": world.known_hosts, "ssh_config": "none",
            "auth": { "type": "key", "private_key_path": world.keys.ed25519 },
        }] });
        let config = serde_json::from_value(config).unwrap();
        let target =
            ServerConnector.connect(config).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        let ours = target.facts().peer.clone().unwrap().address;
        assert!(ours.starts_with("fd77::"), "{ours}");
        let mut cut = Partition::on(target, Duration::from_secs(60), json!({ "backend": backend })).await;
        assert!(cut.step.to_string().contains(&format!("SSH from {ours} and")), "{}", cut.step);
        cut.inject().await;
        let new_login = format!("{} -o HostName={} true", ssh(&host), host.host.ipv6);
        assert!(here(&new_login).await.0, "a new login gets in: {new_login}");
        assert!(!lets_in(&host).await, "only the way that we came stays");
        assert!(!answers().await && !serves(&host).await);
        assert!(cut.measured().await.0["packets_cut"].as_u64().unwrap() > 0);
        cut.revert().await;
        cut.disarm().await;
        assert!(answers().await && serves(&host).await);
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn only_the_named_ports_protocol_and_direction_are_cut() {
    let Some(host) = TestHost::get(HOST).await else { return };
    let mut cut = Partition::new(
        &host,
        json!({ "cidrs": ["10.77.0.51/32"], "ports": [8080], "protocol": "tcp", "direction": "out" }),
    )
    .await;
    assert_eq!(
        cut.step.to_string(),
        "drop every packet to 10.77.0.51/32, TCP only, ports 8080; SSH from 10.77.0.1 and the host's name servers stay"
    );
    cut.inject().await;
    assert!(!host.is_true("curl -sS -m 2 http://10.77.0.51:8080/").await);
    host.sh(REACHES_OTHER).await;
    let rules = host.sh(&format!("nft list table inet {}", cut.step.rope.id)).await;
    assert!(!rules.contains("hook input"), "{rules}");
    cut.recover(&host).await;
}

#[tokio::test]
async fn the_deadline_alone_undoes_it_and_recovery_says_so() {
    for backend in BACKENDS {
        let Some(host) = TestHost::get(HOST).await else { return };
        let before = host.snapshot().await;
        let target = connect(&host, "root", "1s").await;
        let mut cut = Partition::on(target, Duration::from_secs(1), json!({ "backend": backend })).await;
        cut.inject().await;
        cut.die();
        // Nobody can reach the host meanwhile either.
        host.cut_network();
        cut.wait_for_deadline(&host).await;
        host.join_network();
        let reverted = cut.recover(&host).await;
        assert_eq!(reverted.outcome, RevertOutcome::AlreadyUndone);
        assert_eq!(reverted.notes, ["already undone by the target: its deadline had come"]);
        assert!(serves(&host).await);
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn a_reboot_takes_it_and_recovery_says_so() {
    let Some(host) = TestHost::get(HOST).await else { return };
    // What a reboot takes of others is gone before.
    host.reboot_and_wait().await;
    let before = host.snapshot().await;
    let mut cut = Partition::new(&host, json!({})).await;
    cut.inject().await;
    cut.die();
    host.reboot_and_wait().await;
    let reverted = cut.recover(&host).await;
    assert_eq!(reverted.notes, ["already undone by the target: it was rebooted"]);
    assert!(serves(&host).await);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_table_that_somebody_flushed_is_noticed_and_nothing_is_left() {
    for (backend, flush) in [
        ("nft", "nft flush ruleset"),
        ("iptables", "for t in iptables ip6tables; do $t -w 5 -F; $t -w 5 -X; done"),
    ] {
        let Some(host) = TestHost::get(HOST).await else { return };
        let before = host.snapshot().await;
        let mut cut = Partition::new(&host, json!({ "peers": ["10.77.0.51"], "backend": backend })).await;
        cut.inject().await;
        host.sh(flush).await;
        let error = cut.finish().await.unwrap_err();
        assert!(error.chain().contains("not there any more"), "{}", error.chain());
        let reverted = cut.revert().await;
        assert_eq!(reverted.outcome, RevertOutcome::NothingToDo);
        assert!(
            reverted.notes.iter().any(|note| note.contains("nothing of the effect was there any more")),
            "{reverted:?}"
        );
        cut.disarm().await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn two_runs_at_once_each_take_back_their_own() {
    for backend in BACKENDS {
        let Some(host) = TestHost::get(HOST).await else { return };
        let before = host.snapshot().await;
        let mut first = Partition::new(&host, json!({ "peers": ["10.77.0.51"], "backend": backend })).await;
        let mut second =
            Partition::new(&host, json!({ "peers": ["10.77.0.50"], "ports": [80], "backend": backend }))
                .await;
        first.inject().await;
        second.inject().await;
        first.recover(&host).await;
        host.sh(REACHES_OTHER).await;
        assert!(!host.is_true("curl -sS -m 1 http://10.77.0.50/").await);
        second.recover(&host).await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn rules_of_others_stay_also_those_that_use_ours() {
    let Some(host) = TestHost::get(HOST).await else { return };
    host.sh("iptables -w 5 -A INPUT -p tcp --dport 9 -j DROP").await;
    let before = host.snapshot().await;
    let mut cut = Partition::new(&host, json!({ "peers": ["10.77.0.51"], "backend": "iptables" })).await;
    cut.inject().await;
    host.sh("iptables -w 5 -A INPUT -p tcp --dport 10 -j \"$(iptables -S | sed -n 's/^-N \\(chaos-.*-in\\)/\\1/p')\"").await;
    let reverted = cut.recover(&host).await;
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    host.sh("iptables -w 5 -D INPUT 2; for c in $(iptables -S | sed -n 's/^-N //p'); do iptables -w 5 -X $c; done").await;
    host.assert_same(&before).await;
    host.sh("iptables -w 5 -F; nft delete table ip filter").await;
}

#[tokio::test]
async fn an_undo_without_an_inject_does_nothing() {
    for backend in BACKENDS {
        let Some(host) = TestHost::get(HOST).await else { return };
        let before = host.snapshot().await;
        let mut cut = Partition::new(&host, json!({ "peers": ["10.77.0.51"], "backend": backend })).await;
        assert_eq!(cut.revert().await.outcome, RevertOutcome::NothingToDo);
        cut.disarm().await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_nothing_is_touched() {
    let Some(host) = TestHost::get(HOST).await else { return };
    let before = host.snapshot().await;
    let target = connect(&host, "root", "60s").await;
    let params: &[Value] = &[
        json!({ "peers": ["$(touch /tmp/hacked)"] }),
        json!({ "peers": ["-h"] }),
        json!({ "peers": ["a;b"] }),
        json!({ "peers": ["a\nb"] }),
        json!({ "cidrs": ["10.0.0.0/33"] }),
        json!({ "cidrs": ["0.0.0.0/0 accept"] }),
        json!({ "cidrs": ["db.example.com"] }),
        json!({ "ports": [0] }),
        json!({ "ports": [70000] }),
        json!({ "ports": ["22; drop"] }),
        json!({ "ports": [53] }),
        json!({ "direction": "sideways" }),
        json!({ "backend": "pf" }),
        json!({ "peer": ["10.0.0.1"] }),
        json!({ "peers": ["127.0.0.1"] }),
    ];
    for params in params {
        let error = refusal::<NetworkPartition>(&target, params.clone()).await;
        assert!(matches!(error, FaultError::Params(_)), "{params}: {error:?}");
    }
    let (v4, v6) = (host.host.address.to_string(), host.host.ipv6.to_string());
    let name = format!("{}.world.test", host.host.name);
    for itself in [&v4, &v6, &name, "localhost"] {
        let error = refusal::<NetworkPartition>(&target, json!({ "peers": [itself] })).await;
        assert!(matches!(error, FaultError::Preflight(_)), "{itself}: {error:?}");
        assert!(error.chain().contains("that is the host itself"), "{itself}: {}", error.chain());
    }
    let error = refusal::<NetworkPartition>(&target, json!({ "peers": ["nowhere.world.test"] })).await;
    assert!(matches!(error, FaultError::Preflight(_)), "{error:?}");
    assert!(error.chain().contains("find what `nowhere.world.test` stands for"), "{}", error.chain());
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_host_without_nft_is_cut_with_iptables_and_one_without_both_is_refused() {
    let Some(host) = TestHost::get(HOST).await else { return };
    let before = host.snapshot().await;
    let hide = |tool: &str| format!("mv $(command -v {tool}) /root/{tool}.hidden");
    let show = |tool: &str| format!("mv /root/{tool}.hidden /usr/sbin/{tool}");
    host.sh(&hide("nft")).await;
    let mut cut = Partition::new(&host, json!({ "peers": ["10.77.0.51"] })).await;
    cut.inject().await;
    assert!(!host.is_true(REACHES_OTHER).await);
    cut.recover(&host).await;
    host.sh(REACHES_OTHER).await;
    host.sh(&hide("iptables-restore")).await;
    let target = connect(&host, "root", "60s").await;
    let error = refusal::<NetworkPartition>(&target, json!({ "peers": ["10.77.0.51"] })).await.chain();
    host.sh(&show("iptables-restore")).await;
    host.sh(&show("nft")).await;
    assert!(error.contains("there is no nft; there is no iptables"), "{error}");
    // Without nft nobody can delete the empty table that iptables has made.
    host.sh("for family in ip ip6; do nft delete table $family filter 2>/dev/null; done; true").await;
    host.assert_same(&before).await;
}
