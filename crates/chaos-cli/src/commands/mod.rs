//! The commands, one file each.

mod completions;
mod demo;
mod discover;
mod doctor;
mod explain;
pub mod guardian;
mod history;
mod list_skills;
mod man;
mod recover;
mod report;
mod run;
mod schema;
mod status;
mod validate;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use chaos_core::{ExitCode, RunId, SystemClock};
use chaos_engine::{Engine, EngineOptions, EventSink, StateDir};

use crate::args::{Arguments, Command, Global};
use crate::catalog::catalog;
use crate::codes::Code;
use crate::error::CliError;
use crate::loader::FileLoader;
use crate::logging;
use crate::output::Output;

/// Does what was asked, and returns what the caller is told.
pub fn main(arguments: Arguments) -> ExitCode {
    let Arguments { global, command } = arguments;
    let output = Output::new(&global);
    logging::start(global.verbose, output.is_stderr_colored);
    match dispatch(command, &global, &output) {
        Ok(exit) => exit,
        Err(error) => {
            output.error(&error);
            error.exit
        }
    }
}

fn dispatch(command: Command, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Run(arguments) => run::run(&arguments, global, output),
        Command::Validate(arguments) => validate::run(&arguments, output),
        Command::ListSkills(arguments) => list_skills::run(&arguments, output),
        Command::Explain(arguments) => explain::run(&arguments, output),
        Command::Discover(arguments) => discover::run(&arguments, output),
        Command::Status => status::run(global, output),
        Command::Recover(arguments) => recover::run(&arguments, global, output),
        Command::History(arguments) => history::run(&arguments, global, output),
        Command::Report(arguments) => report::run(&arguments, global, output),
        Command::Schema(arguments) => schema::run(&arguments, output),
        Command::Completions { shell } => completions::run(shell, output),
        Command::Man { dir } => man::run(dir.as_deref(), output),
        Command::Doctor(arguments) => doctor::run(&arguments, global, output),
    }
}

/// Returns the state directory that flags and environment name.
fn state_dir(global: &Global) -> Result<StateDir, CliError> {
    // A variable that is set to nothing counts as not set.
    let given = global.state_dir.clone().filter(|dir| !dir.as_os_str().is_empty());
    Ok(StateDir::resolve(given)?)
}

/// Returns the state directory for a command that only looks at what earlier runs have left.
///
/// # Errors
/// When the user named one that is not there: what is looked for is then somewhere else. A default that is not there yet
/// only has no runs; so has one that the environment names for every command, the first run too.
fn state_dir_to_look_at(global: &Global) -> Result<StateDir, CliError> {
    let state = state_dir(global)?;
    let from_environment = std::env::var_os("CHAOS_STATE_DIR").map(PathBuf::from);
    let is_named = global.state_dir.is_some() && global.state_dir != from_environment;
    if is_named && !state.root().exists() {
        let what = format!("look into the state directory `{}`: it does not exist", state.root().display());
        return Err(CliError::new(Code::StateDir, what).hint("is `--state-dir` the one of the run?"));
    }
    Ok(state)
}

/// Returns the sentence that there is no state directory yet, where that is so.
fn no_state_yet(state: &StateDir) -> Option<String> {
    let root = state.root();
    (!root.exists()).then(|| format!("the state directory `{}` does not exist yet", root.display()))
}

/// Returns an engine over everything that this binary can do.
fn engine(state: StateDir, events: Arc<dyn EventSink>, options: EngineOptions) -> Engine {
    Engine::new(catalog(), state, events, Arc::new(FileLoader), Arc::new(SystemClock), options)
}

/// Does asynchronous work to its end, with what it needs: a runtime, and TLS.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    // Somebody who installed one before us installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Code::Defect, "start the asynchronous runtime").because(&error))?;
    let result = runtime.block_on(work);
    // What still runs then only waits for signals or reads a pipe.
    runtime.shutdown_background();
    result
}

/// Reads the name of a run; `last` is the newest one.
fn run_id(state: &StateDir, name: &str) -> Result<RunId, CliError> {
    if name == "last" {
        return state.runs()?.pop().ok_or_else(|| {
            CliError::new(Code::UnknownRun, "find the last run: there is none")
                .hint(format!("`{}` has no journals yet", state.root().display()))
        });
    }
    name.parse().map_err(|error| {
        CliError::new(Code::UnknownRun, format!("find run `{name}`"))
            .because(&error)
            .hint("`chaos history` lists the runs; `last` is the newest one")
    })
}
