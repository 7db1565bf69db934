//! Runs an approved plan from the first intent to the last verified undo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chaos_core::record::Undoer;
use chaos_core::{ExitCode, ExperimentPlan, Plan, PlannedStep, RecordBody, RunId, StepState};
use chaos_policy::ApprovedPlan;
use futures::FutureExt;
use futures::future::join_all;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::guardian::{Guardian, Ticket};
use crate::inject::{ActError, Acted, Actor, step_context};
use crate::journal::{FileJournal, Journal, JournalError, RunLock, format, read};
use crate::lanes::Bounds;
use crate::ledger::Ledger;
use crate::prepare::PreparedTarget;
use crate::report::fold_journal;
use crate::rollback::{Ending, HOLD_BACK_MAX, Job, Rollback, Standing, Way};
use crate::run_state::RunState;
use crate::stop::StopSignal;

/// Disk space kept for the records of one step: intent, effect, undo with its conflicts, and some failed attempts.
const RESERVE_PER_STEP: u64 = 32 * 1024;
/// Disk space kept for the records of the run itself, beside the plan.
const RESERVE_PER_RUN: u64 = 128 * 1024;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutcome {
    /// The run.
    pub run: RunId,
    /// What the process tells its caller.
    pub exit: ExitCode,
    /// The journal.
    pub journal: PathBuf,
}

/// The disk space to keep for the records of a run. The plan is written twice: in its own record, and step by step with
/// the intents.
fn reserve(plan: &Plan) -> u64 {
    let steps: usize = plan.experiments.iter().map(|experiment| experiment.steps.len()).sum();
    let plan_bytes = serde_json::to_vec(plan).map_or(0, |text| text.len() as u64);
    RESERVE_PER_RUN + 3 * plan_bytes + RESERVE_PER_STEP * steps as u64
}

/// The exit code, or [`ExitCode::LeftBehind`] where the journal was damaged while the run lived, so that `chaos status` and
/// the report say so too. A journal that was removed contradicts nothing.
fn exit_as_journaled(exit: ExitCode, journal: &Path) -> ExitCode {
    match read(journal) {
        Ok(contents) if fold_journal(&contents).exit_code == Some(ExitCode::LeftBehind.code()) => {
            ExitCode::LeftBehind
        }
        Ok(contents) if !RunState::fold(&contents.records, contents.is_intact()).is_clean() => {
            ExitCode::LeftBehind
        }
        Ok(_) => exit,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => exit,
        Err(_) => ExitCode::LeftBehind,
    }
}

/// What is known at the end of one experiment.
#[derive(Debug, Clone, Copy, Default)]
struct Ended {
    failed: bool,
    left_behind: bool,
}

impl Engine {
    /// Runs a plan that passed review. When this returns, everything is undone or reported as left behind.
    ///
    /// # Errors
    /// When it cannot begin: then nothing was done.
    pub async fn execute(
        &self,
        approved: ApprovedPlan,
        targets: Vec<Vec<PreparedTarget>>,
        stop: &StopSignal,
    ) -> Result<RunOutcome, EngineError> {
        let run = approved.plan().run.clone();
        self.state.create()?;
        let lock = RunLock::begin(&self.state.lock(&run)).await?;
        let path = self.state.journal(&run);
        let journal = match FileJournal::create(&path, reserve(approved.plan()), self.clock.clone()) {
            Ok(journal) => Arc::new(journal),
            Err(error) => {
                lock.release();
                return Err(error.into());
            }
        };
        let result = self.execute_on(journal.clone(), approved, targets, stop).await;
        // The last handle: tasks that had others have ended.
        if let Some(journal) = Arc::into_inner(journal) {
            journal.close().await;
        }
        lock.release();
        result.map(|exit| RunOutcome { run, exit: exit_as_journaled(exit, &path), journal: path })
    }

    /// Runs a plan with its records going to `journal`, whatever that is. The caller holds the lock of the run.
    ///
    /// # Errors
    /// When it cannot begin: then nothing was done.
    pub async fn execute_on(
        &self,
        journal: Arc<dyn Journal>,
        approved: ApprovedPlan,
        targets: Vec<Vec<PreparedTarget>>,
        stop: &StopSignal,
    ) -> Result<ExitCode, EngineError> {
        let plan = approved.into_inner();
        let ledger = Ledger::new(journal, self.events.clone());
        match self.begin(&ledger, &plan, &targets).await {
            Ok(guardian) => Ok(self.run_all(&ledger, &plan, &targets, guardian, stop).await),
            Err(error) => {
                ledger.note(RecordBody::Closed { exit: error.exit(), by: Undoer::Run }).await;
                Err(error)
            }
        }
    }

