//! `connection: local`: this very machine, in a scratch directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::binary::Running;
use crate::world::{Chaos, Experiment, is_required, processes, wait_until};

/// Where something of a run may be while it lives.
const FOLDERS: [&str; 4] =
    ["/run", "/var/lib", "/etc/systemd/system", "/etc/systemd/system/sysinit.target.wants"];
/// The mode of the file at first.
const MODE: u32 = 0o640;

/// A file of our own, and a user of `chaos` who takes its permissions away.
struct Here {
    folder: TempDir,
    chaos: Chaos,
}

impl Here {
    /// `None` where we are not root, and need not be.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(!is_required(), "a fault on this machine needs root");
            println!("SKIPPED: not root");
            return None;
        }
        let here = Self { folder: tempfile::tempdir().unwrap(), chaos: Chaos::new() };
        fs::write(here.file(), "kept").unwrap();
        fs::set_permissions(here.file(), fs::Permissions::from_mode(MODE)).unwrap();
        Some(here)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("it's mine; $(x)")
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.file()).unwrap().permissions().mode() & 0o7777
    }

    fn experiment(&self, hold: &str, margin: &str) -> Experiment {
        let path = serde_json::to_string(&self.file()).unwrap();
        Experiment::from_text(&format!(
            "experiments:\n- name: here\n  target: server\n  target_config: {{hosts: [{{host: localhost, \
             connection: local}}], deadline_margin: {margin}}}\n  duration: {hold}\n  skills:\n  - \
             {{skill_name: server.permission_change, params: {{paths: [{path}], mode: '000'}}}}\n"
        ))
    }

    /// Starts a run with nobody beside it, and returns it in its hold.
    fn hold(&self, hold: &str, margin: &str) -> Running<'_> {
        let running = self.chaos.spawn_with(&self.experiment(hold, margin), &["--no-guardian"], &[]);
        running.wait_for_records("hold_started", 1);
        assert_eq!(self.mode(), 0);
        let rope = self.rope();
        assert!(rope.join("undo.sh").exists(), "no undo in {}", rope.display());
        running
    }

    /// Returns where the undo of the step is, as the journal says.
    fn rope(&self) -> PathBuf {
        let journals = self.chaos.state.journals();
        let line = journals.lines().find(|line| line.contains("\"type\":\"planned\"")).unwrap();
        let start = line.find('{').unwrap();
        let record: Value =
            serde_json::Deserializer::from_str(&line[start..]).into_iter().next().unwrap().unwrap();
        let dir = record.pointer("/rec/plan/experiments/0/steps/0/step/rope/dir");
        PathBuf::from(dir.unwrap_or_else(|| panic!("no rope in {record}")).as_str().unwrap())
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.mode(), MODE);
        assert_eq!(fs::read_to_string(self.file()).unwrap(), "kept");
        let rope = self.rope();
        let id = rope.file_name().unwrap().to_str().unwrap();
        for folder in FOLDERS.iter().filter(|folder| Path::new(folder).exists()) {
            let names = fs::read_dir(folder).unwrap().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let left: Vec<_> = names.filter(|name| name.contains(id)).collect();
            assert_eq!(left, Vec::<String>::new(), "in {folder}");
        }
        wait_until("nobody watches over the rope any more", || !is_named_by_a_process(id));
        self.chaos.assert_clean();
    }
}

impl Drop for Here {
    /// This machine is not a test host: a test that failed leaves nothing on it either.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for pid in processes::of_state_dir(&self.chaos.state) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            self.chaos.call(&["recover", "--all", "--accept-conflicts"]);
        }
    }
}

/// Whether an argument of any process contains `text`.
fn is_named_by_a_process(text: &str) -> bool {
    let lines = fs::read_dir("/proc").unwrap().flatten().map(|entry| fs::read(entry.path().join("cmdline")));
    lines.flatten().any(|line| String::from_utf8_lossy(&line).contains(text))
}

#[test]
fn a_fault_on_this_machine_is_undone_and_leaves_nothing() {
    let Some(here) = Here::new() else { return };
    let ended = here.hold("1s", "1m").wait();
    ended.assert_code(0);
    assert_eq!(ended.steps()[0]["target"], "localhost");
    assert_eq!(ended.steps()[0]["restored"]["restored"], 1, "{}", ended.text());
    here.assert_nothing_is_left();
}

#[test]
fn a_killed_run_on_this_machine_is_undone_by_a_recovery() {
    let Some(here) = Here::new() else { return };
    let running = here.hold("10m", "10m");
    running.signal(Signal::SIGKILL);
    running.wait();
    assert_eq!(here.mode(), 0, "nobody has undone it yet");
    here.chaos.call(&["recover", "--all"]).assert_code(0);
    here.assert_nothing_is_left();
}

#[test]
fn a_killed_run_on_this_machine_is_undone_by_its_deadline() {
    let Some(here) = Here::new() else { return };
    let running = here.hold("1s", "1s");
    running.signal(Signal::SIGKILL);
    running.wait();
    wait_until("the deadline has undone it", || here.mode() == MODE);
    let recovered = here.chaos.call(&["recover", "--all"]);
    recovered.assert_code(0);
    assert!(recovered.text().contains("already undone by the target"), "{}", recovered.text());
    here.assert_nothing_is_left();
}

#[test]
fn a_killed_run_on_this_machine_is_undone_by_its_guardian() {
    let Some(here) = Here::new() else { return };
    let running = here.chaos.spawn(&here.experiment("10m", "10m"));
    running.wait_for_records("hold_started", 1);
    assert_eq!(here.mode(), 0);
    running.signal(Signal::SIGKILL);
    running.wait();
    here.chaos.wait_until_clean();
    here.assert_nothing_is_left();
}
