//! The file system that an undo lies on is filled up by others while the fault lasts: the effect goes all the same, what is said
//! until there is room again is true, and then nothing stays.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends where something is off")]

mod stage;
mod world;

use std::time::Duration;

use chaos_core::Fault;
use chaos_core::fault::RevertOutcome;
use chaos_server::faults::permission_change::PermissionChange;
use chaos_server::faults::port_block::PortBlock;
use chaos_server::{HostFault, HostStep, OnHost, ServerTarget};
use serde_json::{Value, json};
use stage::{Setup, Stage};
use world::{TestHost, wait_until};

/// Ends the logins of earlier tests, and waits a little until they are gone.
const LOG_OUT: &str =
    "loginctl list-sessions --no-legend | while read -r id _; do loginctl terminate-session $id; done
    for _ in $(seq 50); do ls /run/systemd/sessions | grep -q . || break; sleep 0.1; done";
const SOON: Duration = Duration::from_secs(30);

/// A fault, and the file system that its undo lies on.
struct Case {
    /// Where the undo lies. It gets a size that can be filled without harm to this machine.
    full: &'static str,
    bound: &'static str,
    unbound: &'static str,
    params: Value,
    /// Whether the effect is gone.
    is_gone: &'static str,
}

/// Its undo outlives a reboot.
fn permissions() -> Case {
    Case {
        full: "/var/lib",
        bound: "rm -rf /ext/full && mkdir /ext/full && touch /ext/full/a && mount -t tmpfs -o size=40m,mode=755 none /var/lib",
        // systemd forgets the mount a little later.
        unbound: "umount /var/lib && systemctl daemon-reload && rm -rf /ext/full
            while systemctl list-units --all --plain --no-legend var-lib.mount | grep -q .; do sleep 0.1; done",
        params: json!({ "paths": ["/ext/full/a"] }),
        is_gone: "[ $(stat -c %a /ext/full/a) = 644 ]",
    }
}

/// Its undo goes with a reboot.
fn port() -> Case {
    Case {
        full: "/run",
        bound: "df -Pk /run | awk 'NR == 2 { print $2 }' >/root/size-of-run && mount -o remount,size=40m /run",
        unbound: "mount -o remount,size=$(cat /root/size-of-run)k /run && rm /root/size-of-run",
        params: json!({ "ports": [80] }),
        is_gone: "! nft list tables | grep -q chaos",
    }
}

