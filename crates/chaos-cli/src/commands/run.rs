//! `chaos run`: plans, has the plan reviewed, injects, holds, undoes, reads back, reports.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use chaos_core::{ExitCode, RecordBody, RunId, StepState};
use chaos_engine::prepare::PrepareMode;
use chaos_engine::report::{Format, RunReport};
use chaos_engine::{
    Engine, EngineEvent, EngineOptions, EventSink, Prepared, RunOutcome, StopReason, StopSignal,
};
use chaos_policy::{Limits, review};

use nix::unistd::{AccessFlags, access};

use super::history;
use super::report::{parse_format, render, write};
use super::status::way_out;
use crate::args::{Global, OutputForm, RunArguments};
use crate::catalog::catalog;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::plan::{self, PlanReport};
use crate::output::{Output, progress};
use crate::{policy, requests, signals};

/// A report that was asked for, and where it goes.
struct Wanted {
    format: Format,
    file: Option<PathBuf>,
}

/// Passes events on, and knows whether a dead run is being undone while this one is prepared.
struct Tidying {
    events: Arc<dyn EventSink>,
    is_at_it: Arc<AtomicBool>,
}

impl EventSink for Tidying {
    fn event(&self, event: EngineEvent<'_>) {
        match event {
            EngineEvent::Recorded(RecordBody::RollbackStarted { experiment: None, .. }) => {
                self.is_at_it.store(true, Ordering::Relaxed);
            }
            EngineEvent::Recorded(RecordBody::Closed { .. }) => self.is_at_it.store(false, Ordering::Relaxed),
            _ => {}
        }
        self.events.event(event);
    }
}

/// Runs the experiments of some files, or shows what they would do.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &RunArguments, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    // Everything that can be wrong without connecting is found before.
    let wanted = arguments.reports.iter().map(|text| Wanted::parse(text)).collect::<Result<Vec<_>, _>>()?;
    wanted.iter().try_for_each(Wanted::check)?;
    arguments.journal_path.as_deref().map_or(Ok(()), |path| check_writable("copy the journal to", path))?;
    let limits = policy::limits(&arguments.policy)?;
    let requests = requests::load(&arguments.files, &catalog())?;
    let state = super::state_dir(global)?;
    let options = EngineOptions {
        guardian: guardian(arguments.no_guardian || arguments.dry_run)?,
        over_dirty: arguments.over_dirty,
        ..EngineOptions::default()
    };
    let is_tidying = Arc::new(AtomicBool::new(false));
    let events = progress::watcher(output.is_stderr_colored);
    let engine = super::engine(state, Arc::new(Tidying { events, is_at_it: is_tidying.clone() }), options);
    // Small enough to be typed again.
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    super::block_on(async {
        let begun = Arc::new(OnceLock::new());
        let stop = listen(begun.clone(), is_tidying, arguments.no_guardian)?;
        let mode = if arguments.dry_run { PrepareMode::DryRun } else { PrepareMode::Run };
        let prepared = engine.prepare(requests, seed, mode, &stop).await;
        let prepared = prepared.map_err(|error| stopped(error.into(), &stop))?;
        if arguments.dry_run {
            return show_plan(prepared, &limits, output);
        }
        let outcome = execute(&engine, prepared, &limits, &begun, &stop).await?;
        if !outcome.journal.exists() {
            return Ok(without_journal(&outcome));
        }
        let report = history::report(engine.state(), &outcome.run)?;
        tell(&report, &outcome, &wanted, arguments.journal_path.as_deref(), output)?;
        Ok(outcome.exit)
    })
}

fn guardian(is_off: bool) -> Result<Option<PathBuf>, CliError> {
    if is_off {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Code::Guardian, "find this program, to start the guardian with it").because(&error)
    })?;
    Ok(Some(program))
}

/// Somebody removed the journal while the run lived, and with it the report. How it ended is still known.
fn without_journal(outcome: &RunOutcome) -> ExitCode {
    let (run, journal) = (&outcome.run, outcome.journal.display());
    progress::say(&match outcome.exit {
        ExitCode::LeftBehind => format!(
            "run {run} has left something behind, and its journal `{journal}` was removed: look for schemas and \
             tables named `chaos_*` on its targets"
        ),
        _ => format!(
            "everything of run {run} was undone and read back, but its journal `{journal}` was removed: there is \
             no report"
        ),
    });
    outcome.exit
}

fn listen(
    begun: Arc<OnceLock<RunId>>,
    is_tidying: Arc<AtomicBool>,
    no_guardian: bool,
) -> Result<StopSignal, CliError> {
    let leave = move |reason: StopReason| match begun.get() {
        Some(run) if no_guardian => {
            (format!("left as it is; undo run {run} with `chaos recover {run}`"), ExitCode::LeftBehind)
        }
        Some(run) => {
            let text = format!(
                "the guardian of run {run} goes on undoing it; see `chaos status`, and if it is not clean \
                 `chaos recover {run}`"
            );
            (text, ExitCode::LeftBehind)
        }
        None if is_tidying.load(Ordering::Relaxed) => {
            ("a dead run is left half undone; see `chaos status`".to_owned(), ExitCode::LeftBehind)
        }
        None => ("stopped before anything was done".to_owned(), reason.exit()),
    };
    signals::stop_on_signals(leave)
        .map_err(|error| CliError::new(Code::Defect, "listen for signals").because(&error))
}

/// Who stops a preparation has not met an error: nothing was touched, and the exit code says so.
fn stopped(error: CliError, stop: &StopSignal) -> CliError {
    match stop.reason() {
        Some(reason) => CliError { exit: reason.exit(), ..error },
        None => error,
    }
}

