//! Opens files until few more can be opened on the whole host (`fs.file-max`).
//!
//! On many modern hosts that limit is so high that nothing can reach it; then the fault is refused. A reserve always stays. The
//! kernel lets root open files beyond the limit, so what fails first are the services that do not run as root.

use std::fmt;
use std::time::Duration;

use chaos_core::{Failure, FaultError, FaultSpec, Misfit, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exhaust::{OWN, SETTLED_WITHIN, check_max, check_memory, count};
use super::size::Percent;
use super::stress::{HostRoom, Limit, LoadFault, Unit};
use crate::target::ServerTarget;

const LOAD: &str = include_str!("fd_exhaust/load.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("fd_exhaust/measure.sh"));

/// The most that `max` may be.
const MAX: u32 = 2_000_000;
/// What an open file takes, in bytes: in the kernel, and in the process that opened it.
const MEMORY_EACH: u64 = 1024;
/// How many files one process opens.
const EACH: u64 = 10_000;
/// A limit above this is none: the kernel could not hold so many.
const UNLIMITED: u64 = 1 << 32;

/// Opens files until few more can be opened: `server.fd_exhaust`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FdExhaust;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which share of the files that can still be opened is opened: `80` or `80%`. A tenth of the limit, and at least 1000, always
    /// stay free. Default: 100.
    pub percent: Percent,
    /// How many files are opened at most, whatever `percent` says, 1 to 2000000; each takes about 1 KB of memory. The plan says how
    /// many of how many it will be. Default: 100000.
    #[schemars(range(min = 1, max = 2_000_000))]
    pub max: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { percent: Percent::ALL, max: 100_000 }
    }
}

/// A load to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How many.
    pub count: u64,
    /// How many were free when it was planned.
    pub free: u64,
    /// Which limit is the nearest.
    pub limit: String,
    /// When the unit ends by itself.
    pub seconds: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, free, limit) = (self.count, self.free, &self.limit);
        write!(f, "open {count} files of {free} that could be opened (`{limit}`)")
    }
}

impl LoadFault for FdExhaust {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.fd_exhaust",
        target: "server",
        summary: "Opens files until few more can be opened",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = "fd";

    fn check(given: &Params) -> Result<(), Misfit> {
        check_max(given.max, MAX)
    }

    async fn choose(
        _target: &ServerTarget,
        given: Params,
        room: &HostRoom,
        seconds: u64,
    ) -> Result<Step, FaultError> {
        let limit = limit(room)?;
        let count = count("open files", given.percent, given.max, limit)?;
        check_memory(count, MEMORY_EACH, room)?;
        Ok(Step { count, free: limit.free(), limit: limit.name.clone(), seconds })
    }

    fn unit(step: &Step, _id: &str) -> Unit {
        let words = [step.count, EACH, step.seconds].map(|number| number.to_string());
        let tasks = step.count.div_ceil(EACH) + OWN;
        let unit = Unit::shell(step.seconds, LOAD, words).with(format!("TasksMax={tasks}"));
        unit.with(format!("LimitNOFILE={}", EACH + 100))
    }

    fn look(step: &Step, id: &str) -> Script {
        Script::new(MEASURE).set("id", id).set("least", step.count.to_string())
    }

    fn settled_within(_step: &Step) -> Duration {
        SETTLED_WITHIN
    }
}

/// Returns the limit of open files, where anything can reach it.
fn limit(room: &HostRoom) -> Result<&Limit, FaultError> {
    let Limit { max, name, .. } = &room.handles;
    if *max <= UNLIMITED {
        return Ok(&room.handles);
    }
    let what = format!("open files until few are left: this host has no such limit (`{name}` is {max})");
    Err(FaultError::Preflight(Failure::new(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_limit_is_refused() {
        let room = |max| HostRoom {
            handles: Limit { max, name: "fs.file-max".to_owned(), ..Limit::default() },
            ..HostRoom::default()
        };
        assert!(limit(&room(101_000)).is_ok());
        let why = "this host has no such limit (`fs.file-max` is 4294967297)";
        assert!(limit(&room(UNLIMITED + 1)).unwrap_err().to_string().contains(why));
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text = r#"{"count":50,"free":2463405,"limit":"fs.file-max","seconds":123}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "open 50 files of 2463405 that could be opened (`fs.file-max`)");
    }
}
