//! One record as one line of the timeline.

use chaos_core::record::Undoer;
use chaos_core::{Record, RecordBody, StepId};

use super::model::{Event, RunReport};
use super::words;

/// Returns the line for a record. `report` is the fold of everything before it, so that names can be told.
pub(super) fn event(report: &RunReport, record: &Record) -> Event {
    let (kind, subject, text) = describe(report, &record.body);
    let (step, experiment) = match subject {
        Subject::Run => (None, None),
        Subject::Experiment(place) => (None, Some(place)),
        Subject::Step(step) => (Some(step.0), experiment_of(report, step)),
    };
    Event { at: record.at, kind: kind.to_owned(), step, experiment, text }
}

enum Subject {
    Run,
    Experiment(usize),
    Step(StepId),
}

fn describe(report: &RunReport, body: &RecordBody) -> (&'static str, Subject, String) {
    use RecordBody as R;
    use Subject as S;
    match body {
        R::Opened { chaos, .. } => ("opened", S::Run, format!("journal opened by chaos {chaos}")),
        R::Planned { plan } => {
            let steps: usize = plan.experiments.iter().map(|experiment| experiment.steps.len()).sum();
            ("planned", S::Run, format!("plan approved: {steps} steps"))
        }
        R::GuardianStarted { pid } => {
            ("guardian_started", S::Run, format!("guardian stands by as process {pid}"))
        }
        R::ExperimentStarted { experiment } => {
            let text = format!("experiment {} begins", name_of(report, *experiment));
            ("experiment_started", S::Experiment(*experiment), text)
        }
        R::HoldStarted { experiment } => {
            ("hold_started", S::Experiment(*experiment), "all faults are in, the hold begins".to_owned())
        }
        R::RollbackStarted { experiment, by, reason } => {
            let text = format!("{} rolls back: {reason}", undoer(*by));
            ("rollback_started", experiment.map_or(S::Run, S::Experiment), text)
        }
        R::ExperimentEnded { experiment } => {
            let text = format!("experiment {} ended", name_of(report, *experiment));
            ("experiment_ended", S::Experiment(*experiment), text)
        }
        R::DamageAccepted => {
            ("damage_accepted", S::Run, "the damage of the journal was accepted by a person".to_owned())
        }
        R::Closed { exit, by } => {
            ("closed", S::Run, format!("{} ended with exit code {}", undoer(*by), exit.code()))
        }
        R::Intended { .. }
        | R::Armed { .. }
        | R::Injected { .. }
        | R::Failed { .. }
        | R::Measured { .. }
        | R::Reverted { .. }
        | R::RevertFailed { .. }
        | R::Stuck { .. }
        | R::Disarmed { .. }
        | R::Accepted { .. } => describe_step(report, body),
    }
}

fn describe_step(report: &RunReport, body: &RecordBody) -> (&'static str, Subject, String) {
    use RecordBody as R;
    let (kind, step, text) = match body {
        R::Intended { planned, .. } => {
            let step = report.steps().find(|step| step.id == planned.id.0);
            let name = step.and_then(|step| step.target_name.as_ref());
            let on = name.map(|name| format!(" on {name}")).unwrap_or_default();
            ("intended", planned.id, format!("{}{on}: about to {}", planned.fault, planned.summary))
        }
        R::Armed { step } => ("armed", *step, "armed".to_owned()),
        R::Injected { step, effect } => ("injected", *step, with_effect("injected", effect)),
        R::Failed { step, error, .. } => ("failed", *step, format!("failed to {error}")),
        R::Measured { step, effect } => ("measured", *step, with_effect("measured", effect)),
        R::Reverted { step, reverted } => {
            let text = match reverted.conflicts_total {
                0 => with_effect(&words::undone(reverted), &reverted.effect),
                conflicts => format!("undone and read back, {conflicts} conflicts left as they are"),
            };
            ("reverted", *step, text)
        }
        R::RevertFailed { step, attempt, error } => {
            ("revert_failed", *step, format!("attempt {attempt} to undo failed: {error}"))
        }
        R::Stuck { step, error, .. } => ("stuck", *step, format!("undo given up: {error}")),
        R::Disarmed { step } => ("disarmed", *step, "rope and helpers removed".to_owned()),
        R::Accepted { step } => ("accepted", *step, "conflicts accepted by a person".to_owned()),
        R::Opened { .. }
        | R::Planned { .. }
        | R::GuardianStarted { .. }
        | R::ExperimentStarted { .. }
        | R::HoldStarted { .. }
        | R::RollbackStarted { .. }
        | R::DamageAccepted
        | R::ExperimentEnded { .. }
        | R::Closed { .. } => unreachable!("only records of steps are handed in"),
    };
    (kind, Subject::Step(step), text)
}

fn with_effect(verb: &str, effect: &chaos_core::Effect) -> String {
    match words::effect(effect) {
        words if words.is_empty() => verb.to_owned(),
        words => format!("{verb}: {words}"),
    }
}

fn undoer(by: Undoer) -> &'static str {
    match by {
        Undoer::Run => "the run",
        Undoer::Guardian => "the guardian",
        Undoer::Recovery => "a recovery",
    }
}

fn name_of(report: &RunReport, place: usize) -> String {
    match report.experiments.get(place) {
        Some(experiment) => format!("`{}`", experiment.name),
        None => (place + 1).to_string(),
    }
}

fn experiment_of(report: &RunReport, step: StepId) -> Option<usize> {
    report.experiments.iter().position(|experiment| experiment.steps.iter().any(|one| one.id == step.0))
}
