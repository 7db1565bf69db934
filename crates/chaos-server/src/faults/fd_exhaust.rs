//! Opens files until few more can be opened on the whole host (`fs.file-max`).
//!
//! On many modern hosts that limit is so high that nothing can reach it; then the fault is refused. A reserve always stays. The
//! kernel lets root open files beyond the limit, so what fails first are the services that do not run as root.

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

const LOAD: &str = include_str!("fd_exhaust/load.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("fd_exhaust/measure.sh"));

/// How long it takes at most until all is there.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// What stays free for the host: so many, or a tenth of the limit where that is more.
const RESERVE_MIN: u64 = 1000;
/// The most that `max` may be.
const MAX: u32 = 2_000_000;
/// What an open file takes, in bytes: in the kernel, and in the process that opened it.
const MEMORY_EACH: u64 = 1024;
/// How many files one process opens.
const EACH: u64 = 10_000;
/// Processes of the load itself: its shells and its `sleep`.
const OWN: u64 = 8;
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

impl HostFault for FdExhaust {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.fd_exhaust",
        target: "server",
        summary: "Opens files until few more can be opened",
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
        stress::facts("fd")
    }

    fn undo(&self, _step: &Step, id: &str) -> Script {
        stress::stop(id, [])
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        let words = [step.count, EACH, step.seconds].map(|number| number.to_string());
        let tasks = step.count.div_ceil(EACH) + OWN;
        let unit = Unit::shell(LOAD, words).with(format!("TasksMax={tasks}"));
        unit.with(format!("LimitNOFILE={}", EACH + 100)).start(stress::START, id, step.seconds)
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
    let (max, limit) = (room.handles_max, "fs.file-max".to_owned());
    if max > UNLIMITED {
        let what = format!("open files until few are left: this host has no such limit (`{limit}` is {max})");
        return Err(FaultError::Preflight(Failure::new(what)));
    }
    let free = max.saturating_sub(room.handles);
    let reserve = RESERVE_MIN.max(max / 10);
    let count = params.percent.of(free).min(free.saturating_sub(reserve)).min(params.max.into());
    if count == 0 {
        let what = format!("open files: of {max} (`{limit}`) {free} are free, and {reserve} must stay so");
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
    fn a_reserve_stays_and_what_has_no_limit_is_refused() {
        let of = |percent, max, handles, handles_max| {
            let params = Params { percent: Percent::new(percent).unwrap(), max };
            let room = HostRoom { handles, handles_max, ..HostRoom::default() };
            let count = count(&params, &room);
            count.map(|(count, free, _)| (count, free)).map_err(|error| error.to_string())
        };
        assert_eq!(of(100, 2_000_000, 1000, 101_000), Ok((89_900, 100_000)));
        assert_eq!(of(10, 2_000_000, 1000, 101_000), Ok((10_000, 100_000)));
        assert_eq!(of(100, 5, 1000, 101_000), Ok((5, 100_000)));
        assert!(of(100, 5, 0, u64::MAX / 2).unwrap_err().contains("no such limit"));
        assert!(of(100, 5, 900, 1500).unwrap_err().contains("600 are free, and 1000 must stay so"));
    }
}
