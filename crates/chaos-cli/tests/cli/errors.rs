//! What goes wrong before anything is touched.

use std::process::Stdio;

use expect_test::expect;

use crate::user::User;

/// One error, exit code 2, and not even a state directory is made.
#[track_caller]
fn check_refused(user: &User, arguments: &[&str], words: &[&str]) {
    let said = user.types(arguments);
    said.assert_code(2);
    assert_eq!(said.stdout, "");
    let errors = said.stderr.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "{}", said.stderr);
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "no `{word}`: {}", said.stderr);
    }
    assert!(!user.state().exists(), "something was written");
}

#[test]
fn a_file_that_cannot_be_used_is_one_error() {
    let user = User::new();
    let empty = user.write("empty.yaml", "");
    let binary = user.write("binary.yaml", [0_u8, 159, 146, 150]);
    let broken = user.write("broken.yaml", "experiments: [");
    let home = user.path("").display().to_string();
    check_refused(&user, &["run", &empty], &["empty.yaml", "CH0102"]);
    check_refused(&user, &["run", &binary], &["binary.yaml"]);
    check_refused(&user, &["run", &broken], &["broken.yaml"]);
    check_refused(&user, &["run", &home], &["directory"]);
    check_refused(&user, &["run", "no-such-file.yaml"], &["no-such-file.yaml", "No such file"]);
}

#[test]
fn a_misspelt_parameter_is_shown_where_it_stands() {
    let user = User::new();
    let file = user.experiment("1s");
    let text = std::fs::read_to_string(&file).unwrap().replace("rows_per_table", "rows_per_tabel");
    let file = user.write("misspelt.yaml", text);
    let said = user.types(&["run", &file, "--color", "never"]);
    said.assert_code(2);
    expect![[r#"
        error[CH0102]: failed to use `HOME/misspelt.yaml`
          × unknown key `rows_per_tabel`
           ╭─[HOME/misspelt.yaml:7:43]
         6 │   skills:
         7 │   - {skill_name: db.insert_load, params: {rows_per_tabel: 5}}
           ·                                           ───────┬──────
           ·                                                  ╰── not known here
           ╰────
          help: did you mean `rows_per_table`? Known keys: `rows_per_table`, `tables`
          more: `chaos explain CH0102`
    "#]]
    .assert_eq(&said.complaint(&user));
    assert_eq!(user.users(), 10);
}

#[test]
fn a_program_gets_the_error_as_an_object() {
    let user = User::new();
    let said = user.types(&["run", "no-such-file.yaml", "--output", "json"]);
    said.assert_code(2);
    let error = &said.json()["error"];
    assert_eq!(error["code"], "CH0102");
    assert_eq!(error["exit_code"], 2);
    assert_eq!(error["problems"][0]["file"], "no-such-file.yaml");
    assert!(said.stderr.contains("CH0102"), "people are told too: {}", said.stderr);
}

#[test]
fn a_value_that_makes_no_sense_is_an_error_of_usage() {
    let user = User::new();
    check_refused(&user, &["run"], &["FILE"]);
    check_refused(&user, &["recovr"], &["recover"]);
    check_refused(&user, &["run", "x.yaml", "--seed", "-1"], &["--seed"]);
    check_refused(&user, &["run", "x.yaml", "--report", "pdf"], &["pdf", "html"]);
    check_refused(&user, &["discover"], &["<FILE"]);
    check_refused(&user, &["discover", "--url", "mysql://localhost/x"], &["--db-type"]);
    check_refused(&user, &["recover", "../../etc/passwd"], &["CH0404"]);
    check_refused(&user, &["recover", "20261121-084512-k3vq"], &["CH0404", "chaos history"]);
    check_refused(&user, &["report", "last"], &["CH0404"]);
}

#[test]
fn giving_up_without_naming_a_run_means_every_dead_run() {
    let user = User::new();
    for flag in ["--accept-conflicts", "--abandon"] {
        user.types(&["recover", flag]).assert_code(0);
    }
}

#[test]
fn a_password_in_a_url_that_cannot_be_used_is_not_shown() {
    let user = User::new();
    for url in
        ["postgres://me:hunter2@127.0.0.1:1/x", "mongo://me:hunter2@127.0.0.1/x", "postgres://me:hunter2@["]
    {
        let said = user.types(&["discover", "--url", url, "-vvv"]);
        said.assert_code(2);
        assert!(!said.stderr.contains("hunter2"), "{url}: {}", said.stderr);
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_never_skipped() {
    let user = User::new();
    let file = user.experiment("1s");
    std::fs::create_dir_all(user.path("config/chaos")).unwrap();
    user.write("config/chaos/policy.yaml", "max_row: 1\n");
    let said = user.types(&["run", &file]);
    assert!(said.assert_code(2).stderr.contains("max_rows"), "{}", said.stderr);
    assert_eq!(user.users(), 10);
}

#[test]
fn a_state_directory_that_cannot_be_used_stops_the_run_and_is_found_by_the_doctor() {
    let user = User::new();
    let file = user.experiment("1s");
    let nowhere = format!("{file}/state");
    let said = user.types(&["run", &file, "--state-dir", &nowhere]);
    assert!(said.assert_code(2).stderr.contains("CH0401"), "{}", said.stderr);
    assert_eq!(user.users(), 10);
    let said = user.types(&["doctor", "--state-dir", &nowhere]);
    assert!(said.assert_code(1).stdout.contains("BAD"), "{}", said.stdout);
}

#[test]
fn a_state_directory_in_which_no_file_can_be_made_is_named_with_a_way_out() {
    let user = User::new();
    let file = user.experiment("1s");
    // Not even root makes files there.
    std::fs::create_dir(user.path("closed")).unwrap();
    std::os::unix::fs::symlink("/proc", user.path("closed/runs")).unwrap();
    let closed = user.path("closed").display().to_string();
    let said = user.types(&["run", &file, "--state-dir", &closed]);
    assert!(
        said.assert_code(2).stderr.contains("error[CH0401]: failed to use the lock file"),
        "{}",
        said.stderr
    );
    let hint = format!("hint: see that you may write to `{closed}/runs`");
    assert!(said.stderr.contains(&hint) && said.stderr.contains("CHAOS_STATE_DIR"), "{}", said.stderr);
    assert_eq!(user.users(), 10);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let user = User::new();
    for arguments in [&["schema", "experiment"][..], &["list-skills"], &["--help"], &["explain", "CH0101"]] {
        let mut child =
            user.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}
