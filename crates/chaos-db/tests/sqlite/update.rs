//! `db.update_load`: rows change and come back, byte by byte.

use chaos_core::RevertOutcome;
use chaos_db::faults::insert_load::sqlite::InsertLoadSqlite;
use chaos_db::faults::update_load::sqlite::UpdateLoadSqlite;
use serde_json::json;

use crate::world::{Use, World, refused};

async fn load(world: &World, number: u32, params: serde_json::Value) -> Use<UpdateLoadSqlite> {
    let used = Use::prepare(UpdateLoadSqlite, world, number, params).await.unwrap();
    used.inject(world).await.unwrap();
    used
}

/// How many lines two dumps do not share, helper tables left out.
fn differences(before: &[String], after: &[String]) -> usize {
    before.iter().filter(|line| !after.contains(line)).count()
}

#[tokio::test]
async fn every_table_is_changed_and_comes_back_exactly() {
    for journal in ["delete", "wal"] {
        let world = World::shop().await;
        world.sql(&format!("PRAGMA journal_mode = {journal}"));
        let before = world.dump();
        let used = load(&world, 1, json!({"rows": 50})).await;
        assert_eq!(used.steps.len(), 4);
        assert_eq!(differences(&before, &world.dump()), 4 * 50);
        let reverted = used.revert(&world).await;
        assert!(reverted.iter().all(|reverted| reverted.effect.0["rows"] == 50), "{reverted:?}");
        assert_eq!(world.dump(), before, "{journal}");
        let again = used.revert(&world).await;
        assert!(again.iter().all(|reverted| reverted.outcome == RevertOutcome::NothingToDo));
    }
}

