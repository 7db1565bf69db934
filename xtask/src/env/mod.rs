//! `cargo xtask env`: the test world. One file a part; a part is listed here and nowhere else.

mod debian;
mod host;
mod postgres;

use std::path::PathBuf;
use std::thread;

use clap::{Subcommand, ValueEnum};

use crate::Outcome;
use crate::failure::Failure;

/// Where the parts keep their state: a folder that users such as `postgres` may enter, unlike a home.
const STATE: &str = "/var/tmp/chaos-agents-env";

/// What to do with the test world.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Starts parts that are not up; says how to reach them
    Up {
        /// The parts; all when none is named
        parts: Vec<PartName>,
    },
    /// Stops parts and keeps their data and logs
    Down {
        /// The parts; all when none is named
        parts: Vec<PartName>,
    },
    /// Shows which parts are up
    Status {
        /// The parts; all when none is named
        parts: Vec<PartName>,
    },
}

/// One part of the test world.
trait Part {
    /// Makes it run and ready. Does nothing when it is. Returns what tests read to find it, as environment variables.
    fn up(&self) -> Outcome<Variables>;
    /// Stops it. Does nothing when it is down.
    fn down(&self) -> Outcome;
    /// Returns one line on how it is.
    fn status(&self) -> Outcome<String>;
}

/// Environment variables for tests: name and value.
pub type Variables = Vec<(String, String)>;

/// The names of the parts, as on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// A PostgreSQL server with TLS and passwords
    Postgres,
    /// Hosts over SSH: some with systemd, one with BusyBox only
    Host,
}

impl PartName {
    fn part(self) -> Box<dyn Part> {
        match self {
            Self::Postgres => Box::new(postgres::Postgres),
            Self::Host => Box::new(host::Hosts),
        }
    }
}

/// Does what was asked with each part named, or with all.
///
/// # Errors
/// When a part cannot be installed, started, stopped or asked.
pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Up { parts } => {
            for (name, value) in up(&chosen(parts))? {
                println!("export {name}={value}");
            }
        }
        Action::Down { parts } => {
            for name in chosen(parts) {
                name.part().down()?;
            }
        }
        Action::Status { parts } => {
            for name in chosen(parts) {
                println!("{:<10} {}", format!("{name:?}").to_lowercase(), name.part().status()?);
            }
        }
    }
    Ok(())
}

/// The test world of one test run.
pub struct World {
    /// What tests read to find it.
    pub variables: Variables,
    /// What was down before.
    started: Vec<PartName>,
}

impl World {
    /// Starts every part that is not up.
    ///
    /// # Errors
    /// When a part cannot be installed or started.
    pub fn up() -> Outcome<Self> {
        let all = PartName::value_variants();
        let is_down = |name: &&PartName| !name.part().status().is_ok_and(|status| status.starts_with("up"));
        let started = all.iter().filter(is_down).copied().collect();
        Ok(Self { variables: up(all)?, started })
    }

    /// Stops the parts that were down before.
    ///
    /// # Errors
    /// When a part cannot be stopped.
    pub fn down(&self) -> Outcome {
        self.started.iter().try_for_each(|name| name.part().down())
    }
}

/// Starts parts side by side. The first failure is the result, after the others have come to their end.
fn up(parts: &[PartName]) -> Outcome<Variables> {
    let outcomes: Vec<Outcome<Variables>> = thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|name| (name, scope.spawn(|| name.part().up()))).collect();
        running
            .into_iter()
            .map(|(name, thread)| {
                thread.join().unwrap_or_else(|_| Err(Failure::new(format!("start the part {name:?}"))))
            })
            .collect()
    });
    let variables: Vec<Variables> = outcomes.into_iter().collect::<Outcome<_>>()?;
    Ok(variables.into_iter().flatten().collect())
}

fn chosen(parts: &[PartName]) -> Vec<PartName> {
    if parts.is_empty() { PartName::value_variants().to_vec() } else { parts.to_vec() }
}

/// Returns a file or folder below the state folder.
fn state(path: &str) -> PathBuf {
    PathBuf::from(STATE).join(path)
}
