//! `server.dns_failure` on a real host, seen by real lookups.

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::FaultError;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::dns_failure::DnsFailure;
use network_world::{Use, connect, lets_in, refusal};
use serde_json::{Value, json};
use world::TestHost;

type Dns = Use<DnsFailure>;

const PEER: &str = "getent ahosts peer.world.test";
const OTHER: &str = "getent ahosts other.world.test";

/// How a lookup on the host ends, and how long it takes.
async fn lookup(host: &TestHost, command: &str) -> (Option<i32>, Duration) {
    let begin = std::time::Instant::now();
    let ended = host.try_sh(command).await;
    (ended.code, begin.elapsed())
}

/// Injects, looks, undoes, and looks that nothing stays.
async fn check(params: Value, seen: impl AsyncFn(&TestHost)) {
    for user in ["root", "chaos"] {
        let Some(host) = TestHost::get("any").await else { return };
        let before = host.snapshot().await;
        host.sh(&format!("{PEER} && {OTHER}")).await;
        let target = connect(&host, user, "60s").await;
        let mut dns = Dns::on(target, Duration::from_secs(60), params.clone()).await;
        host.assert_same(&before).await;
        dns.inject().await;
        seen(&host).await;
        dns.measured().await;
        assert_eq!(dns.revert().await.outcome, RevertOutcome::Restored);
        dns.disarm().await;
        host.sh(&format!("{PEER} | grep -q 10.77.0.50 && {OTHER}")).await;
        host.assert_same(&before).await;
    }
}

#[tokio::test]
async fn without_answers_a_lookup_waits_until_it_gives_up() {
    for backend in ["nft", "iptables"] {
        check(json!({ "backend": backend }), async |host| {
            let (code, took) = lookup(host, PEER).await;
            assert!(code == Some(2) && took > Duration::from_millis(1900), "{code:?} {took:?}");
            assert_ne!(lookup(host, "host -T -W 2 peer.world.test").await.0, Some(0));
            assert!(lets_in(host).await);
        })
        .await;
    }
}

#[tokio::test]
async fn refused_questions_fail_at_once() {
    for backend in ["nft", "iptables"] {
        check(json!({ "mode": "refuse", "backend": backend }), async |host| {
            let (code, took) = lookup(host, PEER).await;
            assert!(code == Some(2) && took < Duration::from_secs(1), "{code:?} {took:?}");
            assert_ne!(lookup(host, "host -T -W 2 peer.world.test").await.0, Some(0));
        })
        .await;
    }
}

#[tokio::test]
async fn only_chosen_names_get_no_answer_however_they_are_spelt() {
    check(json!({ "names": ["Peer.World.Test."] }), async |host| {
        for name in ["peer.world.test", "PEER.wOrLd.TEST"] {
            let (code, took) = lookup(host, &format!("getent ahosts {name}")).await;
            assert!(code == Some(2) && took > Duration::from_millis(1900), "{name}: {code:?} {took:?}");
        }
        host.sh(OTHER).await;
        host.sh("getent ahosts th1.world.test").await;
    })
    .await;
}

#[tokio::test]
async fn only_chosen_names_are_refused() {
    check(json!({ "mode": "refuse", "names": ["peer.world.test", "th1.world.test"] }), async |host| {
        for name in ["peer.world.test", "th1.world.test"] {
            let (code, took) = lookup(host, &format!("getent ahosts {name}")).await;
            assert!(code == Some(2) && took < Duration::from_secs(1), "{name}: {code:?} {took:?}");
        }
        host.sh(OTHER).await;
    })
    .await;
}

#[tokio::test]
async fn chosen_names_get_a_wrong_answer_and_the_hosts_file_cannot_be_lost() {
    check(json!({ "mode": "wrong_answer", "names": ["peer.world.test"] }), async |host| {
        let found = host.sh(PEER).await;
        assert!(found.contains("192.0.2.1") && !found.contains("10.77"), "{found}");
        assert!(host.sh("getent ahostsv6 peer.world.test").await.contains("2001:db8::1"));
        host.sh(OTHER).await;
        host.sh("getent hosts localhost && host peer.world.test 10.77.0.50").await;
        let write = host.try_sh("echo 10.9.9.9 mine >> /etc/hosts").await;
        assert!(write.stderr.contains("Read-only"), "{write:?}");
    })
    .await;
}

