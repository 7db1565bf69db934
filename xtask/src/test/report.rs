//! What cargo and the test programs print: passed on, counted, and read for the names of what failed.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus};

/// More failures than this are not a matter of a busy machine.
const SECOND_TRIES_MAX: usize = 3;

/// How the tests of some runs of cargo ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that failed at first and passed when they ran again.
    flaky: u64,
    /// What failed, as far as its test program said so.
    failures: Vec<Failed>,
    /// How cargo ended, each time that it failed.
    pub statuses: Vec<ExitStatus>,
    /// The program that began and is not at its end.
    open: Option<String>,
    /// How many programs said that tests of theirs failed, and how many cargo says to have failed.
    programs_failed: (u64, u64),
    has_lost_a_program: bool,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The test program, as `cargo test --test` knows it; none for the tests beside the code.
    program: Option<String>,
    name: String,
}

impl Failed {
    /// Whether a busy machine may be why. Of tests that kill us, one failure is one lost fault; and the tests beside the code wait
    /// for nothing.
    fn may_be_load(&self) -> bool {
        let kills_us =
            |text: &str| ["crash", "kill", "dies", "guardian"].iter().any(|word| text.contains(word));
        self.program.as_deref().is_some_and(|program| !kills_us(program) && !kills_us(&self.name))
    }

    /// Has `cargo test` run this test only.
    pub fn only(&self, mut cargo: Command) -> Command {
        if let Some(program) = &self.program {
            cargo.args(["--test", program]);
        }
        cargo.args(["--", "--exact", &self.name]);
        cargo
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.program {
            Some(program) => write!(f, "`{}` of `{program}`", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed", self.passed)?;
        if self.flaky > 0 {
            write!(f, " ({} of them only when run again, alone)", self.flaky)?;
        }
        write!(f, ", {} failed, {} skipped", self.failed, self.ignored)
    }
}

impl Report {
    /// Runs cargo, passes on what it prints, and reports on it.
    ///
    /// # Errors
    /// When cargo cannot be run or read.
    pub fn of(mut cargo: Command) -> io::Result<Self> {
        // One pipe for both: which program a line is about is said on the other stream.
        let (output, ours) = io::pipe()?;
        let mut child = cargo.stdout(ours.try_clone()?).stderr(ours).spawn()?;
        // It holds the other end of the pipe.
        drop(cargo);
        let (mut report, mut pieces) = (Self::default(), Pieces::default());
        // Programs that tests start may print anything.
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            report.read(&line);
            print!("{}", pieces.add(&line));
        }
        print!("{}", pieces.held);
        report.end(child.wait()?);
        Ok(report)
    }

    fn end(&mut self, status: ExitStatus) {
        let (said_so, failed) = self.programs_failed;
        self.has_lost_a_program |=
            self.open.is_some() || said_so != failed || (!status.success() && failed == 0);
        self.statuses.extend(Some(status).filter(|status| !status.success()));
    }

    /// Adds what another run came to.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.flaky += other.flaky;
        self.failures.extend(other.failures);
        self.statuses.extend(other.statuses);
        self.has_lost_a_program |= other.has_lost_a_program;
    }

    /// Returns the failures when all of them may come from a busy machine, and none otherwise.
    pub fn worth_a_second_try(&self) -> &[Failed] {
        let is_complete = !self.has_lost_a_program && self.failures.len() as u64 == self.failed;
        let is_load =
            self.failures.len() <= SECOND_TRIES_MAX && self.failures.iter().all(Failed::may_be_load);
        if is_complete && is_load { &self.failures } else { &[] }
    }

    /// Takes up that all failures passed when they ran again.
    pub fn all_passed_again(&mut self) {
        self.flaky += self.failed;
        self.passed += self.failed;
        self.failed = 0;
        self.failures.clear();
        self.statuses.clear();
    }

    /// Returns whether it passed what it ran.
    pub fn has_passed(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.statuses.is_empty()
    }