/// Fills it up to the last byte and keeps it so: what somebody else removes meanwhile would make room.
async fn fill(host: &TestHost, case: &Case) {
    let keep_full = format!(
        "cd {} && touch /root/fills || exit
        (for _ in $(seq 6000); do [ -e /root/fills ] || break; cat /dev/zero >>filler; sleep 0.01; done
            rm -f /root/fills /root/filled) </dev/null >/dev/null 2>&1 &
        full=
        for _ in $(seq 300); do echo x 2>/dev/null >probe || {{ full=1; break; }}; rm -f probe; sleep 0.1; done
        rm -f probe; touch /root/filled; [ -n \"$full\" ]",
        case.full
    );
    host.sh(&keep_full).await;
}

/// Ends that, and leaves so many bytes free, or all.
async fn make_room(host: &TestHost, case: &Case, bytes: Option<u32>) {
    let free = bytes.map_or("rm".to_owned(), |bytes| format!("truncate -s -{bytes}"));
    let stop = "rm -f /root/fills; while [ -e /root/filled ]; do sleep 0.05; done";
    host.sh(&format!("{stop}; {free} {}/filler", case.full)).await;
}

/// Takes a host and bounds the file system.
async fn bounded<F: HostFault>(case: &Case, setup: Setup) -> Option<Stage<OnHost<F>>>
where
    OnHost<F>: Fault<Target = ServerTarget, Step = HostStep<F::Step>>,
{
    let host = TestHost::get("any").await?;
    host.sh(case.bound).await;
    // What an earlier login leaves behind in `/run` makes room when it goes, and it lasts as long as anything that it has started.
    host.sh(LOG_OUT).await;
    Some(Stage::on(host, setup).await)
}

/// Takes a host, acts, and fills the file system.
async fn filled<F: HostFault>(
    case: &Case,
    setup: Setup,
) -> Option<(Stage<OnHost<F>>, HostStep<F::Step>, <OnHost<F> as Fault>::Session)>
where
    OnHost<F>: Fault<Target = ServerTarget, Step = HostStep<F::Step>>,
{
    let stage = bounded::<F>(case, setup).await?;
    let step = stage.step(case.params.clone()).await;
    assert!(step.rope.dir.starts_with(case.full), "{}", step.rope.dir);
    let (session, _) = stage.act(&step).await;
    assert!(!stage.host.is_true(case.is_gone).await);
    fill(&stage.host, case).await;
    Some((stage, step, session))
}

async fn our_own_undo<F: HostFault>(case: Case) {
    let Some((stage, step, session)) = filled::<F>(&case, Setup::default()).await else { return };
    stage.finish(session).await.unwrap();
    let error = stage.try_revert(&step, true).await.unwrap_err();
    // There may be room later, so that is worth another try; which undo on the host it is about is said.
    let said = error.chain();
    assert!(error.is_transient() && said.contains(&format!("{}/undo.sh", step.rope.dir)), "{said}");
    assert!(said.contains("the effect is taken back, and there is no room"), "{said}");
    assert!(stage.host.is_true(case.is_gone).await, "{said}");
    make_room(&stage.host, &case, None).await;
    let reverted = stage.revert(&step).await;
    println!("{reverted:?}");
    assert_eq!(reverted.conflicts_total, 0, "{reverted:?}");
    stage.end(&step).await;
    stage.host.sh(case.unbound).await;
}

async fn the_deadline<F: HostFault>(case: Case) {
    let setup = Setup { hold: Duration::from_secs(3), margin: Some("5s"), ..Setup::default() };
    let Some((stage, step, session)) = filled::<F>(&case, setup).await else { return };
    drop(session);
    wait_until("the effect is gone", SOON, async || stage.host.is_true(case.is_gone).await).await;
    assert!(!stage.host.is_true(&format!("[ -e {}/done ]", step.rope.dir)).await);
    make_room(&stage.host, &case, None).await;
    let done = format!("[ -e {}/done ]", step.rope.dir);
    wait_until("it is written down", SOON, async || stage.host.is_true(&done).await).await;
    let reverted = stage.revert(&step).await;
    assert_eq!(
        (reverted.outcome, reverted.conflicts_total),
        (RevertOutcome::AlreadyUndone, 0),
        "{reverted:?}"
    );
    assert_eq!(reverted.notes, ["already undone by the target: its deadline had come"]);
    stage.end(&step).await;
    stage.host.sh(case.unbound).await;
}

#[tokio::test]
async fn an_undo_in_a_full_var_lib_gives_modes_back_and_ends_once_there_is_room() {
    our_own_undo::<PermissionChange>(permissions()).await;
}

#[tokio::test]
async fn an_undo_in_a_full_run_opens_the_port_and_ends_once_there_is_room() {
    our_own_undo::<PortBlock>(port()).await;
}

#[tokio::test]
async fn a_deadline_in_a_full_var_lib_gives_modes_back_and_ends_once_there_is_room() {
    the_deadline::<PermissionChange>(permissions()).await;
}

#[tokio::test]
async fn a_deadline_in_a_full_run_opens_the_port_and_ends_once_there_is_room() {
    the_deadline::<PortBlock>(port()).await;
}

#[tokio::test]
async fn an_undo_for_which_there_is_no_room_or_too_little_is_not_armed_and_nothing_of_it_stays() {
    let case = port();
    let Some(stage) = bounded::<PortBlock>(&case, Setup::default()).await else { return };
    for left in [0, 4096] {
        let step = stage.step(case.params.clone()).await;
        fill(&stage.host, &case).await;
        if left > 0 {
            make_room(&stage.host, &case, Some(left)).await;
        }
        let Err(error) = stage.try_arm(&step).await else { panic!("armed with {left} bytes") };
        let said = error.chain();
        assert!(said.contains("the undo cannot be written to"), "{said}");
        assert!(!stage.host.is_true(&format!("[ -e {} ]", step.rope.dir)).await, "with {left} bytes");
        let reverted = stage.try_revert(&step, false).await.unwrap();
        assert_eq!(reverted.conflicts_total, 0, "{reverted:?}");
        make_room(&stage.host, &case, None).await;
        stage.end(&step).await;
    }
    stage.host.sh(case.unbound).await;
}
