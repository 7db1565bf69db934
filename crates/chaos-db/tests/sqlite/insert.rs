//! `db.insert_load`: rows come and go, and nothing else does.

use chaos_core::{Fault, FaultError, RevertOutcome, StepContext};
use chaos_db::faults::insert_load::sqlite::InsertLoadSqlite;
use serde_json::json;

use crate::world::{Use, World, refused, step_context};

async fn load(world: &World, number: u32, rows: u64) -> Use<InsertLoadSqlite> {
    load_tables(world, number, rows, &[]).await
}

async fn load_tables(world: &World, number: u32, rows: u64, tables: &[&str]) -> Use<InsertLoadSqlite> {
    let params = json!({"rows_per_table": rows, "tables": tables});
    let used = Use::prepare(InsertLoadSqlite, world, number, params).await.unwrap();
    used.inject(world).await.unwrap();
    used
}

#[tokio::test]
async fn every_table_gets_its_rows_and_loses_exactly_them() {
    for journal in ["delete", "wal"] {
        let world = World::shop().await;
        world.sql(&format!("PRAGMA journal_mode = {journal}"));
        let before = world.dump();
        let used = load(&world, 1, 500).await;
        assert_eq!((world.count("users"), world.count("orders")), (700, 700));
        assert_eq!((world.count("\"odd \"\"name\""), world.count("strict_one")), (600, 550));
        let reverted = used.revert(&world).await;
        assert!(reverted.iter().all(|reverted| reverted.outcome == RevertOutcome::Restored), "{reverted:?}");
        assert_eq!(reverted[0].effect.0["rows"], 500);
        assert_eq!(world.dump(), before, "{journal}");
    }
}

#[tokio::test]
async fn a_prepare_changes_nothing_and_a_revert_without_an_inject_or_twice_does_nothing() {
    let world = World::shop().await;
    let before = world.dump();
    let used = Use::prepare(InsertLoadSqlite, &world, 1, json!({})).await.unwrap();
    assert_eq!(world.dump(), before);
    let reverted = used.revert(&world).await;
    assert!(reverted.iter().all(|reverted| reverted.outcome == RevertOutcome::NothingToDo));
    used.inject(&world).await.unwrap();
    used.revert(&world).await;
    let again = used.revert(&world).await;
    assert!(again.iter().all(|reverted| reverted.outcome == RevertOutcome::NothingToDo));
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_row_changed_or_referred_to_by_someone_else_is_left_and_reported_until_accepted() {
    let world = World::shop().await;
    let used = load_tables(&world, 1, 10, &["users"]).await;
    let first: i64 = 201;
    world.sql(&format!("UPDATE users SET score = 5 WHERE id = {first}"));
    world.sql(&format!("INSERT INTO orders (user_id, total) VALUES ({}, 7)", first + 1));
    world.sql(&format!("DELETE FROM users WHERE id = {}", first + 2));
    for _ in 0..2 {
        let reverted = used.revert(&world).await;
        let users = reverted.last().unwrap();
        assert_eq!(users.conflicts_total, 2, "{users:?}");
        assert_eq!(users.conflicts[0].what, "row (id)=(201) of main.users");
        assert!(users.conflicts[0].found.starts_with("changed since"), "{users:?}");
        assert!(users.conflicts[1].found.starts_with("rows of others refer"), "{users:?}");
    }
    assert_eq!(world.count("users"), 202);
    assert_eq!(world.value("SELECT user_id FROM orders ORDER BY id DESC LIMIT 1"), "Integer(202)");
    used.accept(&world).await;
    assert!(!world.dump().iter().any(|line| line.contains("chaos_")));
    assert_eq!(world.count("users"), 202);
}

#[tokio::test]
async fn a_change_that_only_type_or_case_shows_is_seen() {
    let world = World::shop().await;
    let used = load(&world, 1, 4).await;
    world.sql("UPDATE \"odd \"\"name\" SET \"select\" = upper(\"select\") WHERE \"a b\" = (SELECT max(\"a b\") FROM \"odd \"\"name\")");
    world.sql(
        "UPDATE strict_one SET free = CAST(free AS BLOB) WHERE rowid = (SELECT max(rowid) FROM strict_one)",
    );
    let reverted = used.revert(&world).await;
    let conflicts: u64 = reverted.iter().map(|reverted| reverted.conflicts_total).sum();
    assert_eq!(conflicts, 2, "{reverted:?}");
}

#[tokio::test]
async fn two_loads_at_once_each_undo_their_own_in_any_order() {
    for newest_first in [true, false] {
        let world = World::shop().await;
        let before = world.dump();
        let (one, two) = (load(&world, 1, 50).await, load(&world, 2, 50).await);
        assert_eq!(world.count("users"), 300);
        let order = if newest_first { [&two, &one] } else { [&one, &two] };
        for used in order {
            let reverted = used.revert(&world).await;
            assert!(reverted.iter().all(|reverted| reverted.conflicts_total == 0), "{reverted:?}");
        }
        assert_eq!(world.dump(), before, "newest first: {newest_first}");
    }
}

#[tokio::test]
async fn a_sequence_that_others_moved_on_stays_and_is_noted() {
    let world = World::shop().await;
    let used = load_tables(&world, 1, 10, &["users"]).await;
    world.sql("INSERT INTO users (email) VALUES ('new@example.com')");
    let reverted = used.revert(&world).await;
    assert!(reverted.last().unwrap().notes[0].contains("moved on to 211"), "{reverted:?}");
    assert_eq!(world.count("users"), 201);
    assert_eq!(world.value("SELECT seq FROM sqlite_sequence WHERE name = 'users'"), "Integer(211)");
}

#[tokio::test]
async fn what_could_not_be_undone_is_refused_with_its_reason() {
    for (sql, why) in [
        ("CREATE TABLE t (a TEXT)", "neither a primary key nor"),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END",
            "triggers `tr` would fire",
        ),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE UNIQUE INDEX i ON t (lower(b))",
            "over an expression",
        ),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b CHECK (b GLOB 'x*'))", "a check constraint"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY CHECK (a < 10))", "no free range of numbers"),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (9223372036854775807)",
            "the largest that there is",
        ),
        (
            "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL REFERENCES p)",
            "has none to offer",
        ),
    ] {
        let world = World::new(sql).await;
        let before = world.dump();
        let found = refused(InsertLoadSqlite, &world, json!({"tables": ["t"]})).await;
        assert!(found.contains(why), "{sql}: {found}");
        assert_eq!(world.dump(), before);
    }
    let world = World::shop().await;
    let found = refused(InsertLoadSqlite, &world, json!({"tables": ["user"]})).await;
    assert!(found.contains("did you mean `main.users`?"), "{found}");
    let found = refused(InsertLoadSqlite, &world, json!({"rows_per_table": 100_000_000})).await;
    assert!(found.contains("MiB are needed"), "{found}");
}

