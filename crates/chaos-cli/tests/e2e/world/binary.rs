//! The real `chaos`, run as a user runs it, with a state directory of its own.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::{Experiment, PATIENCE, StateDir, processes, wait_until};

/// A user of `chaos` with a state directory of their own.
pub struct Chaos {
    /// Where journals and locks go.
    pub state: StateDir,
    files: RefCell<Vec<Arc<TempDir>>>,
}

impl Chaos {
    /// A user who has never run it.
    pub fn new() -> Self {
        Self { state: StateDir::create(), files: RefCell::default() }
    }

    /// Returns the command, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.args(arguments).env("CHAOS_STATE_DIR", self.state.path()).stdin(Stdio::null());
        // What the developer has set for the test run is none of the user's.
        for name in ["CHAOS_CRASH_AT", "CHAOS_CRASH_TRACE", "PGPASSWORD", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it to its end.
    pub fn call(&self, arguments: &[&str]) -> Ended {
        self.start(&mut self.command(arguments)).wait()
    }

    /// Runs an experiment to its end, with its report as JSON.
    pub fn run(&self, experiment: &Experiment) -> Ended {
        self.call(&["run", experiment.file(), "--output", "json"])
    }

    /// Starts an experiment and does not wait.
    pub fn spawn(&self, experiment: &Experiment) -> Running<'_> {
        self.spawn_with(experiment, &[], &[])
    }

    /// Starts an experiment with more flags and variables, and does not wait.
    pub fn spawn_with(
        &self,
        experiment: &Experiment,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Running<'_> {
        let mut command = self.command(&["run", experiment.file(), "--output", "json"]);
        // The file is read again by a recovery.
        self.files.borrow_mut().push(experiment.keep());
        self.start(command.args(flags).envs(variables.iter().copied()))
    }

    /// Returns what `chaos status` says.
    pub fn status(&self) -> Value {
        self.call(&["status", "--output", "json"]).json()
    }

    /// Waits until nothing is open any more, as the guardian works in the background.
    pub fn wait_until_clean(&self) {
        wait_until("status is clean", || {
            // Each question starts a process; the guardian shall have the machine for itself in between.
            std::thread::sleep(Duration::from_millis(60));
            self.status()["clean"] == true
        });
        wait_until("no process of the run is left", || processes::of_state_dir(&self.state).is_empty());
    }

    /// Checks that status is clean, and that no process and no file but journals is left.
    pub fn assert_clean(&self) {
        let status = self.call(&["status", "--output", "json"]);
        assert_eq!(status.json()["clean"], true, "{}", status.text());
        assert_eq!(status.code, Some(0), "{}", status.text());
        wait_until("no process of the run is left", || processes::of_state_dir(&self.state).is_empty());
        // A lock whose owner died before it signed it is swept a little later.
        if self.state.age_unsigned_locks() {
            self.call(&["status"]).assert_code(0);
        }
        self.state.assert_only_journals();
    }

    fn start(&self, command: &mut Command) -> Running<'_> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child: RefCell::new(child), state: &self.state }
    }
}

/// A `chaos` that has not ended yet.
pub struct Running<'a> {
    child: RefCell<Child>,
    state: &'a StateDir,
}

impl Running<'_> {
    /// Waits until the journals hold `count` records of this type.
    ///
    /// # Panics
    /// When the process ends before, or within [`PATIENCE`].
    pub fn wait_for_records(&self, record: &str, count: usize) {
        wait_until(&format!("{count} × {record} in the journal"), || {
            let has_ended = self.child.borrow_mut().try_wait().unwrap().is_some();
            let is_there = self.state.count_records(record) >= count;
            assert!(is_there || !has_ended, "chaos ended before {count} × {record}: {}", self.last_words());
            is_there
        });
    }

    /// Waits until the hold has begun; returns false when the process ends before.
    pub fn reaches_its_hold(&self) -> bool {
        let mut is_there = false;
        wait_until("the hold, or the end", || {
            let has_ended = self.child.borrow_mut().try_wait().unwrap().is_some();
            is_there = self.state.count_records("hold_started") > 0;
            is_there || has_ended
        });
        is_there
    }

    /// What a process that has ended has said.
    fn last_words(&self) -> String {
        let mut child = self.child.borrow_mut();
        let mut text = String::new();
        let pipes = (child.stdout.take(), child.stderr.take());
        if let (Some(mut stdout), Some(mut stderr)) = pipes {
            stdout.read_to_string(&mut text).unwrap();
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    /// Returns its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.borrow().id()).unwrap()
    }

    /// Sends it a signal; one that has ended already gets none.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within four times [`PATIENCE`]: a rollback tries for two minutes to reach its target.
    pub fn wait(self) -> Ended {
        let pid = self.pid();
        let (sender, receiver) = std::sync::mpsc::channel();
        let started = Instant::now();
        let child = self.child.into_inner();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let output = receiver.recv_timeout(PATIENCE * 4).unwrap_or_else(|_| {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            panic!("chaos (pid {pid}) did not end within {:?}", started.elapsed());
        });
        Ended::from(output.unwrap())
    }
}

/// A `chaos` that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Returns its stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// Returns all it said, for messages.
    pub fn text(&self) -> String {
        format!("exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.text());
        self
    }

    /// Returns all steps of all experiments of its report.
    pub fn steps(&self) -> Vec<Value> {
        let report = self.json();
        let experiments = report["experiments"].as_array().cloned().unwrap_or_default();
        experiments.iter().flat_map(|one| one["steps"].as_array().cloned().unwrap_or_default()).collect()
    }
}

/// Writes `text` to a new file in `folder` and returns its path.
pub fn write_file(folder: &Path, name: impl AsRef<OsStr>, text: &str) -> PathBuf {
    let path = folder.join(name.as_ref());
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    path
}
