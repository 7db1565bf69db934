//! Experiments and steps as they stand in a report before anything is known of them but the plan.

use chaos_core::{Effect, ExperimentPlan, PlannedStep, StepId, StepState, TargetRef};

use super::model::{ExperimentReport, ExperimentStatus, StepReport, TargetReport};

pub(super) fn describe(experiment: &mut ExperimentReport, planned: &ExperimentPlan) {
    experiment.name = planned.name.clone();
    experiment.parallel = planned.parallel;
    experiment.hold_ms = Some(u64::try_from(planned.hold.as_millis()).unwrap_or(u64::MAX));
    experiment.targets =
        planned.targets.iter().map(|target| target_report(target, planned.targets.len())).collect();
    experiment.target = experiment.targets.first().cloned();
    experiment.skipped = planned.skipped.clone();
    experiment.notes = planned.notes.clone();
}

fn target_report(target: &TargetRef, count: usize) -> TargetReport {
    TargetReport {
        kind: target.kind.clone(),
        product: target.identity.product.clone(),
        label: target.identity.label.clone(),
        name: title(target, count),
    }
}

/// What tells a target from the others of its experiment; nothing where it is alone.
fn title(target: &TargetRef, count: usize) -> Option<String> {
    (count > 1).then(|| target.title())
}

pub(super) fn unknown_experiment(number: usize) -> ExperimentReport {
    ExperimentReport {
        name: format!("experiment {number}"),
        status: ExperimentStatus::NotStarted,
        steps: Vec::new(),
        target: None,
        targets: Vec::new(),
        skipped: Vec::new(),
        notes: Vec::new(),
        hold_ms: None,
        parallel: false,
        started_at: None,
        hold_started_at: None,
        rollback_started_at: None,
        ended_at: None,
        stop_reason: None,
    }
}

/// `count` is how many targets its experiment has.
pub(super) fn planned_step(planned: &PlannedStep, target: &TargetRef, count: usize) -> StepReport {
    StepReport {
        fault: planned.fault.clone(),
        target: target.identity.label.clone(),
        target_name: title(target, count),
        summary: planned.summary.clone(),
        undo: planned.facts.undo.clone(),
        rope: Some(planned.facts.rope),
        state: StepState::Planned,
        ..unknown_step(planned.id)
    }
}

pub(super) fn unknown_step(id: StepId) -> StepReport {
    StepReport {
        id: id.0,
        fault: "unknown".to_owned(),
        target: String::new(),
        target_name: None,
        summary: "its intent is damaged in the journal".to_owned(),
        // Somebody wrote about it, so it was begun.
        state: StepState::Intended,
        conflicts: Vec::new(),
        conflicts_total: 0,
        injected_at: None,
        reverted_at: None,
        effect: Effect::default(),
        verified: false,
        undo: String::new(),
        rope: None,
        intended_at: None,
        measured: Effect::default(),
        restored: Effect::default(),
        outcome: None,
        found_undone: false,
        undone_by: None,
        notes: Vec::new(),
        error: None,
        undo_error: None,
        hint: None,
        failed_reverts: 0,
        disarmed: false,
    }
}
