//! Real SSH servers on this machine: who is let in, who is not and why, and what becomes of scripts.
#![allow(clippy::unwrap_used, reason = "a test ends where something is off")]

mod host_keys;
mod login;
mod scripts;
mod shells;
mod sshd;
mod test_hosts;
mod user_config;
mod way;

use std::sync::Arc;
use std::time::Duration;

use chaos_core::Failure;
use chaos_host::transport::ssh::{Ssh, SshConfig};
use chaos_host::{Become, Host, HostError, Limits, Script};

/// Longer than a connection that has just answered is taken for living without a question.
const TRUSTED: Duration = Duration::from_millis(1200);

/// Connects, or shows why not.
async fn connect(config: SshConfig) -> Ssh {
    match Ssh::connect(config).await {
        Ok(ssh) => ssh,
        Err(error) => panic!("{}", told(&error)),
    }
}

/// Returns the host behind a connection.
async fn host(config: SshConfig) -> Host {
    Host::new(Arc::new(connect(config).await), Become::Nobody)
}

/// Runs a script and returns what it printed.
async fn say(host: &Host, script: &Script) -> String {
    match host.run(script, Limits::default()).await {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(error) => panic!("{}", told(&error)),
    }
}

/// Returns why it cannot be connected.
async fn trouble(config: SshConfig) -> String {
    match Ssh::connect(config).await {
        Ok(ssh) => panic!("connected to {}", ssh.name()),
        Err(error) => told(&error),
    }
}

/// Returns all that an error says: its kind, what failed, why, and what to do.
fn told(error: &HostError) -> String {
    let (kind, failure) = match error {
        HostError::Unreachable(failure) => ("unreachable", failure),
        HostError::Refused(failure) => ("refused", failure),
        HostError::Bounds(failure) => ("bounds", failure),
        HostError::NotRun(failure) => ("not run", failure),
        HostError::Failed { .. } => panic!("{error}"),
    };
    let Failure { what, hint, source } = failure;
    let source = source.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{kind}: failed to {what}: {source} ({})", hint.as_deref().unwrap_or("no hint"))
}

/// Asserts that each of `parts` is said.
#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
