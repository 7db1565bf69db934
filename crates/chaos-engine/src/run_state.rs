//! Where a run stands: a fold over its records, as rollback and recovery need it.

use chaos_core::{Plan, PlannedStep, Record, RecordBody, StepEvent, StepId, StepState, TargetRef};

/// Where a run stands.
#[derive(Debug, Clone, Default)]
pub struct RunState {
    /// The plan, unless its record is damaged.
    pub plan: Option<Plan>,
    /// Every step that is known, in the order of the intents; steps without an intent come last.
    pub steps: Vec<StepStatus>,
    /// Whether the journal is damaged where records of further steps may have stood that nobody knows any more.
    pub unaccounted: bool,
    /// Steps that are known by their number only: they began, but neither their intent nor the plan can be read.
    pub unnamed: Vec<StepId>,
    damage_accepted: bool,
}

/// Where one step stands.
#[derive(Debug, Clone)]
pub struct StepStatus {
    /// The place of its experiment in the plan.
    pub experiment: usize,
    /// What it acts on.
    pub target: TargetRef,
    /// The step.
    pub planned: PlannedStep,
    /// Where it stands.
    pub state: StepState,
    /// Whether its rope and helpers are gone from the target.
    pub is_disarmed: bool,
    /// Whether it is known that it acted and was not undone since.
    pub has_acted: bool,
}

impl StepStatus {
    /// Returns whether something of this step may still be on its target.
    pub fn is_open(&self) -> bool {
        self.state.may_have_left(self.is_disarmed)
    }

    fn apply(&mut self, event: StepEvent) {
        self.state = self.state.after(event);
        self.has_acted = match event {
            StepEvent::Inject => true,
            StepEvent::Revert => false,
            // What clashed is not undone: the next revert must find its trace again.
            StepEvent::Clash | StepEvent::Intend | StepEvent::Arm | StepEvent::GiveUp | StepEvent::Accept => {
                self.has_acted
            }
        };
    }
}

