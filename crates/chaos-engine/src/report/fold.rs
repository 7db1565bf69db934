//! Records in, report out.
//!
//! Written for any prefix of a journal and for one with holes: where a record is missing that others speak of, the
//! report says the most cautious thing that fits, so that damage can never make a step look undone.

use std::collections::{BTreeSet, HashMap};

use chaos_core::plan::Plan;
use chaos_core::record::Undoer;
use chaos_core::{ExitCode, PlannedStep, Record, RecordBody, StepEvent, StepId, StepState, TargetRef};
use jiff::Timestamp;

use crate::journal::{Damage, JournalContents};

use super::blank::{describe, planned_step, unknown_experiment, unknown_step};
use super::model::{
    Event, ExperimentReport, ExperimentStatus, RunReport, RunStatus, SCHEMA_VERSION, StepReport,
};
use super::reverted::take_revert;

/// Returns the report of the run whose records these are.
pub fn fold(records: &[Record]) -> RunReport {
    let mut folding = Folding::new();
    records.iter().for_each(|record| folding.take(record));
    folding.finish()
}

/// Returns the report of the run with this journal, its damage included.
pub fn fold_journal(journal: &JournalContents) -> RunReport {
    let mut folding = Folding::new();
    journal.records.iter().for_each(|record| folding.take(record));
    if !journal.is_intact() {
        folding.take_damage(&journal.damage);
    }
    folding.finish()
}

struct Folding {
    report: RunReport,
    /// Where each step stands in the report: experiment, place.
    places: HashMap<StepId, (usize, usize)>,
    undoer: Undoer,
    /// The experiments whose hold the run itself ended: it saw them to that end.
    watched: BTreeSet<usize>,
    /// The end, as long as nothing happened after it.
    closed: Option<(ExitCode, Undoer)>,
    has_plan: bool,
    /// Whether steps may have been begun that nobody can name any more.
    unaccounted: bool,
    damage_accepted: bool,
}

impl Folding {
    fn new() -> Self {
        let report = RunReport {
            schema_version: SCHEMA_VERSION,
            run_id: None,
            status: RunStatus::Unfinished,
            exit_code: None,
            experiments: Vec::new(),
            seed: None,
            chaos_version: None,
            started_at: None,
            ended_at: None,
            duration_ms: 0,
            undone_by: None,
            events: Vec::new(),
            journal_damage: Vec::new(),
        };
        Self {
            report,
            places: HashMap::new(),
            undoer: Undoer::Run,
            watched: BTreeSet::new(),
            closed: None,
            has_plan: false,
            unaccounted: false,
            damage_accepted: false,
        }
    }

    fn take(&mut self, record: &Record) {
        self.report.started_at.get_or_insert(record.at);
        self.report.ended_at = Some(record.at);
        self.closed = None;
        self.take_body(record.at, &record.body);
        let event = self.event(record);
        self.report.events.push(event);
    }

    fn take_body(&mut self, at: Timestamp, body: &RecordBody) {
        match body {
            RecordBody::Opened { run, chaos, .. } => {
                self.report.run_id = Some(run.clone());
                self.report.chaos_version = Some(chaos.clone());
            }
            RecordBody::Planned { plan } => self.take_plan(plan),
            RecordBody::GuardianStarted { .. } => {}
            RecordBody::ExperimentStarted { experiment } => {
                self.experiment(*experiment).started_at = Some(at);
            }
            RecordBody::HoldStarted { experiment } => self.experiment(*experiment).hold_started_at = Some(at),
            RecordBody::ExperimentEnded { experiment } => self.experiment(*experiment).ended_at = Some(at),
            RecordBody::RollbackStarted { experiment, by, reason } => {
                self.take_rollback(at, *experiment, *by, reason);
            }
            RecordBody::Intended { experiment, target, planned } => {
                // Where the plan is lost, nobody knows how many targets there are.
                let count = self.report.experiments.get(*experiment).map_or(0, |one| one.targets.len());
                let step = self.place_step(*experiment, planned, target, count);
                advance(step, StepEvent::Intend);
                step.intended_at = Some(at);
            }
            RecordBody::DamageAccepted => self.damage_accepted = true,
            RecordBody::Closed { exit, by } => self.closed = Some((*exit, *by)),
            RecordBody::Armed { .. }
            | RecordBody::Injected { .. }
            | RecordBody::Failed { .. }
            | RecordBody::Measured { .. }
            | RecordBody::Reverted { .. }
            | RecordBody::RevertFailed { .. }
            | RecordBody::Stuck { .. }
            | RecordBody::Disarmed { .. }
            | RecordBody::Accepted { .. } => self.take_step_record(at, body),
        }
    }

