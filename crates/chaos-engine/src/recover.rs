//! Undoes what dead runs have left, from their journals alone.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chaos_core::record::Undoer;
use chaos_core::{ExitCode, RecordBody, RunId, StepId, StepState, TargetRef};
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::EngineEvent;
use crate::journal::birth;
use crate::journal::lock::{holder, sweep};
use crate::journal::{Damage, FileJournal, Journal, JournalContents, LockError, Owner, RunLock, read};
use crate::ledger::Ledger;
use crate::prepare::PrepareMode;
use crate::rollback::{Rollback, Settled};
use crate::run_state::RunState;
use crate::ways::newest_first;

/// How long a recovery waits for a guardian, or for another recovery, that is undoing the same run.
const OTHER_UNDOER_MAX: Duration = Duration::from_secs(15 * 60);
/// How often it looks meanwhile.
const OTHER_UNDOER_POLL: Duration = Duration::from_millis(100);

/// What may be chosen about a recovery.
#[derive(Debug, Clone, Default)]
pub struct RecoverOptions {
    /// Where the experiment file is now, if it moved.
    pub config: Option<PathBuf>,
    /// Leave what somebody else changed as it is, for good, and remove our helpers.
    pub accept_conflicts: bool,
    /// Give up steps that stay stuck, without touching their target: it was dropped, or somebody has mended it by hand.
    pub abandon: bool,
}

/// How a recovery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverOutcome {
    /// The run.
    pub run: RunId,
    /// What became of each step that was open, in the order they were undone.
    pub steps: Vec<(StepId, StepState)>,
    /// Which of them had been undone before, by their targets or by an earlier attempt.
    pub already_undone: Vec<StepId>,
    /// How many of them nobody can name any more, and were given up with the damage of the journal.
    pub given_up: usize,
    /// [`ExitCode::Done`], or [`ExitCode::LeftBehind`].
    pub exit: ExitCode,
}

/// A run that has not ended clean.
#[derive(Debug, Clone)]
pub struct UnresolvedRun {
    /// The run.
    pub run: RunId,
    /// The live process that runs or undoes it, if there is one.
    pub owner: Option<Owner>,
    /// Where it stands.
    pub state: RunState,
    /// Where its journal is not intact.
    pub damage: Vec<Damage>,
}

/// What is known of all runs together.
#[derive(Debug, Default)]
pub struct Survey {
    /// The runs that live, or have left something.
    pub unresolved: Vec<UnresolvedRun>,
    /// Why the journals of others cannot be read. Whether those have left something is not known.
    pub unreadable: Vec<EngineError>,
}

/// Where the secrets of a recovery come from.
pub enum Credentials {
    /// The experiment file, or the references in the journal.
    Journal,
    /// Handed over by the run while it lived: the configurations of each experiment's targets.
    InMemory(Vec<Vec<Value>>),
}

impl Engine {
    /// Returns the runs that live, or have left something.
    ///
    /// # Errors
    /// When the state directory or any journal cannot be read: then nobody knows what is left.
    pub fn unresolved(&self) -> Result<Vec<UnresolvedRun>, EngineError> {
        let Survey { unresolved, mut unreadable } = self.survey()?;
        unreadable.pop().map_or(Ok(unresolved), Err)
    }

    /// Looks at every run. Sweeps away the lock files of dead runs that left nothing, and journals that were never finished.
    ///
    /// # Errors
    /// When the state directory cannot be read. A journal that cannot be read hides no other.
    pub fn survey(&self) -> Result<Survey, EngineError> {
        let mut survey = Survey::default();
        for run in self.state.runs()? {
            match self.unresolved_run(run) {
                Ok(unresolved) => survey.unresolved.extend(unresolved),
                Err(error) => survey.unreadable.push(error),
            }
        }
        // Nobody who makes a journal is without the lock, so one that nobody makes any more has none.
        for run in
            self.state.unborn()?.into_iter().filter(|run| matches!(holder(&self.state.lock(run)), Ok(None)))
        {
            birth::sweep(&self.state.journal(&run));
        }
        // A run that died before it had a journal has done nothing.
        for run in self.state.locked()?.into_iter().filter(|run| !self.state.journal(run).exists()) {
            sweep(&self.state.lock(&run));
        }
        Ok(survey)
    }

