//! A live run whose host goes away in the hold, and comes back.

use std::time::Duration;

use super::{Bed, Set};
use crate::world::Chaos;
use crate::world::binary::Ended;
use crate::world::experiment::skill;

/// How long after the hold a host undoes by itself where that must not come first.
const MARGIN_LONG: &str = "5m";
/// The same where it must come before the run is back.
const MARGIN_SHORT: &str = "1s";
/// How long a cable is out. The network itself has to notice, so there is nothing that could be waited for.
const CUT_FOR: Duration = Duration::from_secs(10);

/// A file whose permissions are taken away, on a disk that survives a reboot.
const SET: Set =
    Set { set_up: "rm -f /srv/cut; umask 022; echo kept >/srv/cut", clean_up: "rm -f /srv/cut", ..Set::NONE };

/// Ends every login on the host, as a server does whose client is silent.
const END_LOGINS: &str = "kill -9 $(pgrep -f '^sshd: root@')";

fn skills() -> String {
    skill("server.permission_change", "{paths: [/srv/cut], mode: '000'}")
        + &skill("server.service_stop", "{services: [nginx]}")
}

/// Everything is as before, and the run itself has seen to it.
fn assert_undone_by_the_run(bed: &Bed, chaos: &Chaos, ended: &Ended) {
    assert_eq!(ended.json()["undone_by"], "run", "{}", ended.text());
    for step in ended.steps() {
        assert_eq!((&step["state"], &step["verified"]), (&"reverted".into(), &true.into()), "{step}");
    }
    bed.assert_same("nowhere");
    chaos.assert_clean();
}

fn assert_faults_are_in(bed: &Bed) {
    assert_eq!(bed.sh(0, "stat -c %a /srv/cut; systemctl is-active nginx || true"), "0\ninactive\n");
}

#[test]
fn a_network_that_is_cut_in_the_hold_and_comes_back_in_it_costs_nothing() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment("14s", MARGIN_LONG, &skills()));
    running.wait_for_records("hold_started", 1);
    bed.cut();
    std::thread::sleep(CUT_FOR);
    assert_faults_are_in(&bed);
    bed.join();
    let ended = running.wait();
    ended.assert_code(0);
    assert!(!chaos.state.journals().contains("already undone by the target"), "{}", ended.text());
    assert_undone_by_the_run(&bed, &chaos, &ended);
}

#[test]
fn a_login_that_ends_while_the_network_is_cut_is_made_anew() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment("6s", MARGIN_LONG, &skills()));
    running.wait_for_records("hold_started", 1);
    bed.cut();
    bed.sh(0, END_LOGINS);
    assert_faults_are_in(&bed);
    bed.join();
    let ended = running.wait();
    ended.assert_code(0);
    assert_undone_by_the_run(&bed, &chaos, &ended);
}

#[test]
fn a_network_that_is_cut_beyond_the_hold_fails_the_faults_and_their_undo_waits_for_it() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment("2s", MARGIN_LONG, &skills()));
    running.wait_for_records("hold_started", 1);
    bed.cut();
    running.wait_for_records("revert_failed", 1);
    assert_faults_are_in(&bed);
    bed.join();
    let ended = running.wait();
    // Nobody can say that the faults lasted until the end.
    ended.assert_code(4);
    for step in ended.steps() {
        // To connect, or to run something there: either may be what takes too long.
        let error = step["error"].as_str().unwrap();
        assert!(
            ["connect to `root@", "run a script on `root@"].iter().any(|what| error.contains(what)),
            "{step}"
        );
    }
    assert!(!chaos.state.journals().contains("already undone by the target"), "{}", ended.text());
    assert_undone_by_the_run(&bed, &chaos, &ended);
}

#[test]
fn a_network_that_stays_cut_until_the_deadline_finds_the_host_undone_by_itself() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment("2s", MARGIN_SHORT, &skills()));
    running.wait_for_records("hold_started", 1);
    bed.cut();
    bed.wait_for_deadlines("the hold");
    bed.join();
    let ended = running.wait();
    ended.assert_code(4);
    for step in ended.steps() {
        let note = "already undone by the target: its deadline had come";
        assert!(step["notes"].to_string().contains(note), "{step}");
        assert_eq!(step["outcome"], "already_undone", "{step}");
        assert!(step["error"].as_str().unwrap().contains("of the hold"), "{step}");
    }
    assert_undone_by_the_run(&bed, &chaos, &ended);
}

#[test]
fn a_host_that_is_rebooted_in_the_hold_is_as_before_and_the_run_says_that_the_faults_ended_early() {
    let Some(bed) = Bed::take_any_rebooted(SET) else { return };
    let chaos = Chaos::new();
    let running = chaos.spawn(&bed.experiment("10s", MARGIN_LONG, &skills()));
    running.wait_for_records("hold_started", 1);
    bed.reboot();
    let ended = running.wait();
    // The faults did not last as long as was asked for.
    ended.assert_code(4);
    let notes = [
        "already undone by the target: it was rebooted, and undid it at boot",
        "already undone by the target: it was rebooted",
    ];
    for (step, note) in ended.steps().iter().zip(notes) {
        assert_eq!(step["notes"], serde_json::json!([note]), "{step}");
        assert_eq!(step["outcome"], "already_undone", "{step}");
        assert!(step["error"].as_str().unwrap().contains("at the end of the hold"), "{step}");
    }
    assert_undone_by_the_run(&bed, &chaos, &ended);
}