    fn take_step_record(&mut self, at: Timestamp, body: &RecordBody) {
        let undoer = self.undoer;
        match body {
            RecordBody::Armed { step } => advance(self.step(*step), StepEvent::Arm),
            RecordBody::Injected { step, effect } => {
                let step = self.step(*step);
                advance(step, StepEvent::Inject);
                step.injected_at = Some(at);
                step.effect = effect.clone();
            }
            RecordBody::Measured { step, effect } => self.step(*step).measured = effect.clone(),
            RecordBody::Failed { step, error, hint } => {
                let step = self.step(*step);
                // A fault that failed to act is not there at the end of the hold either: the first error is the cause.
                if step.error.is_none() {
                    step.error = Some(error.clone());
                    step.hint = hint.clone();
                }
            }
            RecordBody::Reverted { step, reverted } => {
                let place = self.places.get(step).map(|(experiment, _)| *experiment);
                let watched = place.is_some_and(|place| self.watched.contains(&place));
                take_revert(self.step(*step), at, undoer, watched, reverted);
            }
            RecordBody::RevertFailed { step, error, .. } => {
                let step = self.step(*step);
                step.failed_reverts += 1;
                step.undo_error = Some(error.clone());
            }
            RecordBody::Stuck { step, error, hint } => {
                let step = self.step(*step);
                advance(step, StepEvent::GiveUp);
                step.undo_error = Some(error.clone());
                step.hint = hint.clone();
            }
            RecordBody::Disarmed { step } => self.step(*step).disarmed = true,
            RecordBody::Accepted { step } => advance(self.step(*step), StepEvent::Accept),
            RecordBody::Opened { .. }
            | RecordBody::Planned { .. }
            | RecordBody::GuardianStarted { .. }
            | RecordBody::ExperimentStarted { .. }
            | RecordBody::Intended { .. }
            | RecordBody::HoldStarted { .. }
            | RecordBody::RollbackStarted { .. }
            | RecordBody::DamageAccepted
            | RecordBody::ExperimentEnded { .. }
            | RecordBody::Closed { .. } => {}
        }
    }

    fn take_plan(&mut self, plan: &Plan) {
        self.report.run_id.get_or_insert_with(|| plan.run.clone());
        self.report.seed = Some(plan.seed);
        for (place, planned) in plan.experiments.iter().enumerate() {
            describe(self.experiment(place), planned);
            for step in &planned.steps {
                if let Some(target) = planned.target_of(step) {
                    self.place_step(place, step, target, planned.targets.len());
                }
            }
        }
        self.has_plan = true;
    }

    /// A lost line may have been an intent, so every step that is not known to be undone counts as begun.
    fn take_damage(&mut self, damage: &[Damage]) {
        self.report.journal_damage =
            damage.iter().map(|damage| format!("line {}: {}", damage.line, damage.why)).collect();
        let steps = self.report.experiments.iter_mut().flat_map(|experiment| &mut experiment.steps);
        steps
            .filter(|step| step.state == StepState::Planned)
            .for_each(|step| step.state = StepState::Intended);
        self.unaccounted = !self.has_plan;
    }

