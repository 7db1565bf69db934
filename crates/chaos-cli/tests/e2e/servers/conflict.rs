//! What somebody else changes on a server during the hold is theirs.

use nix::sys::signal::Signal;

use super::{Bed, Set};
use crate::world::binary::Ended;
use crate::world::experiment::skill;
use crate::world::{Chaos, wait_until};

/// Two files: one that somebody else touches, and one that nobody does.
const SET: Set = Set {
    set_up: "rm -f /srv/theirs /srv/ours; umask 022; echo kept >/srv/theirs; echo kept >/srv/ours",
    clean_up: "rm -f /srv/theirs /srv/ours",
    ..Set::NONE
};
/// What is told of the file that somebody else touched.
const WHAT: &str = "permissions of `/srv/theirs` (mode 0644, owner 0:0, inode ";
const FOUND: &str = "its mode is 0640 now; left as it is";

/// Runs a fault on both files, and lets somebody else change one of them in the hold.
fn meet(bed: &Bed, chaos: &Chaos) -> Ended {
    let skills = skill("server.permission_change", "{paths: [/srv/theirs, /srv/ours], mode: '000'}");
    let running = chaos.spawn(&bed.experiment("2s", "5m", &skills));
    running.wait_for_records("hold_started", 1);
    bed.sh(0, "chmod 640 /srv/theirs");
    running.wait()
}

fn modes(bed: &Bed) -> String {
    bed.sh(0, "stat -c %a /srv/theirs /srv/ours")
}

#[test]
fn permissions_that_somebody_else_changed_stay_until_a_person_accepts_that() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let ended = meet(&bed, &chaos);
    ended.assert_code(5);
    assert!(ended.stderr.contains("--accept-conflicts"), "{}", ended.text());
    let step = &ended.steps()[0];
    assert_eq!(step["state"], "conflict", "{step}");
    assert_eq!(step["conflicts"].as_array().map(Vec::len), Some(1), "{step}");
    assert!(step["conflicts"][0]["what"].as_str().unwrap().starts_with(WHAT), "{step}");
    assert_eq!(step["conflicts"][0]["found"], FOUND, "{step}");
    assert_eq!(step["restored"]["restored"], 1, "the other file is undone: {step}");
    assert_eq!(modes(&bed), "640\n644\n");
    let journals = chaos.state.journals();
    assert!(journals.contains(FOUND) && journals.contains("/srv/theirs"), "{journals}");

    let status = chaos.call(&["status"]);
    status.assert_code(5);
    assert!(status.stdout.contains("--accept-conflicts"), "{}", status.text());
    let recovered = chaos.call(&["recover", "--all"]);
    recovered.assert_code(5);
    assert!(recovered.text().contains(WHAT) && recovered.text().contains(FOUND), "{}", recovered.text());
    assert!(recovered.text().contains("--accept-conflicts"), "{}", recovered.text());
    assert_eq!(modes(&bed), "640\n644\n");

    chaos.call(&["recover", "--all", "--accept-conflicts"]).assert_code(0);
    assert_eq!(modes(&bed), "640\n644\n");
    chaos.assert_clean();
    let report = chaos.call(&["report", ended.json()["run_id"].as_str().unwrap(), "--format", "text"]);
    assert!(report.stdout.contains("accepted"), "{}", report.text());
    // But for what is theirs, and with nothing of ours.
    bed.sh(0, "chmod 644 /srv/theirs");
    bed.assert_same("nowhere");
}

#[test]
fn permissions_that_somebody_has_put_back_since_are_no_conflict_any_more() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    meet(&bed, &chaos).assert_code(5);
    bed.sh(0, "chmod 644 /srv/theirs");
    let recovered = chaos.call(&["recover", "--all"]);
    recovered.assert_code(0);
    chaos.assert_clean();
    bed.assert_same("nowhere");
}

#[test]
fn a_conflict_that_the_host_met_by_itself_is_told_by_the_recovery() {
    let Some(bed) = Bed::take_any(SET) else { return };
    let chaos = Chaos::new();
    let skills = skill("server.permission_change", "{paths: [/srv/theirs, /srv/ours], mode: '000'}");
    let running = chaos.spawn_with(&bed.experiment("1s", "2s", &skills), &["--no-guardian"], &[]);
    running.wait_for_records("hold_started", 1);
    running.signal(Signal::SIGKILL);
    running.wait();
    bed.sh(0, "chmod 640 /srv/theirs");
    wait_until("the host has undone the other one", || modes(&bed) == "640\n644\n");

    let recovered = chaos.call(&["recover", "--all"]);
    recovered.assert_code(5);
    assert!(recovered.text().contains(WHAT) && recovered.text().contains(FOUND), "{}", recovered.text());
    chaos.call(&["recover", "--all", "--accept-conflicts"]).assert_code(0);
    chaos.assert_clean();
    bed.sh(0, "chmod 644 /srv/theirs");
    bed.assert_same("nowhere");
}
