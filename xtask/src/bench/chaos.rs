//! The release binary, its journal and its memory.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::workspace;

/// How often the peak memory is read while a run lasts. The kernel keeps the peak, so only the very end can be missed.
const MEMORY_EVERY: Duration = Duration::from_millis(5);
/// No run of the benchmark takes longer; one that does has hung.
const RUN_MAX: Duration = Duration::from_secs(900);

/// The release binary with a state directory of its own on a real disk.
pub struct Chaos {
    program: PathBuf,
    folder: PathBuf,
    peak_kib: Cell<u64>,
}

impl Chaos {
    /// Takes the binary that was just built.
    pub fn new() -> Outcome<Self> {
        let folder = workspace::target_folder().join("bench/world");
        if folder.exists() {
            fs::remove_dir_all(&folder).context(|| format!("clear `{}`", folder.display()))?;
        }
        fs::create_dir_all(&folder).context(|| format!("create `{}`", folder.display()))?;
        let program = workspace::target_folder().join("release/chaos");
        Ok(Self { program, folder, peak_kib: Cell::new(0) })
    }

    /// Returns the most memory that any run, guardians included, has had at once, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.peak_kib.get()
    }

    /// Returns the command, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("CHAOS_STATE_DIR", self.state()).stdin(Stdio::null());
        command
    }

    /// Writes an experiment.
    pub fn experiment(&self, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.join("experiment.yaml");
        fs::write(&path, text).context(|| format!("write `{}`", path.display()))?;
        Ok(path)
    }

    /// Runs an experiment; `in_hold` is called once its hold has begun.
    pub fn run(&self, experiment: &Path, in_hold: impl FnOnce() -> Outcome) -> Outcome<Journal> {
        self.forget()?;
        let file = experiment.display().to_string();
        let mut child = self
            .command(&["run", &file, "--output", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| format!("start `{}`", self.program.display()))?;
        let mut in_hold = Some(in_hold);
        let deadline = Instant::now() + RUN_MAX;
        while child.try_wait().context(|| "wait for chaos".to_owned())?.is_none() {
            self.watch_memory(&child);
            if in_hold.is_some() && self.journal().is_ok_and(|journal| journal.has("hold_started")) {
                in_hold.take().map_or(Ok(()), |act| act())?;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                return Err(Failure::new(format!("see chaos end within {} s", RUN_MAX.as_secs())));
            }
            std::thread::sleep(MEMORY_EVERY);
        }
        let output = child.wait_with_output().context(|| "read what chaos said".to_owned())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::new("run the experiment of the benchmark").because(said));
        }
        self.journal()
    }

    /// Returns the newest journal.
    pub fn journal(&self) -> Outcome<Journal> {
        let runs = self.state().join("runs");
        let newest = fs::read_dir(&runs)
            .context(|| format!("read `{}`", runs.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
            .max()
            .ok_or_else(|| Failure::new(format!("find a journal in `{}`", runs.display())))?;
        let text = fs::read_to_string(&newest).context(|| format!("read `{}`", newest.display()))?;
        Ok(Journal::parse(&text))
    }

    /// Removes the journals of earlier runs.
    pub fn forget(&self) -> Outcome {
        let state = self.state();
        if state.exists() {
            fs::remove_dir_all(&state).context(|| format!("clear `{}`", state.display()))?;
        }
        Ok(())
    }

    /// Returns a folder on the same disk as the journals.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Takes the peak of the run and of its guardian, which is its child.
    fn watch_memory(&self, child: &Child) {
        let run = child.id();
        let own = peak_kib(run);
        let children = fs::read_to_string(format!("/proc/{run}/task/{run}/children")).unwrap_or_default();
        let guardians = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(peak_kib);
        let most = guardians.chain([own]).max().unwrap_or(0);
        self.peak_kib.set(self.peak_kib.get().max(most));
    }
}

/// A process that has just ended has no peak any more; it was read a moment ago.
pub fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What a journal says about times.
pub struct Journal {
    records: Vec<Value>,
    /// Its lines as they are.
    pub lines: Vec<String>,
}

impl Journal {
    fn parse(text: &str) -> Self {
        // Behind the last line lies the space that is reserved for the rollback; it is no line.
        let lines: Vec<String> =
            text.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect();
        let record = |line: &String| Some(serde_json::from_str::<Value>(line).ok()?.get("rec")?.clone());
        Self { records: lines.iter().filter_map(record).collect(), lines }
    }

    /// Returns the seconds from the first record of one type to each record of another, in order.
    pub fn after(&self, from: &str, each: &str) -> Outcome<Vec<f64>> {
        let start = self.at(from).ok_or_else(|| Failure::new(format!("find `{from}` in the journal")))?;
        let found = self.records.iter().filter(|one| one["type"] == each).filter_map(|one| self.time_of(one));
        Ok(found.map(|at| at - start).collect())
    }

    /// Returns whether a record of this type is there.
    pub fn has(&self, record: &str) -> bool {
        self.at(record).is_some()
    }

    /// Returns the milliseconds between the first records of two types.
    pub fn between(&self, from: &str, to: &str) -> Outcome<f64> {
        let missing = |record: &str| Failure::new(format!("find `{record}` in the journal"));
        let from_at = self.at(from).ok_or_else(|| missing(from))?;
        let to_at = self.at(to).ok_or_else(|| missing(to))?;
        Ok((to_at - from_at) * 1000.0)
    }

    /// Returns when the first record of this type was written, in seconds of its day, and of the next one past midnight.
    fn at(&self, record: &str) -> Option<f64> {
        self.time_of(self.records.iter().find(|one| one["type"] == record)?)
    }

    fn time_of(&self, record: &Value) -> Option<f64> {
        let first = seconds(self.records.first()?["at"].as_str()?)?;
        let at = seconds(record["at"].as_str()?)?;
        Some(if at < first { at + 86_400.0 } else { at })
    }
}

/// `2026-11-21T08:45:12.123456Z`: the seconds of its day.
fn seconds(timestamp: &str) -> Option<f64> {
    let time = timestamp.split_once('T')?.1.trim_end_matches('Z');
    let mut parts = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_two_records_survives_midnight() {
        let line = |at, record| format!("{{\"rec\":{{\"at\":\"{at}\",\"type\":\"{record}\"}}}}\n");
        let text = line("2026-11-21T23:59:59.5Z", "armed") + &line("2026-11-22T00:00:01Z", "injected");
        let between = Journal::parse(&text).between("armed", "injected").unwrap();
        assert!((between - 1500.0).abs() < 0.001, "{between}");
    }
}
