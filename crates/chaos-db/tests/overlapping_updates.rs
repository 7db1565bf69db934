//! Loads of `db.update_load` on one table at the same time: each puts back its own, nobody is left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is off"
)]

mod common;
#[path = "worlds/sqlite.rs"]
mod files;
#[path = "worlds/observer.rs"]
mod observer;
#[path = "worlds/postgres.rs"]
mod postgres;
#[path = "sqlite/world.rs"]
#[allow(dead_code, reason = "shared with tests that use other parts")]
mod shop;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use chaos_core::{Connector, Fault, PrepareContext, RevertOutcome};
use chaos_db::config::{DbConfig, DbType};
use chaos_db::faults::on_database::OnDatabase;
use chaos_db::faults::update_load::UpdateLoad;
use chaos_db::{DbConnector, DbTarget};
use chaos_testkit::World;
use common::{prepare_context, step_context};
use serde_json::json;

type Load = OnDatabase<UpdateLoad>;
type Step = <Load as Fault>::Step;

/// Half of the table, nearly: two loads that choose for themselves are bound to want the same rows.
const ROWS: u64 = 90;
/// Tells a process of ours which run it is, and where its world is.
const RUN: &str = "CHAOS_TEST_RUN";
/// How long one process waits for the other.
const OTHER_MAX: Duration = Duration::from_secs(60);

async fn prepare(cx: &PrepareContext, target: &DbTarget) -> Vec<Step> {
    let params = serde_json::from_value(json!({"rows": ROWS, "tables": ["users"]})).unwrap();
    let steps = Load::default().prepare(cx, target, params).await;
    steps.unwrap_or_else(|error| panic!("{}", error.chain()))
}

async fn inject(cx: &PrepareContext, target: &DbTarget, steps: &[Step]) {
    let cx = step_context(cx);
    for step in steps {
        let mut session = Load::default().arm(&cx, target, step).await.unwrap();
        let effect = Load::default().inject(&cx, target, step, &mut session).await;
        let effect = effect.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(effect.0["rows"], ROWS, "{step}");
    }
}

async fn undo(cx: &PrepareContext, target: &DbTarget, steps: &[Step]) {
    let cx = step_context(cx);
    for step in steps.iter().rev() {
        let reverted = Load::default().revert(&cx, target, step).await;
        let reverted = reverted.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(reverted.conflicts, [], "{step}");
        assert_eq!((reverted.outcome, &reverted.effect.0["rows"]), (RevertOutcome::Restored, &json!(ROWS)));
        Load::default().disarm(&cx, target, step).await.unwrap();
    }
}

/// `count: 2`: both uses are prepared before the first one acts, with names and seeds of their own.
async fn both_uses_of_one_run_restore<W: World<Target = DbTarget>>(prototype: W) {
    if !prototype.is_there().await {
        return;
    }
    let world = prototype.fresh().await;
    let before = world.snapshot().await;
    let target = world.connect().await;
    let first = prepare_context(1);
    let second = PrepareContext { use_number: 2, seed: first.seed + 1, ..first.clone() };
    let steps = [prepare(&first, &target).await, prepare(&second, &target).await];
    inject(&first, &target, &steps[0]).await;
    inject(&second, &target, &steps[1]).await;
    assert_ne!(world.snapshot().await, before);
    undo(&second, &target, &steps[1]).await;
    undo(&first, &target, &steps[0]).await;
    assert_eq!(world.snapshot().await, before);
    drop(target);
    world.remove().await;
}

#[tokio::test]
async fn both_uses_of_one_run_restore_on_postgres() {
    both_uses_of_one_run_restore(postgres::Shop::new()).await;
}

#[tokio::test]
async fn both_uses_of_one_run_restore_on_sqlite() {
    both_uses_of_one_run_restore(files::Shop::in_mode("delete")).await;
}

/// Starts two processes that inject at once, hold until both have acted, and undo at once.
async fn two_processes_restore<W: World<Target = DbTarget>>(prototype: W, config: impl Fn(&W) -> DbConfig) {
    if !prototype.is_there().await {
        return;
    }
    let world = prototype.fresh().await;
    let before = world.snapshot().await;
    let folder = tempfile::tempdir().unwrap();
    let process = |number: u32| {
        let DbConfig { connection_url, db_type, .. } = config(&world);
        let db_type = format!("{db_type:?}").to_lowercase();
        let order =
            json!({"number": number, "folder": folder.path(), "url": connection_url, "db_type": db_type});
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "be_one_of_two_runs", "--ignored"]).env(RUN, order.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for process in [process(1), process(2)] {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "a run failed: {}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(folder.path().join("run-2-undone").exists(), "the runs really ran");
    assert_eq!(world.snapshot().await, before);
    world.remove().await;
}

#[tokio::test]
async fn two_processes_at_once_restore_on_postgres() {
    two_processes_restore(postgres::Shop::new(), postgres::Shop::config).await;
}

#[tokio::test]
async fn two_processes_at_once_restore_on_sqlite() {
    two_processes_restore(files::Shop::in_mode("delete"), files::Shop::config).await;
}

#[tokio::test]
async fn two_processes_at_once_restore_on_sqlite_with_wal() {
    two_processes_restore(files::Shop::in_mode("wal"), files::Shop::config).await;
}

#[tokio::test]
#[ignore = "is one of the processes that other tests start"]
async fn be_one_of_two_runs() {
    let Ok(order) = std::env::var(RUN) else { return };
    let order: serde_json::Value = serde_json::from_str(&order).unwrap();
    let number = u32::try_from(order["number"].as_u64().unwrap()).unwrap();
    let folder = Path::new(order["folder"].as_str().unwrap());
    let config = DbConfig {
        connection_url: order["url"].as_str().unwrap().to_owned(),
        db_type: if order["db_type"] == "sqlite" { DbType::Sqlite } else { DbType::Postgres },
        schemas: Vec::new(),
    };
    let target = DbConnector.connect(config).await.unwrap();
    let cx = PrepareContext { use_number: 1, ..prepare_context(number) };
    let steps = prepare(&cx, &target).await;
    meet(folder, number, "prepared").await;
    inject(&cx, &target, &steps).await;
    meet(folder, number, "injected").await;
    undo(&cx, &target, &steps).await;
    std::fs::write(folder.join(format!("run-{number}-undone")), "").unwrap();
}

/// Waits until both processes have come this far.
async fn meet(folder: &Path, number: u32, place: &str) {
    std::fs::write(folder.join(format!("run-{number}-{place}")), "").unwrap();
    let other = folder.join(format!("run-{}-{place}", 3 - number));
    let waited = tokio::time::timeout(OTHER_MAX, async {
        while !other.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the other process comes this far too");
}
