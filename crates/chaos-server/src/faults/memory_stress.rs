//! Takes memory and holds it.
//!
//! It is memory of processes, every page of it written to, so that the kernel sees whose it is: when memory runs out, ours goes
//! first. A reserve always stays free.

use std::fmt;
use std::time::Duration;

use chaos_core::{Failure, FaultError, FaultSpec, Misfit, Reversibility, Risk};
use chaos_host::Script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::{Bytes, Percent, show};
use super::stress::{Engine, HostRoom, LoadFault, Unit, check_some_workers, check_workers};
use crate::target::ServerTarget;

const LOAD: &str = include_str!("memory_stress/load.sh");
const FIRST: &str = include_str!("memory_stress/first.sh");
const MEASURE: &str = concat!(include_str!("stress/look.sh"), include_str!("memory_stress/measure.sh"));

/// What always stays free, unless a person says otherwise: so much, or a tenth of all memory where that is more.
const RESERVE_MIN: u64 = 256 << 20;
/// The least that a person may leave free. With less the host cannot even undo.
const RESERVE_LEAST: u64 = 64 << 20;
/// What is held is more than what was asked for by this part, in percent, and by this much for each worker.
const OVERHEAD_PERCENT: u64 = 3;
const OVERHEAD: u64 = 4 << 20;
/// What must be seen of what was asked for, in percent.
const SEEN_MIN: u64 = 95;
/// Memory is taken at this rate on a machine that is very busy, in bytes a second.
const RATE_MIN: u64 = 100 << 20;

/// Takes memory and holds it: `server.memory_stress`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryStress;

/// What a person writes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How much each worker holds: `256M`, `2GiB`. Default: 256M, unless `percent` is given.
    pub memory: Option<Bytes>,
    /// How much all workers hold together, as a share of the host's memory: `30` or `30%`. In place of `memory`.
    pub percent: Option<Percent>,
    /// How many processes hold it, 1 to 16 for each CPU of the host. Default: 1.
    #[schemars(range(min = 1))]
    pub workers: u32,
    /// How much must stay available to the host; swap does not count. At least `64MiB`. Default: 256 MiB, or a tenth of all
    /// memory where that is more.
    pub oom_reserve: Option<Bytes>,
    /// What makes the load: `builtin`, or `stress-ng`, which must be on the host. Default: `builtin`.
    pub engine: Engine,
}

impl Default for Params {
    fn default() -> Self {
        Self { memory: None, percent: None, workers: 1, oom_reserve: None, engine: Engine::Builtin }
    }
}

/// A load to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How many workers.
    pub workers: u32,
    /// How many bytes each of them holds.
    pub bytes_each: u64,
    /// How many bytes stay available.
    pub reserve: u64,
    /// What makes the load.
    pub engine: Engine,
    /// When the unit ends by itself.
    pub seconds: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hold {} of memory", show(self.bytes()))?;
        if self.workers > 1 {
            write!(f, " in {} processes", self.workers)?;
        }
        write!(f, "; at least {} stay free", show(self.reserve))
    }
}

impl LoadFault for MemoryStress {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.memory_stress",
        target: "server",
        summary: "Takes memory and holds it",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };
    const KIND: &'static str = "memory";

    fn check(given: &Params) -> Result<(), Misfit> {
        if given.memory.is_some() && given.percent.is_some() {
            let hint = "`memory` is what each worker holds, `percent` what all of them hold";
            return Err(Misfit::new("`percent` excludes `memory`").at("percent").hint(hint));
        }
        if given.oom_reserve.is_some_and(|reserve| reserve.get() < RESERVE_LEAST) {
            let why = format!("`oom_reserve` must be at least {}", show(RESERVE_LEAST));
            return Err(Misfit::new(why).at("oom_reserve"));
        }
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
        let step = Step {
            workers: given.workers,
            bytes_each: bytes_each(&given, room),
            reserve: reserve(&given, room),
            engine: given.engine,
            seconds,
        };
        check_free(&step, room)?;
        Ok(step)
    }

    fn unit(step: &Step, _id: &str) -> Unit {
        let words = [u64::from(step.workers), step.bytes_each, step.seconds].map(|number| number.to_string());
        let unit = match step.engine {
            Engine::Builtin => Unit::shell(step.seconds, LOAD, words),
            Engine::StressNg => Unit::program(step.seconds, stress_ng(step)),
        };
        // It can never take more than was planned, and none of it goes to swap: then it would not be memory.
        let spare = if step.engine == Engine::StressNg { 64 << 20 } else { 0 };
        let first = Script::new(FIRST).set("needed", (step.most() + step.reserve).to_string());
        unit.with(format!("MemoryMax={}", step.most() + spare))
            .with("MemorySwapMax=0".to_owned())
            .after(first)
    }

    fn look(step: &Step, id: &str) -> Script {
        let least = step.bytes() / 100 * SEEN_MIN;
        Script::new(MEASURE).set("id", id).set("least", least.to_string())
    }

    fn settled_within(step: &Step) -> Duration {
        Duration::from_secs(20 + step.bytes() / RATE_MIN)
    }
}

