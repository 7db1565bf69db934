//! Makes a fault of what one [`HostFault`] says: rope, lock, heartbeats, undo and residue are the same for all.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::fault::{ALREADY_UNDONE, Conflict, WHOLE_SYSTEM};
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, Misfit, PrepareContext, Quantity,
    RevertOutcome, Reverted, StepContext, StepFacts,
};
use chaos_host::rope::Claims;
use chaos_host::{Answer, Host, Rope, RopeHandle, RopeKind, Script};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::host_fault::{HostFault, effect};
use crate::target::ServerTarget;

mod clash;

/// The longest that a host waits without hearing from us, unless its margin is longer. Longer holds are kept up by heartbeats.
const LEASE: Duration = Duration::from_secs(300);
/// This long after the hold we stop the heartbeats, whatever hangs.
const HEARTBEATS_MAX: Duration = Duration::from_secs(2 * 3600);
/// The longest wait before a deadline that could not be moved is moved again.
const AGAIN_MAX: Duration = Duration::from_secs(10);

/// A fault on a host.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnHost<F>(pub F);

/// A step of a fault on a host, with the name of its rope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostStep<S> {
    /// The rope.
    pub rope: RopeHandle,
    /// What is done.
    pub what: S,
}

impl<S: fmt::Display> fmt::Display for HostStep<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

/// What stays open while a fault on a host lasts: heartbeats, and what to measure at the end.
pub struct HostSession {
    host: Host,
    rope: Rope,
    measure: Option<Script>,
    pulse: Arc<Mutex<Pulse>>,
    _heartbeat: AbortOnDropHandle<()>,
}

/// What the heartbeats know of the deadline.
struct Pulse {
    /// When it was last moved on, or armed.
    moved: Instant,
    /// How far from then it is.
    after: Duration,
    /// Why it can be moved no more.
    lost: Option<FaultError>,
}

impl Pulse {
    /// Returns why the fault did not last until now, as far as we know.
    fn lost(&mut self) -> Option<FaultError> {
        let why = match self.lost.take() {
            Some(error) => error.chain(),
            None if self.moved.elapsed() < self.after => return None,
            None => "the deadline on the host could not be moved in time, and has come".to_owned(),
        };
        let what = "keep the fault up until the end of the hold";
        Some(FaultError::Target(Failure::new(what).source(why)))
    }
}

impl<F: HostFault> OnHost<F> {
    fn rope(&self, step: &HostStep<F::Step>) -> Rope {
        let undo = self.0.undo(&step.what, &step.rope.id);
        Rope::new(step.rope.clone(), undo).undoing_in_unit(F::UNDO_STARTS_PROCESSES)
    }

    /// Returns what the host refuses other runs while this step lasts.
    fn claims(&self, what: &F::Step) -> Claims {
        if !F::CLAIMS_ON_HOST {
            return Claims::default();
        }
        let claims = self.0.facts(what).claims;
        let (blocks, others): (Vec<_>, Vec<_>) =
            claims.into_iter().partition(|claim| claim.access.blocks(claim.access));
        let writes = others.into_iter().filter(|claim| claim.access == Access::Write).collect();
        let resources =
            |claims: Vec<Claim>| claims.into_iter().map(|claim| claim.resource).collect::<Vec<_>>();
        Claims::new(&resources(blocks), &resources(writes))
    }

    fn reverted(&self, step: &HostStep<F::Step>, answer: &Answer, has_acted: bool) -> Reverted {
        let outcome = match answer {
            answer if answer.already || answer.rebooted => RevertOutcome::AlreadyUndone,
            answer if answer.restored > 0 => RevertOutcome::Restored,
            _ => RevertOutcome::NothingToDo,
        };
        let mut reverted = Reverted::new(outcome);
        reverted.effect = Effect::default().with("restored", answer.restored);
        for (what, found) in &answer.conflicts {
            reverted
                .push_conflict(Conflict { what: self.0.conflict(&step.what, what), found: found.clone() });
        }
        reverted.notes.clone_from(&answer.notes);
        reverted.notes.extend(story(answer, has_acted));
        reverted
    }
}

