//! The crash matrix of the server faults: `chaos` is killed with nobody beside it, and then the fault ends in one of four
//! ways: by a recovery, by nothing but the deadline on the host, by a reboot, or behind a network that was cut.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::containers::{DOCKER, PODMAN};
use super::{Bed, Set};
use crate::world::Chaos;
use crate::world::binary::Running;
use crate::world::experiment::skill;

/// How long faults are held: long enough to be hit by random kills.
const HOLD: &str = "300ms";
/// How long after the hold a host undoes by itself where the test waits for that.
const MARGIN_SHORT: &str = "2s";
/// The short one on a virtual machine: what comes between the arming and the effect may take it some seconds.
const MARGIN_VIRTUAL: &str = "6s";
/// The same where it must not come in between.
const MARGIN_LONG: &str = "60s";
/// Crash points a fault and a way that are tried when nobody says otherwise, and as many random moments. The whole matrix is
/// `cargo xtask test --crash-rounds 20`.
const ROUNDS_DEFAULT: usize = 1;
/// From so many rounds on, all crash points are tried.
const ROUNDS_ALL: usize = 20;
/// From here on there is something on the host, and until there nobody else undoes it.
const ARMED: &str = "journal.armed.before";
const REVERT: &str = "engine.undo.attempt";

/// How a fault of a dead run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Recover,
    Deadline,
    Reboot,
    Cut,
}

/// A fault, and what it needs on its host.
#[derive(Debug, Clone, Copy)]
struct Subject {
    fault: &'static str,
    params: &'static str,
    set: Set,
}

impl Subject {
    /// Returns how long after the hold the host undoes by itself.
    fn margin(&self, end: End) -> &'static str {
        match end {
            End::Recover => MARGIN_LONG,
            _ if self.set.host == Set::VIRTUAL.host => MARGIN_VIRTUAL,
            End::Deadline | End::Reboot | End::Cut => MARGIN_SHORT,
        }
    }

    /// Whether the host may be on its way down at any time.
    fn reboots(&self) -> bool {
        self.fault == "server.reboot"
    }
}

/// What a run passes when nobody kills it.
struct Trace {
    points: Vec<String>,
    whole: Duration,
}

struct Case {
    bed: Bed,
    subject: Subject,
    skills: String,
}

impl Case {
    /// A fault on its host; `None` where there are no hosts.
    fn new(subject: Subject, ends: &[End]) -> Option<Self> {
        let take = if subject.reboots() || ends.contains(&End::Reboot) {
            Bed::take_any_rebooted
        } else {
            Bed::take_any
        };
        let bed = take(subject.set)?;
        Some(Self { bed, subject, skills: skill(subject.fault, subject.params) })
    }

    /// Runs to the end and returns the crash points that were passed, in order.
    fn trace(&self) -> Trace {
        let chaos = Chaos::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        let variables = [("CHAOS_CRASH_TRACE", file.path().to_str().unwrap())];
        let started = Instant::now();
        self.spawn(&chaos, MARGIN_LONG, &variables).wait().assert_code(0);
        let whole = started.elapsed();
        if self.subject.reboots() {
            self.bed.wait_for_boots();
        }
        self.bed.assert_same("nowhere");
        let mut seen = BTreeSet::new();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let points =
            text.lines().filter(|point| seen.insert((*point).to_owned())).map(str::to_owned).collect();
        Trace { points, whole }
    }

    /// Starts a run with nobody beside it.
    fn spawn<'a>(&self, chaos: &'a Chaos, margin: &str, variables: &[(&str, &str)]) -> Running<'a> {
        let experiment = self.bed.experiment(HOLD, margin, &self.skills);
        chaos.spawn_with(&experiment, &["--no-guardian"], variables)
    }

    fn kill_at(&self, point: &str, end: End) -> Chaos {
        let chaos = Chaos::new();
        let ended = self.spawn(&chaos, self.subject.margin(end), &[("CHAOS_CRASH_AT", point)]).wait();
        assert_eq!(ended.code, None, "the point {point} was not reached: {}", ended.text());
        chaos
    }

    fn kill_after(&self, moment: Duration, end: End) -> Chaos {
        let chaos = Chaos::new();
        let running = self.spawn(&chaos, self.subject.margin(end), &[]);
        std::thread::sleep(moment);
        running.signal(Signal::SIGKILL);
        running.wait();
        chaos
    }

    fn end(&self, chaos: &Chaos, end: End, at: &str) {
        let at = format!("{at}, then {end:?}");
        if self.subject.reboots() {
            self.bed.wait_for_boots();
        }
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
        // A reboot ends by itself; nobody has undone it.
        if self.subject.reboots() {
            return;
        }
        let journals = chaos.state.journals();
        if journals.contains("\"type\":\"injected\"") {
            assert!(journals.contains("already undone by the target"), "after a kill at {at}: {journals}");
        }
    }
}

/// Kills at points spread over the whole run, and lets it end in this way.
fn check_points(subject: Subject, trace: &OnceLock<Trace>, end: End) {
    let Some(case) = Case::new(subject, &[end]) else { return };
    let points = &trace.get_or_init(|| case.trace()).points;
    let place = |name: &str| {
        points
            .iter()
            .position(|point| point == name)
            .unwrap_or_else(|| panic!("a run passes `{name}`: {points:?}"))
    };
    let acts = place(ARMED)..=place(REVERT);
    let tried = match end {
        End::Recover => &points[..],
        // Before the rope there is nothing that could end by itself, and after the undo nothing is left to end.
        End::Deadline | End::Reboot | End::Cut => &points[acts],
    };
    for point in chosen(tried) {
        let chaos = case.kill_at(&point, end);
        case.end(&chaos, end, &point);
        if end != End::Recover {
            case.assert_said_already(&chaos, &point);
        }
    }
}

