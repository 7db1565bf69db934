//! `chaos history`: the runs of this state directory.

use chaos_core::{ExitCode, RunId};
use chaos_engine::journal::{lock, read};
use chaos_engine::report::{HistoryEntry, RunReport, duration_words, fold_journal};
use chaos_engine::{EngineError, StateDir};

use crate::args::{Global, HistoryArguments};
use crate::error::CliError;
use crate::output::{Output, progress, table};

/// Lists the newest runs.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &HistoryArguments, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    let state = super::state_dir_to_look_at(global)?;
    let mut runs = state.runs()?;
    runs.reverse();
    let hidden = runs.len().saturating_sub(arguments.limit);
    runs.truncate(arguments.limit);
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    for run in runs {
        match report(&state, &run) {
            Ok(report) => entries.push(HistoryEntry::new(run, &report)),
            // One journal that cannot be read must not hide the others.
            Err(error) => unreadable.push(error),
        }
    }
    output.result(|| text(&entries), &entries)?;
    if hidden > 0 {
        progress::say(&format!("{hidden} older runs are not listed; see --limit"));
    }
    for error in &unreadable {
        output.say_error(error);
    }
    Ok(if unreadable.is_empty() { ExitCode::Done } else { ExitCode::CannotDo })
}

/// Returns the report of a run from its journal.
///
/// # Errors
/// When there is no such run, or its journal cannot be read.
pub fn report(state: &StateDir, run: &RunId) -> Result<RunReport, CliError> {
    let path = state.journal(run);
    // The owner first: a run that ends in between is then shown as it ended.
    let lock_file = state.lock(run);
    let owner = lock::holder(&lock_file)
        .map_err(|source| EngineError::ReadJournal { path: lock_file.clone(), source })?;
    let journal = match read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(EngineError::UnknownRun(run.clone()).into());
        }
        Err(source) => return Err(EngineError::ReadJournal { path, source }.into()),
        Ok(journal) => journal,
    };
    let mut report = fold_journal(&journal);
    // The head of the journal may be damaged; its file still has the name.
    report.run_id.get_or_insert_with(|| run.clone());
    Ok(if owner.is_some() { report.with_living_owner() } else { report })
}

fn text(entries: &[HistoryEntry]) -> String {
    if entries.is_empty() {
        return "No runs yet.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    table::columns(&["run", "status", "exit", "took", "steps", "verified", "open", "experiments"], &rows)
}

fn row(entry: &HistoryEntry) -> Vec<String> {
    vec![
        entry.run_id.to_string(),
        entry.status.words(),
        entry.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string()),
        duration_words(entry.duration_ms),
        entry.steps.to_string(),
        entry.verified.to_string(),
        entry.open.to_string(),
        entry.experiments.join(", "),
    ]
}
