//! Load on a host: one unit of ours that holds all of it, with limits, and how it is looked at and ended.
//!
//! The unit ends by itself a little after the deadline, and its processes with it, also when the first of them is killed. Nothing
//! needs to be installed: loads are shell text. Nothing is ever found by its name: another load on the host is not ours.

mod load;

use std::time::Duration;

use chaos_core::{Effect, Failure, FaultError, Misfit, PrepareContext, StepContext, Target};
use chaos_host::{HostError, Limits, Output, Script};
pub use load::{InUnit, LoadFault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host_fault::effect;
use crate::target::ServerTarget;

/// Starts the unit; see [`Unit::start`].
const START: &str = include_str!("stress/start.sh");
const FACTS: &str = include_str!("stress/facts.sh");

/// The tools that a load is made of and looked at with.
const TOOLS: [&str; 1] = ["systemd-run"];
/// The most workers for each CPU.
const WORKERS_PER_CPU: u64 = 16;
/// Between two looks at a load that grows.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What makes the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Shell text of ours; needs nothing on the host.
    #[default]
    Builtin,
    /// The program `stress-ng`, which must be installed there.
    StressNg,
}

impl Engine {
    /// Refuses a host without the program that makes the load.
    pub(super) fn require(self, target: &ServerTarget) -> Result<(), FaultError> {
        match self {
            Self::Builtin => Ok(()),
            Self::StressNg => target.require(&["stress-ng"]).map_err(|error| {
                let cause = error.chain();
                let hint = "leave out `engine`: the load of our own needs nothing there";
                FaultError::Preflight(Failure::new("use `engine: stress-ng`").source(cause).hint(hint))
            }),
        }
    }
}

/// What a host can bear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRoom {
    /// How many CPUs are online.
    pub cpus: u64,
    /// All memory, in bytes.
    pub memory: u64,
    /// What can be taken of it without swapping.
    pub memory_free: u64,
    /// Whether a limit of CPU time is kept.
    pub limits_cpu: bool,
    /// Open files of the whole host.
    pub handles: Limit,
    /// Processes, by each limit that they have.
    pub tasks: Vec<Limit>,
}

/// How much there is of something that has a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limit {
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub max: u64,
    /// What the limit is called.
    pub name: String,
}

impl Limit {
    /// Returns how many more there may be.
    pub fn free(&self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

/// Sees whether a load can be put on this host, and what it can bear.
async fn room(target: &ServerTarget) -> Result<HostRoom, FaultError> {
    if let Some(container) = target.container() {
        let what = format!("put a load on the container `{}`", container.name);
        return Err(FaultError::Preflight(
            Failure::new(what).hint("this fault acts on hosts: leave out `container`"),
        ));
    }
    target.require_root()?;
    target.require_systemd()?;
    target.require(&TOOLS)?;
    let output =
        target.host().must("ask the host what it can bear", &Script::new(FACTS), Limits::default()).await?;
    let room = read(&output);
    if room.cpus == 0 || room.memory == 0 {
        let what = format!("learn how many CPUs and how much memory `{}` has", target.identity().label);
        return Err(FaultError::Preflight(Failure::new(what)));
    }
    Ok(room)
}

fn read(output: &Output) -> HostRoom {
    let number = |key: &str| output.told(key).next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let task = |line: &str| {
        let mut words = line.split(' ');
        let (used, max) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Limit { used, max, name: words.next()?.to_owned() })
    };
    HostRoom {
        cpus: number("cpus"),
        memory: number("memory"),
        memory_free: number("memory_free"),
        limits_cpu: number("cpu_limit") == 1,
        handles: Limit {
            used: number("handles"),
            max: number("handles_max"),
            name: "fs.file-max".to_owned(),
        },
        tasks: output.told("tasks").filter_map(task).collect(),
    }
}

/// Refuses a load of nobody.
pub(super) fn check_some_workers(workers: u32) -> Result<(), Misfit> {
    if workers > 0 { Ok(()) } else { Err(Misfit::new("`workers` must be at least 1").at("workers")) }
}

/// Refuses more workers than the host can use.
pub(super) fn check_workers(workers: u32, room: &HostRoom) -> Result<(), FaultError> {
    let max = room.cpus * WORKERS_PER_CPU;
    if u64::from(workers) > max {
        let what = format!("start {workers} workers on {} CPUs", room.cpus);
        let hint = format!("at most {WORKERS_PER_CPU} for each CPU, {max} here");
        return Err(FaultError::Params(Failure::new(what).hint(hint)));
    }
    Ok(())
}

/// Returns after how many seconds the unit ends by itself: behind the deadline, which comes first.
fn seconds(cx: &PrepareContext, target: &ServerTarget) -> u64 {
    (cx.hold + 2 * target.margin()).as_secs() + 1
}

/// A unit to be started.
pub struct Unit {
    /// What is seen to just before.
    first: Option<Script>,
    /// After how many seconds it ends by itself.
    seconds: u64,
    properties: Vec<String>,
    command: Vec<String>,
}

impl Unit {
    /// A unit that runs shell text of ours with these arguments.
    pub fn shell(seconds: u64, text: &'static str, arguments: impl IntoIterator<Item = String>) -> Self {
        let shell = ["/bin/sh", "-c", text, "load"].map(str::to_owned);
        Self::program(seconds, shell.into_iter().chain(arguments))
    }