    fn unresolved_run(&self, run: RunId) -> Result<Option<UnresolvedRun>, EngineError> {
        let lock = self.state.lock(&run);
        // The owner first: a run that ends in between is then shown as dead and clean, not as dead and dirty.
        let owner = holder(&lock)
            .map_err(|source| EngineError::Lock(LockError::File { path: lock.clone(), source }))?;
        let path = self.state.journal(&run);
        let contents = read(&path).map_err(|source| EngineError::ReadJournal { path, source })?;
        let state = RunState::fold(&contents.records, contents.is_intact());
        if owner.is_none() && state.is_clean() {
            sweep(&lock);
            return Ok(None);
        }
        Ok(Some(UnresolvedRun { run, owner, state, damage: contents.damage }))
    }

    /// Undoes what a run has left. A run that left nothing is fine too.
    ///
    /// # Errors
    /// When the run is unknown, alive, or its journal cannot be used. What could not be undone is no error but in the outcome.
    pub async fn recover(
        &self,
        run: &RunId,
        options: &RecoverOptions,
    ) -> Result<RecoverOutcome, EngineError> {
        self.recover_as(run, options, Undoer::Recovery, &Credentials::Journal).await
    }

    pub(crate) async fn recover_as(
        &self,
        run: &RunId,
        options: &RecoverOptions,
        by: Undoer,
        credentials: &Credentials,
    ) -> Result<RecoverOutcome, EngineError> {
        let path = self.state.journal(run);
        if !path.exists() {
            return Err(EngineError::UnknownRun(run.clone()));
        }
        let lock = self.lock_for_undo(run, by).await?;
        let (journal, contents) = match FileJournal::reopen(&path, self.clock.clone()) {
            Ok(opened) => opened,
            Err(error) => {
                lock.release();
                return Err(error.into());
            }
        };
        let journal = Arc::new(journal);
        let outcome = self.recover_on(journal.clone(), &contents, run, options, by, credentials).await;
        if let Some(journal) = Arc::into_inner(journal) {
            journal.close().await;
        }
        lock.release();
        Ok(outcome)
    }

    /// Undoes what the records of a run leave open, and adds to `journal`. The caller holds the lock of the run.
    pub async fn recover_on(
        &self,
        journal: Arc<dyn Journal>,
        contents: &JournalContents,
        run: &RunId,
        options: &RecoverOptions,
        by: Undoer,
        credentials: &Credentials,
    ) -> RecoverOutcome {
        let ledger = Ledger::new(journal, self.events.clone());
        for damage in &contents.damage {
            ledger.notice(format!("line {} of the journal: {}", damage.line, damage.why));
        }
        let state = RunState::fold(&contents.records, contents.is_intact());
        self.undo_all(run, state, options, by, credentials, &ledger).await
    }

