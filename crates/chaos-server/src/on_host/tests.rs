//! What the heartbeats of a hold find out, and that it is told at its end.

use chaos_host::transport::local::Local;
use chaos_host::{Become, RopeKind};

use super::*;

const SOON: Duration = Duration::from_secs(1);

/// A rope of this machine in a directory that goes when the test ends, with an undo that does nothing.
fn rope() -> (Rope, Host, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let handle = RopeHandle {
        id: "chaos_test_1".to_owned(),
        dir: scratch.path().join("rope").to_str().unwrap().to_owned(),
        kind: RopeKind::Detached,
        lasting: true,
        boot: String::new(),
        mounts: Vec::new(),
        after: Vec::new(),
    };
    (Rope::new(handle, Script::new(":")), Host::new(Arc::new(Local), Become::Nobody), scratch)
}

fn pulse() -> Arc<Mutex<Pulse>> {
    Arc::new(Mutex::new(Pulse { moved: Instant::now(), after: SOON, lost: None }))
}

fn lost(pulse: &Mutex<Pulse>) -> Option<String> {
    pulse.lock().unwrap().lost().map(|error| error.chain())
}

#[tokio::test]
async fn a_deadline_that_is_not_there_any_more_fails_the_fault() {
    let (rope, host, _scratch) = rope();
    let pulse = pulse();
    keep_up(rope, host, Arc::clone(&pulse), Instant::now() + Duration::from_secs(60)).await;
    let said = lost(&pulse).unwrap();
    assert_eq!(
        said,
        "keep the fault up until the end of the hold: move the deadline: the deadline on the host is gone: it was removed, or the host \
         was rebooted"
    );
}

#[tokio::test]
async fn a_deadline_that_was_moved_in_time_is_no_trouble() {
    let (rope, host, _scratch) = rope();
    rope.arm(&host, Duration::from_secs(30)).await.unwrap();
    let pulse = pulse();
    let armed = pulse.lock().unwrap().moved;
    keep_up(rope.clone(), host.clone(), Arc::clone(&pulse), Instant::now() + SOON / 4).await;
    assert!(pulse.lock().unwrap().moved > armed);
    assert_eq!(lost(&pulse), None);
    rope.pull(&host).await.unwrap();
    rope.remove(&host).await.unwrap();
}

#[tokio::test]
async fn a_long_hold_lasts_as_long_as_its_heartbeats_and_no_longer() {
    let (rope, host, scratch) = rope();
    let after = Duration::from_secs(6);
    rope.arm(&host, after).await.unwrap();
    let pulse = Arc::new(Mutex::new(Pulse { moved: Instant::now(), after, lost: None }));
    keep_up(rope.clone(), host.clone(), Arc::clone(&pulse), Instant::now() + after * 2).await;
    assert_eq!(lost(&pulse), None);
    let done = scratch.path().join("rope/done");
    assert!(!done.exists(), "the deadline has come beside living heartbeats");
    let dead = Instant::now();
    while !done.exists() {
        assert!(dead.elapsed() < after * 3, "without heartbeats the deadline comes");
        tokio::time::sleep(SOON / 20).await;
    }
    rope.remove(&host).await.unwrap();
}

#[test]
fn who_had_undone_it_is_said_as_it_was() {
    let story = |by: &str, rebooted| {
        let answer = Answer { already: true, by: by.to_owned(), rebooted, restored: 1, ..Answer::default() };
        super::story(&answer, true).unwrap()
    };
    assert_eq!(story("chaos", false), "already undone by chaos, in an earlier attempt");
    assert_eq!(story("deadline", false), "already undone by the target: its deadline had come");
    assert_eq!(story("boot", false), "already undone by the target: it was rebooted, and undid it at boot");
    assert_eq!(story("by-hand", false), "already undone by the target: somebody ran the undo there");
    assert_eq!(story("chaos", true), "already undone by the target: it was rebooted");
}

#[test]
fn what_each_of_several_attempts_took_back_is_said() {
    let story = |by: &str, first| {
        let answer = Answer { already: true, by: by.to_owned(), restored: 10, first, ..Answer::default() };
        super::story(&answer, true).unwrap()
    };
    assert_eq!(
        story("deadline", Some(9)),
        "already undone by the target: its deadline had come (9 of 10 then, 1 by chaos since)"
    );
    assert_eq!(
        story("chaos", Some(0)),
        "already undone by chaos, in an earlier attempt (0 of 10 then, 10 by chaos since)"
    );
    assert_eq!(story("deadline", Some(10)), story("deadline", None));
}

#[test]
fn a_deadline_that_could_not_be_moved_for_so_long_has_come() {
    let past = Instant::now().checked_sub(SOON).unwrap();
    let said = Pulse { moved: past, after: SOON, lost: None }.lost().unwrap().chain();
    assert!(said.ends_with("the deadline on the host could not be moved in time, and has come"), "{said}");
}
