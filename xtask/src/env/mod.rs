//! `cargo xtask env`: the test world. One file a part; a part is listed here and nowhere else.

mod debian;
mod host;
mod postgres;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use crate::Outcome;

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
    /// Three hosts over SSH: two with systemd, one with BusyBox
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

/// Starts every part and returns what tests read to find them.
///
/// # Errors
/// When a part cannot be installed or started.
pub fn up_all() -> Outcome<Variables> {
    up(PartName::value_variants())
}

fn up(parts: &[PartName]) -> Outcome<Variables> {
    let mut variables = Variables::new();
    for name in parts {
        variables.extend(name.part().up()?);
    }
    Ok(variables)
}

fn chosen(parts: &[PartName]) -> Vec<PartName> {
    if parts.is_empty() { PartName::value_variants().to_vec() } else { parts.to_vec() }
}

/// Returns a file or folder below the state folder.
fn state(path: &str) -> PathBuf {
    PathBuf::from(STATE).join(path)
}
