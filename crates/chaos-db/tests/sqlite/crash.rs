//! Processes killed with SIGKILL at odd moments of inject and undo, on rollback journals and on WAL.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chaos_core::Fault;
use chaos_db::faults::insert_load::sqlite::InsertLoadSqlite;
use chaos_db::faults::update_load::sqlite::UpdateLoadSqlite;
use chaos_db::sqlite::SqliteTarget;
use serde_json::{Value, json};

use crate::world::{SHOP, Use, World, connect, step_context};

const FILE: &str = "CHAOS_TEST_FILE";
const STEPS: &str = "CHAOS_TEST_STEPS";
const PHASE: &str = "CHAOS_TEST_PHASE";
/// How often a process is killed in each phase.
const ROUNDS: u32 = 10;

/// The process that is killed: does what its environment says, and nothing in an ordinary run of the tests.
#[tokio::test]
async fn child() {
    let (Ok(file), Ok(steps), Ok(phase)) = (std::env::var(FILE), std::env::var(STEPS), std::env::var(PHASE))
    else {
        return;
    };
    let steps: Value = serde_json::from_slice(&std::fs::read(steps).unwrap()).unwrap();
    let target = connect(&file).await.unwrap();
    match steps["fault"].as_str().unwrap() {
        "insert" => act(InsertLoadSqlite, &target, &steps["steps"], &phase).await,
        _ => act(UpdateLoadSqlite, &target, &steps["steps"], &phase).await,
    }
}

async fn act<F: Fault<Target = SqliteTarget>>(fault: F, target: &SqliteTarget, steps: &Value, phase: &str) {
    let cx = step_context();
    let mut steps: Vec<F::Step> = serde_json::from_value(steps.clone()).unwrap();
    if phase == "undo" {
        steps.reverse();
    }
    for step in &steps {
        if phase == "inject" {
            let mut session = fault.arm(&cx, target, step).await.unwrap();
            fault.inject(&cx, target, step, &mut session).await.unwrap();
        } else {
            fault.revert(&cx, target, step).await.unwrap();
            fault.disarm(&cx, target, step).await.unwrap();
        }
    }
}

fn start(file: &Path, steps: &Path, phase: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(FILE, file)
        .env(STEPS, steps)
        .env(PHASE, phase)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets a whole inject (or undo) run in a process of its own and returns how long it took.
fn run(file: &Path, steps: &Path, phase: &str) -> Duration {
    let started = Instant::now();
    assert!(start(file, steps, phase).wait().unwrap().success(), "{phase} failed");
    started.elapsed()
}

/// Kills a process that is at it after this part of the time that one takes. Returns whether it was still running; one that was not
/// tells how long it takes by now.
fn run_and_kill(file: &Path, steps: &Path, phase: &str, takes: &mut Duration, round: u32) -> bool {
    let (started, delay) = (Instant::now(), *takes * round / (ROUNDS + 1));
    let mut child = start(file, steps, phase);
    while started.elapsed() < delay {
        if child.try_wait().unwrap().is_some() {
            *takes = started.elapsed();
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let was_running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    was_running
}

async fn check<F: Fault<Target = SqliteTarget>>(name: &str, fault: F, journal: &str, params: Value) {
    let world = World::new(&SHOP.replace("generate_series(1, 200)", "generate_series(1, 4000)")).await;
    world.sql(&format!("PRAGMA journal_mode = {journal}"));
    let before = world.dump();
    let used = Use::prepare(fault, &world, 1, params).await.unwrap();
    let steps = world.path().with_extension("steps");
    std::fs::write(&steps, json!({"fault": name, "steps": used.steps}).to_string()).unwrap();
    let mut inject = run(&world.path(), &steps, "inject");
    assert_ne!(world.dump(), before);
    let mut undo = run(&world.path(), &steps, "undo");
    assert_eq!(world.dump(), before, "without any kill");

    let mut killed = 0;
    for round in 1..=ROUNDS {
        killed += u32::from(run_and_kill(&world.path(), &steps, "inject", &mut inject, round));
        if round % 2 == 0 {
            killed += u32::from(run_and_kill(&world.path(), &steps, "undo", &mut undo, round));
        }
        let reverted = used.revert(&world).await;
        assert!(reverted.iter().all(|reverted| reverted.conflicts_total == 0), "{reverted:?}");
        assert_eq!(world.dump(), before, "{name} {journal}, round {round}");
    }
    assert!(killed > ROUNDS / 2, "only {killed} processes were killed in time");
}

#[tokio::test]
async fn an_insert_killed_at_any_moment_leaves_all_or_nothing_with_a_rollback_journal() {
    check("insert", InsertLoadSqlite, "delete", json!({"rows_per_table": 2_000})).await;
}

#[tokio::test]
async fn an_insert_killed_at_any_moment_leaves_all_or_nothing_with_wal() {
    check("insert", InsertLoadSqlite, "wal", json!({"rows_per_table": 2_000})).await;
}

#[tokio::test]
async fn an_update_killed_at_any_moment_leaves_all_or_nothing_with_a_rollback_journal() {
    check("update", UpdateLoadSqlite, "delete", json!({"rows": 2_000})).await;
}

#[tokio::test]
async fn an_update_killed_at_any_moment_leaves_all_or_nothing_with_wal() {
    check("update", UpdateLoadSqlite, "wal", json!({"rows": 2_000})).await;
}

#[tokio::test]
async fn a_hot_journal_of_the_application_is_rolled_back_before_we_read() {
    let world = World::shop().await;
    let before = world.dump();
    let copy = world.path().with_extension("copy");
    let journal = |path: &Path| std::path::PathBuf::from(format!("{}-journal", path.display()));
    let app = world.app();
    // A small cache makes SQLite write changed pages into the file before the commit.
    app.execute_batch(
        "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE users SET name = hex(randomblob(900))",
    )
    .unwrap();
    std::fs::copy(world.path(), &copy).unwrap();
    std::fs::copy(journal(&world.path()), journal(&copy)).unwrap();
    app.execute_batch("ROLLBACK").unwrap();
    drop(app);
    assert_ne!(std::fs::read(&copy).unwrap(), std::fs::read(world.path()).unwrap(), "the copy is not torn");

    let target = connect(copy.to_str().unwrap()).await.unwrap();
    assert!(!journal(&copy).exists());
    drop(target);
    std::fs::rename(&copy, world.path()).unwrap();
    assert_eq!(world.dump(), before);
}