impl RunState {
    /// Folds the intact records of a journal. `is_intact` is false when lines of it are damaged or missing: then every
    /// planned step counts as intended, because the record that said so may be the one that is lost.
    pub fn fold(records: &[Record], is_intact: bool) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply(&record.body);
        }
        if !is_intact {
            state.assume_all_intended();
        }
        state.unaccounted &= !state.damage_accepted;
        if state.damage_accepted {
            state.unnamed.clear();
        }
        state
    }

    /// Returns the steps that may have left something, newest intent first.
    pub fn open_steps(&self) -> impl Iterator<Item = &StepStatus> {
        self.steps.iter().rev().filter(|step| step.is_open())
    }

    /// Returns whether nothing is left and nothing is unknown.
    pub fn is_clean(&self) -> bool {
        !self.unaccounted && self.open_steps().next().is_none()
    }

    fn apply(&mut self, body: &RecordBody) {
        match body {
            RecordBody::Planned { plan } => self.plan = Some(plan.clone()),
            RecordBody::Intended { experiment, target, planned } => self.intend(*experiment, target, planned),
            RecordBody::Armed { step } => self.event(*step, StepEvent::Arm),
            RecordBody::Injected { step, .. } => self.event(*step, StepEvent::Inject),
            RecordBody::Reverted { step, reverted } if reverted.conflicts_total > 0 => {
                self.event(*step, StepEvent::Clash);
            }
            RecordBody::Reverted { step, .. } => self.event(*step, StepEvent::Revert),
            RecordBody::Stuck { step, .. } => self.event(*step, StepEvent::GiveUp),
            RecordBody::Accepted { step } => self.event(*step, StepEvent::Accept),
            RecordBody::Disarmed { step } => {
                if let Some(status) = self.step(*step) {
                    status.is_disarmed = true;
                }
                self.unnamed.retain(|unnamed| unnamed != step);
            }
            RecordBody::DamageAccepted => self.damage_accepted = true,
            RecordBody::Opened { .. }
            | RecordBody::GuardianStarted { .. }
            | RecordBody::ExperimentStarted { .. }
            | RecordBody::Failed { .. }
            | RecordBody::Measured { .. }
            | RecordBody::HoldStarted { .. }
            | RecordBody::RollbackStarted { .. }
            | RecordBody::RevertFailed { .. }
            | RecordBody::ExperimentEnded { .. }
            | RecordBody::Closed { .. } => {}
        }
    }

    fn intend(&mut self, experiment: usize, target: &TargetRef, planned: &PlannedStep) {
        if self.step(planned.id).is_none() {
            let (target, planned) = (target.clone(), planned.clone());
            let state = StepState::Intended;
            self.steps.push(StepStatus {
                experiment,
                target,
                planned,
                state,
                is_disarmed: false,
                has_acted: false,
            });
        }
    }

    fn event(&mut self, step: StepId, event: StepEvent) {
        if self.step(step).is_none()
            && let Some((experiment, target, planned)) = self.planned(step)
        {
            self.intend(experiment, &target, &planned);
        }
        match self.step(step) {
            Some(status) => status.apply(event),
            // Neither its intent nor the plan is readable: something happened that nobody can name any more.
            None => {
                self.unaccounted = true;
                if !self.unnamed.contains(&step) {
                    self.unnamed.push(step);
                }
            }
        }
    }

    fn step(&mut self, id: StepId) -> Option<&mut StepStatus> {
        self.steps.iter_mut().find(|step| step.planned.id == id)
    }

    fn planned(&self, id: StepId) -> Option<(usize, TargetRef, PlannedStep)> {
        let mut experiments = self.plan.iter().flat_map(|plan| plan.experiments.iter().enumerate());
        experiments.find_map(|(place, experiment)| {
            let step = experiment.steps.iter().find(|step| step.id == id)?;
            Some((place, experiment.target_of(step)?.clone(), step.clone()))
        })
    }

    fn assume_all_intended(&mut self) {
        match self.plan.clone() {
            Some(plan) => {
                for (place, experiment) in plan.experiments.iter().enumerate() {
                    for step in &experiment.steps {
                        if let Some(target) = experiment.target_of(step) {
                            self.intend(place, target, step);
                        }
                    }
                }
            }
            // The plan stands before the first effect. Where it is lost, an intent may be lost with it.
            None => self.unaccounted = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use chaos_core::{RevertOutcome, Reverted};
    use serde_json::json;

    use super::*;

    fn planned(id: u32) -> PlannedStep {
        let facts = json!({"undo": "", "rope": "none", "claims": [], "quantity": {}, "names": []});
        let step = json!({"id": id, "fault": "fake.set", "summary": "", "facts": facts, "step": null});
        serde_json::from_value(step).unwrap()
    }

    fn target() -> TargetRef {
        let identity = json!({"product": "", "label": "fake", "fingerprint": "1", "names": []});
        let target = json!({"kind": "fake", "identity": identity, "config": {}, "file": null, "index": 0});
        serde_json::from_value(target).unwrap()
    }

    fn plan(steps: u32) -> RecordBody {
        let steps: Vec<_> = (1..=steps).map(planned).collect();
        let run = "20261121-084512-k3vq";
        let experiment =
            json!({"name": "e", "hold_ms": 1, "parallel": false, "target": target(), "steps": steps});
        let plan = json!({"run": run, "seed": 1, "experiments": [experiment]});
        RecordBody::Planned { plan: serde_json::from_value(plan).unwrap() }
    }

    fn intended(id: u32) -> RecordBody {
        RecordBody::Intended { experiment: 0, target: Box::new(target()), planned: Box::new(planned(id)) }
    }

    fn reverted(id: u32, conflicts: u64) -> RecordBody {
        let reverted = Reverted { conflicts_total: conflicts, ..Reverted::new(RevertOutcome::Restored) };
        RecordBody::Reverted { step: StepId(id), reverted }
    }

    fn open_after(bodies: &[RecordBody], is_intact: bool) -> Vec<(u32, StepState)> {
        let records: Vec<_> = bodies
            .iter()
            .map(|body| Record { at: jiff::Timestamp::UNIX_EPOCH, body: body.clone() })
            .collect();
        let state = RunState::fold(&records, is_intact);
        state.open_steps().map(|step| (step.planned.id.0, step.state)).collect()
    }

    #[test]
    fn an_intent_alone_is_open_and_the_newest_comes_first() {
        let open = open_after(&[plan(3), intended(1), intended(2)], true);
        assert_eq!(open, [(2, StepState::Intended), (1, StepState::Intended)]);
    }

    #[test]
    fn a_step_has_acted_from_its_injection_until_its_undo() {
        let has_acted = |bodies: &[RecordBody]| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let records: Vec<_> = bodies.iter().map(|body| Record { at, body: body.clone() }).collect();
            RunState::fold(&records, true).steps[0].has_acted
        };
        let injected = RecordBody::Injected { step: StepId(1), effect: Default::default() };
        let stuck = RecordBody::Stuck { step: StepId(1), error: String::new(), hint: None };
        let mut bodies = vec![plan(1), intended(1)];
        assert!(!has_acted(&bodies));
        bodies.extend([injected, stuck, reverted(1, 7)]);
        assert!(has_acted(&bodies));
        bodies.push(reverted(1, 0));
        assert!(!has_acted(&bodies));
    }

    #[test]
    fn a_reverted_step_is_open_until_its_helpers_are_gone() {
        let mut bodies = vec![plan(1), intended(1), reverted(1, 0)];
        assert_eq!(open_after(&bodies, true), [(1, StepState::Reverted)]);
        bodies.push(RecordBody::Disarmed { step: StepId(1) });
        assert_eq!(open_after(&bodies, true), []);
    }

    #[test]
    fn a_conflict_is_open_until_accepted_and_disarmed() {
        let mut bodies = vec![plan(1), intended(1), reverted(1, 2)];
        assert_eq!(open_after(&bodies, true), [(1, StepState::Conflict)]);
        bodies.push(RecordBody::Accepted { step: StepId(1) });
        assert_eq!(open_after(&bodies, true), [(1, StepState::Accepted)]);
        bodies.push(RecordBody::Disarmed { step: StepId(1) });
        assert_eq!(open_after(&bodies, true), []);
    }

    #[test]
    fn in_a_damaged_journal_every_planned_step_counts_as_intended() {
        let open = open_after(&[plan(2), intended(1), reverted(1, 0)], false);
        assert_eq!(open, [(2, StepState::Intended), (1, StepState::Reverted)]);
    }

    #[test]
    fn a_step_whose_intent_is_lost_is_found_in_the_plan() {
        let armed = RecordBody::Armed { step: StepId(1) };
        assert_eq!(open_after(&[plan(1), armed], true), [(1, StepState::Armed)]);
    }

    #[test]
    fn a_step_that_nobody_can_name_is_known_by_its_number_until_its_helpers_are_gone() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let effect = Default::default();
        let mut records = vec![Record { at, body: RecordBody::Injected { step: StepId(1), effect } }];
        assert_eq!(RunState::fold(&records, false).unnamed, [StepId(1)]);
        records.push(Record { at, body: RecordBody::Disarmed { step: StepId(1) } });
        assert_eq!(RunState::fold(&records, false).unnamed, []);
    }

    #[test]
    fn a_journal_without_readable_plan_is_never_clean_until_a_person_accepts_that() {
        let mut records = Vec::new();
        assert!(!RunState::fold(&records, false).is_clean());
        records.push(Record { at: jiff::Timestamp::UNIX_EPOCH, body: RecordBody::DamageAccepted });
        assert!(RunState::fold(&records, false).is_clean());
        assert!(RunState::fold(&[], true).is_clean());
    }
}