fn show_plan(prepared: Prepared, limits: &Limits, output: &Output) -> Result<ExitCode, CliError> {
    let plan = prepared.plan;
    let refusals = review(plan.clone(), limits).err().unwrap_or_default();
    let report = PlanReport::new(&plan, &refusals);
    if refusals.is_empty() {
        output.result(|| plan::render(&plan), &report)?;
        return Ok(ExitCode::Done);
    }
    if output.form == OutputForm::Json {
        // The refusals are part of the plan that a program reads; a second object would follow as an error.
        output.json(&report)?;
        return Ok(ExitCode::Refused);
    }
    output.print(&plan::render(&plan))?;
    Err(CliError::refused(refusals))
}

async fn execute(
    engine: &Engine,
    prepared: Prepared,
    limits: &Limits,
    begun: &OnceLock<RunId>,
    stop: &StopSignal,
) -> Result<RunOutcome, CliError> {
    let approved = review(prepared.plan, limits).map_err(CliError::refused)?;
    // Set once, here.
    let _ = begun.set(approved.plan().run.clone());
    Ok(engine.execute(approved, prepared.targets, stop).await?)
}

/// Prints and writes the reports. A file that cannot be written must not hide how the run ended.
fn tell(
    report: &RunReport,
    outcome: &RunOutcome,
    wanted: &[Wanted],
    journal_path: Option<&Path>,
    output: &Output,
) -> Result<(), CliError> {
    let mut failed = Vec::new();
    let is_on_stdout = |wanted: &Wanted| wanted.file.as_deref() == Some(Path::new("-"));
    if !wanted.iter().any(is_on_stdout) {
        failed.extend(output.result(|| report.to_text(output.ink), report).err());
    }
    for one in wanted {
        failed.extend(one.write(report, output).err());
    }
    if let Some(path) = journal_path {
        failed.extend(copy_journal(outcome, path).err());
    }
    if outcome.exit == ExitCode::LeftBehind {
        let run = &outcome.run;
        let mut open = report.open_steps().peekable();
        let has_only_conflicts = open.peek().is_some() && open.all(|step| step.state == StepState::Conflict);
        let way_out = way_out(run, has_only_conflicts);
        progress::say(&format!("run {run} has left something behind; {way_out}"));
    }
    match failed.pop() {
        None => Ok(()),
        // What the run left or met weighs more than a report that can be written again.
        Some(error) if outcome.exit != ExitCode::Done => {
            output.say_error(&error);
            Ok(())
        }
        Some(error) => Err(error),
    }
}

impl Wanted {
    /// Reads `html`, `html=page.html` or `json=-`.
    fn parse(text: &str) -> Result<Self, CliError> {
        match text.split_once('=') {
            Some((_, "")) => {
                Err(CliError::new(Code::Usage, format!("use `--report {text}`: it names no file"))
                    .hint("name one behind the `=`, or leave the `=` out"))
            }
            Some((format, file)) => Ok(Self { format: parse_format(format)?, file: Some(file.into()) }),
            None => Ok(Self { format: parse_format(text)?, file: None }),
        }
    }

    /// Refuses a file that could not be written when the run is over.
    fn check(&self) -> Result<(), CliError> {
        match self.file.as_deref() {
            Some(file) if file == Path::new("-") => Ok(()),
            Some(file) if file.is_dir() => {
                let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                Err(CliError::file("write the report to", file, &error).hint("name a file in it"))
            }
            Some(file) => check_writable("write the report to", file),
            None => check_writable("write the report to", Path::new(".")),
        }
    }

    fn write(&self, report: &RunReport, output: &Output) -> Result<(), CliError> {
        let run = report.run_id.as_ref().map_or("run", RunId::as_str);
        match &self.file {
            Some(file) if file == Path::new("-") => output.print(&render(report, self.format, output.ink)?),
            Some(file) => write(report, self.format, file),
            None => {
                let file = PathBuf::from(format!("chaos-{run}.{}", self.format.extension()));
                write(report, self.format, &file)?;
                progress::say(&format!("wrote {}", file.display()));
                Ok(())
            }
        }
    }
}

/// Checks that a file, or one in this directory, can be written, and writes nothing.
fn check_writable(verb: &str, path: &Path) -> Result<(), CliError> {
    let (place, rights) = match path.metadata() {
        Ok(found) if found.is_dir() => (path, AccessFlags::W_OK | AccessFlags::X_OK),
        Ok(_) => (path, AccessFlags::W_OK),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            (folder.unwrap_or(Path::new(".")), AccessFlags::W_OK | AccessFlags::X_OK)
        }
    };
    let error = match access(place, rights) {
        Ok(()) if place == path || place.is_dir() => return Ok(()),
        Ok(()) => std::io::Error::from(std::io::ErrorKind::NotADirectory),
        Err(error) => error.into(),
    };
    let hint = format!("is `{}` there, and may you write there? nothing was done yet", place.display());
    Err(CliError::file(verb, path, &error).hint(hint))
}

fn copy_journal(outcome: &RunOutcome, path: &Path) -> Result<(), CliError> {
    let file = match path.is_dir() {
        true => path.join(format!("{}.journal", outcome.run)),
        false => path.to_owned(),
    };
    match std::fs::copy(&outcome.journal, &file) {
        Ok(_) => Ok(()),
        Err(error) => Err(CliError::file("copy the journal to", &file, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_report_may_name_its_file() {
        let wanted = Wanted::parse("junit=a=b.xml").unwrap();
        assert_eq!((wanted.format, wanted.file), (Format::Junit, Some(PathBuf::from("a=b.xml"))));
        assert!(Wanted::parse("md").unwrap().file.is_none());
        assert!(Wanted::parse("pdf").is_err());
        assert!(Wanted::parse("html=").is_err());
    }
}