#[tokio::test]
async fn the_deadline_and_a_reboot_take_the_wrong_answers_away() {
    let Some(host) = TestHost::get("any").await else { return };
    host.reboot_and_wait().await;
    let before = host.snapshot().await;
    let params = json!({ "mode": "wrong_answer", "names": ["peer.world.test"], "answer": ["10.77.0.51"] });
    let target = connect(&host, "root", "1s").await;
    let mut dns = Dns::on(target, Duration::from_secs(1), params.clone()).await;
    dns.inject().await;
    dns.die();
    dns.wait_for_deadline(&host).await;
    assert_eq!(dns.recover(&host).await.outcome, RevertOutcome::AlreadyUndone);
    host.assert_same(&before).await;
    let mut dns = Dns::new(&host, params).await;
    dns.inject().await;
    assert!(host.sh("getent ahostsv4 peer.world.test").await.contains("10.77.0.51"));
    dns.die();
    host.reboot_and_wait().await;
    assert_eq!(dns.recover(&host).await.outcome, RevertOutcome::AlreadyUndone);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn wrong_answers_that_somebody_took_off_are_nothing_to_do() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let mut dns = Dns::new(&host, json!({ "mode": "wrong_answer", "names": ["peer.world.test"] })).await;
    dns.inject().await;
    host.sh("umount /etc/hosts").await;
    assert!(dns.finish().await.unwrap_err().chain().contains("does not lie over"));
    assert_eq!(dns.revert().await.outcome, RevertOutcome::NothingToDo);
    dns.disarm().await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn what_somebody_mounted_over_ours_is_not_taken_off() {
    let Some(host) = TestHost::get("any").await else { return };
    let before = host.snapshot().await;
    let mut dns = Dns::new(&host, json!({ "mode": "wrong_answer", "names": ["peer.world.test"] })).await;
    dns.inject().await;
    host.sh("cp /etc/hosts /run/theirs && mount --bind /run/theirs /etc/hosts").await;
    let error = dns.try_revert().await.unwrap_err();
    assert!(error.is_transient(), "{}", error.chain());
    host.sh("grep -q ' /etc/hosts ' /proc/self/mountinfo && umount /etc/hosts && rm /run/theirs").await;
    dns.recover(&host).await;
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_host_that_would_not_believe_its_hosts_file_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    let params = json!({ "mode": "wrong_answer", "names": ["peer.world.test"] });
    let target = connect(&host, "root", "60s").await;
    host.sh(
        "cp -a /etc/nsswitch.conf /root/kept && sed -i 's/^hosts:.*/hosts: dns files/' /etc/nsswitch.conf",
    )
    .await;
    let error = refusal::<DnsFailure>(&target, params).await;
    host.sh("cp -a /root/kept /etc/nsswitch.conf && rm /root/kept").await;
    assert!(error.chain().contains("asks `dns, files` in this order"), "{}", error.chain());
    let known =
        refusal::<DnsFailure>(&target, json!({ "mode": "wrong_answer", "names": ["localhost"] })).await;
    assert!(known.chain().contains("has one already"), "{}", known.chain());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let Some(host) = TestHost::get("any").await else { return };
    let target = connect(&host, "root", "60s").await;
    for params in [
        json!({ "mode": "wrong_answer" }),
        json!({ "mode": "nxdomain" }),
        json!({ "names": ["a b"] }),
        json!({ "names": ["a\n192.0.2.7 other.world.test"] }),
        json!({ "names": ["$(touch /tmp/hacked)"] }),
        json!({ "names": ["-s"] }),
        json!({ "names": ["*.world.test"] }),
        json!({ "mode": "wrong_answer", "names": ["a.test"], "answer": ["nobody"] }),
        json!({ "mode": "wrong_answer", "names": ["a.test"], "backend": "nft" }),
        json!({ "answer": ["192.0.2.1"] }),
        json!({ "name": "a.test" }),
    ] {
        let error = refusal::<DnsFailure>(&target, params.clone()).await;
        assert!(matches!(error, FaultError::Params(_)), "{params}: {error:?}");
    }
    let names = json!({ "names": ["peer.world.test"], "backend": "iptables" });
    let error = refusal::<DnsFailure>(&target, names).await;
    assert!(error.chain().contains("iptables cannot compare names"), "{}", error.chain());
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_both_have_the_name_service() {
    let Some(host) = TestHost::get("any").await else { return };
    let wrong = json!({ "mode": "wrong_answer", "names": ["peer.world.test"] });
    Dns::refuses_a_second_run(&host, wrong, "name service").await;
}
