//! Where things are read from and written to: pipes, reports that cannot be written, a state directory that is not there.

use std::io::Write;
use std::process::Stdio;

use crate::user::{Said, User};

/// Gives a command this on its standard input.
fn piped(user: &User, arguments: &[&str], text: &str) -> Said {
    let mut command = user.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who refuses the text after its first megabytes does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_experiment_from_a_pipe_is_read_once_and_whole() {
    let user = User::new();
    let text = std::fs::read_to_string(user.experiment("50ms")).unwrap();
    for name in ["/dev/stdin", "-"] {
        let said = piped(&user, &["validate", name], &text);
        assert!(said.assert_code(0).stdout.contains("1 valid experiment"), "{}", said.stdout);
        let said = piped(&user, &["validate", name], "max_rows: 1\n");
        assert!(said.assert_code(0).stdout.contains("a valid policy"), "{}", said.stdout);
        let said = piped(&user, &["run", name], &text);
        assert!(said.assert_code(0).stdout.contains("Everything was undone"), "{}", said.stdout);
    }
    assert_eq!(user.users(), 10);
}

#[test]
fn a_pipe_that_is_empty_or_does_not_end_is_refused() {
    let user = User::new();
    let said = piped(&user, &["validate", "-"], "");
    assert!(said.assert_code(1).stderr.contains("standard input"), "{}", said.stderr);
    let said = piped(&user, &["validate", "-"], &"# and more\n".repeat(500_000));
    assert!(said.assert_code(1).stderr.contains("larger than 4 MiB"), "{}", said.stderr);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_done() {
    let user = User::new();
    let file = user.experiment("50ms");
    let home = format!("html={}", user.path("").display());
    let in_file = format!("json={file}/x.json");
    for flags in [
        ["--report", "html=/no/such/place.html"],
        ["--report", &home],
        ["--report", &in_file],
        ["--journal-path", "/no/such/place"],
    ] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let said = user.types(&[&["run", &file][..], &flags, dry_run].concat());
            said.assert_code(2);
            assert!(said.stderr.contains("CH0104"), "{}", said.stderr);
            assert_eq!(said.stdout, "", "{flags:?}");
        }
    }
    assert!(!user.state().exists(), "a run was begun");
}

#[test]
fn a_state_directory_that_was_named_and_is_not_there_is_not_clean() {
    let user = User::new();
    let nowhere = user.path("stat").display().to_string();
    for command in ["status", "recover", "history"] {
        let said = user.types(&[command, "--state-dir", &nowhere]);
        assert!(said.assert_code(2).stderr.contains("does not exist"), "{}", said.stderr);
        assert!(said.stderr.contains(&nowhere), "{}", said.stderr);
    }
    assert!(!user.path("stat").exists());
}

#[test]
fn a_state_directory_that_nobody_made_yet_is_clean_and_is_named() {
    let user = User::new();
    let place = user.path("xdg/chaos").display().to_string();
    for (command, word) in [("status", "Clean"), ("recover", "Nothing to recover")] {
        let mut command = user.command(&[command]);
        command.env_remove("CHAOS_STATE_DIR").env("XDG_STATE_HOME", user.path("xdg"));
        let said: Said = command.output().unwrap().into();
        assert!(said.assert_code(0).stdout.contains(word), "{}", said.stdout);
        assert!(said.stdout.contains(&format!("`{place}` does not exist yet")), "{}", said.stdout);
    }
}
