//! The crash matrix: the real process is killed at every crash point and at random moments, with a guardian and without,
//! and every time everything comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::world::experiment::skill;
use crate::world::sqlite::SqliteShop;
use crate::world::{Chaos, Experiment, OwnServer, Shop, assert_same, server_url};

/// Rows of each table: enough for several batches of messages, few enough for hundreds of runs.
const ROWS: u32 = 400;
/// How long faults are held: long enough to be hit by random kills.
const HOLD: &str = "150ms";
/// How many random moments each fault is killed at when nobody says otherwise. The full matrix is 50:
/// `cargo xtask test --crash-rounds 50`.
const ROUNDS_DEFAULT: u32 = 3;
/// Of a point that is passed many times, these passings are tried, and the last one.
const PASSINGS_MAX: u32 = 2;

/// Who undoes a run that was killed.
#[derive(Clone, Copy, PartialEq)]
enum Rescuer {
    Guardian,
    Recover,
}

/// A database to act on, and how to see that it is as before.
enum World {
    Postgres { shop: Box<Shop>, _server: Option<OwnServer> },
    Sqlite(SqliteShop),
}

impl World {
    fn experiment(&self, skills: &str) -> Experiment {
        match self {
            Self::Postgres { shop, .. } => Experiment::on_postgres(&shop.url(), HOLD, skills),
            Self::Sqlite(shop) => Experiment::on_sqlite(&shop.path(), HOLD, skills),
        }
    }

    fn checksum(&self) -> Vec<String> {
        match self {
            Self::Postgres { shop, .. } => shop.checksum(),
            Self::Sqlite(shop) => shop.checksum(),
        }
    }

    fn assert_no_residue(&self) {
        match self {
            Self::Postgres { shop, .. } => shop.assert_no_residue(),
            // Its checksum holds every table, index and trigger.
            Self::Sqlite(shop) => {
                let files: Vec<String> = std::fs::read_dir(shop.folder())
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .filter(|name| !name.starts_with("shop.db"))
                    .collect();
                assert_eq!(files, Vec::<String>::new());
            }
        }
    }
}

/// One fault on one database.
struct Case {
    world: World,
    skills: String,
    before: Vec<String>,
}

impl Case {
    fn postgres(skills: String) -> Option<Self> {
        let shop = Box::new(Shop::create(&server_url()?, ROWS));
        Some(Self::new(World::Postgres { shop, _server: None }, skills))
    }

    fn own_server(skills: String) -> Option<Self> {
        let server = OwnServer::start()?;
        let shop = Box::new(Shop::create(&server.url(), ROWS));
        Some(Self::new(World::Postgres { shop, _server: Some(server) }, skills))
    }

    fn sqlite(skills: String) -> Option<Self> {
        Some(Self::new(World::Sqlite(SqliteShop::create(ROWS)), skills))
    }

    fn new(world: World, skills: String) -> Self {
        let before = world.checksum();
        Self { world, skills, before }
    }

    /// Runs to the end and returns the crash points that were passed, each with how often.
    fn trace(&self, arguments: Trace) -> BTreeMap<String, u32> {
        let chaos = Chaos::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        match arguments {
            Trace::Run => {
                let variables = [("CHAOS_CRASH_TRACE", path)];
                let running =
                    chaos.spawn_with(&self.world.experiment(&self.skills), &["--no-guardian"], &variables);
                running.wait().assert_code(0);
            }
            Trace::Recover => {
                self.kill_in_hold(&chaos);
                chaos.command(&["recover", "--all"]).env("CHAOS_CRASH_TRACE", path).output().unwrap();
            }
        }
        self.assert_as_before(&chaos, "while tracing");
        let mut points = BTreeMap::new();
        for point in std::fs::read_to_string(path).unwrap().lines() {
            *points.entry(point.to_owned()).or_insert(0) += 1;
        }
        assert!(points.len() >= 5, "too few crash points: {points:?}");
        points
    }

    /// Leaves a run that was killed in its hold with nobody to undo it.
    fn kill_in_hold(&self, chaos: &Chaos) {
        let running = chaos.spawn_with(&self.world.experiment(&self.skills), &["--no-guardian"], &[]);
        running.wait_for_records("injected", 1);
        running.signal(Signal::SIGKILL);
        running.wait();
    }

    fn rescue(&self, chaos: &Chaos, rescuer: Rescuer, at: &str) {
        match rescuer {
            Rescuer::Guardian => chaos.wait_until_clean(),
            Rescuer::Recover => {
                let ended = chaos.call(&["recover", "--all"]);
                assert_eq!(ended.code, Some(0), "recover after a kill at {at}: {}", ended.text());
            }
        }
        self.assert_as_before(chaos, at);
    }

    fn assert_as_before(&self, chaos: &Chaos, at: &str) {
        chaos.assert_clean();
        assert_same(&self.world.checksum(), &self.before, &format!("after a kill at {at}"));
        self.world.assert_no_residue();
    }
}

enum Trace {
    Run,
    Recover,
}

/// Returns every passing of every point that will be tried: `name#1`, `name#2`, and the last.
fn passings(points: &BTreeMap<String, u32>) -> Vec<String> {
    let mut passings = Vec::new();
    for (name, count) in points {
        let first = 1..=PASSINGS_MAX.min(*count);
        passings.extend(first.map(|nth| format!("{name}#{nth}")));
        if *count > PASSINGS_MAX {
            passings.push(format!("{name}#{count}"));
        }
    }
    passings
}