#[tokio::test]
async fn a_table_that_was_changed_after_the_plan_is_not_touched() {
    for change in [
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN extra",
        "CREATE TRIGGER tr AFTER INSERT ON orders BEGIN SELECT 1; END",
    ] {
        let world = World::shop().await;
        let used = Use::prepare(InsertLoadSqlite, &world, 1, json!({"tables": ["orders"]})).await.unwrap();
        world.sql(change);
        let before = world.dump();
        let error = used.inject(&world).await.unwrap_err();
        assert!(error.to_string().contains("changed since the plan"), "{error}");
        assert_eq!(world.dump(), before);
    }
}

#[tokio::test]
async fn a_table_dropped_in_the_hold_is_a_conflict_and_not_an_error() {
    let world = World::shop().await;
    let used = load(&world, 1, 10).await;
    world.sql("DROP TABLE orders");
    let reverted = used.revert(&world).await;
    assert_eq!(reverted.iter().map(|reverted| reverted.conflicts_total).sum::<u64>(), 10);
    used.accept(&world).await;
    assert_eq!(world.count("users"), 200);
}

#[tokio::test]
async fn keys_of_every_shape_get_their_rows() {
    let world = World::new(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO parents SELECT value, 'n' FROM generate_series(1, 60);
         CREATE TABLE profiles (parent_id INTEGER PRIMARY KEY REFERENCES parents ON DELETE SET NULL, bio TEXT);
         INSERT INTO profiles SELECT value, 'b' FROM generate_series(1, 20);
         CREATE TABLE links (a INTEGER REFERENCES parents, b INTEGER REFERENCES parents, PRIMARY KEY (a, b)) WITHOUT ROWID;
         INSERT INTO links VALUES (1, 2);
         CREATE TABLE tree (id TEXT PRIMARY KEY COLLATE NOCASE, up TEXT REFERENCES tree);
         INSERT INTO tree VALUES ('root', NULL);
         CREATE TABLE blobs (id BLOB PRIMARY KEY NOT NULL, at DATETIME, day DATE, UNIQUE (at, day));
         CREATE TABLE replacing (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, code VARCHAR(9) UNIQUE ON CONFLICT IGNORE);
         CREATE TABLE by_code (code CHAR(12) NOT NULL UNIQUE, price NUMERIC, flag BOOLEAN CHECK (flag IN (0, 1)));",
    )
    .await;
    let before = world.dump();
    let used = load(&world, 1, 30).await;
    assert_eq!(used.steps.len(), 7);
    for (table, rows) in [
        ("parents", 90),
        ("profiles", 50),
        ("links", 31),
        ("tree", 31),
        ("blobs", 30),
        ("replacing", 30),
        ("by_code", 30),
    ] {
        assert_eq!(world.count(table), rows, "{table}");
    }
    assert_eq!(
        world.value("SELECT count(*) FROM by_code WHERE typeof(flag) NOT IN ('integer', 'null')"),
        "Integer(0)"
    );
    let reverted = used.revert(&world).await;
    assert!(reverted.iter().all(|reverted| reverted.effect.0["rows"] == 30), "{reverted:?}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_file_that_may_only_be_read_takes_no_rows() {
    let world = World::shop().await;
    let url = format!("sqlite://{}?mode=ro", world.path().display());
    let target = crate::world::connect(&url).await.unwrap();
    let params = serde_json::from_value(json!({})).unwrap();
    let prepared = InsertLoadSqlite.prepare(&crate::world::prepare_context(1), &target, params).await;
    let error = prepared.unwrap_err();
    assert!(matches!(error, FaultError::Preflight(_)), "{error:?}");
    assert!(error.chain().contains("mode=ro"), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_side_by_side_wait_for_each_other() {
    let world = World::shop().await;
    let before = world.dump();
    let prepare = |number| Use::prepare(InsertLoadSqlite, &world, number, json!({"rows_per_table": 3000}));
    let uses = [prepare(1).await.unwrap(), prepare(2).await.unwrap(), prepare(3).await.unwrap()];
    let injected = futures::future::join_all(uses.iter().map(|used| used.inject(&world))).await;
    assert!(injected.iter().all(Result::is_ok), "{injected:?}");
    let reverted = futures::future::join_all(uses.iter().map(|used| used.revert(&world))).await;
    assert!(reverted.iter().flatten().all(|reverted| reverted.conflicts_total == 0), "{reverted:?}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_cancelled_load_leaves_nothing() {
    let world = World::shop().await;
    let before = world.dump();
    let used =
        Use::prepare(InsertLoadSqlite, &world, 1, json!({"rows_per_table": 200_000, "tables": ["users"]}))
            .await
            .unwrap();
    let cx = step_context();
    let cancel = cx.cancel.clone();
    let stop = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        cancel.cancel();
    });
    let error = {
        let mut session = used.fault.arm(&cx, &world.target, &used.steps[0]).await.unwrap();
        used.fault.inject(&cx, &world.target, &used.steps[0], &mut session).await.unwrap_err()
    };
    stop.await.unwrap();
    assert!(matches!(error, FaultError::Cancelled), "{error:?}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_load_whose_helper_was_removed_is_not_called_undone() {
    let world = World::shop().await;
    let used = load_tables(&world, 1, 10, &["users"]).await;
    let helper = &used.steps[0].helper.name;
    world.sql(&format!("DROP TABLE {helper}_about; DROP TABLE {helper}_rows"));
    let cx = StepContext { has_acted: true, ..step_context() };
    let reverted = used.fault.revert(&cx, &world.target, &used.steps[0]).await.unwrap();
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert!(reverted.conflicts[0].what.contains(helper), "{reverted:?}");
    assert_eq!(world.count("users"), 210);
}

#[tokio::test]
async fn an_undo_does_not_fire_triggers_or_cascades_made_since() {
    let world = World::shop().await;
    let used = load(&world, 1, 10).await;
    world.sql("CREATE TRIGGER tr AFTER DELETE ON users BEGIN DELETE FROM strict_one; END");
    let reverted = used.revert(&world).await;
    assert!(reverted.iter().all(|reverted| reverted.conflicts_total == 0));
    assert_eq!(world.count("strict_one"), 50);
}
