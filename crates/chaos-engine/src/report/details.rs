//! What is told of a step beside its line, and how each word is meant; the same in every form of the report.

use chaos_core::{RevertOutcome, Rope, StepState};
use serde::Serialize;

use super::model::{ExperimentStatus, RunStatus, StepReport};
use super::words::{self, plain};

/// How a word is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mood {
    Good,
    Bad,
    Doubtful,
    Quiet,
    Strong,
}

/// One more line about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Detail {
    /// How it is meant.
    pub(super) mood: Mood,
    /// What it is about: `did`, `conflict`.
    pub(super) name: &'static str,
    /// The line, safe to print.
    pub(super) text: String,
}

/// The state in one word; a failed fault that is undone is told as failed, so that nobody overlooks it.
pub(super) fn state_word(step: &StepReport) -> &'static str {
    match step.state {
        StepState::Reverted if step.error.is_some() => "failed",
        StepState::Planned => "not run",
        StepState::Intended => "intended",
        StepState::Armed => "armed",
        StepState::Injected => "injected",
        StepState::Reverted => "reverted",
        StepState::Conflict => "conflict",
        StepState::Stuck => "stuck",
        StepState::Accepted => "accepted",
    }
}

pub(super) fn details(step: &StepReport) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut say = |mood, name, text| details.push(Detail { mood, name, text });
    if let Some(rope) = weak_rope(step) {
        say(Mood::Doubtful, "without us", words::rope(rope).to_owned());
    }
    if !step.effect.0.is_empty() {
        say(Mood::Quiet, "did", words::effect(&step.effect));
    }
    if !step.measured.0.is_empty() {
        say(Mood::Quiet, "measured", words::effect(&step.measured));
    }
    if step.verified {
        say(Mood::Quiet, "undone", undone_words(step));
        if step.is_open() && !step.state.is_open() {
            say(Mood::Bad, "left", "the helpers of the undo are still on the target".to_owned());
        }
    } else if step.is_open() && !step.undo.is_empty() {
        say(Mood::Quiet, "undo", plain(&step.undo));
    }
    step.notes.iter().for_each(|note| say(Mood::Quiet, "note", plain(note)));
    step.error.iter().for_each(|error| say(Mood::Bad, "error", plain(error)));
    step.undo_error.iter().for_each(|error| say(Mood::Bad, "undo failed", plain(error)));
    step.hint.iter().for_each(|hint| say(Mood::Quiet, "hint", plain(hint)));
    for conflict in &step.conflicts {
        let text = format!("{}: {}", plain(&conflict.what), plain(&conflict.found));
        say(Mood::Doubtful, "conflict", text);
    }
    let unlisted = step.conflicts_total.saturating_sub(step.conflicts.len() as u64);
    if unlisted > 0 {
        say(Mood::Doubtful, "conflict", format!("and {unlisted} more"));
    }
    details
}

/// The rope of a step that has begun, where people should know what it does not hold.
fn weak_rope(step: &StepReport) -> Option<Rope> {
    let is_weak = |rope: &Rope| matches!(rope, Rope::OnTarget { survives_reboot: false });
    step.rope.filter(|rope| is_weak(rope) && step.state != StepState::Planned)
}

fn undone_words(step: &StepReport) -> String {
    let found = match step.outcome {
        Some(RevertOutcome::Restored) | None => "read back",
        Some(RevertOutcome::NothingToDo) => "read back, nothing of ours was there",
        Some(RevertOutcome::AlreadyUndone) => "read back, had been undone before",
    };
    match words::effect(&step.restored) {
        restored if restored.is_empty() => found.to_owned(),
        restored => format!("{restored}; {found}"),
    }
}

pub(super) fn run_mood(status: RunStatus) -> Mood {
    match status {
        RunStatus::Completed | RunStatus::Recovered => Mood::Good,
        RunStatus::Failed | RunStatus::LeftBehind => Mood::Bad,
        RunStatus::Interrupted | RunStatus::LimitReached | RunStatus::Running | RunStatus::Unfinished => {
            Mood::Doubtful
        }
    }
}

pub(super) fn experiment_mood(status: ExperimentStatus) -> Mood {
    match status {
        ExperimentStatus::Completed | ExperimentStatus::Recovered => Mood::Good,
        ExperimentStatus::Failed | ExperimentStatus::LeftBehind => Mood::Bad,
        ExperimentStatus::Interrupted | ExperimentStatus::Unfinished => Mood::Doubtful,
        ExperimentStatus::NotStarted => Mood::Quiet,
    }
}

pub(super) fn step_mood(step: &StepReport) -> Mood {
    match step.state {
        StepState::Reverted if step.error.is_some() => Mood::Bad,
        StepState::Reverted => Mood::Good,
        StepState::Stuck => Mood::Bad,
        StepState::Conflict | StepState::Intended | StepState::Armed | StepState::Injected => Mood::Doubtful,
        StepState::Accepted | StepState::Planned => Mood::Quiet,
    }
}

#[cfg(test)]
mod tests;