/// Kills at moments spread over the whole run, and lets it end in each way in turn.
fn check_moments(subject: Subject, trace: &OnceLock<Trace>, ends: &[End]) {
    let ends = &ends[..rounds().min(ends.len())];
    let Some(case) = Case::new(subject, ends) else { return };
    let whole = trace.get_or_init(|| case.trace()).whole;
    for round in 0..rounds() {
        // Spread evenly, from a place that no two runs of the test share.
        let shift = f64::from(std::process::id() % 100) / 100.0;
        let moment = whole.mul_f64((round as f64 + shift) / rounds() as f64);
        let end = ends[round % ends.len()];
        let chaos = case.kill_after(moment, end);
        case.end(&chaos, end, &format!("{moment:?} of {whole:?}"));
    }
}

fn rounds() -> usize {
    std::env::var("CHAOS_CRASH_ROUNDS").map_or(ROUNDS_DEFAULT, |rounds| rounds.parse().unwrap())
}

/// Chooses about as many points as rounds, spread over all, or all; another test process begins at another one.
fn chosen(points: &[String]) -> Vec<String> {
    let step = if rounds() < ROUNDS_ALL { points.len().div_ceil(rounds()).max(1) } else { 1 };
    let first = std::process::id() as usize % step;
    points.iter().skip(first).step_by(step).cloned().collect()
}

/// The matrix of one fault.
macro_rules! matrix {
    ($name:ident, $fault:literal, $params:literal) => {
        matrix!($name, $fault, $params, Set::NONE);
    };
    ($name:ident, $fault:literal, $params:literal, $set:expr) => {
        mod $name {
            use super::*;

            const SUBJECT: Subject = Subject { fault: $fault, params: $params, set: $set };
            static TRACE: OnceLock<Trace> = OnceLock::new();

            #[test]
            fn killed_at_a_point_recover_brings_everything_back() {
                check_points(SUBJECT, &TRACE, End::Recover);
            }

            #[test]
            fn killed_at_a_point_the_deadline_brings_everything_back() {
                check_points(SUBJECT, &TRACE, End::Deadline);
            }

            #[test]
            fn killed_at_a_point_a_reboot_brings_everything_back() {
                check_points(SUBJECT, &TRACE, End::Reboot);
            }

            #[test]
            fn killed_at_a_point_behind_a_cut_network_the_host_brings_everything_back() {
                check_points(SUBJECT, &TRACE, End::Cut);
            }

            #[test]
            fn killed_at_any_moment_everything_comes_back() {
                let ends = [End::Recover, End::Deadline, End::Recover, End::Cut, End::Recover, End::Reboot];
                check_moments(SUBJECT, &TRACE, &ends);
            }
        }
    };
}

matrix!(disk_fill, "server.disk_fill", "{size: 20MB, target_mount: /data, keep_free: 10MB}");
matrix!(inode_fill, "server.inode_fill", "{inodes: 500, target_mount: /ext}");
matrix!(
    permission_change,
    "server.permission_change",
    "{paths: [\"/srv/a b;$(x)\"], mode: '000'}",
    Set { set_up: "touch '/srv/a b;$(x)'", clean_up: "rm -f '/srv/a b;$(x)'", ..Set::NONE }
);
matrix!(service_stop, "server.service_stop", "{services: [nginx]}");
matrix!(process_kill, "server.process_kill", "{unit: nginx}");
matrix!(process_pause, "server.process_pause", "{unit: nginx}");
matrix!(cpu_stress, "server.cpu_stress", "{workers: 1}");
matrix!(memory_stress, "server.memory_stress", "{memory: 64M}");
matrix!(io_stress, "server.io_stress", "{workers: 1, size: 4MiB, path: /ext}");
matrix!(fd_exhaust, "server.fd_exhaust", "{max: 500}");
matrix!(pid_exhaust, "server.pid_exhaust", "{max: 50}");
matrix!(network_partition, "server.network_partition", "{peers: [10.77.0.50]}");
matrix!(network_bandwidth, "server.network_bandwidth", "{rate: 5mbit}");
matrix!(dns_failure, "server.dns_failure", "{mode: refuse}");
matrix!(port_block, "server.port_block", "{ports: [80]}");
matrix!(reboot, "server.reboot", "{come_back_within: 90s}");
matrix!(container_kill, "server.container_kill", "{}", PODMAN);
matrix!(container_pause, "server.container_pause", "{}", DOCKER);
matrix!(container_stop, "server.container_stop", "{grace_seconds: 1}", DOCKER);
matrix!(container_partition, "server.network_partition", "{}", PODMAN);

/// Those that need a module which the kernel of this machine may lack.
mod on_virtual {
    use super::*;

    matrix!(network_latency, "server.network_latency", "{delay: 100ms}", Set::VIRTUAL);
    matrix!(network_loss, "server.network_loss", "{percent: 20}", Set::VIRTUAL);
    matrix!(network_corrupt, "server.network_corrupt", "{percent: 10}", Set::VIRTUAL);
    matrix!(network_duplicate, "server.network_duplicate", "{percent: 30}", Set::VIRTUAL);
}
