//! `cargo xtask test`: sets the test world up, builds once, runs every test.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;

use cargo_metadata::{MetadataCommand, TargetKind};

use crate::env::World;
use crate::failure::{Context, Failure};
use crate::{Outcome, process, workspace};

/// How many tests of one program run at once. Most of their time they wait for servers and processes, so two cores can serve
/// four.
const THREADS: usize = 4;
/// The package all of whose tests act on the test hosts.
const ON_HOSTS: &str = "chaos-server";
/// The program whose tests are of both kinds, and the module of those that act on the test hosts.
const END_TO_END: &str = "e2e";
const END_TO_END_ON_HOSTS: &str = "servers::";
/// Of the former two, what acts on virtual machines only: it has them to itself, and need not wait for the other hosts.
const ON_VIRTUAL: &str = "network_netem";
const END_TO_END_ON_VIRTUAL: &str = "servers::crash::on_virtual::";
/// As many as there are virtual machines.
const THREADS_ON_VIRTUAL: &str = "2";

/// Runs of cargo, one after the other.
type Lane = Vec<Command>;

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
    let world = if arguments.fast { None } else { Some(world_and_build(arguments)?) };
    let mut lanes = lanes(arguments)?;
    for cargo in lanes.iter_mut().flatten() {
        set_variables(cargo, arguments, world.as_ref());
    }
    let (status, tally) = run_lanes(lanes).map_err(|error| Failure::new("run cargo").because(error))?;
    if let Some(world) = world.filter(|_| arguments.down) {
        world.down()?;
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.ignored);
    // Cargo has said which test failed and why; another line of ours would only bury its summary.
    status
        .filter(|status| !status.success())
        .map_or(Ok(()), |status| std::process::exit(status.code().unwrap_or(1)))
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

/// Returns the runs of cargo. Tests that act on hosts wait for these most of the time, and the others keep the processor busy:
/// all of the ones run beside all of the others.
fn lanes(arguments: &Arguments) -> Outcome<Vec<Lane>> {
    if arguments.fast || arguments.filter.is_some() {
        let mut cargo = cargo_test(arguments);
        cargo.args(&arguments.filter);
        return Ok(vec![vec![cargo]]);
    }
    let (mut on_hosts, others) = programs()?;
    on_hosts.retain(|name| name != ON_VIRTUAL);
    let run = |programs: &[String], more: &[&str]| {
        let mut cargo = cargo_test_of_all();
        for program in programs {
            cargo.args(["--test", program]);
        }
        cargo.args(more);
        cargo
    };
    let (on_virtual, end_to_end) = ([ON_VIRTUAL.to_owned()], [END_TO_END.to_owned()]);
    let few = ["--", "--test-threads", THREADS_ON_VIRTUAL];
    Ok(vec![
        vec![
            run(&on_hosts, &[]),
            run(&end_to_end, &["--", END_TO_END_ON_HOSTS, "--skip", END_TO_END_ON_VIRTUAL]),
        ],
        vec![run(&on_virtual, &few), run(&end_to_end, &[&few[..], &[END_TO_END_ON_VIRTUAL]].concat())],
        vec![run(&others, &["--lib", "--bins"]), run(&end_to_end, &["--", "--skip", END_TO_END_ON_HOSTS])],
    ])
}

/// Returns the names of the test programs that act on hosts, and of all others but [`END_TO_END`].
fn programs() -> Outcome<(Vec<String>, Vec<String>)> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace::root())
        .no_deps()
        .exec()
        .context(|| "read the metadata of the workspace".to_owned())?;
    let (mut on_hosts, mut others) = (Vec::new(), Vec::new());
    for package in &metadata.packages {
        let tests = package.targets.iter().filter(|target| target.kind.contains(&TargetKind::Test));
        let names = tests.map(|target| target.name.clone()).filter(|name| name != END_TO_END);
        if package.name == ON_HOSTS { on_hosts.extend(names) } else { others.extend(names) }
    }
    // A name stands for the programs of all packages that have one of that name.
    others.retain(|name| !on_hosts.contains(name));
    Ok((on_hosts, others))
}

