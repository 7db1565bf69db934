//! Reboots a host, and sees it come back with all that ran.
//!
//! There is nothing on the host that could undo a reboot, and nothing is needed: it ends by itself. What can be left behind is a
//! host that does not come back, or a service that only a person had started. The first is reported, the second started.

mod state;

use std::fmt;
use std::time::Duration;

use chaos_core::experiment::parse_hold;
use chaos_core::fault::{Conflict, NoSession, WHOLE_SYSTEM};
use chaos_core::target::{NameKind, TargetName};
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, Misfit, PrepareContext, Quantity,
    Reversibility, RevertOutcome, Reverted, Risk, Rope, StepContext, StepFacts,
};
use chaos_host::{HostError, Limits, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::units::{self, Back};
use crate::target::ServerTarget;
use state::State;

const INJECT: &str = include_str!("reboot/inject.sh");
const HEAL: &str = concat!(include_str!("units/back.sh"), include_str!("reboot/heal.sh"));

/// How long a host may be away when nothing is said.
const BACK_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The longest that anybody may wait for a host.
const BACK_WITHIN_MAX: Duration = Duration::from_secs(15 * 60);
/// Between two looks at a host that is away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest that starting what is missing may take.
const HEAL_MAX: Duration = Duration::from_secs(90);

/// Reboots a host: `server.reboot`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reboot;

/// What a person writes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How long the host may take until it is back with all its units, from `10s` to `15m`. After that it is reported as left
    /// behind. Default: `5m`.
    pub come_back_within: Option<String>,
    /// Whether to reboot although a program asks the host not to shut down, as package managers do while they work. Default:
    /// `false`.
    pub force: bool,
}

/// Everything needed to reboot a host and to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The boot that the plan was made in.
    pub boot: String,
    /// How long the host may take, in seconds.
    pub back_within_s: u64,
    /// What was active and must be active again, in the order in which what is missing is started.
    pub back: Vec<Back>,
    /// Who was logged in at a terminal.
    #[serde(default)]
    pub users: Vec<String>,
    /// The name of the host.
    pub host: String,
}

impl Fault for Reboot {
    type Target = ServerTarget;
    type Params = Params;
    type Step = Step;
    type Session = NoSession;

    const SPEC: FaultSpec = FaultSpec {
        name: "server.reboot",
        target: "server",
        summary: "Reboots the host and sees its services come back",
        risk: Risk::High,
        reversibility: Reversibility::EndsItself,
    };