    async fn begin(
        &self,
        ledger: &Ledger,
        plan: &Plan,
        targets: &[Vec<PreparedTarget>],
    ) -> Result<Option<Guardian>, EngineError> {
        let chaos = env!("CARGO_PKG_VERSION").to_owned();
        ledger.must(RecordBody::Opened { version: format::VERSION, run: plan.run.clone(), chaos }).await?;
        ledger.must(RecordBody::Planned { plan: plan.clone() }).await?;
        let Some(program) = &self.options.guardian else { return Ok(None) };
        let ticket = Ticket {
            state_dir: self.state.root().to_owned(),
            plan: plan.clone(),
            configs: targets.iter().map(|targets| configs(targets)).collect(),
        };
        let guardian = Guardian::start(program, &ticket).await.map_err(EngineError::Guardian)?;
        ledger.must(RecordBody::GuardianStarted { pid: guardian.pid() }).await?;
        Ok(Some(guardian))
    }

    async fn run_all(
        &self,
        ledger: &Ledger,
        plan: &Plan,
        targets: &[Vec<PreparedTarget>],
        guardian: Option<Guardian>,
        stop: &StopSignal,
    ) -> ExitCode {
        let mut ended = Ended::default();
        for (place, (experiment, targets)) in plan.experiments.iter().zip(targets).enumerate() {
            let goes_on = !ended.left_behind && stop.reason().is_none();
            if goes_on {
                let this = Running { engine: self, ledger, run: &plan.run, place, experiment, targets, stop };
                let end = this.run().await;
                ended.failed |= end.failed;
                ended.left_behind |= end.left_behind;
            }
        }
        // While the journal lacks a record, `chaos status` is not clean, and the exit code must not say otherwise.
        ended.left_behind |= ledger.has_lost();
        let exit = match (ended.left_behind, stop.reason(), ended.failed) {
            (true, _, _) => ExitCode::LeftBehind,
            (false, Some(reason), _) => reason.exit(),
            (false, None, true) => ExitCode::FaultFailed,
            (false, None, false) => ExitCode::Done,
        };
        ledger.note(RecordBody::Closed { exit, by: Undoer::Run }).await;
        if let Some(guardian) = guardian {
            guardian.dismiss().await;
        }
        exit
    }
}

fn configs(targets: &[PreparedTarget]) -> Vec<Value> {
    targets.iter().map(|target| target.config.clone()).collect()
}

/// One experiment while it runs.
struct Running<'a> {
    engine: &'a Engine,
    ledger: &'a Ledger,
    run: &'a RunId,
    place: usize,
    experiment: &'a ExperimentPlan,
    targets: &'a [PreparedTarget],
    stop: &'a StopSignal,
}

