//! Stops services, keeps them stopped for the hold, and starts again what ran.
//!
//! A stopped service comes back in many ways: its socket or path starts it, something upholds it, a person starts it. A mask
//! does not hold for a unit whose file is in `/etc`. A drop-in with a condition that is never true holds for every unit and
//! against everything that starts units, and lies in `/run`, so that a reboot takes it.

mod choose;
mod step;

use std::time::Duration;

use chaos_core::{
    Effect, Failure, FaultError, FaultSpec, Misfit, PrepareContext, Reversibility, Risk, StepContext,
};
use chaos_host::{Limits, Output, Script};
use schemars::JsonSchema;
use serde::Deserialize;

use super::processes::misnamed;
use super::units;
use crate::discovery::services;
use crate::host_fault::{HostFacts, HostFault, effect};
use crate::target::ServerTarget;
pub use step::Step;

const INJECT: &str = include_str!("service_stop/inject.sh");
const UNDO: &str = concat!(include_str!("units/back.sh"), include_str!("service_stop/undo.sh"));
const MEASURE: &str = include_str!("service_stop/measure.sh");

/// The most services that may be named at once.
const NAMED_MAX: usize = 50;
/// How long a service may take to stop. What systemd gives it by default is 90 seconds, then it is killed.
const STOP_MAX: Duration = Duration::from_secs(120);
/// Between two looks at a service that stops slowly.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Stops services: `server.service_stop`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceStop;

/// What a person writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many services are stopped at most. When none are named, so many are chosen, by the seed of the run, among those
    /// that run. Default: 1 when none are named, otherwise as many as are named.
    #[schemars(range(min = 1, max = 50))]
    pub max_services: Option<u16>,
    /// The services, with or without `.service`: `["nginx", "getty@tty1.service"]`. Each must be running. Default: none, and
    /// then they are chosen.
    pub services: Vec<String>,
}

impl HostFault for ServiceStop {
    type Params = Params;
    type Step = Step;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.service_stop",
        target: "server",
        summary: "Stops services and keeps them stopped",
        risk: Risk::High,
        reversibility: Reversibility::Exact,
    };
    const OUTLIVES_REBOOT: bool = false;
    const CLAIMS_ON_HOST: bool = true;

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        check(params)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        units::require_host(target)?;
        Ok(vec![choose::step(cx, target, &params).await?])
    }

    fn facts(&self, step: &Step) -> HostFacts {
        step.facts()
    }

    fn undo(&self, step: &Step, id: &str) -> Script {
        step.script(UNDO, id)
    }

    fn inject(&self, step: &Step, id: &str) -> Script {
        step.script(INJECT, id)
    }

    fn inject_limits(&self, _step: &Step) -> Limits {
        Limits::time(Duration::from_secs(60))
    }

    async fn settle(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Step,
        id: &str,
        output: Output,
    ) -> Result<Effect, FaultError> {
        let end = tokio::time::Instant::now() + STOP_MAX;
        loop {
            let seen = target.host().run(&step.script(MEASURE, id), Limits::default()).await?;
            if seen.status == 0 {
                return Ok(merged(effect(&output), effect(&seen)));
            }
            // 75: it is still stopping. Everything else will not change by waiting.
            if seen.status != 75 || tokio::time::Instant::now() >= end {
                let what = format!("see {} stopped", step.services_in_words());
                return Err(FaultError::Target(Failure::new(what).source(seen.stderr)));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = cx.cancel.cancelled() => return Err(FaultError::Cancelled),
            }
        }
    }

    fn measure(&self, step: &Step, id: &str) -> Option<Script> {
        Some(step.script(MEASURE, id))
    }

    fn conflict(&self, _step: &Step, what: &str) -> String {
        format!("unit `{what}`")
    }
}

fn check(params: &Params) -> Result<(), Misfit> {
    for (place, name) in params.services.iter().enumerate() {
        let misnamed = |why| misnamed("services", why).item(place);
        let unit = services::name_of_unit(name).map_err(misnamed)?;
        if !unit.ends_with(".service") {
            return Err(misnamed("this is another kind of unit"));
        }
    }
    let named = params.services.len();
    let bound = params.max_services.map(usize::from);
    if bound.is_some_and(|max| !(1..=NAMED_MAX).contains(&max)) {
        return Err(Misfit::new(format!("`max_services` must be 1 to {NAMED_MAX}")).at("max_services"));
    }
    if bound.is_some_and(|max| named > max) {
        let why = format!("`services` has {named} entries, which is more than `max_services`");
        return Err(Misfit::new(why).at("services").hint("leave out `max_services`, or name fewer"));
    }
    if named > NAMED_MAX {
        let why = format!("`services` has {named} entries, but {NAMED_MAX} are the most");
        return Err(Misfit::new(why).at("services"));
    }
    Ok(())
}

fn merged(mut effect: Effect, more: Effect) -> Effect {
    effect.0.extend(more.0);
    effect
}
