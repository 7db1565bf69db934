//! `cargo xtask test`: sets the test world up, builds once, runs every test.

mod lanes;
mod report;

use std::io;
use std::process::Command;
use std::thread;

use self::lanes::Lane;
use self::report::Report;
use crate::env::World;
use crate::failure::Failure;
use crate::{Outcome, process, workspace};

/// How many tests of one program run at once. Most of their time they wait for servers and processes, so two cores can serve
/// four.
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
    /// Run what failed once more, alone, when a busy machine may be why: not crash tests, not more than three
    #[arg(long, conflicts_with = "fast")]
    retry: bool,
    /// Only tests whose names contain this
    filter: Option<String>,
}

/// Runs the tests; a line with how many passed and failed in all is the last thing printed.
///
/// # Errors
/// When the test world does not come up, the build fails, or any test does.
pub fn run(arguments: &Arguments) -> Outcome {
    let world = if arguments.fast { None } else { Some(world_and_build(arguments)?) };
    let failed = |error: io::Error| Failure::new("run cargo").because(error);
    let prepared = |mut cargo: Command| {
        set_variables(&mut cargo, arguments, world.as_ref());
        cargo
    };
    let lanes = lanes(arguments)?.into_iter().map(|lane| lane.into_iter().map(prepared).collect());
    let mut report = run_lanes(lanes.collect()).map_err(failed)?;
    let again = if arguments.retry { try_again(&report, prepared) } else { Ok(false) };
    // What stays of the world is told, but it says nothing about the tests.
    if let Some(Err(failure)) = world.as_ref().filter(|_| arguments.down).map(World::down) {
        eprintln!("{failure}");
    }
    if again.map_err(failed)? {
        report.all_passed_again();
    }
    println!("{report}");
    // Cargo has said which test failed and why; another line of ours would only bury its summary.
    report.statuses.first().map_or(Ok(()), |status| std::process::exit(status.code().unwrap_or(1)))
}

/// Runs the lanes side by side.
fn run_lanes(lanes: Vec<Lane>) -> io::Result<Report> {
    let reports: Vec<io::Result<Vec<Report>>> = thread::scope(|scope| {
        let run = |lane: Lane| lane.into_iter().map(Report::of).collect();
        let running: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(move || run(lane))).collect();
        let crashed = || Err(io::Error::other("the thread that ran it has panicked"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| crashed())).collect()
    });
    let mut sum = Report::default();
    reports
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .for_each(|report| sum.add(report));
    Ok(sum)
}

/// Runs the failures that may come from a busy machine once more, one at a time. Returns whether there were some and all passed.
fn try_again(report: &Report, prepared: impl Fn(Command) -> Command) -> io::Result<bool> {
    let failures = report.worth_a_second_try();
    let mut passed = Vec::new();
    for failed in failures {
        println!("\n{failed} failed, and runs again, alone");
        passed.push(Report::of(prepared(failed.only(lanes::cargo_test())))?.has_passed());
    }
    for (failed, _) in failures.iter().zip(&passed).filter(|(_, passed)| **passed) {
        println!(
            "flaky: {failed} failed among others and passed alone; why it failed stands above, and is to be mended"
        );
    }
    Ok(!passed.is_empty() && passed.into_iter().all(|passed| passed))
}

/// Returns the runs of cargo.
fn lanes(arguments: &Arguments) -> Outcome<Vec<Lane>> {
    if arguments.fast || arguments.filter.is_some() {
        let mut cargo = cargo_test(arguments);
        cargo.args(&arguments.filter);
        return Ok(vec![vec![cargo]]);
    }
    lanes::all()
}

fn set_variables(cargo: &mut Command, arguments: &Arguments, world: Option<&World>) {
    if let Some(world) = world {
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
}

/// Returns the cargo command that builds all that runs, or runs it.
fn cargo_test(arguments: &Arguments) -> Command {
    if arguments.fast {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]);
        return cargo;
    }
    let mut cargo = lanes::cargo_test();
    cargo.args(["--lib", "--bins", "--tests"]);
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
