//! A run on a server that is killed: its guardian undoes it, long before the host would.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Bed, Set};
use crate::world::Chaos;
use crate::world::binary::Running;
use crate::world::experiment::skill;

/// How long the faults would be held, and how long after that the hosts would undo by themselves: no test waits for either.
const HOLD: &str = "30m";
const MARGIN: &str = "10m";
/// The guardian undoes at once. This is far from any deadline of the host.
const UNDONE_WITHIN: Duration = Duration::from_secs(40);

/// A file whose permissions are taken away.
const SET: Set = Set {
    set_up: "rm -f /srv/guarded; umask 022; echo kept >/srv/guarded",
    clean_up: "rm -f /srv/guarded",
    ..Set::NONE
};

fn skills() -> String {
    skill("server.permission_change", "{paths: [/srv/guarded], mode: '000'}")
        + &skill("server.service_stop", "{services: [nginx]}")
}

/// Waits until the guardian has undone what the dead run did, at least so many steps, and is gone itself.
fn assert_guardian_undid(chaos: &Chaos, bed: &Bed, killed: Instant, begun: usize) {
    chaos.wait_until_clean();
    let took = killed.elapsed();
    assert!(took < UNDONE_WITHIN, "the guardian took {took:?}");
    let journals = chaos.state.journals();
    assert!(!journals.contains("already undone by the target"), "the host was first: {journals}");
    let report = chaos.call(&["report", &run_of(chaos), "--format", "json"]).json();
    assert_eq!(report["status"], "recovered");
    assert_eq!(report["undone_by"], "guardian");
    let steps = report["experiments"][0]["steps"].as_array().unwrap();
    let undone = |step: &&Value| step["state"] == "reverted" && step["verified"] == true;
    let undone: Vec<_> = steps.iter().filter(undone).collect();
    assert!(undone.len() >= begun, "{steps:?}");
    assert!(undone.iter().all(|step| step["undone_by"] == "guardian"), "{steps:?}");
    // What was not undone had not been begun.
    let planned = steps.iter().filter(|step| step["state"] == "planned").count();
    assert_eq!(undone.len() + planned, steps.len(), "{steps:?}");
    bed.assert_same("the hold");
    // The guardian is gone too: the journal names it.
    assert_eq!(chaos.state.guardians().len(), 1);
    chaos.assert_clean();
}

fn run_of(chaos: &Chaos) -> String {
    let history = chaos.call(&["history", "--output", "json"]).json();
    history[0]["run_id"].as_str().unwrap().to_owned()
}

/// Kills the run alone, and returns when.
fn kill(running: Running<'_>) -> Instant {
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().code, None, "it was not killed");
    Instant::now()
}

#[test]
fn a_run_that_is_killed_in_its_hold_is_undone_on_the_server_by_its_guardian_long_before_the_deadline() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment(HOLD, MARGIN, &skills()));
    running.wait_for_records("hold_started", 1);
    assert_eq!(bed.sh(0, "stat -c %a /srv/guarded; systemctl is-active nginx || true"), "0\ninactive\n");
    let killed = kill(running);
    assert_guardian_undid(&chaos, &bed, killed, 2);
}

#[test]
fn a_run_that_is_killed_between_two_faults_is_undone_by_its_guardian_too() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment(HOLD, MARGIN, &skills()));
    running.wait_for_records("injected", 1);
    let killed = kill(running);
    assert_guardian_undid(&chaos, &bed, killed, 1);
}
