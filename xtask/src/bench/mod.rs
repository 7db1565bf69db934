//! `cargo xtask bench`: speed and memory of the release build, side by side with what the same server does by itself, and with
//! what others use for the same work.
//!
//! Each figure of the databases is the median of several repetitions, ours and the reference in turn, so that a busy moment hits
//! both.

mod chaos;
mod inserts;
mod psql;
mod servers;
mod small;
mod updates;

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::failure::{Context, Failure};
use crate::{Outcome, env, process, workspace};
use chaos::Chaos;
use psql::Psql;

/// Peak memory of `chaos` in every measurement, in KiB.
const MEMORY_MAX_KIB: u64 = 64 * 1024;

/// What to measure, and how often.
#[derive(clap::Args)]
pub struct Arguments {
    /// The parts; all when none is named
    parts: Vec<Part>,
    /// Rows to insert and to update
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Hosts to act on at once
    #[arg(long, default_value_t = 200)]
    hosts: usize,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Beside PostgreSQL
    Databases,
    /// Beside Ansible
    Servers,
}

/// One measured thing beside what it is compared with.
#[derive(Debug, Serialize)]
struct Figure {
    /// What was measured.
    what: String,
    /// Ours.
    ours: f64,
    /// What it is compared with; absent where the limit is absolute.
    reference: Option<f64>,
    /// Unit of both.
    unit: &'static str,
    /// What has the limit: the ratio, or ours where there is no reference.
    judged: f64,
    /// The limit.
    limit: Limit,
}

/// What a figure must keep to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    /// Compares ours with a reference of the same unit; the limit is on the ratio.
    fn ratio(what: &str, unit: &'static str, ours: f64, reference: f64, limit: Limit) -> Self {
        let judged = ours / reference;
        Self { what: what.to_owned(), ours, reference: Some(reference), unit, judged, limit }
    }

    /// Has a limit of its own.
    fn absolute(what: &str, unit: &'static str, ours: f64, limit: Limit) -> Self {
        Self { what: what.to_owned(), ours, reference: None, unit, judged: ours, limit }
    }

    fn holds(&self) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => self.judged >= limit,
            Limit::AtMost(limit) => self.judged <= limit,
        }
    }
}

/// Measures everything, prints it, and keeps it as JSON below the target folder.
///
/// # Errors
/// When something cannot be measured, or a figure misses its limit.
pub fn run(arguments: &Arguments) -> Outcome {
    process::run(workspace::cargo().args(["build", "--release", "--package", "chaos-cli"]))?;
    let world = env::World::up()?;
    let chaos = Chaos::new()?;
    let is_asked = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    let mut figures = Vec::new();
    if is_asked(Part::Databases) {
        figures.extend(databases(&world, &chaos, arguments)?);
    }
    if is_asked(Part::Servers) {
        figures.extend(servers::measure(&chaos, arguments)?);
    }
    println!("{}", table(&figures));
    keep(&figures)?;
    let missed = figures.iter().filter(|figure| !figure.holds()).count();
    if missed == 0 {
        return Ok(());
    }
    Err(Failure::new("keep every limit").because(format!("{missed} figures miss theirs")))
}

fn databases(world: &env::World, chaos: &Chaos, arguments: &Arguments) -> Outcome<Vec<Figure>> {
    let server = world
        .variables
        .iter()
        .find(|(name, _)| name == "CHAOS_TEST_POSTGRES")
        .map(|(_, url)| url.clone())
        .ok_or_else(|| Failure::new("find the PostgreSQL of the test world"))?;
    let psql = Psql::create_database(&server)?;
    let mut figures = small::measure(chaos, &psql)?;
    figures.extend(inserts::measure(chaos, &psql, arguments)?);
    figures.extend(updates::measure(chaos, &psql, arguments)?);
    figures.push(Figure::absolute(
        "peak memory of chaos",
        "MiB",
        kib_to_mib(chaos.peak_kib()),
        Limit::AtMost(kib_to_mib(MEMORY_MAX_KIB)),
    ));
    Ok(figures)
}

fn table(figures: &[Figure]) -> String {
    let mut text =
        format!("\n{:<56} {:>12} {:>12} {:>9} {:>9}\n", "what", "chaos", "reference", "ratio", "limit");
    for figure in figures {
        let reference = figure.reference.map_or(String::new(), |value| format!("{value:.2}"));
        let ratio = figure.reference.map_or(String::new(), |_| format!("{:.2}", figure.judged));
        let limit = match figure.limit {
            Limit::AtLeast(limit) => format!("≥ {limit:.2}"),
            Limit::AtMost(limit) => format!("≤ {limit:.2}"),
        };
        let verdict = if figure.holds() { "" } else { "  MISSED" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<56} {:>12.2} {reference:>12} {ratio:>9} {limit:>9}{verdict}",
            format!("{} ({})", figure.what, figure.unit),
            figure.ours,
        );
    }
    text
}

fn keep(figures: &[Figure]) -> Outcome {
    let folder = workspace::target_folder().join("bench");
    let seconds = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs();
    let path = folder.join(format!("bench-{seconds}.json"));
    let json = serde_json::to_string_pretty(figures).context(|| "write the figures as JSON".to_owned())?;
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, json))
        .context(|| format!("write `{}`", path.display()))?;
    println!("kept in {}", path.display());
    Ok(())
}

/// Returns the middle of `values`.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "memory of this size is exact in an f64")]
fn kib_to_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_not_the_mean() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_figure_that_misses_its_limit_says_so() {
        let slow = Figure::ratio("undo", "ms", 140.0, 100.0, Limit::AtMost(1.3));
        assert!(!slow.holds());
        assert!(table(&[slow]).contains("MISSED"));
        assert!(Figure::ratio("load", "rows/s", 90.0, 100.0, Limit::AtLeast(0.8)).holds());
    }
}
