//! Undoes steps, newest first, and does not give up while there is hope.
//!
//! Nothing here can be cancelled. Every attempt connects afresh and compares who answers with who was planned, so that
//! the undo after a hold is the very one that a recovery does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::{
    Catalog, Clock, DynFault, DynTarget, Failure, FaultError, PlannedStep, RecordBody, Reverted, RunId,
    StepContext, StepState, TargetRef,
};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::inject::{step_context, too_long};
use crate::ledger::Ledger;

/// The longest that one attempt may take. Undoing a hundred million rows takes minutes.
const ATTEMPT_MAX: Duration = Duration::from_secs(3600);
/// The longest that one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// How often an undo is tried that the target has refused. It costs little and refusals may pass.
const REFUSALS_MAX: u32 = 3;
/// The waits between attempts double from the first to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_LONGEST: Duration = Duration::from_secs(5);

/// What a rollback needs, the same for all steps of one experiment.
pub(crate) struct Rollback<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) ledger: &'a Ledger,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) run: &'a RunId,
    pub(crate) hold: Duration,
    pub(crate) patience: Duration,
    pub(crate) target: &'a TargetRef,
    /// The resolved configuration, or why there is none.
    pub(crate) config: Result<Value, String>,
    /// When something was last undone. Patience is counted from here, so that a dead target is waited for once and not
    /// once for every step.
    pub(crate) last_success: Mutex<Instant>,
}

/// Which half of the undo is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Revert,
    Disarm,
}

/// Where a step stands before its undo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) state: StepState,
    /// See [`StepContext::has_acted`].
    pub(crate) has_acted: bool,
}

/// Why a step is stuck.
struct GivenUp {
    error: String,
    hint: Option<String>,
}

impl Rollback<'_> {
    /// Undoes one step, and returns where it stands then.
    pub(crate) async fn undo(&self, planned: &PlannedStep, standing: Standing) -> StepState {
        let step = planned.id;
        let undone = match standing.state {
            // Only the helpers are left.
            state @ (StepState::Reverted | StepState::Accepted) => Ok(state),
            _ => self.revert(planned, standing.has_acted).await,
        };
        let ended = match undone {
            Ok(StepState::Conflict) => return StepState::Conflict,
            Ok(state) => self.retry(planned, Half::Disarm, false).await.map(|_| state),
            Err(given_up) => Err(given_up),
        };
        match ended {
            Ok(state) => {
                self.ledger.note(RecordBody::Disarmed { step }).await;
                state
            }
            Err(GivenUp { error, hint }) => {
                self.ledger.note(RecordBody::Stuck { step, error, hint }).await;
                StepState::Stuck
            }
        }
    }

    async fn revert(&self, planned: &PlannedStep, has_acted: bool) -> Result<StepState, GivenUp> {
        let reverted = self.retry(planned, Half::Revert, has_acted).await?;
        let state = match reverted.conflicts_total {
            0 => StepState::Reverted,
            _ => StepState::Conflict,
        };
        self.ledger.note(RecordBody::Reverted { step: planned.id, reverted }).await;
        Ok(state)
    }

    async fn retry(&self, planned: &PlannedStep, half: Half, has_acted: bool) -> Result<Reverted, GivenUp> {
        let mut wait = WAIT_FIRST;
        let mut attempt = 1;
        loop {
            crash_point("engine.undo.attempt");
            let error = match self.attempt(planned, half, has_acted).await {
                Ok(reverted) => {
                    *self.last_success() = Instant::now();
                    return Ok(reverted);
                }
                Err(error) => error,
            };
            let text = error.chain();
            self.ledger
                .note(RecordBody::RevertFailed { step: planned.id, attempt, error: text.clone() })
                .await;
            let goes_on = match error {
                FaultError::WrongTarget(_) => false,
                _ if error.is_transient() => self.last_success().elapsed() + wait < self.patience,
                _ => attempt < REFUSALS_MAX,
            };
            if !goes_on {
                let hint = error.hint().map_or_else(|| self.way_out(), str::to_owned);
                return Err(GivenUp { error: text, hint: Some(hint) });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_LONGEST);
            attempt += 1;
        }
    }

    fn way_out(&self) -> String {
        format!(
            "mend the cause and run `chaos recover {0}`; `chaos recover {0} --abandon` gives the step up",
            self.run
        )
    }

    fn last_success(&self) -> MutexGuard<'_, Instant> {
        self.last_success.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn attempt(
        &self,
        planned: &PlannedStep,
        half: Half,
        has_acted: bool,
    ) -> Result<Reverted, FaultError> {
        let fault = self.catalog.fault(&planned.fault).cloned().ok_or_else(|| {
            let hint = "use the version of chaos that started the run, or a later one";
            FaultError::Target(Failure::new(format!("find the fault `{}`", planned.fault)).hint(hint))
        })?;
        let target = self.connect().await?;
        let never = CancellationToken::new();
        let cx = step_context(self.run, planned, self.hold, never, self.ledger, self.clock);
        let cx = StepContext { has_acted, ..cx };
        let call = AbortOnDropHandle::new(tokio::spawn(call(fault, target, cx, planned.step.clone(), half)));
        match tokio::time::timeout(ATTEMPT_MAX, call).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(FaultError::Target(Failure::new("undo without a panic; this is a defect of chaos")))
            }
            Err(_) => Err(too_long("undo", planned, ATTEMPT_MAX)),
        }
    }

    async fn connect(&self) -> Result<Arc<dyn DynTarget>, FaultError> {
        let label = &self.target.identity.label;
        let unknown =
            || FaultError::Target(Failure::new(format!("reach a target of kind `{}`", self.target.kind)));
        let connector = self.catalog.connector(&self.target.kind).ok_or_else(unknown)?;
        let config = self.config.clone().map_err(|why| {
            let hint = "give the file where it is now with `chaos recover RUN --config FILE`";
            FaultError::Target(Failure::new(format!("find the configuration of `{label}`: {why}")).hint(hint))
        })?;
        let connected = tokio::time::timeout(CONNECT_MAX, connector.connect(config)).await;
        let target = connected
            .map_err(|_| FaultError::Unreachable(Failure::new(format!("connect to `{label}`"))))??;
        let found = target.identity();
        if found.fingerprint != self.target.identity.fingerprint {
            let what =
                format!("undo on `{label}`: `{}` answers, which is not the system of the run", found.label);
            let hint =
                "nothing was touched; point the configuration at the system of the run and recover again";
            return Err(FaultError::WrongTarget(Failure::new(what).hint(hint)));
        }
        Ok(target)
    }
}

async fn call(
    fault: Arc<dyn DynFault>,
    target: Arc<dyn DynTarget>,
    cx: StepContext,
    step: Value,
    half: Half,
) -> Result<Reverted, FaultError> {
    match half {
        Half::Revert => fault.revert(&cx, &*target, &step).await,
        Half::Disarm => {
            fault.disarm(&cx, &*target, &step).await?;
            Ok(Reverted::new(chaos_core::RevertOutcome::Restored))
        }
    }
}