    fn take_rollback(&mut self, at: Timestamp, experiment: Option<usize>, by: Undoer, reason: &str) {
        self.undoer = by;
        self.report.undone_by = Some(by);
        let places: Vec<_> = match experiment {
            Some(place) => vec![place],
            None => {
                let all = self.report.experiments.iter().enumerate();
                all.filter(|(_, one)| is_open(one)).map(|(place, _)| place).collect()
            }
        };
        for place in places {
            if by == Undoer::Run {
                self.watched.insert(place);
            }
            let experiment = self.experiment(place);
            experiment.rollback_started_at.get_or_insert(at);
            experiment.stop_reason.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Returns the experiment at this place, made up where the plan is missing.
    fn experiment(&mut self, place: usize) -> &mut ExperimentReport {
        while self.report.experiments.len() <= place {
            let number = self.report.experiments.len() + 1;
            self.report.experiments.push(unknown_experiment(number));
        }
        &mut self.report.experiments[place]
    }

    fn place_step(
        &mut self,
        experiment: usize,
        planned: &PlannedStep,
        target: &TargetRef,
        count: usize,
    ) -> &mut StepReport {
        self.step_or(planned.id, experiment, || planned_step(planned, target, count))
    }

    /// Returns the step of this number, made up where plan and intent are missing.
    fn step(&mut self, id: StepId) -> &mut StepReport {
        let last = self.report.experiments.len().saturating_sub(1);
        self.step_or(id, last, || unknown_step(id))
    }

    fn step_or(
        &mut self,
        id: StepId,
        experiment: usize,
        make: impl FnOnce() -> StepReport,
    ) -> &mut StepReport {
        let (experiment, index) = match self.places.get(&id) {
            Some(place) => *place,
            None => {
                let steps = &mut self.experiment(experiment).steps;
                steps.push(make());
                let place = (experiment, steps.len() - 1);
                self.places.insert(id, place);
                place
            }
        };
        &mut self.report.experiments[experiment].steps[index]
    }

    fn event(&self, record: &Record) -> Event {
        super::events::event(&self.report, record)
    }

    fn finish(mut self) -> RunReport {
        if let (Some(start), Some(end)) = (self.report.started_at, self.report.ended_at) {
            // The clock may have been set back in between.
            self.report.duration_ms = u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0);
        }
        let is_unaccounted = self.unaccounted && !self.damage_accepted;
        let is_left_behind = is_unaccounted || self.report.open_steps().next().is_some();
        let closed = self.closed;
        self.report.status = run_status(closed, is_left_behind);
        self.report.exit_code = closed.map(|(exit, _)| match is_left_behind {
            true => ExitCode::LeftBehind.code(),
            false => exit.code(),
        });
        let last_started = self.report.experiments.iter().rposition(|one| one.started_at.is_some());
        for (place, experiment) in self.report.experiments.iter_mut().enumerate() {
            experiment.status = experiment_status(experiment, closed, last_started == Some(place));
        }
        self.report
    }
}

fn run_status(closed: Option<(ExitCode, Undoer)>, is_left_behind: bool) -> RunStatus {
    match closed {
        None => RunStatus::Unfinished,
        Some(_) if is_left_behind => RunStatus::LeftBehind,
        Some((ExitCode::LeftBehind, _)) => RunStatus::LeftBehind,
        Some((ExitCode::Done | ExitCode::Findings, Undoer::Run)) => RunStatus::Completed,
        Some((_, Undoer::Guardian | Undoer::Recovery)) => RunStatus::Recovered,
        Some((ExitCode::FaultFailed | ExitCode::CannotDo | ExitCode::Refused, Undoer::Run)) => {
            RunStatus::Failed
        }
        Some((ExitCode::LimitReached, Undoer::Run)) => RunStatus::LimitReached,
        Some((ExitCode::Interrupted | ExitCode::Terminated, Undoer::Run)) => RunStatus::Interrupted,
    }
}

fn experiment_status(
    experiment: &ExperimentReport,
    closed: Option<(ExitCode, Undoer)>,
    is_last_started: bool,
) -> ExperimentStatus {
    let Some((exit, by)) = closed else {
        return match (experiment.started_at, experiment.ended_at) {
            _ if is_open(experiment) => ExperimentStatus::Unfinished,
            (_, Some(_)) => own_status(experiment),
            (Some(_), None) => ExperimentStatus::Unfinished,
            (None, None) => ExperimentStatus::NotStarted,
        };
    };
    if is_open(experiment) {
        ExperimentStatus::LeftBehind
    } else if experiment.started_at.is_none() && experiment.steps.iter().all(|step| !was_begun(step)) {
        ExperimentStatus::NotStarted
    } else if by != Undoer::Run && experiment.ended_at.is_none() {
        ExperimentStatus::Recovered
    } else if is_last_started
        && matches!(exit, ExitCode::Interrupted | ExitCode::Terminated | ExitCode::LimitReached)
    {
        ExperimentStatus::Interrupted
    } else {
        own_status(experiment)
    }
}

fn own_status(experiment: &ExperimentReport) -> ExperimentStatus {
    match experiment.steps.iter().any(|step| step.error.is_some()) {
        true => ExperimentStatus::Failed,
        false => ExperimentStatus::Completed,
    }
}

fn is_open(experiment: &ExperimentReport) -> bool {
    experiment.steps.iter().any(StepReport::is_open)
}

fn was_begun(step: &StepReport) -> bool {
    step.state != StepState::Planned
}

pub(super) fn advance(step: &mut StepReport, event: StepEvent) {
    step.state = step.state.after(event);
}
