//! What `sudo` says when it lets nobody in, in words of ours.

use chaos_core::{Failure, Secret};

use crate::error::HostError;
use crate::transport::Raw;

/// What `sudo` says, what that means, and what to do. The first that fits counts: after a wrong password it also says that
/// no other one was given.
const SAYINGS: &[(&[&str], &str, &str)] = &[
    (&["Sorry, try again", "incorrect password"], "the password is wrong", "check `become_password`"),
    (
        &["password is required", "terminal is required", "askpass"],
        "it asks for a password and none was given",
        "give `become_password`, or let the account use `sudo` without one (`NOPASSWD`)",
    ),
    (
        &["not in the sudoers", "not allowed to", "may not run sudo"],
        "the account may not become root",
        "let it in `sudoers`, log in as `root`, or use another account",
    ),
    (
        &["must have a tty"],
        "it wants a terminal",
        "`Defaults:ACCOUNT !requiretty` in `sudoers` lets the account do without one",
    ),
    (
        &["not found", "No such file"],
        "there is no `sudo` on the host",
        "log in as `root`, or say `become: none`",
    ),
];

/// Returns what was said, with a mask in the place of the password.
pub(crate) fn without(raw: &Raw, password: &Secret) -> Raw {
    let masked = |bytes: &[u8]| match password.expose() {
        "" => bytes.to_vec(),
        password => String::from_utf8_lossy(bytes).replace(password, "***").into_bytes(),
    };
    Raw { stdout: masked(&raw.stdout), stderr: masked(&raw.stderr), status: raw.status }
}

/// Returns why a script did not run, where it was `sudo` that did not run it.
pub(crate) fn explain(error: HostError, raw: &Raw) -> HostError {
    let said = String::from_utf8_lossy(&raw.stderr);
    if !matches!(error, HostError::NotRun(_)) || !said.contains("sudo") && !said.contains("Sorry") {
        return error;
    }
    let failure = Failure::new("become root with `sudo`");
    let fits = |(sayings, ..): &&(&[&str], &str, &str)| sayings.iter().any(|saying| said.contains(saying));
    HostError::Refused(match SAYINGS.iter().find(fits) {
        Some((_, meaning, hint)) => failure.source(format!("sudo refused: {meaning}")).hint(*hint),
        None => {
            let line: String = said.trim().lines().last().unwrap_or_default().chars().take(300).collect();
            failure.source(format!("sudo refused: {line}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(stderr: &str) -> String {
        let raw = Raw { stderr: stderr.as_bytes().to_vec(), ..Raw::default() };
        let error = explain(HostError::NotRun(Failure::new("run a script")), &raw);
        match &error {
            HostError::Refused(failure) => {
                failure.source.as_ref().map(ToString::to_string).unwrap_or_default()
            }
            other => format!("other: {other}"),
        }
    }

    #[test]
    fn a_password_that_is_repeated_is_masked() {
        let raw = Raw {
            stdout: b"you said hunter2\n".to_vec(),
            stderr: b"hunter2: not found".to_vec(),
            status: None,
        };
        let masked = without(&raw, &Secret::new("hunter2"));
        assert_eq!((&*masked.stdout, &*masked.stderr), (&b"you said ***\n"[..], &b"***: not found"[..]));
        assert_eq!(without(&raw, &Secret::new("")).stdout, raw.stdout);
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let table = [
            ("sudo: a password is required\n", "sudo refused: it asks for a password and none was given"),
            (
                "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n",
                "sudo refused: the password is wrong",
            ),
            ("eve is not in the sudoers file.\n", "sudo refused: the account may not become root"),
            ("sudo: sorry, you must have a tty to run sudo\n", "sudo refused: it wants a terminal"),
            ("/bin/sh: 1: sudo: not found\n", "sudo refused: there is no `sudo` on the host"),
            ("env: 'sudo': No such file or directory\n", "sudo refused: there is no `sudo` on the host"),
            ("sudo: something new\n", "sudo refused: sudo: something new"),
            ("bash: cannot fork\n", "other: run a script"),
        ];
        for (said, meaning) in table {
            assert_eq!(explained(said), meaning, "for {said}");
        }
    }
}
