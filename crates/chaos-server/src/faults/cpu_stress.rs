//! Keeps CPUs busy.

use std::fmt;
use std::time::Duration;

use chaos_core::{Failure, FaultError, FaultSpec, Misfit, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::Percent;
use super::stress::{Engine, HostRoom, LoadFault, Unit, check_some_workers, check_workers};
use crate::target::ServerTarget;

const LOAD: &str = include_str!("cpu_stress/load.sh");
const SETTLE: &str = concat!(include_str!("stress/look.sh"), include_str!("cpu_stress/settle.sh"));
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("cpu_stress/measure.sh"));

/// On a host that is busy already, the load takes its time to get its share.
const SETTLED_WITHIN: Duration = Duration::from_secs(15);
/// The part of what was asked that must be seen, in percent: others compete for the CPUs, which is what the load is for.
const SEEN_MIN: u64 = 10;

/// Keeps CPUs busy: `server.cpu_stress`.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuStress;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many processes keep a CPU busy each, 1 to 16 for each CPU of the host. Default: 2.
    #[schemars(range(min = 1))]
    pub workers: u32,
    /// Which share of a CPU each of them takes: `50` or `50%`. Default: 100.
    pub load: Percent,
    /// What makes the load: `builtin`, or `stress-ng`, which must be on the host. Default: `builtin`.
    pub engine: Engine,
}

impl Default for Params {
    fn default() -> Self {
        Self { workers: 2, load: Percent::ALL, engine: Engine::Builtin }
    }
}

/// How a worker is kept from taking all of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It takes all it gets.
    None,
    /// The kernel limits the unit.
    Quota,
    /// It rests for a part of each second: the host's kernel limits no unit.
    DutyCycle,
    /// The program does it by itself.
    Program,
}

/// A load to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How many workers.
    pub workers: u32,
    /// The share of a CPU for each, in percent.
    pub load: u8,
    /// How that is kept.
    pub limit: Limit,
    /// What makes the load.
    pub engine: Engine,
    /// How many percent of one CPU must be seen.
    pub least: u64,
    /// When the unit ends by itself.
    pub seconds: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers =
            if self.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", self.workers) };
        write!(f, "keep CPUs busy with {workers} at {}%", self.load)?;
        match self.limit {
            Limit::DutyCycle => {
                f.write_str(" (they rest for a part of each second: the host keeps no limit of CPU time)")
            }
            Limit::None | Limit::Quota | Limit::Program => Ok(()),
        }
    }
}

impl LoadFault for CpuStress {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.cpu_stress",
        target: "server",
        summary: "Keeps CPUs busy",
        risk: Risk::Low,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = "cpu";

    fn check(given: &Params) -> Result<(), Misfit> {
        check_some_workers(given.workers)
    }

    async fn choose(
        target: &ServerTarget,
        given: Params,
        room: &HostRoom,
        seconds: u64,
    ) -> Result<Step, FaultError> {
        check_workers(given.workers, room)?;
        given.engine.require(target)?;
        let limit = match (given.engine, given.load.get()) {
            (Engine::StressNg, _) => Limit::Program,
            (Engine::Builtin, 100) => Limit::None,
            (Engine::Builtin, _) if room.limits_cpu => Limit::Quota,
            (Engine::Builtin, _) => Limit::DutyCycle,
        };
        if limit == Limit::DutyCycle && !can_rest(target) {
            let what = format!("keep a load of {}: the host limits no CPU time", given.load);
            return Err(FaultError::Preflight(Failure::new(what).hint("leave out `load`, for 100%")));
        }
        let busy = u64::from(given.workers).min(room.cpus) * u64::from(given.load.get());
        Ok(Step {
            workers: given.workers,
            load: given.load.get(),
            limit,
            engine: given.engine,
            least: (busy * SEEN_MIN / 100).max(1),
            seconds,
        })
    }

    fn unit(step: &Step, _id: &str) -> Unit {
        let busy = if step.limit == Limit::DutyCycle { step.load } else { 100 };
        let unit = match step.engine {
            Engine::Builtin => Unit::shell(step.seconds, LOAD, [step.workers.to_string(), busy.to_string()]),
            Engine::StressNg => Unit::program(step.seconds, stress_ng(step)),
        };
        match step.limit {
            Limit::Quota => {
                unit.with(format!("CPUQuota={}%", u64::from(step.workers) * u64::from(step.load)))
            }
            Limit::None | Limit::DutyCycle | Limit::Program => unit,
        }
    }

    fn look(step: &Step, id: &str) -> Script {
        step.look(MEASURE, id)
    }

    fn look_first(step: &Step, id: &str) -> Script {
        step.look(SETTLE, id)
    }

    fn settled_within(_step: &Step) -> Duration {
        SETTLED_WITHIN
    }
}

impl Step {
    fn look(&self, text: &'static str, id: &str) -> Script {
        Script::new(text)
            .set("id", id)
            .set("workers", self.workers.to_string())
            .set("least", self.least.to_string())
            .set("limited", if self.limit == Limit::Quota { "1" } else { "0" })
    }
}

fn stress_ng(step: &Step) -> [String; 7] {
    let (workers, load, seconds) =
        (step.workers.to_string(), step.load.to_string(), step.seconds.to_string());
    ["stress-ng", "--cpu", &workers, "--cpu-load", &load, "--timeout", &seconds].map(str::to_owned)
}

/// Returns whether `sleep` knows parts of a second: that of GNU does, and comes with `timeout`, `stat` and `truncate`.
fn can_rest(target: &ServerTarget) -> bool {
    target.has("timeout") && target.has("stat") && target.has("truncate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text = r#"{"workers":2,"load":100,"limit":"none","engine":"builtin","least":20,"seconds":123}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "keep CPUs busy with 2 workers at 100%");
    }
}
