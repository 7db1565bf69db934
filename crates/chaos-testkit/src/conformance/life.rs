//! The life of the steps of one use of a fault, as the engine leads it: each record durable before the next thing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chaos_core::erased::{DynSession, PreparedStep};
use chaos_core::record::Undoer;
use chaos_core::{
    Clock, DynFault, DynTarget, Effect, FaultError, PlannedStep, PrepareContext, Progress, RecordBody,
    ResourceFilter, Reverted, RunId, StepContext, StepId, StepState, TargetRef,
};
use chaos_engine::journal::{Journal, JournalContents};
use chaos_engine::run_state::RunState;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::clock::FakeClock;
use crate::journal::CrashingJournal;

/// How long faults of the suite believe that they are held.
const HOLD: Duration = Duration::from_secs(1);

/// How long a recovery tries a target that is busy with what a dead one left.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Each life is a run of its own, so that two of them on one server never share a name.
static LIVES: AtomicU32 = AtomicU32::new(0);

pub(super) fn prepare_context() -> PrepareContext {
    // Unique among processes as well: the tests of several crates may run against one server.
    let life = LIVES.fetch_add(1, Ordering::Relaxed) ^ (std::process::id() << 8);
    PrepareContext {
        run: RunId::new(FakeClock::default().now(), life),
        use_number: 1,
        seed: 7,
        hold: HOLD,
        filter: ResourceFilter::default(),
    }
}

pub(super) fn step_context(cx: &PrepareContext, step: u32) -> StepContext {
    StepContext {
        run: cx.run.clone(),
        step: StepId(step),
        hold: cx.hold,
        cancel: CancellationToken::new(),
        progress: Progress::none(),
        clock: Arc::new(FakeClock::default()),
        has_acted: false,
    }
}

/// Everything needed to lead the steps of one use through their life.
#[derive(Clone)]
pub(super) struct Life {
    fault: Arc<dyn DynFault>,
    target: Arc<dyn DynTarget>,
    cx: PrepareContext,
    steps: Vec<PlannedStep>,
}

impl Life {
    pub fn new(
        fault: Arc<dyn DynFault>,
        target: Arc<dyn DynTarget>,
        cx: PrepareContext,
        prepared: Vec<PreparedStep>,
    ) -> Self {
        let name = fault.spec().name;
        let planned = |(step, id): (PreparedStep, u32)| PlannedStep {
            id: StepId(id),
            fault: name.to_owned(),
            summary: step.summary,
            facts: step.facts,
            step: step.step,
            target: 0,
            wave: id,
        };
        let steps = prepared.into_iter().zip(1..).map(planned).collect();
        Self { fault, target, cx, steps }
    }

    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// Arms and injects every step. The sessions are gone when this returns, as after a hold.
    pub async fn inject_all(&self) {
        let sessions = self.act(&CrashingJournal::default()).await;
        self.finish(sessions).await;
    }

    /// Arms every step.
    pub async fn arm_all(&self) -> Vec<DynSession> {
        let mut sessions = Vec::new();
        for planned in &self.steps {
            sessions.push(self.arm(planned).await);
        }
        sessions
    }

    /// Reverts and disarms every step, newest first.
    pub async fn undo_all(&self) -> Vec<Reverted> {
        let mut all = Vec::new();
        for planned in self.steps.iter().rev() {
            all.push(self.revert(planned).await);
            self.disarm(planned).await;
        }
        all
    }

    /// Lives from the first intent to the last disarm.
    pub async fn whole(self, journal: Arc<CrashingJournal>) {
        let sessions = self.act(&journal).await;
        self.finish(sessions).await;
        let reason = "the hold is over".to_owned();
        note(&journal, RecordBody::RollbackStarted { experiment: Some(0), by: Undoer::Run, reason }).await;
        for planned in self.steps.iter().rev() {
            let reverted = self.revert(planned).await;
            note(&journal, RecordBody::Reverted { step: planned.id, reverted }).await;
            self.disarm(planned).await;
            note(&journal, RecordBody::Disarmed { step: planned.id }).await;
        }
    }

