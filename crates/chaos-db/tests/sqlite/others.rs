//! Locks, reading load and settings on SQLite.

use std::time::{Duration, Instant};

use chaos_core::{Access, Fault, FaultError, RevertOutcome};
use chaos_db::faults::config_change::sqlite::ConfigChangeSqlite;
use chaos_db::faults::insert_load::sqlite::InsertLoadSqlite;
use chaos_db::faults::row_lock::sqlite::RowLockSqlite;
use chaos_db::faults::select_load::sqlite::SelectLoadSqlite;
use chaos_db::faults::table_lock::sqlite::TableLockSqlite;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::world::{Use, World, refused, step_context};

fn impatient(world: &World) -> Connection {
    let connection = world.app();
    connection.busy_timeout(Duration::ZERO).unwrap();
    connection
}

fn can_write(world: &World) -> bool {
    impatient(world).execute_batch("UPDATE strict_one SET amount = amount").is_ok()
}

fn can_read(world: &World) -> bool {
    impatient(world).query_row("SELECT count(*) FROM users", [], |_| Ok(())).is_ok()
}

#[tokio::test]
async fn a_lock_keeps_out_whom_it_says_and_ends_with_its_session() {
    for (journal, mode, readers) in [
        ("delete", "ACCESS EXCLUSIVE", true),
        ("delete", "EXCLUSIVE", false),
        ("delete", "SHARE", false),
        ("wal", "ACCESS EXCLUSIVE", false),
    ] {
        let world = World::shop().await;
        world.sql(&format!("PRAGMA journal_mode = {journal}"));
        let used = Use::prepare(TableLockSqlite, &world, 1, json!({"lock_mode": mode})).await.unwrap();
        let step = &used.steps[0];
        let claim = &used.fault.facts(step).claims[0];
        assert_eq!(claim.access, if readers { Access::BlockAll } else { Access::BlockWrites });
        assert!(claim.resource.starts_with("file /"), "{claim:?}");
        let cx = step_context();
        let mut session = used.fault.arm(&cx, &world.target, step).await.unwrap();
        assert!(can_write(&world), "{journal} {mode}: armed is not locked");
        used.fault.inject(&cx, &world.target, step, &mut session).await.unwrap();
        assert!(!can_write(&world), "{journal} {mode}");
        assert_eq!(can_read(&world), !readers, "{journal} {mode}");
        let measured = used.fault.finish(&cx, session).await.unwrap().unwrap();
        assert_eq!(measured.0["lock_kept"], true);
        assert!(can_write(&world) && can_read(&world), "{journal} {mode}");
        assert_eq!(used.revert(&world).await[0].outcome, RevertOutcome::AlreadyUndone);
    }
}

#[tokio::test]
async fn a_dropped_lock_is_gone_at_once_and_a_forgotten_one_at_its_deadline() {
    let world = World::shop().await;
    let used = Use::prepare(TableLockSqlite, &world, 1, json!({})).await.unwrap();
    let cx = step_context();
    let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
    used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap();
    drop(session);
    assert!(can_write(&world));

    let mut step = used.steps[0].clone();
    step.limit = Duration::from_millis(200);
    let mut session = used.fault.arm(&cx, &world.target, &step).await.unwrap();
    used.fault.inject(&cx, &world.target, &step, &mut session).await.unwrap();
    assert!(!can_write(&world));
    let until = Instant::now() + Duration::from_secs(5);
    while !can_write(&world) {
        assert!(Instant::now() < until, "the lock outlives its deadline");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(used.fault.finish(&cx, session).await.unwrap().unwrap().0["lock_kept"], false);
}

#[tokio::test]
async fn a_lock_that_somebody_holds_is_tried_again_and_never_waited_for() {
    let world = World::shop().await;
    let used = Use::prepare(TableLockSqlite, &world, 1, json!({"lock_mode": "exclusive"})).await.unwrap();
    let app = world.app();
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        app.execute_batch("COMMIT").unwrap();
    });
    let cx = step_context();
    let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
    let effect = used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap();
    assert!(effect.0["tries"].as_u64().unwrap() > 2, "{effect:?}");
    release.join().unwrap();
    drop(session);

    let app = world.app();
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
    cx.cancel.cancel();
    let error = used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap_err();
    assert!(matches!(error, FaultError::Cancelled), "{error:?}");
}

#[tokio::test]
async fn locks_that_sqlite_does_not_have_are_refused() {
    let world = World::shop().await;
    let found = refused(TableLockSqlite, &world, json!({"lock_mode": "ROW EXCLUSIVE"})).await;
    assert!(found.contains("no lock that lets writers in"), "{found}");
    let found = refused(RowLockSqlite, &world, json!({})).await;
    assert!(found.contains("it has no row locks"), "{found}");
}