    fn check(&self, params: &Params) -> Result<(), Misfit> {
        back_within(params.come_back_within.as_deref()).map(drop)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let within = back_within(params.come_back_within.as_deref())?;
        target.require_root()?;
        units::require_host(target)?;
        let before = state::before(cx, target, params.force).await?;
        Ok(vec![Step {
            boot: target.facts().boot_id.clone(),
            back_within_s: within.as_secs(),
            back: before.back,
            users: before.users,
            host: target.facts().hostname.clone(),
        }])
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let services = step.back.iter().filter(|back| back.unit.ends_with(".service"));
        StepFacts {
            undo: format!(
                "see the host back within {} s with {} units active, start those that are not",
                step.back_within_s,
                step.back.len()
            ),
            rope: Rope::EndsByItself,
            claims: vec![Claim { resource: WHOLE_SYSTEM.to_owned(), access: Access::BlockAll }],
            quantity: Quantity { hosts: 1, ..Quantity::default() },
            names: services.map(|back| TargetName::new(NameKind::Service, back.unit.clone())).collect(),
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &ServerTarget,
        _step: &Step,
    ) -> Result<NoSession, FaultError> {
        target.host().settle().await?;
        Ok(NoSession)
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Step,
        _session: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        let started = Instant::now();
        let script = Script::new(INJECT).set("boot", &step.boot);
        match target.host().must("reboot", &script, Limits::default()).await {
            // The host may be gone before it has answered.
            Ok(_) | Err(HostError::Unreachable(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let end = started + Duration::from_secs(step.back_within_s);
        let away = wait_for_boot(cx, target, step, end).await?;
        let missing = wait_for_units(cx, target, step, end).await?;
        Ok(Effect::default()
            .with("away_ms", u64::try_from(away.as_millis()).unwrap_or(u64::MAX))
            .with("back_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
            .with("units_missing", missing.len()))
    }

    async fn revert(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Step,
    ) -> Result<Reverted, FaultError> {
        let state = State::read(target, step, Limits::default()).await?;
        if state.is_in_motion() {
            let what = format!("see `{}` at rest: it is {}", step.host, state.running);
            return Err(FaultError::Busy(Failure::new(what)));
        }
        if state.boot == step.boot {
            return not_rebooted(cx, step);
        }
        if state.missing.is_empty() {
            return Ok(Reverted::new(RevertOutcome::AlreadyUndone));
        }
        heal(target, step).await
    }
}

/// Starts what did not come back by itself.
async fn heal(target: &ServerTarget, step: &Step) -> Result<Reverted, FaultError> {
    let script = Script::new(HEAL).set("boot", &step.boot).set("back", Back::words(&step.back));
    let output = target.host().must("start what did not come back", &script, Limits::time(HEAL_MAX)).await?;
    let behind: Vec<&str> = output.told("behind").collect();
    if !behind.is_empty() {
        let what = format!("have everything back on `{}`: {}", step.host, behind.join(", "));
        let hint = "`systemctl status` and `journalctl -b -u` on the host say why";
        return Err(FaultError::Busy(Failure::new(what).hint(hint)));
    }
    let started = output.told("restored").filter_map(|text| text.parse::<u64>().ok()).sum::<u64>();
    let mut reverted =
        Reverted::new(if started > 0 { RevertOutcome::Restored } else { RevertOutcome::AlreadyUndone });
    reverted.effect = Effect::default().with("started", started);
    for line in output.told("conflict") {
        let (unit, found) = line.split_once('|').unwrap_or((line, "changed by somebody else"));
        reverted.push_conflict(Conflict { what: format!("unit `{unit}`"), found: found.to_owned() });
    }
    Ok(reverted)
}

/// A host that is still in the boot of the plan was not rebooted, unless it is known to have been.
fn not_rebooted(cx: &StepContext, step: &Step) -> Result<Reverted, FaultError> {
    if cx.has_acted {
        let what = format!("see that `{}` was rebooted: it is still in the same boot", step.host);
        return Err(FaultError::Busy(Failure::new(what)));
    }
    Ok(Reverted::new(RevertOutcome::NothingToDo))
}

/// Waits until the host answers from another boot; returns how long it was away.
async fn wait_for_boot(
    cx: &StepContext,
    target: &ServerTarget,
    step: &Step,
    end: Instant,
) -> Result<Duration, FaultError> {
    let left = Instant::now();
    loop {
        let look = State::read(target, step, Limits::time(Duration::from_secs(10))).await;
        match look {
            Ok(state) if state.boot != step.boot => return Ok(left.elapsed()),
            Ok(_) | Err(FaultError::Unreachable(_) | FaultError::Busy(_)) => {}
            // While it goes down or comes up it may let nobody in; that is no answer.
            Err(FaultError::Target(_)) if Instant::now() < end => {}
            Err(error) => return Err(error),
        }
        pause(cx, step, end, "come back").await?;
    }
}

/// Waits until everything runs again or nothing more starts; returns what does not run.
async fn wait_for_units(
    cx: &StepContext,
    target: &ServerTarget,
    step: &Step,
    end: Instant,
) -> Result<Vec<String>, FaultError> {
    loop {
        match State::read(target, step, Limits::default()).await {
            Ok(state) if state.missing.is_empty() || !state.is_in_motion() => return Ok(state.missing),
            Ok(_) | Err(FaultError::Unreachable(_) | FaultError::Busy(_)) => {}
            Err(error) => return Err(error),
        }
        pause(cx, step, end, "have its units back").await?;
    }
}

async fn pause(cx: &StepContext, step: &Step, end: Instant, what: &str) -> Result<(), FaultError> {
    if Instant::now() >= end {
        let what = format!("see `{}` {what} within {} s of its reboot", step.host, step.back_within_s);
        return Err(FaultError::Unreachable(Failure::new(what)));
    }
    tokio::select! {
        () = sleep(LOOK_EVERY) => Ok(()),
        () = cx.cancel.cancelled() => Err(FaultError::Cancelled),
    }
}

fn back_within(text: Option<&str>) -> Result<Duration, Misfit> {
    let Some(text) = text else { return Ok(BACK_WITHIN) };
    let refuse = |why: &str, hint: String| {
        Misfit::new(format!("`come_back_within` must be {why}")).at("come_back_within").hint(hint)
    };
    let within = parse_hold(text).map_err(|(_, hint)| refuse("a time", hint))?;
    if (Duration::from_secs(10)..=BACK_WITHIN_MAX).contains(&within) {
        return Ok(within);
    }
    Err(refuse("10s to 15m", "the default is `5m`".to_owned()))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.back.len();
        write!(f, "reboot `{}` and wait up to {} s for its {count} units", self.host, self.back_within_s)?;
        f.write_str("; what lives in memory only (/run, rules and settings that were not saved) is lost")?;
        if !self.users.is_empty() {
            write!(f, "; logged in there: {}", self.users.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_first_version_still_loads() {
        let text = r#"{"boot": "b", "back_within_s": 300, "back": [], "host": "web-1"}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert!(step.to_string().starts_with("reboot `web-1` and wait up to 300 s"));
    }
}
