//! The report for people in a terminal.

use std::fmt::Write;

use chaos_core::StepState;
use chaos_core::record::Undoer;

use super::details::{Mood, details, experiment_mood, run_mood, state_word, step_mood};
use super::model::{ExperimentReport, RunReport, RunStatus, StepReport};
use super::words::{self, plain, steps};

/// Whether words are painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// No colours.
    Plain,
    /// Colours of the terminal.
    Ansi,
}

impl Ink {
    fn paint(self, mood: Mood, text: &str) -> String {
        let code = match mood {
            Mood::Good => "32",
            Mood::Bad => "31;1",
            Mood::Doubtful => "33",
            Mood::Quiet => "2",
            Mood::Strong => "1",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

impl RunReport {
    /// Returns the report for people, painted or not.
    pub fn to_text(&self, ink: Ink) -> String {
        render(self, ink)
    }
}

pub(super) fn render(report: &RunReport, ink: Ink) -> String {
    let mut page = Page { text: String::new(), ink };
    page.head(report);
    for experiment in &report.experiments {
        page.experiment(experiment);
    }
    page.foot(report);
    page.text
}

struct Page {
    text: String,
    ink: Ink,
}

impl Page {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn head(&mut self, report: &RunReport) {
        let run = report.run_id.as_ref().map_or("(unknown)", |run| run.as_str());
        let status = self.ink.paint(run_mood(report.status), &report.status.words());
        let exit = report.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        let run = self.ink.paint(Mood::Strong, run);
        self.line(format_args!("Run {run}: {status}{exit}"));
        if let Some(started) = report.started_at {
            let seed = report.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
            let took = words::duration(report.duration_ms);
            let started = started.strftime("%Y-%m-%d %H:%M:%S");
            self.line(format_args!("Started {started} UTC, took {took}{seed}"));
        }
        for damage in &report.journal_damage {
            let word = self.ink.paint(Mood::Bad, "Journal damaged:");
            self.line(format_args!("{word} {}", plain(damage)));
        }
    }

    fn experiment(&mut self, experiment: &ExperimentReport) {
        let status = self.ink.paint(experiment_mood(experiment.status), &experiment.status.words());
        let name = self.ink.paint(Mood::Strong, &plain(&experiment.name));
        self.line(format_args!("\nExperiment {name}: {status}"));
        for line in target_lines(experiment) {
            self.line(format_args!("  {line}"));
        }
        if let Some(hold) = experiment.hold_ms {
            self.line(format_args!("  Hold      {}", hold_words(experiment, hold)));
        }
        if let Some(reason) = &experiment.stop_reason {
            self.line(format_args!("  Rollback  {}", plain(reason)));
        }
        let fault_width = experiment.steps.iter().map(|step| step.fault.len()).max().unwrap_or(0);
        for step in &experiment.steps {
            self.step(step, fault_width);
        }
    }

    fn step(&mut self, step: &StepReport, fault_width: usize) {
        let word = format!("{:<9}", state_word(step));
        let state = self.ink.paint(step_mood(step), word.trim_end());
        let padding = " ".repeat(word.len() - word.trim_end().len());
        self.line(format_args!(
            "  {:>3}  {:<fault_width$}  {state}{padding}  {}",
            step.id,
            plain(&step.fault),
            plain(&step.what()),
        ));
        for detail in details(step) {
            let name = self.ink.paint(detail.mood, detail.name);
            self.line(format_args!("       {name}: {}", detail.text));
        }
    }

    fn foot(&mut self, report: &RunReport) {
        let mood = match report.open_steps().next() {
            Some(_) if report.status != RunStatus::Running => Mood::Bad,
            _ => run_mood(report.status),
        };
        let verdict = self.ink.paint(mood, &verdict(report));
        self.line(format_args!("\n{verdict}"));
    }
}

/// Returns in one or two sentences whether anything is left, and what to do about it.
pub(super) fn verdict(report: &RunReport) -> String {
    let run = report.run_id.as_ref().map_or("RUN", |run| run.as_str());
    let open = report.open_steps().count();
    match report.status {
        RunStatus::Running => "The run is still at work.".to_owned(),
        RunStatus::Unfinished if open == 0 => {
            "The run did not finish; nothing of it is left on any target.".to_owned()
        }
        RunStatus::LeftBehind | RunStatus::Unfinished => left_behind(report, run, open),
        RunStatus::Completed
        | RunStatus::Failed
        | RunStatus::Interrupted
        | RunStatus::LimitReached
        | RunStatus::Recovered => closing(report),
    }
}

fn left_behind(report: &RunReport, run: &str, open: usize) -> String {
    let in_conflict: Vec<&StepReport> =
        report.steps().filter(|step| step.state == StepState::Conflict).collect();
    let conflicts: u64 = in_conflict.iter().map(|step| step.conflicts_total).sum();
    let lost = open.saturating_sub(in_conflict.len());
    let mut sentences = Vec::new();
    if lost > 0 {
        sentences.push(format!(
            "{} may have left something behind; undo it with `chaos recover {run}`.",
            steps(lost)
        ));
    }
    if conflicts > 0 {
        sentences.push(format!(
            "Changed by somebody else meanwhile, and left as it is: {conflicts}. When that is right, accept it with \
             `chaos recover {run} --accept-conflicts`."
        ));
    }
    if sentences.is_empty() {
        sentences.push(format!(
            "The journal is damaged and may have lost a step; look at the targets, then run \
             `chaos recover {run} --accept-conflicts`."
        ));
    }
    sentences.join(" ")
}

fn closing(report: &RunReport) -> String {
    let verified = report.steps().filter(|step| step.verified).count();
    let accepted = report.steps().filter(|step| step.state == StepState::Accepted).count();
    let by = match report.undone_by {
        Some(Undoer::Guardian) => " by the guardian",
        Some(Undoer::Recovery) => " by a recovery",
        Some(Undoer::Run) | None => "",
    };
    match (verified, accepted) {
        (0, _) => "Nothing was injected, so nothing is left behind.".to_owned(),
        (_, 0) => format!("Everything was undone{by} and read back: {}.", steps(verified)),
        (_, accepted) => {
            format!(
                "Everything was undone{by} and read back, with accepted conflicts in {}.",
                steps(accepted)
            )
        }
    }
}

/// What an experiment acted on: some targets one by one, many in a number.
fn target_lines(experiment: &ExperimentReport) -> Vec<String> {
    let targets = words::targets(&experiment.targets).into_iter();
    let mut lines: Vec<String> = targets.map(|(what, label)| format!("Target    {what}, {label}")).collect();
    lines.extend(words::targets_unlisted(&experiment.targets).map(|more| format!("Target    {more}")));
    lines.extend(experiment.notes.iter().map(|note| format!("Note      {}", plain(note))));
    lines.extend(experiment.skipped.iter().map(|skipped| format!("Skipped   {}", plain(skipped))));
    lines
}

pub(super) fn hold_words(experiment: &ExperimentReport, hold: u64) -> String {
    let planned = words::duration(hold);
    match (experiment.hold_started_at, experiment.rollback_started_at) {
        (Some(start), Some(end)) => {
            let held = u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0);
            format!("{} of {planned}{}", words::duration(held), until(experiment))
        }
        (Some(_), None) => format!("{planned}, end not seen"),
        (None, _) => format!("{planned}, not begun"),
    }
}

/// Says that a hold ended before the rollback began, and nobody saw when.
fn until(experiment: &ExperimentReport) -> String {
    let acted = || experiment.steps.iter().filter(|step| step.injected_at.is_some());
    let undone = acted().filter(|step| step.found_undone).count();
    let acted = acted().count();
    match undone {
        0 => String::new(),
        undone if undone == acted => ", until it was found undone".to_owned(),
        undone => format!("; found undone then: {undone} of {}", words::steps(acted)),
    }
}