/// Returns the cargo command that builds all that runs, or runs it.
fn cargo_test(arguments: &Arguments) -> Command {
    if arguments.fast {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]);
        return cargo;
    }
    let mut cargo = cargo_test_of_all();
    cargo.args(["--lib", "--bins", "--tests"]);
    cargo
}

/// Returns the cargo command for tests of any kind, which are still to be named. The feature reaches every crate that has crash
/// points, so that one build serves all.
fn cargo_test_of_all() -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast", "--features", "crash-points"]);
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

/// Runs the lanes side by side. Returns how the first run that failed has ended, and how many tests ended how.
fn run_lanes(lanes: Vec<Lane>) -> io::Result<(Option<ExitStatus>, Tally)> {
    let tally = Mutex::new(Tally::default());
    let outcomes: Vec<io::Result<Vec<ExitStatus>>> = thread::scope(|scope| {
        let run = |lane: Lane| lane.into_iter().map(|cargo| run_and_count(cargo, &tally)).collect();
        let running: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(move || run(lane))).collect();
        let crashed = || Err(io::Error::other("the thread that ran it has panicked"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| crashed())).collect()
    });
    let statuses = outcomes.into_iter().collect::<io::Result<Vec<_>>>()?;
    let failed = statuses.into_iter().flatten().find(|status| !status.success());
    Ok((failed, tally.into_inner().unwrap_or_default()))
}

/// Runs cargo, passes on what it prints, and adds up the summaries of the test programs.
fn run_and_count(mut cargo: Command, tally: &Mutex<Tally>) -> io::Result<ExitStatus> {
    let mut child = cargo.stdout(Stdio::piped()).spawn()?;
    if let Some(output) = child.stdout.take() {
        let mut pieces = Pieces::default();
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Ok(mut tally) = tally.lock() {
                tally.add(&line);
            }
            print!("{}", pieces.add(&line));
        }
        print!("{}", pieces.held);
    }
    child.wait()
}

/// Keeps together what a test program says about its failures: another lane prints, too.
#[derive(Debug, Default)]
struct Pieces {
    held: String,
}

impl Pieces {
    /// Takes a line and returns what is to be printed now.
    fn add(&mut self, line: &str) -> String {
        let is_report = !self.held.is_empty() || line == "failures:";
        self.held.push_str(line);
        self.held.push('\n');
        if is_report && !line.starts_with("test result: ") {
            String::new()
        } else {
            std::mem::take(&mut self.held)
        }
    }
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
    fn every_program_runs_in_one_lane() {
        let (on_hosts, others) = programs().unwrap_or_else(|_| panic!("cargo tells its metadata"));
        let arguments = Arguments { fast: false, crash_rounds: None, down: false, filter: None };
        let lanes = lanes(&arguments).unwrap_or_else(|_| panic!("cargo tells its metadata"));
        let words: Vec<_> = lanes.iter().flatten().flat_map(Command::get_args).collect();
        let count = |word: &str| words.iter().filter(|other| **other == word).count();
        for program in on_hosts.iter().chain(&others) {
            assert_eq!(count(program), 1, "{program}");
        }
        // Each module of the end-to-end tests is asked for once, and left out once.
        assert_eq!((count(END_TO_END), count(END_TO_END_ON_HOSTS), count(END_TO_END_ON_VIRTUAL)), (3, 2, 2));
        assert!(on_hosts.contains(&"disk_fill".to_owned()) && !others.contains(&"disk_fill".to_owned()));
        assert!(others.contains(&"cli".to_owned()) && !on_hosts.contains(&"cli".to_owned()));
        assert!(!on_hosts.contains(&END_TO_END.to_owned()) && !others.contains(&END_TO_END.to_owned()));
    }

    #[test]
    fn what_is_said_of_failures_stays_together() {
        let mut pieces = Pieces::default();
        let printed: Vec<_> =
            ["test a ... ok", "failures:", "", "why", "test result: FAILED. 1 passed", "running 3 tests"]
                .map(|line| pieces.add(line))
                .into();
        let report = "failures:\n\nwhy\ntest result: FAILED. 1 passed\n";
        assert_eq!(printed, ["test a ... ok\n", "", "", "", report, "running 3 tests\n"]);
    }

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
