//! `chaos recover`: undoes what dead runs have left.

use std::collections::HashSet;
use std::sync::Arc;

use chaos_core::record::Undoer;
use chaos_core::{ExitCode, RecordBody, RunId, StepId, StepState};
use chaos_engine::events::Silent;
use chaos_engine::journal::read;
use chaos_engine::{
    Engine, EngineError, EngineEvent, EngineOptions, EventSink, RecoverOptions, RecoverOutcome, StateDir,
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::history;
use crate::args::{Global, RecoverArguments};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::error::object as error_object;
use crate::output::{Output, progress};
use crate::signals;

/// Recovers one run, or every dead one.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &RecoverArguments, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    let state = super::state_dir_to_look_at(global)?;
    let named = arguments.run.as_deref().map(|name| super::run_id(&state, name)).transpose()?;
    let options = RecoverOptions {
        config: arguments.config.as_deref().map(absolute).transpose()?,
        accept_conflicts: arguments.accept_conflicts,
        abandon: arguments.abandon,
    };
    let recovery = Recovery { state: &state, options, colored: output.is_stderr_colored };
    let engine = super::engine(state.clone(), Arc::new(Silent), EngineOptions::default());
    let mut recovered = Recovered::default();
    let chains = match named {
        Some(run) => vec![vec![run]],
        None => dead_runs(&engine, &mut recovered.errors)?,
    };
    let is_alone = chains.iter().map(Vec::len).sum::<usize>() == 1;
    super::block_on(async {
        signals::outlast_first_signal()
            .map_err(|error| CliError::new(Code::Defect, "listen for signals").because(&error))?;
        // One run in trouble must not delay the others.
        let recovering = chains.iter().map(|runs| recovery.recover(runs, is_alone));
        for result in join_all(recovering).await.into_iter().flatten() {
            match result {
                Ok(outcome) => recovered.outcomes.push(outcome),
                // One run that cannot be recovered must not keep the others from it.
                Err(error) => recovered.errors.push(CliError::from(error)),
            }
        }
        recovered.outcomes.sort_by(|one, other| one.run.cmp(&other.run));
        recovered.tell(&engine, output)
    })
}

/// How runs are recovered.
struct Recovery<'a> {
    state: &'a StateDir,
    options: RecoverOptions,
    colored: bool,
}

impl Recovery<'_> {
    /// Recovers runs one after the other.
    async fn recover(&self, runs: &[RunId], is_alone: bool) -> Vec<Result<RecoverOutcome, EngineError>> {
        let mut results = Vec::new();
        for run in runs {
            let prefix = if is_alone { String::new() } else { format!("run {run}: ") };
            let events = progress::watcher_of(&prefix, self.colored);
            let engine = super::engine(self.state.clone(), events.clone(), EngineOptions::default());
            teach(&engine, run, &*events);
            results.push(engine.recover(run, &self.options).await);
        }
        results
    }
}

fn absolute(path: &std::path::Path) -> Result<std::path::PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::file("find", path, &error))
}

/// Returns the dead runs, those that have left something on the same system in one chain. A run that lives undoes itself. One
/// that is being undone is waited for.
fn dead_runs(engine: &Engine, errors: &mut Vec<CliError>) -> Result<Vec<Vec<RunId>>, CliError> {
    let survey = engine.survey()?;
    errors.extend(survey.unreadable.into_iter().map(CliError::from));
    let mut dead = Vec::new();
    for unresolved in survey.unresolved {
        match unresolved.owner {
            Some(owner) if owner.role == Undoer::Run => {
                progress::say(&format!("run {} is alive as process {}", unresolved.run, owner.pid));
            }
            _ => {
                let systems =
                    unresolved.state.open_steps().map(|step| step.target.identity.fingerprint.clone());
                dead.push((unresolved.run, systems.collect()));
            }
        }
    }
    Ok(chains(dead))
}

/// Joins runs that share a system, each chain with its newest run first: what was done last is undone first.
fn chains(dead: Vec<(RunId, HashSet<String>)>) -> Vec<Vec<RunId>> {
    let mut chains: Vec<(Vec<RunId>, HashSet<String>)> = Vec::new();
    for (run, mut systems) in dead.into_iter().rev() {
        let (joined, others) = chains.into_iter().partition(|(_, known)| !known.is_disjoint(&systems));
        chains = others;
        let joined: Vec<(Vec<RunId>, HashSet<String>)> = joined;
        let mut runs = Vec::new();
        for (earlier, known) in joined {
            runs.extend(earlier);
            systems.extend(known);
        }
        runs.push(run);
        chains.push((runs, systems));
    }
    chains.into_iter().map(|(runs, _)| runs).collect()
}

