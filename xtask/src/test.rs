//! `cargo xtask test`: sets the test world up, builds once, runs every test.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::env::World;
use crate::failure::Failure;
use crate::{Outcome, process, workspace};

/// How many tests run at once. Most of their time they wait for servers and processes, so two cores can serve four.
const THREADS: usize = 4;

/// What to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the tests beside the code: no real binary, no crash matrix, nothing to install
    #[arg(long)]
    fast: bool,
    /// How many random moments each fault is killed at, instead of the few of an ordinary run
    #[arg(long, value_name = "COUNT", conflicts_with = "fast")]
    crash_rounds: Option<u32>,
    /// Stop the parts of the test world that this run started
    #[arg(long, conflicts_with = "fast")]
    down: bool,
    /// Only tests whose names contain this
    filter: Option<String>,
}

/// Runs the tests; a line with how many passed and failed in all is the last thing printed.
///
/// # Errors
/// When the test world does not come up, the build fails, or any test does.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut cargo = cargo_test(arguments);
    let world = if arguments.fast { None } else { Some(world_and_build(arguments)?) };
    if let Some(world) = &world {
        cargo.envs(world.variables.iter().cloned());
        // A skipped test is a failed one here: the world it needs was just set up.
        cargo.env("CHAOS_TEST_REQUIRE", "1");
        if std::env::var_os("RUST_TEST_THREADS").is_none() {
            cargo.env("RUST_TEST_THREADS", THREADS.to_string());
        }
    }
    if let Some(rounds) = arguments.crash_rounds {
        cargo.env("CHAOS_CRASH_ROUNDS", rounds.to_string());
    }
    cargo.args(&arguments.filter);
    let (status, tally) =
        run_and_count(&mut cargo).map_err(|error| Failure::new("run cargo").because(error))?;
    if let Some(world) = world.filter(|_| arguments.down) {
        world.down()?;
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.ignored);
    // Cargo has said which test failed and why; another line of ours would only bury its summary.
    if status.success() { Ok(()) } else { std::process::exit(status.code().unwrap_or(1)) }
}

/// Returns the cargo command that builds and runs the tests.
fn cargo_test(arguments: &Arguments) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]);
    if !arguments.fast {
        cargo.arg("--tests");
        // The feature reaches every crate that has crash points, so that one build serves all tests.
        cargo.args(["--features", "crash-points"]);
    }
    cargo
}

/// Sets the test world up while cargo builds: one waits for downloads, the other for the compiler.
fn world_and_build(arguments: &Arguments) -> Outcome<World> {
    thread::scope(|scope| {
        let world = scope.spawn(World::up);
        let built = process::run(cargo_test(arguments).arg("--no-run"));
        let world = world.join().unwrap_or_else(|_| Err(Failure::new("set the test world up")))?;
        built.map(|()| world)
    })
}

/// How many tests ended how, over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs cargo, passes on what it prints, and adds up the summaries of the test programs.
fn run_and_count(cargo: &mut Command) -> io::Result<(ExitStatus, Tally)> {
    let mut child = cargo.stdout(Stdio::piped()).spawn()?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            tally.add(&line);
        }
    }
    Ok((child.wait()?, tally))
}

impl Tally {
    /// Adds a line such as `test result: ok. 7 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_all_test_programs_are_added_up() {
        let mut tally = Tally::default();
        tally.add("running 8 tests");
        tally.add(
            "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s",
        );
        tally.add(
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
        );
        assert_eq!(tally, Tally { passed: 9, failed: 3, ignored: 1 });
    }
}
