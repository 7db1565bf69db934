//! Our constant commands in the login shells that people have.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;
use crate::transport::Raw;

const NONCE: &str = "chaos-0123";

/// A `sudo` that asks for the password `secret` unless `asks` says no, and then runs what it is told.
const FAKE_SUDO: &str = "#!/bin/sh\nwhile :; do case $1 in -S|-k|-n) shift;; -p) shift 2;; *) break;; esac; done\n\
     if [ \"${ASKS:-yes}\" = yes ]; then IFS= read -r given; [ \"$given\" = secret ] || exit 1; fi\nexec \"$@\"\n";

fn shells() -> Vec<Vec<&'static str>> {
    let known: [&[&str]; 8] =
        [&["sh"], &["dash"], &["bash"], &["zsh"], &["fish"], &["tcsh"], &["ksh"], &["busybox", "ash"]];
    let is_there = |shell: &&[&str]| {
        let quiet =
            Command::new(shell[0]).args(&shell[1..]).args(["-c", "exit 0"]).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    known.iter().copied().filter(is_there).map(<[&str]>::to_vec).collect()
}

/// Runs `command` as an SSH server would, and returns what the last script said.
fn through(shell: &[&str], command: &str, input: &str, path: &str, asks: &str) -> Result<String, HostError> {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", command])
        .env("PATH", path)
        .env("ASKS", asks)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let raw = Raw { stdout: output.stdout, stderr: output.stderr, status: output.status.code() };
    frame::unwrap(&raw, &frame::marks(NONCE)).map(|framed| {
        assert_eq!((framed.status, framed.stderr.as_str()), (0, ""), "{shell:?} {command}");
        String::from_utf8(framed.stdout).unwrap()
    })
}

#[test]
fn every_command_works_in_every_login_shell() {
    let folder = tempfile::TempDir::new().unwrap();
    let sudo = folder.path().join("sudo");
    fs::write(&sudo, FAKE_SUDO).unwrap();
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    // The shell reads one behind the other.
    let first = frame::wrap(&Script::new("value=left; exit 3"), "chaos-4567");
    let text = first + &frame::wrap(&Script::new("field \"$value\"").set("value", "it's $HOME!"), NONCE);
    let expected = "it's $HOME!\0";
    for shell in shells() {
        let run = |command, input: &str, asks| through(&shell, command, input, &path, asks);
        assert_eq!(run(AS_USER, &text, "no").unwrap(), expected, "{shell:?}");
        assert_eq!(run(SUDO, &text, "no").unwrap(), expected, "{shell:?}");
        let asked = password_lines("secret") + &text;
        assert_eq!(run(SUDO_PASSWORD, &asked, "yes").unwrap(), expected, "{shell:?}");
        // Where it does not ask, the password is no command.
        let marker = folder.path().join("was-run");
        let not_asked = password_lines(&format!("touch {}", marker.display())) + &text;
        assert_eq!(run(SUDO_PASSWORD, &not_asked, "no").unwrap(), expected, "{shell:?}");
        assert!(!marker.exists(), "{shell:?}");
        let wrong = password_lines("wrong") + &text;
        assert!(matches!(run(SUDO_PASSWORD, &wrong, "yes"), Err(HostError::NotRun(_))), "{shell:?}");
    }
}
