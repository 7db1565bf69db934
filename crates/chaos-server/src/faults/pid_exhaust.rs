//! Takes processes until few are left to be had.
//!
//! Of all limits (the numbers of processes, the kernel's own limit, that of the control group the host lives in), the nearest one
//! counts. A reserve always stays, so that the host can still be entered and the undo can run.

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

const LOAD: &str = include_str!("pid_exhaust/load.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("pid_exhaust/measure.sh"));

/// The most that `max` may be.
const MAX: u32 = 50_000;
/// What one process of ours takes, in bytes: its stack in the kernel, its tables, the pages that it has for itself.
const MEMORY_EACH: u64 = 256 << 10;

/// Takes processes until few are left to be had: `server.pid_exhaust`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PidExhaust;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which share of the processes that can still be had is taken: `80` or `80%`. A tenth of the limit, and at least 1000, always
    /// stay free. Default: 100.
    pub percent: Percent,
    /// How many processes are started at most, whatever `percent` says, 1 to 50000. Modern hosts allow more than anybody can start
    /// in a sensible time; the plan says how many of how many it will be. Default: 10000.
    #[schemars(range(min = 1, max = 50000))]
    pub max: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { percent: Percent::ALL, max: 10_000 }
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
        write!(f, "start {count} processes of {free} that could be had (`{limit}`)")
    }
}

impl LoadFault for PidExhaust {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.pid_exhaust",
        target: "server",
        summary: "Takes processes until few are left to be had",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = "pid";

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
        let count = count("start processes", given.percent, given.max, limit)?;
        check_memory(count, MEMORY_EACH, room)?;
        Ok(Step { count, free: limit.free(), limit: limit.name.clone(), seconds })
    }

    fn unit(step: &Step, _id: &str) -> Unit {
        let words = [step.count, step.seconds].map(|number| number.to_string());
        Unit::shell(step.seconds, LOAD, words).with(format!("TasksMax={}", step.count + OWN))
    }

    fn look(step: &Step, id: &str) -> Script {
        Script::new(MEASURE).set("id", id).set("least", step.count.to_string())
    }

    fn settled_within(_step: &Step) -> Duration {
        SETTLED_WITHIN
    }
}

/// Returns the limit of processes that is the nearest.
fn limit(room: &HostRoom) -> Result<&Limit, FaultError> {
    let nearest = room.tasks.iter().min_by_key(|limit| (limit.free(), limit.max));
    let unknown = || FaultError::Preflight(Failure::new("learn how many processes the host can have"));
    nearest.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_counts() {
        let room = |list: &[(u64, u64)]| HostRoom {
            tasks: list
                .iter()
                .map(|(used, max)| Limit { used: *used, max: *max, name: String::new() })
                .collect(),
            ..HostRoom::default()
        };
        assert_eq!(limit(&room(&[(100, 4_000_000), (192, 8192)])).unwrap().free(), 8000);
        assert_eq!(limit(&room(&[(0, 30_000), (192, 800_000)])).unwrap().free(), 30_000);
        assert!(limit(&room(&[])).is_err());
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text = r#"{"count":50,"free":8164,"limit":"pids.max","seconds":123}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "start 50 processes of 8164 that could be had (`pids.max`)");
    }
}
