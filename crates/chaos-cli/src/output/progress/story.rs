//! What happens in a run, in the words of the live view.

use std::collections::HashMap;

use chaos_core::{Effect, ExperimentPlan, Plan, RecordBody, StepId};
use chaos_engine::report::{duration_words, effect_words, plain, steps_words, undone_words};

/// Remembers names, so that later events can be told with them.
#[derive(Debug, Default)]
pub struct Story {
    /// What every line begins with, where several runs are told at once.
    prefix: String,
    experiments: Vec<Chapter>,
    steps: HashMap<StepId, String>,
}

#[derive(Debug)]
struct Chapter {
    name: String,
    target: String,
    steps: usize,
    hold: u64,
}

impl Story {
    /// Tells a run whose every line begins with `prefix`.
    pub fn with_prefix(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Returns the line for one thing that happened; `None` for what only the journal cares about.
    pub fn line(&mut self, body: &RecordBody) -> Option<String> {
        let words = self.words(body)?;
        Some(format!("{}{words}", self.prefix))
    }

    /// Returns how a line about a step begins.
    pub fn titled(&self, step: StepId) -> String {
        format!("{}{}", self.prefix, self.step(step))
    }

    fn words(&mut self, body: &RecordBody) -> Option<String> {
        match body {
            RecordBody::Planned { plan } => {
                self.learn(plan);
                None
            }
            RecordBody::ExperimentStarted { experiment } => {
                let chapter = self.experiments.get(*experiment)?;
                Some(format!(
                    "experiment `{}` ({} of {}) on {}: {}, hold {}",
                    chapter.name,
                    experiment + 1,
                    self.experiments.len(),
                    chapter.target,
                    steps_words(chapter.steps),
                    duration_words(chapter.hold),
                ))
            }
            RecordBody::Intended { planned, .. } => {
                self.steps.entry(planned.id).or_insert_with(|| plain(&planned.fault));
                Some(format!("{}: {}", self.step(planned.id), plain(&planned.summary)))
            }
            RecordBody::Injected { step, effect } => {
                Some(format!("{}: injected{}", self.step(*step), tail(effect)))
            }
            RecordBody::Failed { step, error, .. } => {
                Some(format!("{}: failed to {}", self.step(*step), plain(error)))
            }
            RecordBody::Measured { step, effect } => {
                Some(format!("{}: measured{}", self.step(*step), tail(effect)))
            }
            RecordBody::HoldStarted { experiment } => Some(format!("hold for {}", self.hold(*experiment))),
            RecordBody::RollbackStarted { reason, .. } => Some(format!("rolling back: {}", plain(reason))),
            RecordBody::Reverted { step, reverted } => {
                let conflicts = match reverted.conflicts_total {
                    0 => String::new(),
                    count => format!("; changed by somebody else and left as it is: {count}"),
                };
                let how = undone_words(reverted);
                Some(format!("{}: {how}{}{conflicts}", self.step(*step), tail(&reverted.effect)))
            }
            RecordBody::RevertFailed { step, attempt, error } => {
                Some(format!("{}: attempt {attempt} to undo it failed: {}", self.step(*step), plain(error)))
            }
            RecordBody::Stuck { step, error, .. } => {
                Some(format!("{}: its undo is given up for now: {}", self.step(*step), plain(error)))
            }
            RecordBody::Accepted { step } => Some(format!("{}: conflicts accepted", self.step(*step))),
            RecordBody::DamageAccepted => Some("the damage of the journal is accepted".to_owned()),
            RecordBody::Opened { .. }
            | RecordBody::GuardianStarted { .. }
            | RecordBody::Armed { .. }
            | RecordBody::Disarmed { .. }
            | RecordBody::ExperimentEnded { .. }
            | RecordBody::Closed { .. } => None,
        }
    }

    /// Returns how a step is called: `step 1 (db.insert_load)`.
    fn step(&self, step: StepId) -> String {
        match self.steps.get(&step) {
            Some(fault) => format!("step {step} ({fault})"),
            None => format!("step {step}"),
        }
    }

    /// Returns how long an experiment is held, in words.
    pub fn hold(&self, experiment: usize) -> String {
        self.experiments.get(experiment).map_or_else(String::new, |chapter| duration_words(chapter.hold))
    }

    /// Returns how long an experiment is held, in milliseconds.
    pub fn hold_ms(&self, experiment: usize) -> u64 {
        self.experiments.get(experiment).map_or(0, |chapter| chapter.hold)
    }

    fn learn(&mut self, plan: &Plan) {
        for experiment in &plan.experiments {
            self.experiments.push(Chapter {
                name: plain(&experiment.name),
                target: target(experiment),
                steps: experiment.steps.len(),
                hold: u64::try_from(experiment.hold.as_millis()).unwrap_or(u64::MAX),
            });
            for step in &experiment.steps {
                let name = experiment.target_of(step).filter(|_| experiment.targets.len() > 1);
                let on = name.map(|target| format!(" on {}", plain(&target.title()))).unwrap_or_default();
                self.steps.insert(step.id, format!("{}{on}", plain(&step.fault)));
            }
        }
    }
}

/// Returns what an experiment acts on, in a few words.
fn target(experiment: &ExperimentPlan) -> String {
    match &experiment.targets[..] {
        [one] => plain(&one.identity.label),
        several => format!("{} targets", several.len()),
    }
}

fn tail(effect: &Effect) -> String {
    match effect_words(effect) {
        words if words.is_empty() => words,
        words => format!(" ({words})"),
    }
}
