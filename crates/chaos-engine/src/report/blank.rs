//! Experiments and steps as they stand in a report before anything is known of them but the plan.

use chaos_core::{Effect, ExperimentPlan, PlannedStep, StepId, StepState};

use super::model::{ExperimentReport, ExperimentStatus, StepReport, TargetReport};

pub(super) fn describe(experiment: &mut ExperimentReport, planned: &ExperimentPlan) {
    let identity = &planned.target.identity;
    experiment.name = planned.name.clone();
    experiment.parallel = planned.parallel;
    experiment.hold_ms = Some(u64::try_from(planned.hold.as_millis()).unwrap_or(u64::MAX));
    experiment.target = Some(TargetReport {
        kind: planned.target.kind.clone(),
        product: identity.product.clone(),
        label: identity.label.clone(),
    });
}

pub(super) fn unknown_experiment(number: usize) -> ExperimentReport {
    ExperimentReport {
        name: format!("experiment {number}"),
        status: ExperimentStatus::NotStarted,
        steps: Vec::new(),
        target: None,
        hold_ms: None,
        parallel: false,
        started_at: None,
        hold_started_at: None,
        rollback_started_at: None,
        ended_at: None,
        stop_reason: None,
    }
}

pub(super) fn planned_step(planned: &PlannedStep, target: &str) -> StepReport {
    StepReport {
        fault: planned.fault.clone(),
        target: target.to_owned(),
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
        undone_by: None,
        notes: Vec::new(),
        error: None,
        undo_error: None,
        hint: None,
        failed_reverts: 0,
        disarmed: false,
    }
}
