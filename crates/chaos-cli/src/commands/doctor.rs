//! `chaos doctor`: can this machine run experiments, and undo them?

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use chaos_core::record::Undoer;
use chaos_core::{ExitCode, Plan, RunId};
use chaos_engine::events::Silent;
use chaos_engine::guardian::{Guardian, Ticket};
use chaos_engine::journal::{RunLock, lock};
use chaos_engine::{EngineOptions, StateDir};
use chaos_policy::Source;
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use serde_json::json;

use crate::args::{Global, PolicyArguments};
use crate::error::CliError;
use crate::output::{Output, table};
use crate::policy;

/// Less free space than this is worth a warning: a run with a thousand steps reserves half of it.
const SPACE_MIN: u64 = 64 * 1024 * 1024;

/// Variables that change what `chaos` does. Only their names are told: a value may be a secret.
const VARIABLES: [&str; 7] =
    ["CHAOS_STATE_DIR", "CHAOS_POLICY", "RUST_LOG", "NO_COLOR", "PGPASSWORD", "PGPASSFILE", "XDG_STATE_HOME"];

/// What one check found.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Warning,
    Bad,
}

/// Makes every check, and tells what each found.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &PolicyArguments, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    let state = super::state_dir(global)?;
    let checks = vec![
        check("version", || Ok(version())),
        check("environment", || Ok(environment())),
        check("state directory", || directory(&state)),
        check("durable writes", || durable(state.root())),
        check("locks", || locks(&state)),
        check("disk space", || space(state.root())),
        check("guardian", || guardian(&state)),
        check("policy", || limits(arguments)),
        check("earlier runs", || earlier(&state)),
    ];
    let is_bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    output.result(|| text(&checks), &json!({"healthy": !is_bad, "checks": checks}))?;
    Ok(if is_bad { ExitCode::Findings } else { ExitCode::Done })
}

/// A finding: good, or worth a warning. An error is bad.
type Finding = Result<(Verdict, String), String>;

fn check(name: &'static str, look: impl FnOnce() -> Finding) -> Check {
    let (verdict, found) = look().unwrap_or_else(|error| (Verdict::Bad, error));
    Check { name, verdict, found }
}

fn good(found: impl Into<String>) -> (Verdict, String) {
    (Verdict::Good, found.into())
}

fn version() -> (Verdict, String) {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    good(format!("chaos {} on {os} {arch}", env!("CARGO_PKG_VERSION")))
}

fn environment() -> (Verdict, String) {
    let set: Vec<&str> = VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    good(if set.is_empty() {
        "no variable of ours is set".to_owned()
    } else {
        format!("set: {}", set.join(", "))
    })
}

fn directory(state: &StateDir) -> Finding {
    state.create().map_err(|error| words(&error))?;
    Ok(good(state.root().display().to_string()))
}

fn durable(root: &Path) -> Finding {
    let path = root.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut file = File::create_new(&path)?;
        file.write_all(b"doctor\n")?;
        file.sync_all()?;
        File::open(root)?.sync_all()
    };
    let written = write();
    // It may not have been created; what matters is in `written`.
    let _ = fs::remove_file(&path);
    written.map(|()| good("a file and its directory can be made durable")).map_err(|error| words(&error))
}

fn locks(state: &StateDir) -> Finding {
    let run = RunId::new(jiff::Timestamp::now(), rand::random());
    let path = state.lock(&run);
    let held = RunLock::acquire(&path, Undoer::Recovery).map_err(|error| words(&error))?;
    let owner = lock::holder(&path);
    held.release();
    match owner {
        Ok(Some(owner)) if owner.pid == std::process::id() => {
            Ok(good("a lock is seen while it is held and gone afterwards"))
        }
        Ok(_) => Err("a lock that we hold is not seen".to_owned()),
        Err(error) => Err(words(&error)),
    }
}

fn space(root: &Path) -> Finding {
    let found = statvfs(root).map_err(|error| words(&error))?;
    // The widths of these numbers differ between systems.
    #[allow(clippy::useless_conversion)]
    let free = u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size()));
    let words = format!("{} MiB free for journals", free / 1024 / 1024);
    Ok((if free < SPACE_MIN { Verdict::Warning } else { Verdict::Good }, words))
}

fn guardian(state: &StateDir) -> Finding {
    let program = std::env::current_exe().map_err(|error| words(&error))?;
    // A run without steps: should this process die now, its guardian finds nothing to do.
    let run = RunId::new(jiff::Timestamp::now(), rand::random());
    let plan = Plan { run, seed: 0, experiments: Vec::new() };
    let ticket = Ticket { state_dir: state.root().to_owned(), plan, configs: Vec::new() };
    let started = super::block_on(async {
        let started = Guardian::start(&program, &ticket).await;
        match started {
            Ok(guardian) => {
                guardian.dismiss().await;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(words(&error))),
        }
    });
    match started {
        Ok(Ok(())) => Ok(good("it starts, and ends when told")),
        Ok(Err(error)) => Err(error),
        Err(error) => Err(error.what),
    }
}

fn limits(arguments: &PolicyArguments) -> Finding {
    let limits = policy::limits(arguments).map_err(|error| {
        let problem = error.problems().first().map(|problem| format!("{problem:?}"));
        problem.unwrap_or(error.what)
    })?;
    Ok(match limits.source {
        Source::File(path) => good(path.display().to_string()),
        Source::NoFileAt(path) => good(format!("defaults; there is none at {}", path.display())),
        Source::BuiltIn => good("defaults"),
    })
}

fn earlier(state: &StateDir) -> Finding {
    let engine = super::engine(state.clone(), Arc::new(Silent), EngineOptions::default());
    let runs = engine.unresolved().map_err(|error| words(&error))?;
    Ok(match runs.len() {
        0 => good("none has left anything"),
        count => (Verdict::Warning, format!("{count} are not over; see `chaos status`")),
    })
}

/// Returns an error and its causes in one line.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

fn text(checks: &[Check]) -> String {
    let word = |verdict| match verdict {
        Verdict::Good => "good",
        Verdict::Warning => "warning",
        Verdict::Bad => "BAD",
    };
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| vec![word(check.verdict).to_owned(), check.name.to_owned(), check.found.clone()])
        .collect();
    table::columns(&["", "check", "found"], &rows)
}
