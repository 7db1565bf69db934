//! Makes one step act: intent, rope, effect, each durable before the next.

use std::sync::Arc;
use std::time::Duration;

use chaos_core::erased::DynSession;
use chaos_core::{
    Clock, DynFault, DynTarget, Effect, Failure, FaultError, PlannedStep, Progress, RecordBody, RunId,
    StepContext, TargetRef,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::journal::JournalError;
use crate::lanes::permit;
use crate::ledger::Ledger;
use crate::rollback::HOLD_BACK_MAX;

/// The longest that rope or fence of one step may take.
const ARM_MAX: Duration = Duration::from_secs(60);
/// How long an inject may go on after it was asked to stop, before its session is cut.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The longest that ending the session of one step may take.
const FINISH_MAX: Duration = Duration::from_secs(60);

/// Everything that one step needs to act, owned, so that it can be a task of its own.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) ledger: Ledger,
    pub(crate) fault: Arc<dyn DynFault>,
    pub(crate) target: Arc<dyn DynTarget>,
    pub(crate) planned: PlannedStep,
    pub(crate) experiment: usize,
    pub(crate) target_ref: TargetRef,
    pub(crate) cx: StepContext,
    pub(crate) inject_max: Duration,
    /// How many steps of its configured target may be at work at once.
    pub(crate) bound: Option<Arc<Semaphore>>,
}

/// What became of one step.
pub(crate) struct Acted {
    /// Whether its intent may be in the journal, so that it must be undone.
    pub(crate) intended: bool,
    /// What stays open during the hold.
    pub(crate) session: Option<DynSession>,
    /// Why it failed.
    pub(crate) error: Option<ActError>,
}

/// Why a step failed to act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error("{}", .0.chain())]
    Fault(FaultError),
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("the fault panicked; this is a defect of chaos")]
    Panicked,
}

impl ActError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Fault(error) => error.hint().map(str::to_owned),
            Self::Journal(_) => Some("see that the disk of the state directory has room".into()),
            Self::Panicked => Some("please report it, with the journal of the run".into()),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Fault(FaultError::Cancelled))
    }
}

/// Makes the context of a step.
pub(crate) fn step_context(
    run: &RunId,
    planned: &PlannedStep,
    hold: Duration,
    cancel: CancellationToken,
    ledger: &Ledger,
    clock: &Arc<dyn Clock>,
) -> StepContext {
    StepContext {
        run: run.clone(),
        step: planned.id,
        hold,
        cancel,
        progress: Progress::new(planned.id, ledger.progress()),
        clock: clock.clone(),
        has_acted: false,
    }
}

impl Actor {
    /// Acts in a task of its own, so that a panic is a failed step and not a lost one.
    pub(crate) async fn act(self) -> Acted {
        let ledger = self.ledger.clone();
        let step = self.planned.id;
        let _permit = permit(self.bound.clone()).await;
        let acted = match AbortOnDropHandle::new(tokio::spawn(self.intend_arm_inject())).await {
            Ok(acted) => acted,
            Err(_) => Acted { intended: true, session: None, error: Some(ActError::Panicked) },
        };
        if let Some(error) = &acted.error
            && acted.intended
        {
            ledger.note(RecordBody::Failed { step, error: error.to_string(), hint: error.hint() }).await;
        }
        acted
    }

    async fn intend_arm_inject(self) -> Acted {
        let mut acted = Acted { intended: false, session: None, error: None };
        acted.error = self.try_act(&mut acted).await.err();
        acted
    }

    async fn try_act(&self, acted: &mut Acted) -> Result<(), ActError> {
        let step = self.planned.id;
        if self.cx.cancel.is_cancelled() {
            return Err(ActError::Fault(FaultError::Cancelled));
        }
        // Before the record: when its commit fails, nobody knows what is on the disk.
        acted.intended = true;
        self.ledger
            .must(RecordBody::Intended {
                experiment: self.experiment,
                target: Box::new(self.target_ref.clone()),
                planned: Box::new(self.planned.clone()),
            })
            .await?;
        let session = acted.session.insert(self.arm().await.map_err(ActError::Fault)?);
        self.ledger.must(RecordBody::Armed { step }).await?;
        let effect = self.inject(session).await.map_err(ActError::Fault)?;
        self.ledger.must(RecordBody::Injected { step, effect }).await?;
        Ok(())
    }

    async fn arm(&self) -> Result<DynSession, FaultError> {
        let arm = self.fault.arm(&self.cx, &*self.target, &self.planned.step);
        tokio::select! {
            session = arm => session,
            () = self.cx.cancel.cancelled() => Err(FaultError::Cancelled),
            () = tokio::time::sleep(ARM_MAX) => Err(too_long("arm", &self.planned, ARM_MAX)),
        }
    }

    async fn inject(&self, session: &mut DynSession) -> Result<Effect, FaultError> {
        let inject = self.fault.inject(&self.cx, &*self.target, &self.planned.step, session);
        let cut = async {
            self.cx.cancel.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            effect = inject => effect,
            () = cut => Err(FaultError::Cancelled),
            () = tokio::time::sleep(self.inject_max) => Err(too_long("inject", &self.planned, self.inject_max)),
        }
    }

    /// Ends the session of a step, in a task of its own as above, and writes down what it measured. Returns whether it
    /// ended as it should.
    pub(crate) async fn finish(self, session: DynSession) -> bool {
        let step = self.planned.id;
        let ledger = self.ledger.clone();
        let permit = permit(self.bound.clone()).await;
        let mut finished = AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::timeout(FINISH_MAX, self.fault.finish(&self.cx, session)).await
        }));
        // Who takes long gives the place to the next.
        let finished = match tokio::time::timeout(HOLD_BACK_MAX, &mut finished).await {
            Ok(finished) => finished,
            Err(_) => {
                drop(permit);
                finished.await
            }
        };
        let record = match finished {
            Ok(Ok(Ok(Some(effect)))) => RecordBody::Measured { step, effect },
            Ok(Ok(Ok(None))) => return true,
            Ok(Ok(Err(error))) => failed(step, error.chain(), error.hint()),
            Ok(Err(_)) => failed(step, format!("did not finish in {FINISH_MAX:?}"), None),
            Err(_) => failed(step, ActError::Panicked.to_string(), None),
        };
        let well = matches!(record, RecordBody::Measured { .. });
        ledger.note(record).await;
        well
    }
}

fn failed(step: chaos_core::StepId, error: String, hint: Option<&str>) -> RecordBody {
    RecordBody::Failed { step, error, hint: hint.map(str::to_owned) }
}

pub(crate) fn too_long(verb: &str, planned: &PlannedStep, limit: Duration) -> FaultError {
    FaultError::Busy(Failure::new(format!("{verb} `{}` within {limit:?}", planned.fault)))
}