/// Says in words what people would ask about an undo.
fn story(answer: &Answer, has_acted: bool) -> Option<String> {
    let by_itself = |what: &str| Some(format!("{ALREADY_UNDONE} by the target: {what}{}", shares(answer)));
    match answer.by.as_str() {
        _ if answer.rebooted => by_itself("it was rebooted"),
        "deadline" if answer.already => by_itself("its deadline had come"),
        "boot" if answer.already => by_itself("it was rebooted, and undid it at boot"),
        "by-hand" if answer.already => by_itself("somebody ran the undo there"),
        "chaos" if answer.already => {
            Some(format!("{ALREADY_UNDONE} by chaos, in an earlier attempt{}", shares(answer)))
        }
        _ if answer.was_gone && has_acted => Some(
            "the deadline on the target had been removed by somebody; it was undone without it".to_owned(),
        ),
        _ if has_acted && answer.restored == 0 && answer.conflicts.is_empty() && !answer.already => {
            Some("nothing of the effect was there any more".to_owned())
        }
        _ => None,
    }
}

/// Says how much was taken back by whoever was first, where an attempt of ours took back more.
fn shares(answer: &Answer) -> String {
    let all = answer.restored;
    let first = answer.first.filter(|first| *first < all);
    first
        .map_or_else(String::new, |first| format!(" ({first} of {all} then, {} by chaos since)", all - first))
}

impl<F: HostFault> Fault for OnHost<F> {
    type Target = ServerTarget;
    type Params = F::Params;
    type Step = HostStep<F::Step>;
    type Session = HostSession;

    const SPEC: FaultSpec = F::SPEC;

