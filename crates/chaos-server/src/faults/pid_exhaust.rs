//! Takes processes until few are left to be had.
//!
//! Of all limits (the numbers of processes, the kernel's own limit, that of the control group the host lives in), the nearest one
//! counts. A reserve always stays, so that the host can still be entered and the undo can run.

use std::fmt;
use std::time::Duration;

use chaos_core::{Effect, Failure, FaultError, FaultSpec, PrepareContext, Reversibility, Risk, StepContext};
use chaos_host::{Output, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::Percent;
use super::stress::{self, HostRoom, Unit};
use crate::host_fault::{HostFacts, HostFault};
use crate::target::ServerTarget;

const LOAD: &str = include_str!("pid_exhaust/load.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("pid_exhaust/measure.sh"));

/// How long it takes at most until all is there.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// What stays free for the host: so many, or a tenth of the limit where that is more.
const RESERVE_MIN: u64 = 1000;
/// The most that `max` may be.
const MAX: u32 = 50_000;
/// What one process of ours takes, in bytes: its stack in the kernel, its tables, the pages that it has for itself.
const MEMORY_EACH: u64 = 256 << 10;
/// Processes of the load itself: its shells and its `sleep`.
const OWN: u64 = 8;

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

impl HostFault for PidExhaust {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.pid_exhaust",
        target: "server",
        summary: "Takes processes until few are left to be had",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        if params.max == 0 || params.max > MAX {
            let what = format!("use {} as `max`", params.max);
            return Err(FaultError::Params(Failure::new(what).hint(format!("1 to {MAX}"))));
        }
        let room = stress::room(target).await?;
        let (count, free, limit) = count(&params, &room)?;
        check_memory(count, &room)?;
        Ok(vec![Step { count, free, limit, seconds: stress::seconds(cx, target) }])
    }

    fn facts(&self, _step: &Step) -> HostFacts {
        stress::facts("pid")
    }

    fn undo(&self, _step: &Step, id: &str) -> Script {
        stress::stop(id, [])
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        let words = [step.count, step.seconds].map(|number| number.to_string());
        let unit = Unit::shell(LOAD, words).with(format!("TasksMax={}", step.count + OWN));
        unit.start(stress::START, id, step.seconds)
    }

    async fn settle(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Step,
        id: &str,
        _output: Output,
    ) -> Result<Effect, FaultError> {
        stress::settled(cx, target, &step.look(id), SETTLED_WITHIN).await
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.look(id))
    }
}

impl Step {
    fn look(&self, id: &str) -> Script {
        Script::new(MEASURE).set("id", id).set("least", self.count.to_string())
    }
}

fn count(params: &Params, room: &HostRoom) -> Result<(u64, u64, String), FaultError> {
    let free = |(used, max, limit): &(u64, u64, String)| (max.saturating_sub(*used), *max, limit.clone());
    let Some((free, max, limit)) = room.tasks.iter().map(free).min() else {
        return Err(FaultError::Preflight(Failure::new("learn how many processes the host can have")));
    };
    let reserve = RESERVE_MIN.max(max / 10);
    let count = params.percent.of(free).min(free.saturating_sub(reserve)).min(params.max.into());
    if count == 0 {
        let what =
            format!("start processes: of {max} (`{limit}`) {free} are free, and {reserve} must stay so");
        return Err(FaultError::Preflight(Failure::new(what)));
    }
    Ok((count, free, limit))
}

/// Refuses what would take more than half of the memory that is available.
fn check_memory(count: u64, room: &HostRoom) -> Result<(), FaultError> {
    if count * MEMORY_EACH <= room.memory_free / 2 {
        return Ok(());
    }
    let what = format!("hold {count}: that takes more than half of the memory that is available");
    Err(FaultError::Preflight(Failure::new(what).hint("set a smaller `max`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_limit_counts_and_a_reserve_stays() {
        let limits = |list: &[(u64, u64)]| HostRoom {
            tasks: list.iter().map(|(used, max)| (*used, *max, "x".to_owned())).collect(),
            ..HostRoom::default()
        };
        let of = |percent, max, list: &[(u64, u64)]| {
            let params = Params { percent: Percent::new(percent).unwrap(), max };
            let count = count(&params, &limits(list));
            count.map(|(count, free, _)| (count, free)).map_err(|error| error.to_string())
        };
        assert_eq!(of(100, 50_000, &[(100, 4_000_000), (192, 8192)]), Ok((7000, 8000)));
        assert_eq!(of(50, 50_000, &[(192, 8192)]), Ok((4000, 8000)));
        assert_eq!(of(100, 50_000, &[(0, 30_000)]), Ok((27_000, 30_000)));
        assert_eq!(of(100, 10_000, &[(0, 4_000_000)]), Ok((10_000, 4_000_000)));
        assert!(of(100, 10, &[(400, 1200)]).unwrap_err().contains("800 are free, and 1000 must stay so"));
        assert!(of(100, 10, &[]).is_err());
        assert!(check_memory(1000, &HostRoom { memory_free: 1 << 20, ..HostRoom::default() }).is_err());
    }
}
