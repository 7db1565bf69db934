//! The crash matrix of the server faults: `chaos` is killed with nobody beside it, and then the fault ends in one of four
//! ways: by a recovery, by nothing but the deadline on the host, by a reboot, or behind a network that was cut.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Bed;
use crate::world::Chaos;
use crate::world::experiment::skill;

/// How long faults are held: long enough to be hit by random kills.
const HOLD: &str = "300ms";
/// Crash points a fault and a way that are tried when nobody says otherwise, and as many random moments. The whole matrix is
/// `cargo xtask test --crash-rounds 20`.
const ROUNDS_DEFAULT: usize = 1;
/// From here on there is something on the host, and until there nobody else undoes it.
const ARMED: &str = "server.armed";
const REVERT: &str = "server.revert";

/// How a fault of a dead run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Recover,
    Deadline,
    Reboot,
    Cut,
}

struct Case {
    bed: Bed,
    skills: String,
}

impl Case {
    /// A fault on one host; `set_up` is shell text that makes there what it acts on, `None` where there are no hosts.
    fn new(host: &str, fault: &str, params: &str, set_up: &str) -> Option<Self> {
        let mut bed = Bed::take(&[host])?;
        if !set_up.is_empty() {
            bed.sh(0, set_up);
            bed.look();
        }
        Some(Self { bed, skills: skill(fault, params) })
    }

    /// Runs to the end and returns the crash points that were passed, in order.
    fn trace(&self) -> Vec<String> {
        let chaos = Chaos::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        let variables = [("CHAOS_CRASH_TRACE", file.path().to_str().unwrap())];
        let running =
            chaos.spawn_with(&self.bed.experiment(HOLD, &self.skills), &["--no-guardian"], &variables);
        running.wait().assert_code(0);
        self.bed.assert_same("nowhere");
        let mut seen = BTreeSet::new();
        let text = std::fs::read_to_string(file.path()).unwrap();
        text.lines().filter(|point| seen.insert((*point).to_owned())).map(str::to_owned).collect()
    }

    fn kill_at(&self, point: &str) -> Chaos {
        let chaos = Chaos::new();
        let variables = [("CHAOS_CRASH_AT", point)];
        let running =
            chaos.spawn_with(&self.bed.experiment(HOLD, &self.skills), &["--no-guardian"], &variables);
        let ended = running.wait();
        assert_eq!(ended.code, None, "the point {point} was not reached: {}", ended.text());
        chaos
    }

    fn kill_after(&self, moment: Duration) -> Chaos {
        let chaos = Chaos::new();
        let running = chaos.spawn_with(&self.bed.experiment(HOLD, &self.skills), &["--no-guardian"], &[]);
        std::thread::sleep(moment);
        running.signal(Signal::SIGKILL);
        running.wait();
        chaos
    }

    fn end(&self, chaos: &Chaos, end: End, at: &str) {
        let at = format!("{at}, then {end:?}");
        match end {
            End::Recover => {}
            End::Deadline => self.bed.wait_for_deadlines(&at),
            End::Reboot => {
                self.bed.reboot();
                self.bed.wait_for_deadlines(&at);
            }
            End::Cut => {
                self.bed.cut();
                self.bed.wait_for_deadlines(&at);
                self.bed.join();
            }
        }
        let ended = chaos.call(&["recover", "--all"]);
        assert_eq!(ended.code, Some(0), "recover after a kill at {at}: {}", ended.text());
        chaos.assert_clean();
        self.bed.assert_same(&at);
    }

    /// Whether the recovery says that the host had undone it, where something was there to undo.
    fn assert_said_already(&self, chaos: &Chaos, at: &str) {
        let journals = chaos.state.journals();
        if journals.contains("\"type\":\"injected\"") {
            assert!(journals.contains("already undone by the target"), "after a kill at {at}: {journals}");
        }
    }
}

/// Kills at points spread over the whole run, and lets it end in this way.
fn check_points(case: Option<Case>, end: End) {
    let Some(case) = case else { return };
    let points = case.trace();
    let place = |name: &str| {
        points
            .iter()
            .position(|point| point == name)
            .unwrap_or_else(|| panic!("a run passes `{name}`: {points:?}"))
    };
    let tried = match end {
        End::Recover => &points[..],
        // Before the rope there is nothing that could end by itself, and after the undo nothing is left to end.
        End::Deadline | End::Reboot | End::Cut => &points[place(ARMED)..=place(REVERT)],
    };
    for point in chosen(tried) {
        let chaos = case.kill_at(&point);
        case.end(&chaos, end, &point);
        if end != End::Recover {
            case.assert_said_already(&chaos, &point);
        }
    }
}