    fn check(&self, params: &F::Params) -> Result<(), Misfit> {
        self.0.check(params)
    }

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &ServerTarget,
        params: F::Params,
    ) -> Result<Vec<Self::Step>, FaultError> {
        target.require_rope(F::OUTLIVES_REBOOT)?;
        target.require_container()?;
        let steps = match self.0.prepare(cx, target, params).await {
            Err(FaultError::Preflight(failure)) if F::CLAIMS_ON_HOST => {
                return Err(FaultError::Preflight(clash::explained(failure, target).await));
            }
            prepared => prepared?,
        };
        let named = steps.into_iter().enumerate().map(|(number, what)| {
            let id = format!("{}_{}", cx.handle(), number + 1);
            let mounts = self.0.facts(&what).mounts;
            let rope = target.rope(id, F::OUTLIVES_REBOOT, mounts);
            HostStep { rope: RopeHandle { after: self.0.boots_after(&what), ..rope }, what }
        });
        let steps: Vec<_> = named.collect();
        let claims: Vec<_> = steps.iter().map(|step| self.claims(&step.what)).collect();
        clash::refuse(target, &claims).await?;
        Ok(steps)
    }

    fn facts(&self, step: &Self::Step) -> StepFacts {
        let facts = self.0.facts(&step.what);
        let survives_reboot = match step.rope.kind {
            RopeKind::Systemd => true,
            // What a reboot takes needs no rope after it.
            RopeKind::Detached => !step.rope.lasting,
        };
        // A reboot, which claims the whole host, would end every other fault on it.
        let host = Claim { resource: WHOLE_SYSTEM.to_owned(), access: Access::Read };
        let claims = facts.claims.into_iter().chain([host]).collect();
        StepFacts {
            undo: facts.undo,
            rope: chaos_core::Rope::OnTarget { survives_reboot },
            claims,
            quantity: Quantity { hosts: 1, ..Quantity::default() },
            names: facts.names,
        }
    }

    async fn arm(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Self::Step,
    ) -> Result<HostSession, FaultError> {
        crash_point("server.arm");
        target.host().settle().await?;
        let rope = self.rope(step).claiming(self.claims(&step.what));
        let margin = target.margin();
        let after = (cx.hold + margin).min(LEASE.max(margin));
        rope.clone().late_at(target.arming_is_late_at()).arm(target.host(), after).await?;
        crash_point("server.armed");
        let pulse = Arc::new(Mutex::new(Pulse { moved: Instant::now(), after, lost: None }));
        let end = Instant::now() + cx.hold + HEARTBEATS_MAX;
        let host = target.host().clone();
        let beating = keep_up(rope.clone(), host.clone(), Arc::clone(&pulse), end);
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(beating));
        let measure = self.0.measure(&step.what, &step.rope.id);
        Ok(HostSession { host, rope, measure, pulse, _heartbeat: heartbeat })
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Self::Step,
        _session: &mut HostSession,
    ) -> Result<Effect, FaultError> {
        let inject = self.0.inject(&step.what, &step.rope.id);
        let limits = self.0.inject_limits(&step.what);
        crash_point("server.inject");
        let output = self.rope(step).inject(target.host(), &inject, limits).await?;
        crash_point("server.injected");
        self.0.settle(cx, target, &step.what, &step.rope.id, output).await
    }

    async fn finish(&self, _cx: &StepContext, session: HostSession) -> Result<Option<Effect>, FaultError> {
        if let Some(lost) = session.pulse.lock().unwrap_or_else(PoisonError::into_inner).lost() {
            return Err(lost);
        }
        // A rope that came early has ended the fault early, and one that somebody took away was none: both must be said, also
        // in holds without a heartbeat.
        let measure = session.measure.clone().unwrap_or_else(|| Script::new(""));
        let output = session.rope.look(&session.host, &measure).await?;
        Ok(session.measure.is_some().then(|| effect(&output)))
    }

    async fn revert(
        &self,
        cx: &StepContext,
        target: &ServerTarget,
        step: &Self::Step,
    ) -> Result<Reverted, FaultError> {
        crash_point("server.revert");
        let answer = self.rope(step).pull(target.host()).await.map_err(|error| stays(error.into(), step))?;
        crash_point("server.reverted");
        self.0.verify(target, &step.what, &step.rope.id, &answer).await?;
        Ok(self.reverted(step, &answer, cx.has_acted))
    }

    async fn disarm(
        &self,
        _cx: &StepContext,
        target: &ServerTarget,
        step: &Self::Step,
    ) -> Result<(), FaultError> {
        crash_point("server.disarm");
        self.rope(step).remove(target.host()).await?;
        crash_point("server.disarmed");
        Ok(())
    }
}

/// Adds to a failed undo what goes on without us.
fn stays<S>(error: FaultError, step: &HostStep<S>) -> FaultError {
    match error {
        FaultError::Target(failure) if failure.hint.is_none() => {
            let hint = format!("the host goes on trying; its undo is `{}/undo.sh` there", step.rope.dir);
            FaultError::Target(Failure { hint: Some(hint), ..failure })
        }
        error => error,
    }
}

/// Moves the deadline on as long as we live, so that only our death lets it come.
async fn keep_up(rope: Rope, host: Host, pulse: Arc<Mutex<Pulse>>, end: Instant) {
    let know = || pulse.lock().unwrap_or_else(PoisonError::into_inner);
    let after = know().after;
    let mut pause = after / 3;
    while Instant::now() < end {
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        match rope.extend(&host, after).await {
            Ok(()) => {
                know().moved = asked;
                pause = after / 3;
            }
            Err(error) => {
                tracing::warn!(%error, "The deadline on the host could not be moved; unless that passes, the fault ends early.");
                if !error.is_transient() {
                    know().lost = Some(error.into());
                    return;
                }
                // Most of what is left is for more tries.
                pause = (after / 12).min(AGAIN_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests;