    /// Undoes what a journal says may be left, over a connection of its own.
    pub async fn recover(&self, target: Arc<dyn DynTarget>, contents: &JournalContents) {
        let state = RunState::fold(&contents.records, contents.is_intact());
        let life = Self { target, ..self.clone() };
        for open in state.open_steps() {
            match open.state {
                StepState::Reverted | StepState::Accepted => {}
                _ => {
                    let reverted = life.revert_patiently(&open.planned).await;
                    assert_eq!(reverted.conflicts, [], "nobody else wrote, so there is no conflict");
                }
            }
            life.disarm(&open.planned).await;
        }
    }

    async fn act(&self, journal: &CrashingJournal) -> Vec<(StepId, DynSession)> {
        let mut sessions = Vec::new();
        for planned in &self.steps {
            let target = Box::new(self.target_ref());
            let intended = RecordBody::Intended { experiment: 0, target, planned: Box::new(planned.clone()) };
            note(journal, intended).await;
            let mut session = self.arm(planned).await;
            note(journal, RecordBody::Armed { step: planned.id }).await;
            let effect = self.inject(planned, &mut session).await;
            note(journal, RecordBody::Injected { step: planned.id, effect }).await;
            sessions.push((planned.id, session));
        }
        sessions
    }

    async fn arm(&self, planned: &PlannedStep) -> DynSession {
        let cx = self.context(planned.id);
        succeed(planned, "arm", self.fault.arm(&cx, &*self.target, &planned.step).await)
    }

    async fn inject(&self, planned: &PlannedStep, session: &mut DynSession) -> Effect {
        let cx = self.context(planned.id);
        succeed(planned, "inject", self.fault.inject(&cx, &*self.target, &planned.step, session).await)
    }

    async fn finish(&self, sessions: Vec<(StepId, DynSession)>) {
        for (step, session) in sessions {
            let finished = self.fault.finish(&self.context(step), session).await;
            assert!(finished.is_ok(), "finish of step {step} failed: {:?}", finished.err());
        }
    }

    async fn revert(&self, planned: &PlannedStep) -> Reverted {
        let cx = self.context(planned.id);
        succeed(planned, "revert", self.fault.revert(&cx, &*self.target, &planned.step).await)
    }

    /// Reverts as the engine does it: what a server still holds for the dead is waited for.
    async fn revert_patiently(&self, planned: &PlannedStep) -> Reverted {
        let cx = self.context(planned.id);
        let started = tokio::time::Instant::now();
        loop {
            match self.fault.revert(&cx, &*self.target, &planned.step).await {
                Err(error) if error.is_transient() && started.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                result => return succeed(planned, "revert", result),
            }
        }
    }

    async fn disarm(&self, planned: &PlannedStep) {
        let cx = self.context(planned.id);
        succeed(planned, "disarm", self.fault.disarm(&cx, &*self.target, &planned.step).await);
    }

    fn context(&self, step: StepId) -> StepContext {
        step_context(&self.cx, step.0)
    }

    fn target_ref(&self) -> TargetRef {
        TargetRef {
            kind: self.fault.spec().target.to_owned(),
            identity: self.target.identity().clone(),
            config: Value::Null,
            file: None::<PathBuf>,
            index: 0,
            name: String::new(),
            member: String::new(),
            at_once: None,
        }
    }
}

async fn note(journal: &CrashingJournal, body: RecordBody) {
    journal.append(body).await.expect("memory takes every record");
}

fn succeed<T>(planned: &PlannedStep, verb: &str, result: Result<T, FaultError>) -> T {
    result.unwrap_or_else(|error| panic!("{verb} of `{}` failed to {}", planned.summary, error.chain()))
}