    async fn undo_all(
        &self,
        run: &RunId,
        state: RunState,
        options: &RecoverOptions,
        by: Undoer,
        credentials: &Credentials,
        ledger: &Ledger,
    ) -> RecoverOutcome {
        let mut outcome = RecoverOutcome {
            run: run.clone(),
            steps: Vec::new(),
            already_undone: Vec::new(),
            given_up: 0,
            exit: ExitCode::Done,
        };
        if state.is_clean() {
            return outcome;
        }
        let reason = "the process that ran it is gone".to_owned();
        ledger.note(RecordBody::RollbackStarted { experiment: None, by, reason }).await;
        let mut left_behind = state.unaccounted;
        if state.unaccounted && options.accept_conflicts {
            ledger.note(RecordBody::DamageAccepted).await;
            outcome.steps.extend(state.unnamed.iter().map(|step| (*step, StepState::Accepted)));
            outcome.given_up = state.unnamed.len();
            left_behind = false;
        }
        let open = newest_first(&state);
        let (ways, jobs) = self.ways(&state, &open, options, credentials, ledger).await;
        let rollback = Rollback {
            catalog: &self.catalog,
            ledger,
            clock: &self.clock,
            run,
            patience: self.options.rollback_patience,
            ways,
        };
        for Settled { step, state: mut ended, already_undone } in rollback.undo_all(jobs).await {
            outcome.already_undone.extend(already_undone.then_some(step));
            if ended == StepState::Stuck && options.abandon {
                ended = abandon(step, ledger).await;
            }
            left_behind |= ended.is_open();
            outcome.steps.push((step, ended));
        }
        // What the journal lacks, the next recovery has to look at again.
        if left_behind || ledger.has_lost() {
            outcome.exit = ExitCode::LeftBehind;
        }
        ledger.note(RecordBody::Closed { exit: outcome.exit, by }).await;
        outcome
    }

    /// Takes the lock. Waits for a guardian or another recovery that has it, but not for a run that lives.
    pub(crate) async fn lock_for_undo(&self, run: &RunId, by: Undoer) -> Result<RunLock, EngineError> {
        let path = self.state.lock(run);
        let started = Instant::now();
        let mut told = false;
        loop {
            let owner = match RunLock::acquire(&path, by) {
                Ok(lock) => return Ok(lock),
                Err(LockError::Held(owner)) => owner,
                Err(error) => return Err(error.into()),
            };
            // A run that was just killed may keep its lock until the kernel has cleaned up behind it.
            let waits = match owner.role {
                Undoer::Run => by == Undoer::Guardian || !owner.is_alive_here(),
                Undoer::Guardian | Undoer::Recovery => true,
            };
            if !waits || started.elapsed() > OTHER_UNDOER_MAX {
                return Err(EngineError::Lock(LockError::Held(owner)));
            }
            if !told && started.elapsed() > Duration::from_secs(1) {
                told = true;
                let text = format!("process {} is undoing run {run}; waiting for it", owner.pid);
                self.events.event(EngineEvent::Notice(text));
            }
            tokio::time::sleep(OTHER_UNDOER_POLL).await;
        }
    }

    /// Sees to it that no dead run has left something on `targets`: undoes it, or says that it is there.
    pub(crate) async fn clean_targets(
        &self,
        targets: &[TargetRef],
        mode: PrepareMode,
    ) -> Result<(), EngineError> {
        if self.options.over_dirty {
            return Ok(());
        }
        for unresolved in self.unresolved()? {
            let dirty = unresolved.state.open_steps().map(|step| &step.target.identity.fingerprint);
            let dirty: HashSet<&String> = dirty.collect();
            let is_dirty = |target: &&TargetRef| dirty.contains(&target.identity.fingerprint);
            // A run that lives undoes its own faults, and two runs on one target do not touch each other's.
            let Some(target) = targets.iter().find(is_dirty).filter(|_| unresolved.owner.is_none()) else {
                continue;
            };
            let (run, label) = (unresolved.run, &target.identity.label);
            if mode == PrepareMode::DryRun {
                self.events.event(EngineEvent::Notice(format!("run {run} has left something on `{label}`")));
                continue;
            }
            self.events.event(EngineEvent::Notice(format!(
                "run {run} died and left something on `{label}`; undoing it first"
            )));
            let outcome = self.recover(&run, &RecoverOptions::default()).await?;
            if outcome.exit != ExitCode::Done {
                return Err(EngineError::Dirty { run, target: label.clone() });
            }
        }
        Ok(())
    }
}

async fn abandon(step: StepId, ledger: &Ledger) -> StepState {
    ledger.note(RecordBody::Accepted { step }).await;
    ledger.note(RecordBody::Disarmed { step }).await;
    StepState::Accepted
}
