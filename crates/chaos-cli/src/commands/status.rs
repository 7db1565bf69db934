//! `chaos status`: is anything left anywhere?

use std::fmt::{Display, Write};
use std::sync::Arc;

use chaos_core::{ExitCode, StepState};
use chaos_engine::EngineOptions;
use chaos_engine::events::Silent;
use chaos_engine::report::{OpenStep, StatusReport, UnresolvedReport, UnresolvedState, plain};

use super::history::report;
use crate::args::Global;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::Output;

/// Tells which runs are not over.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    let state = super::state_dir_to_look_at(global)?;
    let engine = super::engine(state, Arc::new(Silent), EngineOptions::default());
    let survey = engine.survey()?;
    let mut errors: Vec<CliError> = survey.unreadable.into_iter().map(CliError::from).collect();
    let mut runs = Vec::new();
    for unresolved in &survey.unresolved {
        match report(engine.state(), &unresolved.run) {
            Ok(report) => runs.push(UnresolvedReport::new(unresolved, &report)),
            Err(error) => errors.push(error),
        }
    }
    // Nobody knows what a run has left whose journal cannot be read.
    let mut status = StatusReport::new(runs);
    status.clean &= errors.is_empty();
    output.result(|| text(&status, super::no_state_yet(engine.state())), &status)?;
    errors.iter().for_each(|error| output.say_error(error));
    Ok(if status.clean { ExitCode::Done } else { ExitCode::LeftBehind })
}

fn text(status: &StatusReport, no_state: Option<String>) -> String {
    if status.clean {
        let looked = no_state.map(|no_state| format!(" ({no_state})")).unwrap_or_default();
        return format!("Clean: no run has left anything{looked}.\n");
    }
    let mut text = String::new();
    for run in &status.runs {
        push_run(&mut text, run);
    }
    text
}

fn push_run(text: &mut String, run: &UnresolvedReport) {
    let state = match (run.state, run.pid) {
        (UnresolvedState::Running, Some(pid)) => format!("at work, process {pid}"),
        (UnresolvedState::Running, None) => "at work".to_owned(),
        (UnresolvedState::Died, _) => "its process died".to_owned(),
        (UnresolvedState::LeftBehind, _) => "ended, and left something".to_owned(),
    };
    // Writing into a String cannot fail, here and below.
    let _ = writeln!(text, "Run {}: {state}", run.run_id);
    for damage in &run.journal_damage {
        let _ = writeln!(text, "  journal damaged: {}", plain(damage));
    }
    for step in &run.open_steps {
        let _ = writeln!(
            text,
            "  {:>3}  {}  {}  {}",
            step.id,
            plain(&step.fault),
            step.state,
            plain(&step.summary)
        );
        let _ = writeln!(text, "       on {}", plain(&step.target));
        if step.conflicts_total > 0 {
            let (count, code) = (step.conflicts_total, Code::Conflict.name());
            let _ = writeln!(
                text,
                "       changed by somebody else and left as it is: {count}; see `chaos explain {code}`"
            );
        }
        if let Some(error) = &step.undo_error {
            let (error, code) = (plain(error), Code::Stuck.name());
            let _ = writeln!(text, "       undo failed: {error}; see `chaos explain {code}`");
        }
    }
    if run.state != UnresolvedState::Running {
        let is_conflict = |step: &OpenStep| step.state == StepState::Conflict && step.undo_error.is_none();
        let is_whole = run.journal_damage.is_empty() && !run.open_steps.is_empty();
        let way_out = way_out(&run.run_id, is_whole && run.open_steps.iter().all(is_conflict));
        let _ = writeln!(text, "  {way_out}");
    }
}

/// What to do about a run that left something behind. Where only conflicts are left, undoing once more tells the same until
/// somebody has mended something.
pub fn way_out(run: impl Display, has_only_conflicts: bool) -> String {
    if has_only_conflicts {
        format!(
            "look at it with `chaos report {run}`; then mend it and run `chaos recover {run}`, or accept it with \
             `chaos recover {run} --accept-conflicts`"
        )
    } else {
        format!("undo it with `chaos recover {run}`")
    }
}