#[tokio::test]
async fn a_lock_and_a_load_of_one_file_claim_the_same_resource() {
    let world = World::shop().await;
    let lock = Use::prepare(TableLockSqlite, &world, 1, json!({})).await.unwrap();
    let load = Use::prepare(InsertLoadSqlite, &world, 2, json!({})).await.unwrap();
    let (lock, load) = (lock.fault.facts(&lock.steps[0]), load.fault.facts(&load.steps[0]));
    assert_eq!(lock.claims[0].resource, load.claims[0].resource);
    assert!(lock.claims[0].access.blocks(load.claims[0].access));
}

async fn read(world: &World, params: Value, hold: Duration) -> Value {
    let used = Use::prepare(SelectLoadSqlite, world, 1, params).await.unwrap();
    let cx = step_context();
    let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
    used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap();
    tokio::time::sleep(hold).await;
    let measured = used.fault.finish(&cx, session).await.unwrap().unwrap();
    Value::Object(measured.0)
}

#[tokio::test]
async fn a_reading_load_runs_every_kind_of_query_and_changes_nothing() {
    let world = World::shop().await;
    let before = world.dump();
    let measured = read(&world, json!({"query_count": 300}), Duration::from_secs(2)).await;
    assert_eq!(
        (&measured["queries_done"], &measured["queries_failed"]),
        (&json!(300), &json!(0)),
        "{measured}"
    );
    for kind in ["lookup", "scan", "join", "sort", "aggregate"] {
        assert!(measured["kinds"][kind]["done"].as_u64().unwrap() > 0, "{kind}: {measured}");
    }
    assert!(measured["latency_ms"]["p99"].as_f64().unwrap() > 0.0, "{measured}");
    assert!(measured["rows"].as_u64().unwrap() > 300, "{measured}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn failed_queries_are_counted_as_failed() {
    let world = World::shop().await;
    let used =
        Use::prepare(SelectLoadSqlite, &world, 1, json!({"tables": ["strict_one"], "query_count": 20}))
            .await
            .unwrap();
    let cx = step_context();
    let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
    world.sql("DROP TABLE strict_one");
    used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let measured = used.fault.finish(&cx, session).await.unwrap().unwrap();
    assert_eq!(
        (&measured.0["queries_done"], &measured.0["queries_failed"]),
        (&json!(0), &json!(20)),
        "{measured:?}"
    );
    assert!(
        measured.0["kinds"]["scan"]["first_error"].as_str().unwrap().contains("no such table"),
        "{measured:?}"
    );
}

#[tokio::test]
async fn a_slow_query_is_ended_at_its_limit_and_a_rate_is_kept() {
    let world = World::new(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO big SELECT value, hex(randomblob(50))
         FROM generate_series(1, 400000)",
    )
    .await;
    let slow = json!({"query_count": 4, "statement_timeout": "1ms", "connections": 1});
    let measured = read(&world, slow, Duration::from_secs(1)).await;
    assert!(measured["queries_failed"].as_u64().unwrap() > 0, "{measured}");
    assert!(measured.to_string().contains("ended after 1 ms"), "{measured}");
    let paced = json!({"query_count": 1000, "rate": 10});
    let started = Instant::now();
    let measured = read(&world, paced, Duration::from_millis(500)).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    let done = measured["queries_done"].as_u64().unwrap();
    assert!((2..=9).contains(&done), "{measured}");
}

#[tokio::test]
async fn settings_are_changed_read_back_and_put_back() {
    let world = World::shop().await;
    world.sql("PRAGMA user_version = 7");
    let before = world.dump();
    let params = json!({"changes": [{"param": "user_version", "value": 99}, {"param": "application_id", "value": "-5"},
        {"param": "journal_mode", "value": "wal"}]});
    let used = Use::prepare(ConfigChangeSqlite, &world, 1, params).await.unwrap();
    assert_eq!(used.revert(&world).await[0].outcome, RevertOutcome::NothingToDo);
    used.inject(&world).await.unwrap();
    assert_eq!(world.value("PRAGMA user_version"), "Integer(99)");
    assert_eq!(world.value("PRAGMA application_id"), "Integer(-5)");
    assert_eq!(world.value("PRAGMA journal_mode"), "Text(\"wal\")");
    assert!(used.revert(&world).await.iter().all(|reverted| reverted.outcome == RevertOutcome::Restored));
    assert_eq!(world.value("PRAGMA user_version"), "Integer(7)");
    assert_eq!(world.value("PRAGMA journal_mode"), "Text(\"delete\")");
    assert_eq!(world.dump(), before);
    assert!(used.revert(&world).await.iter().all(|reverted| reverted.outcome == RevertOutcome::NothingToDo));
}

#[tokio::test]
async fn a_setting_that_someone_else_changed_is_a_conflict() {
    let world = World::shop().await;
    let params = json!({"changes": [{"param": "user_version", "value": 99}]});
    let used = Use::prepare(ConfigChangeSqlite, &world, 1, params).await.unwrap();
    used.inject(&world).await.unwrap();
    world.sql("PRAGMA user_version = 100");
    let reverted = &used.revert(&world).await[0];
    assert_eq!(reverted.conflicts_total, 1);
    assert!(reverted.conflicts[0].found.contains("to `100`"), "{reverted:?}");
    assert_eq!(world.value("PRAGMA user_version"), "Integer(100)");
}