/// Kills the run at every point.
fn check_every_point(case: Option<Case>, rescuer: Rescuer) {
    let Some(case) = case else { return };
    let points = passings(&case.trace(Trace::Run));
    let mut missed = Vec::new();
    for point in &points {
        let chaos = Chaos::new();
        let flags: &[&str] = if rescuer == Rescuer::Recover { &["--no-guardian"] } else { &[] };
        let variables = [("CHAOS_CRASH_AT", point.as_str())];
        let ended = chaos.spawn_with(&case.world.experiment(&case.skills), flags, &variables).wait();
        if ended.code.is_some() {
            missed.push(point.clone());
        }
        case.rescue(&chaos, rescuer, point);
    }
    println!("{} crash points, {} not reached in their own run: {missed:?}", points.len(), missed.len());
    // How often the journal grows may differ by a progress record; a point that is never reached is a broken test.
    assert!(missed.len() * 10 <= points.len(), "not reached: {missed:?}");
}

/// Kills a recovery at every point, and recovers again.
fn check_every_point_of_recovery(case: Option<Case>) {
    let Some(case) = case else { return };
    let points = passings(&case.trace(Trace::Recover));
    for point in &points {
        let chaos = Chaos::new();
        case.kill_in_hold(&chaos);
        chaos.command(&["recover", "--all"]).env("CHAOS_CRASH_AT", point).output().unwrap();
        case.rescue(&chaos, Rescuer::Recover, point);
    }
}

/// Kills the run at random moments.
fn check_random_moments(case: Option<Case>, rescuer: Rescuer) {
    let Some(case) = case else { return };
    let rounds = std::env::var("CHAOS_CRASH_ROUNDS").map_or(ROUNDS_DEFAULT, |rounds| rounds.parse().unwrap());
    let started = Instant::now();
    Chaos::new().run(&case.world.experiment(&case.skills)).assert_code(0);
    let whole = started.elapsed();
    let mut random = Random::seeded();
    for round in 0..rounds {
        let chaos = Chaos::new();
        let flags: &[&str] = if rescuer == Rescuer::Recover { &["--no-guardian"] } else { &[] };
        let moment = whole.mul_f64(random.share());
        let running = chaos.spawn_with(&case.world.experiment(&case.skills), flags, &[]);
        std::thread::sleep(moment);
        running.signal(Signal::SIGKILL);
        running.wait();
        case.rescue(
            &chaos,
            rescuer,
            &format!("{moment:?} of {whole:?}, round {round}, seed {}", random.seed),
        );
    }
}

/// Random numbers that can be repeated: `CHAOS_CRASH_SEED` of a failed run makes the same ones again.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn seeded() -> Self {
        let from_clock =
            || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_nanos() as u64;
        let seed =
            std::env::var("CHAOS_CRASH_SEED").map_or_else(|_| from_clock(), |seed| seed.parse().unwrap());
        Self { seed, state: seed | 1 }
    }

    /// Returns a number from 0 to 1 (xorshift: no more than this is needed).
    fn share(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The matrix of one fault on one kind of database.
macro_rules! matrix {
    ($name:ident, $world:ident, $fault:literal, $params:literal) => {
        mod $name {
            use super::*;

            fn case() -> Option<Case> {
                Case::$world(skill($fault, $params))
            }

            #[test]
            fn killed_at_every_point_the_guardian_brings_everything_back() {
                check_every_point(case(), Rescuer::Guardian);
            }

            #[test]
            fn killed_at_every_point_recover_brings_everything_back() {
                check_every_point(case(), Rescuer::Recover);
            }

            #[test]
            fn killed_at_random_the_guardian_brings_everything_back() {
                check_random_moments(case(), Rescuer::Guardian);
            }

            #[test]
            fn killed_at_random_recover_brings_everything_back() {
                check_random_moments(case(), Rescuer::Recover);
            }

            #[test]
            fn a_recovery_killed_at_every_point_can_be_repeated() {
                check_every_point_of_recovery(case());
            }
        }
    };
}

matrix!(insert_load, postgres, "db.insert_load", "{rows_per_table: 300, tables: [users]}");
matrix!(update_load, postgres, "db.update_load", "{rows: 200, tables: [orders]}");
matrix!(select_load, postgres, "db.select_load", "{query_count: 30, tables: [users]}");
matrix!(config_change, own_server, "db.config_change", "{changes: [{param: work_mem, value: 9MB}]}");
matrix!(table_lock, postgres, "db.table_lock", "{tables: [users]}");
matrix!(row_lock, postgres, "db.row_lock", "{tables: [users], rows_per_table: 20}");
matrix!(sqlite_insert_load, sqlite, "db.insert_load", "{rows_per_table: 300, tables: [users]}");
matrix!(sqlite_update_load, sqlite, "db.update_load", "{rows: 200, tables: [orders]}");
matrix!(sqlite_config_change, sqlite, "db.config_change", "{changes: [{param: user_version, value: 7}]}");
matrix!(sqlite_table_lock, sqlite, "db.table_lock", "{tables: [users]}");
matrix!(sqlite_select_load, sqlite, "db.select_load", "{query_count: 30, tables: [users]}");