/// Tells the live view the names that stand in the journal.
fn teach(engine: &Engine, run: &RunId, events: &dyn EventSink) {
    // A journal that cannot be read is reported by the recovery itself.
    let Ok(journal) = read(&engine.state().journal(run)) else { return };
    let plan = journal.records.iter().find(|record| matches!(record.body, RecordBody::Planned { .. }));
    if let Some(record) = plan {
        events.event(EngineEvent::Recorded(&record.body));
    }
}

#[derive(Default)]
struct Recovered {
    outcomes: Vec<RecoverOutcome>,
    errors: Vec<CliError>,
}

impl Recovered {
    fn tell(mut self, engine: &Engine, output: &Output) -> Result<ExitCode, CliError> {
        if let (true, 1) = (self.outcomes.is_empty(), self.errors.len())
            && let Some(error) = self.errors.pop()
        {
            return Err(error);
        }
        for error in &self.errors {
            output.say_error(error);
        }
        output.result(|| self.text(engine), &self.object())?;
        let is_left = self.outcomes.iter().any(|outcome| outcome.exit == ExitCode::LeftBehind);
        // Whatever a run left that could not even be begun with is still there.
        Ok(if is_left || !self.errors.is_empty() { ExitCode::LeftBehind } else { ExitCode::Done })
    }

    fn text(&self, engine: &Engine) -> String {
        if self.outcomes.is_empty() && self.errors.is_empty() {
            let no_state = super::no_state_yet(engine.state());
            let looked = no_state.map(|no_state| format!(" ({no_state})")).unwrap_or_default();
            return format!("Nothing to recover: no dead run has left anything{looked}.\n");
        }
        let mut text = String::new();
        for outcome in &self.outcomes {
            text.push_str(&sentence(outcome, engine));
        }
        text
    }

    fn object(&self) -> Value {
        let runs: Vec<Value> = self.outcomes.iter().map(object).collect();
        let errors: Vec<Value> = self.errors.iter().map(error_object).collect();
        json!({"runs": runs, "errors": errors})
    }
}

fn sentence(outcome: &RecoverOutcome, engine: &Engine) -> String {
    let run = &outcome.run;
    if outcome.steps.is_empty() && outcome.exit == ExitCode::Done {
        return format!("Run {run}: no step is known to have left anything.\n");
    }
    if outcome.steps.is_empty() {
        return format!(
            "Run {run}: its journal is damaged, and nobody can tell what it did. Look for `chaos_*` on the targets that it may have \
             had; then `chaos recover {run} --accept-conflicts` gives it up.\n"
        );
    }
    let count = |state: StepState| outcome.steps.iter().filter(|(_, ended)| *ended == state).count();
    let mut text =
        format!("Run {run}: {} of {} steps undone", count(StepState::Reverted), outcome.steps.len());
    for (state, word) in [
        (StepState::Accepted, "accepted as they are"),
        (StepState::Conflict, "with conflicts"),
        (StepState::Stuck, "stuck"),
    ] {
        if count(state) > 0 {
            text.push_str(&format!(", {} {word}", count(state)));
        }
    }
    text.push_str(".\n");
    if !outcome.already_undone.is_empty() {
        text.push_str(&format!("  {} of them had been undone before.\n", outcome.already_undone.len()));
    }
    if outcome.given_up > 0 {
        text.push_str(&format!(
            "  {} of them may still be there: the journal is damaged, and nobody can tell what they did. Look for \
             `chaos_*` on the targets of the run: schemas and tables of databases, directories in /run and /var/lib of \
             servers.\n",
            outcome.given_up
        ));
    }
    if outcome.exit == ExitCode::LeftBehind
        && let Ok(report) = history::report(engine.state(), run)
    {
        text.push_str(&report.to_text(chaos_engine::report::Ink::Plain));
    }
    text
}

fn object(outcome: &RecoverOutcome) -> Value {
    let object = |(step, state): &(StepId, StepState)| json!({"id": step, "state": state, "already_undone": outcome.already_undone.contains(step)});
    let steps: Vec<Value> = outcome.steps.iter().map(object).collect();
    json!({"run_id": outcome.run, "exit_code": outcome.exit.code(), "steps": steps})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_share_a_system_wait_for_each_other_newest_first() {
        let run = |number: u32| -> RunId { format!("20261121-08451{number}-k3vq").parse().unwrap() };
        let left = |number, systems: &[&str]| {
            (run(number), systems.iter().map(|system| (*system).to_owned()).collect::<HashSet<_>>())
        };
        let dead =
            vec![left(1, &["a"]), left(2, &["b"]), left(3, &["c"]), left(4, &["a", "c"]), left(5, &[])];
        let mut found = chains(dead);
        found.sort();
        assert_eq!(found, [vec![run(2)], vec![run(4), run(3), run(1)], vec![run(5)]]);
    }
}
