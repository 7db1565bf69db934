//! Faults that delay, lose, spoil and double what a host sends, on the test hosts whose kernel can. What they do is seen from this
//! machine, at the other end of the cable.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is off")]

mod network_world;
mod world;

use std::time::Duration;

use chaos_core::Reverted;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::network::queue::{OnQueue, QueueFault};
use chaos_server::faults::network_corrupt::NetworkCorrupt;
use chaos_server::faults::network_duplicate::NetworkDuplicate;
use chaos_server::faults::network_latency::NetworkLatency;
use chaos_server::faults::network_loss::NetworkLoss;
use network_world::{Use, connect, here, lets_in, refusal};
use serde_json::{Value, json};
use world::{HostSnapshot, TestHost, VIRTUAL, inventory};

type Latency = Use<OnQueue<NetworkLatency>>;

/// The hold. A virtual machine may take seconds for a login.
const HOLD: Duration = Duration::from_secs(60);
/// Questions that one look asks, a hundred a second.
const ASKED: u32 = 200;

/// Bytes in a question that brings back when it was asked, so that the time is known that it took.
const TIMED: u32 = 56;
/// The same of one that does not. A spoilt time would be taken for one, and waited for.
const UNTIMED: u32 = 15;

/// What came of [`ASKED`] questions to a host.
#[derive(Debug)]
struct Answers {
    /// Questions that were answered, with whatever.
    answered: u32,
    /// Answers that came more than once.
    twice: u32,
    /// The soonest and the latest answer, in milliseconds; 0 when the time is not known.
    soonest: f64,
    latest: f64,
    /// Answers that were not as they were sent, by their checksum.
    spoilt: u32,
}

impl Answers {
    async fn of(host: &TestHost, bytes: u32) -> Self {
        let before = spoilt_answers();
        let ask = format!("ping -n -q -c {ASKED} -i 0.01 -s {bytes} {}", host.host.address);
        // It says what it has seen when it is interrupted, too.
        let (_, text, _) = here(&format!("LC_ALL=C timeout -s INT 30 {ask}")).await;
        let number = |before: &str| -> u32 {
            let end = text.find(before).unwrap_or_else(|| panic!("no `{before}` in: {text}"));
            text[..end].rsplit([' ', '+', '\n']).next().unwrap().parse().unwrap()
        };
        // rtt min/avg/max/mdev = 0.1/0.2/0.3/0.4 ms
        let times = text.rsplit_once("= ").map_or("", |(_, times)| times);
        let times: Vec<f64> = times.split('/').flat_map(str::parse).collect();
        let time = |index: usize| times.get(index).copied().unwrap_or_default();
        Self {
            answered: number(" received"),
            twice: if text.contains(" duplicates") { number(" duplicates") } else { 0 },
            soonest: time(0),
            latest: time(2),
            spoilt: spoilt_answers() - before,
        }
    }

    /// Nothing is done to packets that could be seen here: a virtual machine on a busy one may be late by itself. That no queue is
    /// left at all is seen in the snapshots.
    fn assert_untouched(&self) {
        // Of what comes late, `ping` does not wait for the last.
        assert!(self.answered >= ASKED - 5 && self.twice == 0, "{self:?}");
        assert!(self.soonest < 90.0, "{self:?}");
    }

    /// Whether about this share of the questions came to something.
    fn is_share(count: u32, percent: u32) -> bool {
        // Four times the deviation of as many tosses, on either side: missed once in ten thousand looks.
        let (all, share) = (f64::from(ASKED), f64::from(percent) / 100.0);
        let spread = 4.0 * (all * share * (1.0 - share)).sqrt();
        (f64::from(count) - all * share).abs() <= spread
    }
}

/// Returns how many answers this machine has ever found spoilt. Debian's `ping` takes them as they are.
fn spoilt_answers() -> u32 {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Icmp:")).map(str::split_whitespace);
    let mut pairs = lines.next().unwrap().zip(lines.next().unwrap());
    pairs.find(|(name, _)| *name == "InCsumErrors").unwrap().1.parse().unwrap()
}

/// Whether this machine asks again where the host is. A spoilt answer would be believed, and nothing reach the host any more.
async fn know_where(host: &TestHost, state: &str) {
    let bridge = inventory().unwrap().bridge;
    let keep = format!("ip neigh change {} dev {bridge} nud {state} 2>&1", host.host.address);
    let (is_done, said, _) = here(&keep).await;
    assert!(is_done, "{keep}: {said}");
}

/// Lets a fault act, looks at it from here, and lets it be undone without a trace.
async fn check<Q: QueueFault>(
    host: &TestHost,
    before: &HostSnapshot,
    user: &'static str,
    params: Value,
    step: &str,
    bytes: u32,
    is_seen: impl Fn(&Answers) -> bool,
) {
    let mut used: Use<OnQueue<Q>> = Use::on(connect(host, user, "60s").await, HOLD, params).await;
    assert_eq!(used.step.to_string(), format!("{step} on eth0, our SSH too"));
    Answers::of(host, TIMED).await.assert_untouched();
    know_where(host, "permanent").await;
    used.inject().await;
    let seen = Answers::of(host, bytes).await;
    know_where(host, "reachable").await;
    assert!(is_seen(&seen), "{step}: {seen:?}");
    assert!(lets_in(host).await, "{step}: no new login");
    let measured = used.measured().await;
    assert!(measured.0["packets_sent"].as_u64().unwrap() > u64::from(ASKED / 2), "{measured:?}");
    assert_eq!(used.revert().await.outcome, RevertOutcome::Restored);
    assert_eq!(used.revert().await.outcome, RevertOutcome::AlreadyUndone);
    used.disarm().await;
    Answers::of(host, TIMED).await.assert_untouched();
    host.assert_same(before).await;
}

