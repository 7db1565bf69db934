//! Load on a host: one unit of ours that holds all of it, with limits, and how it is looked at and ended.
//!
//! The unit ends by itself a little after the deadline, and its processes with it, also when the first of them is killed. Nothing
//! needs to be installed: loads are shell text. Nothing is ever found by its name: another load on the host is not ours.

use std::time::Duration;

use chaos_core::target::{NameKind, TargetName};
use chaos_core::{Access, Claim, Effect, Failure, FaultError, PrepareContext, StepContext, Target};
use chaos_host::{HostError, Limits, Output, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host_fault::{HostFacts, effect};
use crate::target::ServerTarget;

/// Starts the unit; see [`Unit::start`].
pub(super) const START: &str = include_str!("stress/start.sh");
const STOP: &str = include_str!("stress/stop.sh");
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
pub(super) struct HostRoom {
    /// How many CPUs are online.
    pub cpus: u64,
    /// All memory, in bytes.
    pub memory: u64,
    /// What can be taken of it without swapping.
    pub memory_free: u64,
    /// Whether a limit of CPU time is kept.
    pub limits_cpu: bool,
    /// Open files of the whole host.
    pub handles: u64,
    /// The most of them.
    pub handles_max: u64,
    /// Limits of processes: how many there are, how many there may be, and the name of the limit.
    pub tasks: Vec<(u64, u64, String)>,
}

/// Sees whether a load can be put on this host, and what it can bear.
pub(super) async fn room(target: &ServerTarget) -> Result<HostRoom, FaultError> {
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
        Some((used, max, words.next()?.to_owned()))
    };
    HostRoom {
        cpus: number("cpus"),
        memory: number("memory"),
        memory_free: number("memory_free"),
        limits_cpu: number("cpu_limit") == 1,
        handles: number("handles"),
        handles_max: number("handles_max"),
        tasks: output.told("tasks").filter_map(task).collect(),
    }
}

/// Refuses more workers than the host can use.
pub(super) fn check_workers(workers: u32, room: &HostRoom) -> Result<(), FaultError> {
    let max = room.cpus * WORKERS_PER_CPU;
    if workers == 0 {
        return Err(FaultError::Params(Failure::new("start 0 workers").hint("`workers` is at least 1")));
    }
    if u64::from(workers) > max {
        let what = format!("start {workers} workers on {} CPUs", room.cpus);
        let hint = format!("at most {WORKERS_PER_CPU} for each CPU, {max} here");
        return Err(FaultError::Params(Failure::new(what).hint(hint)));
    }
    Ok(())
}

/// Returns after how many seconds the unit ends by itself: behind the deadline, which comes first.
pub(super) fn seconds(cx: &PrepareContext, target: &ServerTarget) -> u64 {
    (cx.hold + 2 * target.margin()).as_secs() + 1
}

/// A unit to be started.
pub(super) struct Unit {
    properties: Vec<String>,
    command: Vec<String>,
}

impl Unit {
    /// A unit that runs shell text of ours with these arguments.
    pub(super) fn shell(text: &'static str, arguments: impl IntoIterator<Item = String>) -> Self {
        let shell = ["/bin/sh", "-c", text, "load"].map(str::to_owned);
        Self { properties: Vec::new(), command: shell.into_iter().chain(arguments).collect() }
    }

    /// A unit that runs a program.
    pub(super) fn program<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Self {
        Self { properties: Vec::new(), command: words.into_iter().map(Into::into).collect() }
    }

    /// Sets a property: `MemoryMax=1000000`.
    #[must_use]
    pub(super) fn with(mut self, property: String) -> Self {
        self.properties.extend(["-p".to_owned(), property]);
        self
    }

    /// Returns the script that starts it. `text` ends with [`START`].
    pub(super) fn start(&self, text: &'static str, id: &str, seconds: u64) -> Script {
        // systemd puts values of its own in the place of `$`; two of them are one.
        let command = self.command.iter().map(|word| word.replace('$', "$$"));
        let words = self.properties.iter().cloned().chain(["--".to_owned()]).chain(command);
        Script::new(text).set("id", id).set("seconds", seconds.to_string()).args(words)
    }
}

/// Returns the script that ends the unit, and removes these files should they be there.
pub(super) fn stop(id: &str, files: impl IntoIterator<Item = String>) -> Script {
    Script::new(STOP).set("id", id).args(files)
}

/// Asks until the load is what it should be, at most for `bound`.
pub(super) async fn settled(
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

/// Returns what people and policy must know of a load. Loads of one kind would spoil each other's measure and reserve.
pub(super) fn facts(kind: &str) -> HostFacts {
    HostFacts {
        undo: "end the unit that holds the load".to_owned(),
        claims: vec![Claim { resource: format!("load {kind}"), access: Access::BlockAll }],
        names: vec![TargetName::new(NameKind::Process, "load")],
        ..HostFacts::default()
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
        assert_eq!(room.tasks, [(5, 100, "kernel/pid_max".to_owned())]);
        assert!(check_workers(32, &room).is_ok() && check_workers(33, &room).is_err());
        assert!(check_workers(0, &room).is_err());
    }

    #[test]
    fn systemd_gets_every_word_as_it_is_meant() {
        let unit = Unit::shell("echo \"$1\"", ["/a ${HOME}/$$ %n; $(id)".to_owned()]);
        let body = unit.with("CPUQuota=50%".to_owned()).start("true", "chaos_1", 7).body();
        assert!(
            body.contains("set -- '-p' 'CPUQuota=50%' '--' '/bin/sh' '-c' 'echo \"$$1\"' 'load'"),
            "{body}"
        );
        assert!(body.contains("'/a $${HOME}/$$$$ %n; $$(id)'"), "{body}");
    }
}
