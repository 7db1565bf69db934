//! A run of the release binary while it lasts: its journal, its guardian, its memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bench::chaos::{Chaos, Journal, peak_kib};
use crate::failure::{Context, Failure};
use crate::process;

/// Looking costs the processors that are measured.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// No run of the benchmark takes longer; one that does has hung.
const RUN_MAX: Duration = Duration::from_secs(600);

/// What a program took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// From its start to its end.
    pub seconds: f64,
    /// On this machine's processors, with the processes it started here; what the hosts did is not in it.
    pub processor_seconds: f64,
}

/// A run.
pub struct Running<'a> {
    chaos: &'a Chaos,
    child: Child,
    guardian: Option<u32>,
    peak_kib: (u64, u64),
    said: PathBuf,
    started: Instant,
    processor_before: f64,
}

impl<'a> Running<'a> {
    /// Starts an experiment on as many hosts as there are.
    pub fn start(chaos: &'a Chaos, text: &str) -> Outcome<Self> {
        chaos.forget()?;
        let experiment = chaos.experiment(text)?.display().to_string();
        let policy = chaos.folder().join("policy.yaml");
        fs::write(&policy, "max_hosts: 1000\n").context(|| format!("write `{}`", policy.display()))?;
        // Into a file: a pipe that nobody reads would stop a run on so many hosts.
        let said = chaos.folder().join("said");
        let file = File::create(&said).context(|| format!("create `{}`", said.display()))?;
        let processor_before = processor_seconds();
        let child = chaos
            .command(&["run", &experiment, "--output", "json", "--policy", &policy.display().to_string()])
            .env("RUST_LOG", "warn,chaos_host=debug")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context(|| "start chaos".to_owned())?;
        let started = Instant::now();
        Ok(Self { chaos, child, guardian: None, peak_kib: (0, 0), said, started, processor_before })
    }

    /// Waits until the journal says what is waited for.
    pub fn wait_for(&mut self, what: &str, is_so: impl Fn(&Journal) -> bool) -> Outcome {
        while !self.chaos.journal().is_ok_and(|journal| is_so(&journal)) {
            self.look(what)?;
            if self.has_ended()? {
                return Err(self.failed(what));
            }
        }
        self.look(what)
    }

    /// Returns how often it has waited for a host: for the answer to a script, or to the question whether it lives.
    pub fn round_trips(&self) -> Outcome<usize> {
        let said = fs::read_to_string(&self.said).context(|| format!("read `{}`", self.said.display()))?;
        match said.matches("A script is sent.").count() {
            0 => Err(Failure::new("find the scripts of a run in its log")),
            scripts => Ok(scripts + said.matches("It is asked whether it answers.").count()),
        }
    }

    /// Waits for the end, which must be a good one.
    pub fn end(mut self) -> Outcome<(Journal, Spent, u64)> {
        while !self.has_ended()? {
            self.look("the end of a run")?;
        }
        let spent = Spent {
            seconds: self.started.elapsed().as_secs_f64(),
            processor_seconds: processor_seconds() - self.processor_before,
        };
        if !self.child.wait().is_ok_and(|status| status.success()) {
            return Err(self.failed("a good end of the run"));
        }
        Ok((self.chaos.journal()?, spent, self.peak_kib.0 + self.peak_kib.1))
    }

    /// Kills the run and its guardian with SIGKILL, so that nothing here undoes anything.
    pub fn kill(mut self) -> Outcome {
        let guardian = self.guardian.ok_or_else(|| Failure::new("find the guardian of a run"))?;
        let both = [guardian.to_string(), self.child.id().to_string()];
        process::read(std::process::Command::new("kill").arg("-9").args(both))?;
        self.child.wait().map(drop).context(|| "wait for a killed run".to_owned())
    }

    fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait().context(|| "wait for chaos".to_owned())?.is_some())
    }

    /// Looks at the memory of the run and of its guardian, which is its child.
    fn look(&mut self, what: &str) -> Outcome {
        let run = self.child.id();
        if self.guardian.is_none() {
            let children = fs::read_to_string(format!("/proc/{run}/task/{run}/children")).unwrap_or_default();
            self.guardian = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        }
        self.peak_kib.0 = self.peak_kib.0.max(peak_kib(run));
        self.peak_kib.1 = self.peak_kib.1.max(self.guardian.map_or(0, peak_kib));
        if self.started.elapsed() > RUN_MAX {
            let _ = self.child.kill();
            return Err(self.failed(what));
        }
        std::thread::sleep(LOOK_EVERY);
        Ok(())
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(format!("see {what}")).because(last_lines(&self.said))
    }
}

fn last_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// Returns the seconds on the processors of all children of this process that have ended, and of theirs.
pub fn processor_seconds() -> f64 {
    /// What the kernel counts them in.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}