#[tokio::test]
async fn each_does_to_packets_what_it_says_and_ends_without_a_trace() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    let before = host.snapshot().await;
    let delay = json!({ "delay": "200ms", "jitter": "50ms" });
    let step = "delay every packet by 200ms ± 50ms";
    check::<NetworkLatency>(&host, &before, "root", delay, step, TIMED, |seen| {
        let is_spread = seen.latest - seen.soonest > 50.0;
        seen.answered >= ASKED - 5 && seen.soonest >= 149.0 && seen.soonest < 250.0 && is_spread
    })
    .await;
    let loss = json!({ "percent": 30 });
    let step = "lose 30% of the packets sent";
    check::<NetworkLoss>(&host, &before, "chaos", loss, step, TIMED, |seen| {
        Answers::is_share(ASKED - seen.answered, 30) && seen.spoilt == 0
    })
    .await;
    let corrupt = json!({ "percent": 30 });
    let step = "spoil 30% of the packets sent";
    check::<NetworkCorrupt>(&host, &before, "root", corrupt, step, UNTIMED, |seen| {
        // A bit of what is around the answer makes it somebody else's, or none at all.
        Answers::is_share(ASKED - seen.answered + seen.spoilt, 30) && seen.spoilt > 5
    })
    .await;
    let duplicate = json!({ "percent": 30 });
    let step = "send 30% of the packets twice";
    check::<NetworkDuplicate>(&host, &before, "root", duplicate, step, TIMED, |seen| {
        seen.answered >= ASKED - 5 && Answers::is_share(seen.twice, 30)
    })
    .await;
}

#[tokio::test]
async fn the_deadline_alone_ends_a_delay_behind_a_cut_network() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    let before = host.snapshot().await;
    let target = connect(&host, "root", "15s").await;
    let mut slow = Latency::on(target, Duration::from_secs(1), json!({ "delay": "100ms" })).await;
    slow.inject().await;
    host.sh("tc qdisc show dev eth0 | grep -q '^qdisc netem .* root .* delay 100'").await;
    slow.die();
    host.cut_network();
    slow.wait_for_deadline(&host).await;
    host.join_network();
    Answers::of(&host, TIMED).await.assert_untouched();
    assert_eq!(slow.recover(&host).await.outcome, RevertOutcome::AlreadyUndone);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_reboot_takes_the_queue_and_recovery_says_so() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    // What else runs there by chance is gone before it is compared.
    host.reboot_and_wait().await;
    let before = host.snapshot().await;
    let mut slow = Latency::new(&host, json!({})).await;
    slow.inject().await;
    slow.die();
    host.reboot_and_wait().await;
    Answers::of(&host, TIMED).await.assert_untouched();
    let reverted = slow.recover(&host).await;
    assert_eq!(reverted.notes, ["already undone by the target: it was rebooted"]);
    host.assert_same(&before).await;
}

#[tokio::test]
async fn a_queue_of_somebody_else_is_never_touched() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    let before = host.snapshot().await;
    let theirs = "tc qdisc replace dev eth0 root handle 42: netem delay 1ms";
    let is_theirs = "tc qdisc show dev eth0 | grep -q '^qdisc netem 42: root .* delay 1ms'";

    // It was there before the plan, and then before the effect.
    let mut late = Latency::new(&host, json!({})).await;
    host.sh(theirs).await;
    let error = refusal::<OnQueue<NetworkLoss>>(&late.target, json!({ "percent": 10 })).await.chain();
    assert!(error.contains("it has one of somebody's own, `netem 42:`"), "{error}");
    let error = late.try_inject().await.unwrap_err().chain();
    assert!(error.contains("a queue of somebody's own since the plan was made"), "{error}");
    assert_untouched(&late.recover(&host).await);
    host.sh(is_theirs).await;
    host.sh("tc qdisc del dev eth0 root").await;

    // It came in place of ours.
    let mut slow = Latency::new(&host, json!({})).await;
    slow.inject().await;
    host.sh(theirs).await;
    slow.assert_queue_replaced().await;
    host.sh(is_theirs).await;
    host.sh("tc qdisc del dev eth0 root").await;
    host.assert_same(&before).await;
}

fn assert_untouched(reverted: &Reverted) {
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::NothingToDo, 0), "{reverted:?}");
}

#[tokio::test]
async fn an_interface_with_many_queues_gets_them_all_back() {
    let Some(host) = TestHost::get(VIRTUAL).await else { return };
    host.sh("ip tuntap add mq0 mode tap multi_queue && ip link set mq0 up").await;
    let before = host.snapshot().await;
    host.sh("tc qdisc show dev mq0 | grep -q '^qdisc mq 0: root'").await;
    let mut lossy: Use<OnQueue<NetworkLoss>> =
        Use::new(&host, json!({ "percent": 10, "interface": "mq0" })).await;
    lossy.inject().await;
    host.sh("tc qdisc show dev mq0 | grep -q '^qdisc netem .* root .* loss 10%'").await;
    let reverted = lossy.revert().await;
    assert_eq!((reverted.outcome, reverted.notes), (RevertOutcome::Restored, Vec::new()));
    lossy.disarm().await;
    host.assert_same(&before).await;
    host.sh("ip link del mq0").await;
}