    /// A unit that runs a program.
    pub fn program<T: Into<String>>(seconds: u64, words: impl IntoIterator<Item = T>) -> Self {
        let command = words.into_iter().map(Into::into).collect();
        Self { first: None, seconds, properties: Vec::new(), command }
    }

    /// Sets a property: `MemoryMax=1000000`.
    #[must_use]
    pub fn with(mut self, property: String) -> Self {
        self.properties.extend(["-p".to_owned(), property]);
        self
    }

    /// Lets it start only when this script succeeds.
    #[must_use]
    pub fn after(mut self, first: Script) -> Self {
        self.first = Some(first);
        self
    }

    /// Returns the script that starts it.
    fn start(&self, id: &str) -> Script {
        // systemd puts values of its own in the place of `$`; two of them are one.
        let command = self.command.iter().map(|word| word.replace('$', "$$"));
        let words = self.properties.iter().cloned().chain(["--".to_owned()]).chain(command);
        let start = Script::new(START).set("id", id).set("seconds", self.seconds.to_string()).args(words);
        match &self.first {
            Some(first) => first.clone().then(&start),
            None => start,
        }
    }
}

/// Asks until the load is what it should be, at most for `bound`.
async fn settled(
    cx: &StepContext,
    target: &ServerTarget,
    look: &Script,
    bound: Duration,
) -> Result<Effect, FaultError> {
    let end = tokio::time::Instant::now() + bound;
    loop {
        let seen = target.host().run(look, Limits::default()).await?;
        if seen.status == 0 {
            return Ok(effect(&seen));
        }
        if seen.status != HostError::BUSY || tokio::time::Instant::now() >= end {
            return Err(FaultError::Target(Failure::new("see the load").source(seen.stderr)));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cx.cancel.cancelled() => return Err(FaultError::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_says_it_can_bear_is_read() {
        let stdout = b"cpus=2\nmemory=100\nmemory_free=50\ncpu_limit=1\nhandles=7\nhandles_max=90\n\
            tasks=5 100 kernel/pid_max\ntasks=3 max pids.max\n";
        let room = read(&Output { status: 0, stdout: stdout.to_vec(), stderr: String::new() });
        assert_eq!((room.cpus, room.memory, room.memory_free, room.limits_cpu), (2, 100, 50, true));
        let tasks = Limit { used: 5, max: 100, name: "kernel/pid_max".to_owned() };
        assert_eq!((room.handles.free(), &room.tasks), (83, &vec![tasks]));
        assert!(check_workers(32, &room).is_ok() && check_workers(33, &room).is_err());
        assert!(check_some_workers(0).is_err() && check_some_workers(1).is_ok());
    }

    #[test]
    fn systemd_gets_every_word_as_it_is_meant() {
        let unit = Unit::shell(7, "echo \"$1\"", ["/a ${HOME}/$$ %n; $(id)".to_owned()]);
        let body = unit.with("CPUQuota=50%".to_owned()).start("chaos_1").body();
        assert!(
            body.contains("set -- '-p' 'CPUQuota=50%' '--' '/bin/sh' '-c' 'echo \"$$1\"' 'load'"),
            "{body}"
        );
        assert!(body.contains("'/a $${HOME}/$$$$ %n; $$(id)'"), "{body}");
    }
}
