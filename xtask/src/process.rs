//! Other programs: run them, read them, and say which one failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::failure::{Context, Failure};

/// Runs `command` with our own output and fails when it does.
pub fn run(command: &mut Command) -> Outcome {
    let line = describe(command);
    let status = command.status().context(|| format!("start `{line}`"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("run `{line}`")).because(status)) }
}

/// Runs `command` without showing it and returns what it wrote to stdout; its stderr becomes the cause of a failure.
pub fn read(command: &mut Command) -> Outcome<String> {
    let line = describe(command);
    let output = command.stdin(Stdio::null()).output().context(|| format!("start `{line}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!("run `{line}`")).because(String::from_utf8_lossy(&output.stderr)))
}

/// Returns a command that runs as `user` when we are root, and as ourselves otherwise.
pub fn as_user(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(program);
    command
}

/// Returns whether we are root.
pub fn is_root() -> bool {
    // The owner of our own process directory is our effective user.
    std::fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}

/// Returns where `program` is, looking through PATH and then `others`.
pub fn find(program: &str, others: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(others.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Asks `is_ready` until it says yes, at most for `limit`.
pub fn wait_for(what: &str, limit: Duration, mut is_ready: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + limit;
    while !is_ready() {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("see {what} within {} s", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn describe(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