    fn read(&mut self, line: &str) {
        if let Some(program) = line.trim_start().strip_prefix("Running ") {
            self.has_lost_a_program |= self.open.is_some();
            self.open = Some(program.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.open = None;
            self.programs_failed.0 += u64::from(counts.starts_with("FAILED"));
            self.count(counts);
        } else if let Some(number) = line.strip_prefix("error: ").and_then(targets_failed) {
            self.programs_failed.1 += number;
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            let program = self.open.as_deref().and_then(test_program).map(str::to_owned);
            self.failures.push(Failed { program, name: name.to_owned() });
        }
    }

    /// Adds counts such as `ok. 7 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, counts: &str) {
        let Some((_, counts)) = counts.split_once(". ") else { return };
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

/// Returns the number in `2 targets failed:`.
fn targets_failed(error: &str) -> Option<u64> {
    error.strip_suffix(" target failed:").or_else(|| error.strip_suffix(" targets failed:"))?.parse().ok()
}

/// Returns the name in `tests/name.rs (…/name-6313e64e6ffa5c6e)`.
fn test_program(running: &str) -> Option<&str> {
    let (_, path) = running.strip_prefix("tests/")?.split_once(" (")?;
    let (_, file) = path.strip_suffix(')')?.rsplit_once('/')?;
    Some(file.rsplit_once('-')?.0)
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// What a run of cargo printed that then said this about the programs that failed, if there are any.
    fn report_of(lines: &[&str], error: &str) -> Report {
        let mut report = Report::default();
        lines.iter().for_each(|line| report.read(line));
        report.read(error);
        report.end(ExitStatus::from_raw(if error.is_empty() { 0 } else { 101 << 8 }));
        report
    }

    fn report(lines: &[&str]) -> Report {
        report_of(lines, "error: 1 target failed:")
    }

    const DNS: &str = "     Running tests/dns.rs (/target/debug/deps/dns-6313e64e6ffa5c6e)";
    const LIB: &str = "     Running unittests src/lib.rs (/target/debug/deps/chaos_core-6313e64e6ffa5c6e)";
    const ONE_FAILED: &str =
        "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";

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
        let ok =
            "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s";
        let mut sum = report(&[LIB, ok, DNS, "test a ... FAILED", ONE_FAILED]);
        sum.add(report_of(&[DNS, ok], ""));
        assert_eq!(sum.to_string(), "16 passed, 1 failed, 2 skipped");
        assert!(!sum.has_passed());
        sum.all_passed_again();
        assert_eq!(sum.to_string(), "17 passed (1 of them only when run again, alone), 0 failed, 2 skipped");
        assert!(sum.has_passed() && sum.worth_a_second_try().is_empty());
    }

    #[test]
    fn a_failed_test_is_run_alone_by_its_name() {
        let report = report(&[DNS, "test a::b ... FAILED", ONE_FAILED]);
        let [failed] = report.worth_a_second_try() else { panic!("{report:?}") };
        assert_eq!(failed.to_string(), "`a::b` of `dns`");
        let cargo = failed.only(Command::new("cargo"));
        let words: Vec<_> = cargo.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(words, ["--test", "dns", "--", "--exact", "a::b"]);
    }

    #[test]
    fn what_may_be_a_lost_fault_or_a_crashed_program_gets_no_second_try() {
        let in_the_code = [LIB, "test a ... FAILED", ONE_FAILED];
        let of_crashes = [DNS, "test crash::a ... FAILED", ONE_FAILED];
        let of_a_kill = [DNS, "test a_killed_run_is_undone ... FAILED", ONE_FAILED];
        let in_a_crash_program = [
            "     Running tests/insert_crash.rs (/deps/insert_crash-6313e64e6ffa5c6e)",
            "test a ... FAILED",
            ONE_FAILED,
        ];
        let of_a_lost_program = [DNS, "test a ... FAILED", ONE_FAILED, DNS];
        let unnamed = [DNS, ONE_FAILED];
        for lines in
            [&in_the_code[..], &of_crashes, &of_a_kill, &in_a_crash_program, &of_a_lost_program, &unnamed]
        {
            assert!(report(lines).worth_a_second_try().is_empty(), "{lines:?}");
        }
        let one = [DNS, "test a ... FAILED", ONE_FAILED];
        let many = one.repeat(SECOND_TRIES_MAX + 1);
        assert!(report_of(&many, "error: 4 targets failed:").worth_a_second_try().is_empty());
        assert!(report_of(&one, "error: 2 targets failed:").worth_a_second_try().is_empty());
    }

    #[test]
    fn a_cargo_that_failed_for_itself_lets_nothing_pass() {
        let mut sum = report(&[DNS, "test a ... FAILED", ONE_FAILED]);
        assert_eq!(sum.worth_a_second_try().len(), 1);
        sum.add(report_of(&[], "error: could not compile"));
        assert!(sum.worth_a_second_try().is_empty() && sum.statuses.len() == 2);
    }
}