#[tokio::test]
async fn nulls_quotes_blobs_and_text_that_is_no_unicode_come_back() {
    let world = World::new(
        "CREATE TABLE t (a TEXT, b INTEGER, v, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('1', 1, NULL), ('2', 1, 1),
         ('3', 1, 1.0), ('4', 1, '1'), ('5', 1, x'31'), ('6', 1, ''' WHERE true --'), ('7', 1, CAST(x'ff00fe' AS TEXT)),
         ('8', 1, 9223372036854775807), ('9', 1, -0.0), ('10', 1, 9e999), ('11', 1, ''), ('12', 1, 'e' || char(0) || 'f');",
    )
    .await;
    let bytes = || {
        let connection = world.app();
        let mut statement =
            connection.prepare("SELECT a, typeof(v), hex(CAST(v AS BLOB)) FROM t ORDER BY 1").unwrap();
        let rows = statement.query_map([], |row| {
            Ok([row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?.unwrap_or_default()])
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    let before = bytes();
    let used = load(&world, 1, json!({})).await;
    let changed = bytes();
    assert!(before.iter().zip(&changed).all(|(before, after)| before != after), "{changed:?}");
    used.revert(&world).await;
    assert_eq!(bytes(), before);
}

#[tokio::test]
async fn a_row_changed_or_deleted_by_someone_else_is_left_and_reported_until_accepted() {
    let world = World::shop().await;
    let used = load(&world, 1, json!({"rows": 200, "tables": ["users"]})).await;
    world.sql("UPDATE users SET score = 77 WHERE id = 5; UPDATE users SET name = name || '!' WHERE id = 6");
    world.sql("DELETE FROM orders WHERE user_id = 7; DELETE FROM users WHERE id = 7");
    for _ in 0..2 {
        let reverted = &used.revert(&world).await[0];
        assert_eq!(reverted.conflicts_total, 3, "{reverted:?}");
        assert!(reverted.conflicts[2].found.starts_with("deleted since"), "{reverted:?}");
    }
    assert_eq!(world.value("SELECT score FROM users WHERE id = 5"), "Real(77.0)");
    assert_eq!(world.value("SELECT name FROM users WHERE id = 8"), "Text(\"O'Brien 8\")");
    used.accept(&world).await;
    assert!(!world.dump().iter().any(|line| line.contains("chaos_")));
    assert_eq!(world.count("users"), 199);
}

#[tokio::test]
async fn a_row_that_someone_else_put_back_is_no_conflict() {
    let world = World::shop().await;
    let before = world.dump();
    let name = "SELECT name FROM users WHERE id = 10";
    assert_eq!(world.value(name), "Text(\"O'Brien 10\")");
    let used = load(&world, 1, json!({"rows": 200, "tables": ["users"], "columns": ["name"]})).await;
    assert_ne!(world.value(name), "Text(\"O'Brien 10\")");
    world.sql("UPDATE users SET name = 'O''Brien 10' WHERE id = 10");
    let reverted = &used.revert(&world).await[0];
    assert_eq!((reverted.conflicts_total, &reverted.effect.0["rows"]), (0, &json!(199)), "{reverted:?}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn two_loads_at_once_never_take_the_same_row_and_undo_in_any_order() {
    for newest_first in [true, false] {
        let world = World::shop().await;
        let before = world.dump();
        let params = json!({"rows": 90, "tables": ["users", "odd \"name"]});
        let one = Use::prepare(UpdateLoadSqlite, &world, 1, params.clone()).await.unwrap();
        let two = Use::prepare(UpdateLoadSqlite, &world, 2, params).await.unwrap();
        one.inject(&world).await.unwrap();
        let effects = two.inject(&world).await.unwrap();
        assert_eq!((&effects[0].0["rows"], &effects[1].0["rows"]), (&json!(90), &json!(10)));
        let order = if newest_first { [&two, &one] } else { [&one, &two] };
        for used in order {
            let reverted = used.revert(&world).await;
            assert!(reverted.iter().all(|reverted| reverted.conflicts_total == 0), "{reverted:?}");
        }
        assert_eq!(world.dump(), before);
    }
}

#[tokio::test]
async fn rows_under_change_may_be_parents_of_inserted_rows_and_inserted_rows_are_not_changed() {
    let world = World::shop().await;
    let before = world.dump();
    let update = load(&world, 1, json!({"rows": 200, "tables": ["users"]})).await;
    let params = json!({"rows_per_table": 30, "tables": ["users", "orders"]});
    let insert = Use::prepare(InsertLoadSqlite, &world, 2, params).await.unwrap();
    insert.inject(&world).await.unwrap();
    assert_eq!(world.value("SELECT count(*) FROM orders WHERE user_id > 200"), "Integer(0)");
    let more =
        Use::prepare(UpdateLoadSqlite, &world, 3, json!({"rows": 900, "tables": ["orders"]})).await.unwrap();
    assert_eq!(more.inject(&world).await.unwrap()[0].0["rows"], 200);
    let all = [update.revert(&world).await, more.revert(&world).await, insert.revert(&world).await];
    assert!(all.iter().flatten().all(|reverted| reverted.conflicts_total == 0), "{all:?}");
    assert_eq!(world.dump(), before);
}

#[tokio::test]
async fn a_table_of_very_many_columns_is_compared_too() {
    let columns: Vec<String> = (0..1_500).map(|number| format!("c{number} INTEGER")).collect();
    let world = World::new(&format!(
        "CREATE TABLE wide (id INTEGER PRIMARY KEY, {}); INSERT INTO wide (id) VALUES (1), (2), (3)",
        columns.join(", ")
    ))
    .await;
    let before = world.value("SELECT count(*) FROM wide WHERE c0 IS NULL AND c1 IS NULL");
    let params = json!({"rows_per_table": 5});
    let insert = Use::prepare(InsertLoadSqlite, &world, 1, params).await.unwrap();
    insert.inject(&world).await.unwrap();
    let update = load(&world, 2, json!({"rows": 2})).await;
    assert_eq!(update.revert(&world).await[0].effect.0["rows"], 2);
    assert_eq!(insert.revert(&world).await[0].effect.0["rows"], 5);
    assert_eq!(world.value("SELECT count(*) FROM wide WHERE c0 IS NULL AND c1 IS NULL"), before);
}

#[tokio::test]
async fn the_same_seed_takes_the_same_rows_and_they_are_spread() {
    let mut dumps = Vec::new();
    for _ in 0..2 {
        let world = World::shop().await;
        load(&world, 1, json!({"rows": 20, "tables": ["users"], "columns": ["name"]})).await;
        dumps.push(world.dump());
        let changed = world.value("SELECT count(*) FROM users WHERE name LIKE 'x%' AND id > 100");
        assert_ne!(changed, "Integer(0)");
        assert_ne!(changed, "Integer(20)");
    }
    assert_eq!(dumps[0], dumps[1]);
}

#[tokio::test]
async fn what_could_not_be_undone_is_refused_with_its_reason() {
    let world = World::shop().await;
    for (params, why) in [
        (json!({"tables": ["users"], "columns": ["email"]}), "`email` is part of a unique key"),
        (json!({"tables": ["users"], "columns": ["id"]}), "`id` is part of the primary key"),
        (json!({"tables": ["users"], "columns": ["status"]}), "`status` stands in a check constraint"),
        (json!({"tables": ["orders"], "columns": ["doubled"]}), "`doubled` is computed"),
        (json!({"tables": ["orders"], "columns": ["user_id"]}), "`user_id` is part of a foreign key"),
        (json!({"tables": ["orders"], "columns": ["nmae"]}), "no column `nmae`"),
    ] {
        let found = refused(UpdateLoadSqlite, &world, params).await;
        assert!(found.contains(why), "{found}");
    }
    let world = World::new(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 2);
         CREATE TRIGGER tr BEFORE UPDATE ON t BEGIN SELECT 1; END; CREATE TABLE empty (a INTEGER PRIMARY KEY, b);
         CREATE TABLE part (a INTEGER PRIMARY KEY, b, c); CREATE UNIQUE INDEX i ON part (a) WHERE c = 1;
         INSERT INTO part VALUES (1, 2, 3)",
    )
    .await;
    assert!(refused(UpdateLoadSqlite, &world, json!({"tables": ["t"]})).await.contains("triggers `tr`"));
    assert!(refused(UpdateLoadSqlite, &world, json!({"tables": ["empty"]})).await.contains("no rows"));
    let unnamed = Use::prepare(UpdateLoadSqlite, &world, 1, json!({})).await.unwrap();
    let line = unnamed.steps[0].to_string();
    assert!(line.starts_with("change `b` in 100 random rows of `main.part` (left out: "), "{line}");
    assert!(line.contains("triggers `tr`") && line.contains("no rows"), "{line}");
}

#[tokio::test]
async fn an_undo_survives_a_vacuum_and_triggers_made_since() {
    let world = World::shop().await;
    let before = world.dump();
    let used = load(&world, 1, json!({"rows": 40})).await;
    world.sql("CREATE TRIGGER tr AFTER UPDATE ON users BEGIN DELETE FROM strict_one; END; VACUUM");
    used.revert(&world).await;
    world.sql("DROP TRIGGER tr");
    assert_eq!(world.dump(), before);
}
