//! The reference: the server's own statements, timed by `psql` itself.

use std::path::PathBuf;
use std::process::Command;

use super::chaos::Chaos;
use crate::Outcome;
use crate::failure::{Context, Failure};
use crate::process;

const DATABASE: &str = "chaos_bench_data";

/// A database of the benchmark. It is dropped with this value.
pub struct Psql {
    server: String,
    url: String,
}

impl Psql {
    /// Makes an empty database on the server of `server`.
    pub fn create_database(server: &str) -> Outcome<Self> {
        let (base, _) =
            server.rsplit_once('/').ok_or_else(|| Failure::new(format!("read the URL `{server}`")))?;
        let psql = Self { server: server.to_owned(), url: format!("{base}/{DATABASE}") };
        execute(server, &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
        execute(server, &format!("CREATE DATABASE {DATABASE}"))?;
        Ok(psql)
    }

    /// Writes an experiment with one skill on it; `params` is YAML in flow style.
    pub fn experiment(&self, chaos: &Chaos, skill: &str, params: &str, duration: &str) -> Outcome<PathBuf> {
        chaos.experiment(&format!(
            "experiments:\n  - name: bench\n    target: database\n    target_config:\n      connection_url: \"{}\"\n      \
             db_type: postgres\n    duration: {duration}\n    skills:\n      - skill_name: {skill}\n        params: {params}\n",
            self.url
        ))
    }

    /// Runs one statement.
    pub fn execute(&self, sql: &str) -> Outcome<String> {
        execute(&self.url, sql)
    }

    /// Runs one statement and returns how many milliseconds the server took to answer.
    pub fn time(&self, sql: &str) -> Outcome<f64> {
        let output = process::read(client(&self.url).args(["-c", "\\timing on", "-c", sql]))?;
        let line = output
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("Time: "))
            .ok_or_else(|| Failure::new("read the timing of psql").because(&output))?;
        let number = line.split_whitespace().next().unwrap_or_default();
        number.parse().context(|| format!("read the timing `{line}`"))
    }

    /// Brings the server to the same quiet state before each measurement.
    pub fn settle(&self) -> Outcome {
        self.execute("CHECKPOINT").map(drop)
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let dropped = execute(&self.server, &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"));
        if let Err(failure) = dropped {
            eprintln!("warning: {failure}");
        }
    }
}

fn execute(url: &str, sql: &str) -> Outcome<String> {
    process::read(client(url).args(["-c", sql]))
}

fn client(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url]);
    command
}
