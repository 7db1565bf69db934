//! Journals that somebody else has had in hands: emptied, cut, or something else in their place.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::user::User;

/// Leaves the fault of a killed run behind, and returns the journal.
fn killed_run(user: &User) -> PathBuf {
    let file = user.experiment("1m");
    killed_when(user, &file, |user| user.users() > 10)
}

/// Leaves four steps of a killed run behind, and returns the journal.
fn killed_run_of_four_steps(user: &User) -> PathBuf {
    let file = user.experiment("1m");
    let text =
        std::fs::read_to_string(&file).unwrap().replace("db.insert_load,", "db.insert_load, count: 4,");
    let file = user.write("four.yaml", text);
    killed_when(user, &file, |user| user.users() == 30)
}

/// Kills a run once this can be seen of it.
fn killed_when(user: &User, file: &str, shows: impl Fn(&User) -> bool) -> PathBuf {
    let mut command = user.command(&["run", file, "--no-guardian"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !shows(user) {
        assert!(started.elapsed() < Duration::from_secs(20), "the fault does not show");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    journal(user)
}

fn journal(user: &User) -> PathBuf {
    let files = std::fs::read_dir(user.state().join("runs")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "journal")).unwrap()
}

/// Cuts the file after this many lines.
fn cut(path: &PathBuf, lines: usize) {
    let text = std::fs::read_to_string(path).unwrap();
    let length: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length as u64).unwrap();
}

#[test]
fn a_journal_that_was_emptied_or_cut_before_its_plan_is_not_clean_until_a_person_says_so() {
    for lines in [0, 1] {
        let user = User::new();
        let path = killed_run(&user);
        cut(&path, lines);
        for _ in 0..2 {
            let said = user.types(&["status"]);
            let place = format!("`{}` ends too early", path.display());
            assert!(said.assert_code(5).stdout.contains(&place), "{lines}: {}", said.stdout);
            let said = user.types(&["recover", "--all"]);
            assert!(said.assert_code(5).stdout.contains("nobody can tell what it did"), "{}", said.stdout);
        }
        user.types(&["recover", "--all", "--accept-conflicts"]).assert_code(0);
        user.types(&["status"]).assert_code(0);
        user.types(&["recover", "--all"]).assert_code(0);
    }
}

#[test]
fn a_journal_that_was_cut_before_its_first_intent_is_recovered_from_its_plan() {
    let user = User::new();
    cut(&killed_run(&user), 2);
    user.types(&["status"]).assert_code(5);
    let said = user.types(&["recover", "--all"]);
    assert!(said.assert_code(0).stdout.contains("1 of 1 steps undone"), "{}", said.stdout);
    assert_eq!(user.users(), 10);
    user.types(&["status"]).assert_code(0);
}

#[test]
fn a_journal_that_was_cut_behind_its_first_intent_is_undone_from_its_plan() {
    let user = User::new();
    let path = killed_run_of_four_steps(&user);
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().position(|line| line.contains(r#""type":"intended""#)).unwrap();
    cut(&path, first + 1);
    let said = user.types(&["status"]);
    assert!(said.assert_code(5).stdout.contains("ends too early"), "{}", said.stdout);
    let said = user.types(&["recover", "--all"]);
    assert!(said.assert_code(0).stdout.contains("4 of 4 steps undone"), "{}", said.stdout);
    assert_eq!(user.users(), 10);
    user.types(&["status"]).assert_code(0);
}

#[test]
fn a_copy_of_a_journal_that_was_cut_is_undone_from_its_plan_too() {
    let user = User::new();
    let path = killed_run_of_four_steps(&user);
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().position(|line| line.contains(r#""type":"injected""#)).unwrap();
    let head: String = text.split_inclusive('\n').take(first + 1).collect();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, head).unwrap();
    let said = user.types(&["recover", "--all"]);
    assert!(said.assert_code(0).stdout.contains("4 of 4 steps undone"), "{}", said.stdout);
    assert_eq!(user.users(), 10);
    user.types(&["status"]).assert_code(0);
}

#[test]
fn a_cut_journal_is_not_clean_before_every_planned_step_was_undone() {
    let user = User::new();
    let path = killed_run_of_four_steps(&user);
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().position(|line| line.contains(r#""type":"intended""#)).unwrap();
    cut(&path, first + 1);
    let (database, aside) = (user.path("shop.db"), user.path("aside.db"));
    std::fs::rename(&database, &aside).unwrap();
    // This recovery cannot undo anything, and dies while it tries.
    let mut command = user.command(&["recover", "--all"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !std::fs::read_to_string(&path).unwrap().contains("revert_failed") {
        assert!(started.elapsed() < Duration::from_secs(20), "the recovery does not try");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    user.types(&["status"]).assert_code(5);
    std::fs::rename(&aside, &database).unwrap();
    let said = user.types(&["recover", "--all"]);
    assert!(said.assert_code(0).stdout.contains("4 of 4 steps undone"), "{}", said.stdout);
    assert_eq!(user.users(), 10);
    user.types(&["status"]).assert_code(0);
}

#[test]
fn a_journal_of_a_killed_run_is_taken_as_it_is() {
    let user = User::new();
    killed_run(&user);
    for arguments in [&["status"][..], &["recover", "--all"]] {
        let said = user.types(arguments);
        assert!(!said.stdout.contains("ends too early"), "{}", said.stdout);
    }
    assert_eq!(user.users(), 10);
    user.types(&["status"]).assert_code(0);
}

#[test]
fn a_journal_that_was_never_finished_is_swept_away_and_no_trouble() {
    let user = User::new();
    user.types(&["run", &user.experiment("100ms"), "--no-guardian"]).assert_code(0);
    let beside = user.state().join("runs/20200101-000000-aaaa.journal.new");
    std::fs::write(&beside, "").unwrap();
    user.types(&["status"]).assert_code(0);
    assert!(!beside.exists());
}

#[test]
fn a_journal_that_is_no_file_is_refused_at_once_and_hides_no_other() {
    let user = User::new();
    user.types(&["run", &user.experiment("100ms"), "--no-guardian"]).assert_code(0);
    let path = user.state().join("runs/20200101-000000-aaaa.journal");
    let other = user.state().join("runs/20200101-000000-bbbb.journal");
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    nix::unistd::mkfifo(&other, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let started = Instant::now();
    let said = user.types(&["status"]);
    said.assert_code(5);
    for (path, why) in [(&path, "it is a symbolic link"), (&other, "it is no regular file")] {
        assert!(said.stderr.contains(&path.display().to_string()), "{}", said.stderr);
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
    user.types(&["recover", "--all"]).assert_code(5);
    assert!(user.types(&["history"]).assert_code(2).stdout.contains("completed"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
