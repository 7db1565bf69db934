//! The report as the templates see it: every word is ready, only the layout is left to them.

use serde::Serialize;

use super::details::{Detail, Mood, details, experiment_mood, run_mood, state_word, step_mood};
use super::model::{ExperimentReport, RunReport, StepReport};
use super::timeline::{Timeline, timeline};
use super::words::{self, plain};

#[derive(Serialize)]
pub(super) struct View {
    run: String,
    status: String,
    mood: Mood,
    exit_code: Option<u8>,
    started: Option<String>,
    took: String,
    seed: Option<u64>,
    chaos_version: Option<String>,
    journal_damage: Vec<String>,
    experiments: Vec<ExperimentView>,
    timeline: Option<Timeline>,
    events: Vec<EventView>,
    verdict: String,
}

#[derive(Serialize)]
struct ExperimentView {
    name: String,
    status: String,
    mood: Mood,
    /// What each target is, and its label.
    targets: Vec<(String, String)>,
    targets_unlisted: Option<String>,
    skipped: Vec<String>,
    notes: Vec<String>,
    hold: Option<String>,
    stop_reason: Option<String>,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    id: u32,
    fault: String,
    state: &'static str,
    mood: Mood,
    verified: bool,
    summary: String,
    details: Vec<Detail>,
}

#[derive(Serialize)]
struct EventView {
    at: String,
    after: String,
    step: Option<u32>,
    text: String,
}

impl View {
    pub(super) fn new(report: &RunReport) -> Self {
        Self {
            run: report.run_id.as_ref().map_or_else(|| "(unknown)".to_owned(), ToString::to_string),
            status: report.status.words(),
            mood: run_mood(report.status),
            exit_code: report.exit_code,
            started: report.started_at.map(|at| format!("{} UTC", at.strftime("%Y-%m-%d %H:%M:%S"))),
            took: words::duration(report.duration_ms),
            seed: report.seed,
            chaos_version: report.chaos_version.as_deref().map(plain),
            journal_damage: report.journal_damage.iter().map(|damage| plain(damage)).collect(),
            experiments: report.experiments.iter().map(ExperimentView::new).collect(),
            timeline: timeline(report),
            events: events(report),
            verdict: super::text::verdict(report),
        }
    }
}

impl ExperimentView {
    fn new(experiment: &ExperimentReport) -> Self {
        Self {
            name: plain(&experiment.name),
            status: experiment.status.words(),
            mood: experiment_mood(experiment.status),
            targets: words::targets(&experiment.targets),
            targets_unlisted: words::targets_unlisted(&experiment.targets),
            skipped: experiment.skipped.iter().map(|skipped| plain(skipped)).collect(),
            notes: experiment.notes.iter().map(|note| plain(note)).collect(),
            hold: experiment.hold_ms.map(|hold| super::text::hold_words(experiment, hold)),
            stop_reason: experiment.stop_reason.as_deref().map(plain),
            steps: experiment.steps.iter().map(StepView::new).collect(),
        }
    }
}

impl StepView {
    fn new(step: &StepReport) -> Self {
        Self {
            id: step.id,
            fault: plain(&step.fault),
            state: state_word(step),
            mood: step_mood(step),
            verified: step.verified,
            summary: plain(&step.what()),
            details: details(step),
        }
    }
}

fn events(report: &RunReport) -> Vec<EventView> {
    let Some(start) = report.started_at else { return Vec::new() };
    let after = |at: jiff::Timestamp| u64::try_from(at.duration_since(start).as_millis()).unwrap_or(0);
    report
        .events
        .iter()
        .map(|event| EventView {
            at: event.at.strftime("%H:%M:%S%.3f").to_string(),
            after: words::duration(after(event.at)),
            step: event.step,
            text: plain(&event.text),
        })
        .collect()
}