impl Step {
    fn bytes(&self) -> u64 {
        u64::from(self.workers) * self.bytes_each
    }

    /// The most that the unit may have.
    fn most(&self) -> u64 {
        self.bytes() + self.bytes() / 100 * OVERHEAD_PERCENT + (u64::from(self.workers) + 4) * OVERHEAD
    }
}

fn stress_ng(step: &Step) -> [String; 11] {
    // Its `--vm-bytes` is for all workers together.
    let (workers, bytes, seconds) =
        (step.workers.to_string(), step.bytes().to_string(), step.seconds.to_string());
    [
        "stress-ng",
        "--vm",
        &workers,
        "--vm-bytes",
        &bytes,
        "--vm-keep",
        "--vm-hang",
        "0",
        "--vm-populate",
        "--timeout",
        &seconds,
    ]
    .map(str::to_owned)
}

fn bytes_each(params: &Params, room: &HostRoom) -> u64 {
    match (params.memory, params.percent) {
        (Some(memory), _) => memory.get(),
        (None, Some(percent)) => percent.of(room.memory) / u64::from(params.workers.max(1)),
        (None, None) => 256 << 20,
    }
}

fn reserve(params: &Params, room: &HostRoom) -> u64 {
    params.oom_reserve.map_or_else(|| RESERVE_MIN.max(room.memory / 10), Bytes::get)
}

fn check_free(step: &Step, room: &HostRoom) -> Result<(), FaultError> {
    let wanted = u128::from(step.workers) * u128::from(step.bytes_each);
    let fits = wanted <= u128::from(room.memory_free)
        && step.most().saturating_add(step.reserve) <= room.memory_free;
    if fits {
        return Ok(());
    }
    let what = format!(
        "hold {} workers' {} of memory and leave {}: {} are available",
        step.workers,
        show(step.bytes_each),
        show(step.reserve),
        show(room.memory_free)
    );
    Err(FaultError::Preflight(Failure::new(what).hint("ask for less `memory` or `percent`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: Params, expected: Result<(u64, u64), &str>) {
        let room = HostRoom { memory: 8 << 30, memory_free: 4 << 30, ..HostRoom::default() };
        let seen = (|| {
            MemoryStress::check(&params)?;
            let (bytes_each, reserve) = (bytes_each(&params, &room), reserve(&params, &room));
            let step =
                Step { workers: params.workers, bytes_each, reserve, engine: Engine::Builtin, seconds: 1 };
            check_free(&step, &room)?;
            Ok((bytes_each >> 20, reserve >> 20))
        })();
        let seen = seen.map_err(|error: FaultError| error.chain());
        match expected {
            Ok(expected) => assert_eq!(seen, Ok(expected)),
            Err(part) => assert!(seen.as_ref().is_err_and(|text| text.contains(part)), "{seen:?}"),
        }
    }

    #[test]
    fn memory_is_taken_only_where_the_reserve_stays() {
        let mib = |mib| Some(Bytes::mib(mib));
        let params = Params::default;
        check(params(), Ok((256, 819)));
        check(Params { memory: mib(1024), workers: 2, ..params() }, Ok((1024, 819)));
        check(Params { percent: Percent::new(25), workers: 2, ..params() }, Ok((1024, 819)));
        check(Params { memory: mib(3900), oom_reserve: mib(64), ..params() }, Err("4 GiB are available"));
        check(Params { memory: mib(3600), ..params() }, Err("leave 819"));
        check(Params { memory: Bytes::new(u64::MAX), workers: 3, ..params() }, Err("are available"));
        check(Params { oom_reserve: mib(63), ..params() }, Err("`oom_reserve` must be at least 64 MiB"));
        check(
            Params { memory: mib(1), percent: Percent::new(1), ..params() },
            Err("`percent` excludes `memory`"),
        );
    }

    #[test]
    fn a_step_of_an_older_journal_still_loads() {
        let text =
            r#"{"workers":1,"bytes_each":16777216,"reserve":268435456,"engine":"builtin","seconds":123}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(step.to_string(), "hold 16 MiB of memory; at least 256 MiB stay free");
    }
}