/// Kills at moments spread over the whole run, and lets it end in each way in turn.
fn check_moments(case: Option<Case>) {
    let Some(case) = case else { return };
    let started = std::time::Instant::now();
    Chaos::new().run(&case.bed.experiment(HOLD, &case.skills)).assert_code(0);
    let whole = started.elapsed();
    let ends = [End::Recover, End::Deadline, End::Recover, End::Cut, End::Recover, End::Reboot];
    for round in 0..rounds() {
        // Spread evenly, from a place that no two runs of the test share.
        let shift = f64::from(std::process::id() % 100) / 100.0;
        let moment = whole.mul_f64((round as f64 + shift) / rounds() as f64);
        let chaos = case.kill_after(moment);
        case.end(&chaos, ends[round % ends.len()], &format!("{moment:?} of {whole:?}"));
    }
}

fn rounds() -> usize {
    std::env::var("CHAOS_CRASH_ROUNDS").map_or(ROUNDS_DEFAULT, |rounds| rounds.parse().unwrap())
}

/// Chooses as many points as rounds, spread over all; another test process begins at another one.
fn chosen(points: &[String]) -> Vec<String> {
    let step = points.len().div_ceil(rounds()).max(1);
    let first = std::process::id() as usize % step;
    points.iter().skip(first).step_by(step).cloned().collect()
}

/// The matrix of one fault.
macro_rules! matrix {
    ($name:ident, $host:literal, $fault:literal, $params:literal, $set_up:literal) => {
        mod $name {
            use super::*;

            fn case() -> Option<Case> {
                Case::new($host, $fault, $params, $set_up)
            }

            #[test]
            fn killed_at_a_point_recover_brings_everything_back() {
                check_points(case(), End::Recover);
            }

            #[test]
            fn killed_at_a_point_the_deadline_brings_everything_back() {
                check_points(case(), End::Deadline);
            }

            #[test]
            fn killed_at_a_point_a_reboot_brings_everything_back() {
                check_points(case(), End::Reboot);
            }

            #[test]
            fn killed_at_a_point_behind_a_cut_network_the_host_brings_everything_back() {
                check_points(case(), End::Cut);
            }

            #[test]
            fn killed_at_any_moment_everything_comes_back() {
                check_moments(case());
            }
        }
    };
}

matrix!(disk_fill, "th4", "server.disk_fill", "{size: 20MB, target_mount: /data, keep_free: 10MB}", "");
matrix!(inode_fill, "th5", "server.inode_fill", "{inodes: 500, target_mount: /ext}", "");
matrix!(
    permission_change,
    "th5",
    "server.permission_change",
    "{paths: [\"/srv/a b;$(x)\"], mode: '000'}",
    "touch '/srv/a b;$(x)'"
);
matrix!(service_stop, "th4", "server.service_stop", "{services: [nginx]}", "");
matrix!(process_kill, "th4", "server.process_kill", "{unit: nginx}", "");
matrix!(process_pause, "th5", "server.process_pause", "{unit: nginx}", "");
matrix!(cpu_stress, "th4", "server.cpu_stress", "{workers: 1}", "");
matrix!(memory_stress, "th5", "server.memory_stress", "{memory: 64M}", "");
matrix!(io_stress, "th4", "server.io_stress", "{workers: 1, size: 4MiB, path: /ext}", "");
matrix!(fd_exhaust, "th5", "server.fd_exhaust", "{max: 500}", "");
matrix!(pid_exhaust, "th4", "server.pid_exhaust", "{max: 50}", "");
matrix!(network_partition, "th5", "server.network_partition", "{peers: [10.77.0.50]}", "");
matrix!(network_bandwidth, "th4", "server.network_bandwidth", "{rate: 5mbit}", "");
matrix!(dns_failure, "th5", "server.dns_failure", "{mode: refuse}", "");
matrix!(port_block, "th4", "server.port_block", "{ports: [80]}", "");
