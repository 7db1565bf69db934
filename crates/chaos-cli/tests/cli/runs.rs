//! Whole runs on a SQLite file: reports, history, status, policy.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::user::User;

#[test]
fn a_run_is_told_in_every_form_at_once() {
    let user = User::new();
    let file = user.experiment("100ms");
    let page = user.path("page.html").display().to_string();
    let html = format!("html={page}");
    let said = user.types(&[
        "run",
        &file,
        "--output",
        "json",
        "--seed",
        "7",
        "--report",
        &html,
        "--report",
        "junit",
        "--journal-path",
        ".",
    ]);
    said.assert_code(0);
    assert_eq!(user.users(), 10);
    let report = said.json();
    assert_eq!((&report["status"], &report["exit_code"]), (&"completed".into(), &0.into()));
    assert_eq!(report["seed"], 7);
    assert_eq!(report["experiments"][0]["steps"][0]["verified"], true);
    let run = report["run_id"].as_str().unwrap();
    assert!(std::fs::read_to_string(&page).unwrap().contains(run));
    assert!(user.path(&format!("chaos-{run}.xml")).exists());
    assert!(user.path(&format!("{run}.journal")).exists());
    assert_eq!(user.types(&["report", run, "--output", "json"]).json(), report);
    assert_eq!(user.types(&["history", "--output", "json"]).json()[0]["run_id"], run);
}

#[test]
fn a_report_to_stdout_takes_the_place_of_the_usual_one() {
    let user = User::new();
    let file = user.experiment("50ms");
    let said = user.types(&["run", &file, "--report", "md=-"]);
    assert!(said.assert_code(0).stdout.starts_with("# Chaos run "), "{}", said.stdout);
    assert!(!said.stdout.contains("Run 2"), "{}", said.stdout);
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_the_run() {
    let user = User::new();
    let file = user.experiment("50ms");
    let said = user.types(&["run", &file, "--report", "html=/dev/full"]);
    said.assert_code(2);
    assert!(said.stdout.contains("Everything was undone"), "{}", said.stdout);
    assert!(said.stderr.contains("CH0104"), "{}", said.stderr);
}

#[test]
fn a_dry_run_shows_steps_with_their_undo_and_writes_nothing() {
    let user = User::new();
    let file = user.experiment("1s");
    let said = user.types(&["run", &file, "--dry-run", "--seed", "1"]);
    said.assert_code(0);
    for word in ["db.insert_load", "undo:", "without us:", "5 rows, 1 table", "seed 1", "nothing was changed"]
    {
        assert!(said.stdout.contains(word), "no `{word}`: {}", said.stdout);
    }
    let plan = user.types(&["run", &file, "--dry-run", "--output", "json"]).json();
    assert_eq!(plan["approved"], true);
    assert_eq!(plan["experiments"][0]["steps"][0]["quantity"]["rows"], 5);
    assert!(!user.state().exists());
    assert_eq!(user.users(), 10);
}

#[test]
fn a_plan_beyond_the_policy_is_refused_with_the_place_to_change() {
    let user = User::new();
    let file = user.experiment("1s");
    let policy = user.write("policy.yaml", "max_rows: 4\n");
    for flags in [&[][..], &["--dry-run"]] {
        let said = user.types(&[&["run", &file, "--policy", &policy], flags].concat());
        said.assert_code(3);
        for word in ["max_rows", "CH0305", "policy.yaml"] {
            assert!(said.stderr.contains(word), "no `{word}`: {}", said.stderr);
        }
    }
    let plan = user.types(&["run", &file, "--policy", &policy, "--dry-run", "--output", "json"]);
    assert_eq!(plan.assert_code(3).json()["refusals"][0]["rule"], "max_rows");
    assert_eq!(user.users(), 10);
}

#[test]
fn a_killed_run_is_seen_by_status_and_undone_by_recover() {
    let user = User::new();
    let file = user.experiment("1m");
    let mut child = user
        .command(&["run", &file, "--no-guardian"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while user.users() == 10 {
        assert!(started.elapsed() < Duration::from_secs(20), "the fault does not show");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();

    let said = user.types(&["status", "--output", "json"]);
    said.assert_code(5);
    assert_eq!(said.json()["clean"], false);
    assert_eq!(said.json()["runs"][0]["open_steps"][0]["fault"], "db.insert_load");
    assert!(user.types(&["status"]).stdout.contains("its process died"));
    let said = user.types(&["recover"]);
    assert!(said.assert_code(0).stdout.contains("1 of 1 steps undone"), "{}", said.stdout);
    assert_eq!(user.users(), 10);
    assert_eq!(user.types(&["status"]).assert_code(0).stdout, "Clean: no run has left anything.\n");
    assert!(user.types(&["report", "last"]).stdout.contains("undone by a recovery"));
    assert!(user.types(&["history"]).stdout.contains("recovered"));
    assert!(user.types(&["recover", "--all"]).assert_code(0).stdout.contains("Nothing to recover"));
}

#[test]
fn a_journal_that_cannot_be_read_is_not_clean_and_hides_no_other_run() {
    let user = User::new();
    user.types(&["run", &user.experiment("100ms"), "--no-guardian"]).assert_code(0);
    let name = "20200101-000000-aaaa";
    std::fs::create_dir(user.state().join(format!("runs/{name}.journal"))).unwrap();

    let said = user.types(&["status", "--output", "json"]);
    assert_eq!(said.assert_code(5).json()["clean"], false);
    assert!(said.stderr.contains(name), "{}", said.stderr);
    assert!(user.types(&["recover", "--all"]).assert_code(2).stderr.contains(name));
    assert!(user.types(&["history"]).assert_code(2).stdout.contains("completed"));
}

#[test]
fn discovery_shows_tables_and_columns() {
    let user = User::new();
    let file = user.experiment("1s");
    let said = user.types(&["discover", &file]);
    assert!(said.assert_code(0).stdout.contains("users"), "{}", said.stdout);
    let url = format!("sqlite://{}", user.path("shop.db").display());
    let found = user.types(&["discover", "--url", &url, "--output", "json"]).json();
    assert!(found["targets"][0]["product"].as_str().unwrap().contains("SQLite"), "{found}");
}

#[test]
fn a_target_that_cannot_be_looked_at_is_told_and_hides_no_other() {
    let user = User::new();
    let file = user.experiment("1s");
    let one = std::fs::read_to_string(&file).unwrap();
    let there = user.path("shop.db").display().to_string();
    let away = one.replace(&there, &user.path("away.db").display().to_string());
    let (_, list) = away.split_once("experiments:\n").unwrap();
    let both = user.write("both.yaml", format!("{one}{}", list.replace("- name: ", "- name: away ")));
    let said = user.types(&["discover", &both, "--output", "json"]);
    let found = said.assert_code(2).json();
    assert!(found["targets"][0]["product"].as_str().unwrap().contains("SQLite"), "{found}");
    assert!(found["errors"][0].to_string().contains("away.db"), "{found}");
    assert!(said.stderr.contains("away.db"), "{}", said.stderr);
}