impl Running<'_> {
    async fn run(&self) -> Ended {
        let experiment = self.place;
        // Cancelled by the stop signal, and by the first step that fails.
        let cancel = self.stop.token().child_token();
        let started = self.ledger.must(RecordBody::ExperimentStarted { experiment }).await;
        let bounds = Bounds::of(&self.experiment.targets);
        let actors: Vec<Actor> =
            self.experiment.steps.iter().map(|planned| self.actor(planned, &cancel, &bounds)).collect();
        let mut acted: Vec<Option<Acted>> = actors.iter().map(|_| None).collect();
        let not_begun = match started {
            Ok(()) => {
                self.act(&actors, &mut acted, &cancel).await;
                None
            }
            Err(error) => Some(ActError::Journal(error)),
        };
        let errors: Vec<&ActError> =
            not_begun.iter().chain(acted.iter().flatten().filter_map(|step| step.error.as_ref())).collect();
        let failed = errors.iter().any(|error| !error.is_cancelled());
        let (was_held, reason) = match self.failure(&errors) {
            Some(reason) => (false, reason),
            None => match self.hold().await {
                Ok(reason) => (true, reason.to_owned()),
                Err(error) => (false, format!("the journal failed: {error}")),
            },
        };
        let sessions = finish(actors, &mut acted).await;
        let rollback = RecordBody::RollbackStarted { experiment: Some(experiment), by: Undoer::Run, reason };
        self.ledger.note(rollback).await;
        let left_behind = self.roll_back(&acted, &bounds, &sessions).await;
        let finished =
            join_all(sessions.into_iter().map(|(_, ending)| ending)).await.into_iter().all(|well| well);
        self.ledger.note(RecordBody::ExperimentEnded { experiment }).await;
        // A fault that was lost during the hold has failed, though it was injected; one that was never held has not done
        // what was asked.
        let failed = failed || !finished || (!was_held && self.stop.reason().is_none());
        Ended { failed, left_behind }
    }

    /// Lets one wave act after the other, until one of its steps fails.
    async fn act(&self, actors: &[Actor], all: &mut [Option<Acted>], cancel: &CancellationToken) {
        for wave in self.waves() {
            let lanes = wave.into_iter().map(|lane| act_in_order(lane, actors, cancel));
            for (place, acted) in join_all(lanes).await.into_iter().flatten() {
                all[place] = Some(acted);
            }
            if all.iter().flatten().any(|acted| acted.error.is_some()) {
                return;
            }
        }
    }

    /// The places of the steps: waves in order, in each the lanes that act side by side, in each of them steps in order.
    fn waves(&self) -> Vec<Vec<Vec<usize>>> {
        let steps = &self.experiment.steps;
        if self.experiment.parallel {
            return vec![(0..steps.len()).map(|place| vec![place]).collect()];
        }
        let mut waves: BTreeMap<u32, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
        for (place, step) in steps.iter().enumerate() {
            waves.entry(step.wave).or_default().entry(step.target).or_default().push(place);
        }
        waves.into_values().map(|lanes| lanes.into_values().collect()).collect()
    }

    fn actor(&self, planned: &PlannedStep, cancel: &CancellationToken, bounds: &Bounds) -> Actor {
        let Some(fault) = self.engine.catalog.fault(&planned.fault).cloned() else {
            unreachable!("only faults of the catalog are planned")
        };
        let target_ref = &self.experiment.targets[planned.target];
        let hold = self.experiment.hold;
        Actor {
            ledger: self.ledger.clone(),
            fault,
            target: self.targets[planned.target].target.clone(),
            planned: planned.clone(),
            experiment: self.place,
            target_ref: target_ref.clone(),
            cx: step_context(self.run, planned, hold, cancel.clone(), self.ledger, &self.engine.clock),
            inject_max: self.engine.options.inject_max,
            bound: bounds.get(&target_ref.name),
        }
    }

    /// Why there is no hold. The first failure stops the others, which is no failure of theirs.
    fn failure(&self, errors: &[&ActError]) -> Option<String> {
        let first = errors.iter().find(|error| !error.is_cancelled()).or_else(|| errors.first())?;
        Some(match (first.is_cancelled(), self.stop.reason()) {
            (true, Some(_)) => "asked to stop".to_owned(),
            _ => format!("a fault failed: {first}"),
        })
    }

    /// Waits for the end of the hold, and returns why it ended.
    async fn hold(&self) -> Result<&'static str, JournalError> {
        self.ledger.must(RecordBody::HoldStarted { experiment: self.place }).await?;
        Ok(tokio::select! {
            () = tokio::time::sleep(self.experiment.hold) => "the hold is over",
            () = self.stop.token().cancelled() => "asked to stop",
        })
    }

    async fn roll_back(
        &self,
        acted: &[Option<Acted>],
        bounds: &Bounds,
        sessions: &[(usize, Ending)],
    ) -> bool {
        let targets = self.experiment.targets.iter().zip(self.targets).enumerate();
        let ways = targets.map(|(place, (target, prepared))| Way {
            target,
            hold: self.experiment.hold,
            living: Some(prepared.target.clone()),
            config: Ok(prepared.config.clone()),
            bound: bounds.get(&target.name),
            sessions: sessions
                .iter()
                .filter(|(of, _)| *of == place)
                .map(|(_, ending)| ending.clone())
                .collect(),
        });
        let rollback = Rollback {
            catalog: &self.engine.catalog,
            ledger: self.ledger,
            clock: &self.engine.clock,
            run: self.run,
            patience: self.engine.options.rollback_patience,
            ways: ways.collect(),
        };
        let begun = self.experiment.steps.iter().zip(acted).filter_map(|(planned, acted)| {
            let acted = acted.as_ref().filter(|acted| acted.intended)?;
            let standing = Standing { state: StepState::Intended, has_acted: acted.error.is_none() };
            Some(Job { planned, standing, way: planned.target, order: (self.place, planned.wave) })
        });
        let undone = rollback.undo_all(begun.rev().collect()).await;
        undone.iter().any(|settled| settled.state.is_open())
    }
}

/// Lets the steps of one lane act, until one fails; that one stops all others too.
async fn act_in_order(lane: Vec<usize>, actors: &[Actor], cancel: &CancellationToken) -> Vec<(usize, Acted)> {
    let mut all = Vec::new();
    for place in lane {
        let acted = actors[place].clone().act().await;
        let failed = acted.error.is_some();
        all.push((place, acted));
        if failed {
            cancel.cancel();
            break;
        }
    }
    all
}

/// Ends the sessions, side by side, and returns their ends with the place of their target. All are gone before anything is
/// undone there, so that it is the same as after a crash; what takes long does not keep the others from it.
async fn finish(actors: Vec<Actor>, acted: &mut [Option<Acted>]) -> Vec<(usize, Ending)> {
    let sessions = actors.into_iter().zip(acted).filter_map(|(actor, acted)| {
        let session = acted.as_mut()?.session.take()?;
        Some((actor.planned.target, actor.finish(session).boxed().shared()))
    });
    let sessions: Vec<(usize, Ending)> = sessions.collect();
    let ends = join_all(sessions.iter().map(|(_, ending)| ending.clone()));
    // Who is not done by then is waited for by its own lane.
    let _ = tokio::time::timeout(HOLD_BACK_MAX, ends).await;
    sessions
}
