//! `chaos demo`: what a new user sees first.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::user::User;

/// What is in the user's directory, which is also where scratch directories go.
fn leavings(user: &User) -> Vec<String> {
    let entries = std::fs::read_dir(user.path("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_demo_restores_its_shop_three_times_and_leaves_nothing() {
    let user = User::new();
    let started = Instant::now();
    let said = user.types(&["demo", "--output", "json"]);
    said.assert_code(0);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let acts = said.json()["acts"].as_array().unwrap().clone();
    assert_eq!(acts.len(), 3);
    for act in acts {
        assert_eq!(act["restored"], true, "{act}");
        assert_eq!(act["before"]["checksum"], act["after"]["checksum"], "{act}");
        assert_ne!(act["before"]["checksum"], act["during"]["checksum"], "{act}");
    }
    assert_eq!(leavings(&user), Vec::<String>::new());
}

#[test]
fn an_interrupted_demo_leaves_nothing_either() {
    let user = User::new();
    let mut child = user.command(&["demo"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Somewhere in the first act.
    std::thread::sleep(Duration::from_millis(1200));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(leavings(&user), Vec::<String>::new());
}
