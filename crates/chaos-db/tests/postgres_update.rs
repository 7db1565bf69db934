//! `db.update_load` on a real PostgreSQL: what comes back, and what does not.

mod common;
mod update_common;

use chaos_core::{Fault, FaultError, RevertOutcome, Reverted};
use chaos_db::faults::insert_load::postgres::InsertLoadPostgres;
use common::{Scratch, prepare_context, step_context};
use serde_json::json;
use update_common::{FAULT, Load, SHOP};

#[tokio::test]
async fn every_row_of_a_load_comes_back() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 25, "tables": ["users"]})).await;
    assert_eq!(load.effects[0].0["rows"], 25);
    let changed =
        "SELECT count(*) FROM users u JOIN users_before b USING (id) WHERE u.* IS DISTINCT FROM b.*";
    assert_eq!(scratch.value(changed).await, "25");

    let reverted = load.revert(&scratch).await.unwrap().remove(0);
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0));
    assert_eq!(reverted.effect.0["rows"], 25);
    load.disarm(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn more_rows_than_there_are_change_the_whole_table_and_say_so() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 5000, "tables": ["users"]})).await;
    assert_eq!(load.effects[0].0["rows"], 1000);
    assert_eq!(load.effects[0].0["rows_asked"], 5000);
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn without_names_several_tables_change_and_those_left_out_are_named() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load = Load::injected(&scratch, 1, json!({"rows": 10})).await;
    let lines: Vec<String> = load.steps.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("left out") && lines[0].contains("`public.audited`"), "{}", lines[0]);
    assert!(lines[0].contains("`public.nokey` has no primary key"), "{}", lines[0]);
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_row_changed_by_someone_else_is_not_overwritten() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load = Load::injected(&scratch, 1, json!({"rows": 1000, "tables": ["users"]})).await;
    scratch.run("UPDATE users SET name = 'theirs' WHERE id = 7; DELETE FROM users WHERE id = 900").await;
    // Content alone would not show this one: the row is as we left it, but was written since.
    scratch.run("UPDATE users SET name = name WHERE id = 11").await;
    let theirs = scratch.value("SELECT u::text FROM users u WHERE id = 7").await;

    let first = load.revert(&scratch).await.unwrap().remove(0);
    check_conflicts(&first, RevertOutcome::Restored);
    assert_eq!(scratch.value("SELECT u::text FROM users u WHERE id = 7").await, theirs);
    assert_eq!(first.effect.0["rows"], 997);
    let second = load.revert(&scratch).await.unwrap().remove(0);
    check_conflicts(&second, RevertOutcome::NothingToDo);
    load.disarm(&scratch).await;

    let same =
        "SELECT count(*) FROM users u JOIN users_before b USING (id) WHERE u.* IS NOT DISTINCT FROM b.*";
    assert_eq!(scratch.value(same).await, "997");
    assert!(!scratch.checksum().await.contains("schema chaos_"));
    scratch.drop().await;
}

fn check_conflicts(reverted: &Reverted, outcome: RevertOutcome) {
    assert_eq!((reverted.outcome, reverted.conflicts_total), (outcome, 3));
    let mut said: Vec<String> =
        reverted.conflicts.iter().map(|conflict| format!("{}: {}", conflict.what, conflict.found)).collect();
    said.sort();
    assert_eq!(
        said,
        [
            "row (id)=(11) of public.users: changed since by somebody else, left as it is",
            "row (id)=(7) of public.users: changed since by somebody else, left as it is",
            "row (id)=(900) of public.users: deleted since by somebody else",
        ]
    );
}

#[tokio::test]
async fn a_row_that_somebody_set_back_is_no_conflict() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load =
        Load::injected(&scratch, 1, json!({"rows": 1000, "tables": ["users"], "columns": ["name"]})).await;
    scratch.run("UPDATE users u SET name = b.name FROM users_before b WHERE b.id = u.id AND u.id <= 2").await;
    let reverted = load.revert(&scratch).await.unwrap().remove(0);
    assert_eq!(reverted.conflicts_total, 0);
    assert!(reverted.notes[0].contains("2 rows"), "{:?}", reverted.notes);
    load.disarm(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn two_loads_on_one_table_never_take_the_same_row() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let params = json!({"rows": 600, "tables": ["users"]});
    let (first, second) =
        tokio::join!(Load::injected(&scratch, 1, params.clone()), Load::injected(&scratch, 2, params));
    let rows = |load: &Load| load.effects[0].0["rows"].as_u64().unwrap();
    assert_eq!(rows(&first) + rows(&second), 1000);
    // In the order in which they came, which is the harder one.
    first.undo_all(&scratch).await;
    second.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn rows_that_an_insert_load_made_are_left_to_it() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let insert = InsertLoadPostgres;
    let prepare = prepare_context(7);
    let given = serde_json::from_value(json!({"rows_per_table": 200, "tables": ["users"]})).unwrap();
    let steps = insert.prepare(&prepare, &scratch.target, given).await.unwrap();
    let cx = step_context(&prepare);
    let mut session = insert.arm(&cx, &scratch.target, &steps[0]).await.unwrap();
    insert.inject(&cx, &scratch.target, &steps[0], &mut session).await.unwrap();
    drop(session);

    let load = Load::injected(&scratch, 1, json!({"rows": 5000, "tables": ["users"]})).await;
    assert_eq!(load.effects[0].0["rows"], 1000);
    // In the order in which they came, which is the harder one.
    let reverted = insert.revert(&cx, &scratch.target, &steps[0]).await.unwrap();
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0));
    insert.disarm(&cx, &scratch.target, &steps[0]).await.unwrap();
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_revert_without_inject_does_nothing() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load = Load::prepared(&scratch, 1, json!({"tables": ["users"]})).await.unwrap();
    let reverted = load.revert(&scratch).await.unwrap().remove(0);
    assert_eq!(reverted, Reverted::new(RevertOutcome::NothingToDo));
    load.disarm(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn an_inject_that_dies_before_its_commit_leaves_nothing() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load = Load::prepared(&scratch, 1, json!({"rows": 1000, "tables": ["users"]})).await.unwrap();
    let cx = step_context(&load.cx);
    let mut session = FAULT.arm(&cx, &scratch.target, &load.steps[0]).await.unwrap();
    cx.cancel.cancel();
    let stopped = FAULT.inject(&cx, &scratch.target, &load.steps[0], &mut session).await;
    assert!(matches!(stopped, Err(FaultError::Cancelled)), "{stopped:?}");
    drop(session);
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn an_undo_that_dies_half_way_is_finished_by_the_next() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let mut load = Load::prepared(&scratch, 1, json!({"rows": 1000, "tables": ["users"]})).await.unwrap();
    load.steps[0].batch_rows = 100;
    load.inject(&scratch).await;
    // Somebody holds a row of one batch, so that this batch fails and all others are done.
    let other = scratch.target.session().await.unwrap();
    other.begin().await.unwrap();
    other.batch("lock a row", "SELECT FROM public.users WHERE id = 500 FOR UPDATE").await.unwrap();
    let error = load.revert(&scratch).await.unwrap_err();
    assert!(matches!(error, FaultError::Busy(_)), "{}", error.chain());
    let open = "SELECT count(*) FROM users u JOIN users_before b USING (id) WHERE u.* IS DISTINCT FROM b.*";
    assert_eq!(scratch.value(open).await, "100");
    other.rollback().await.unwrap();

    let reverted = load.revert(&scratch).await.unwrap().remove(0);
    assert_eq!((reverted.outcome, reverted.conflicts_total), (RevertOutcome::Restored, 0));
    assert_eq!(reverted.effect.0["rows"], 1000);
    load.disarm(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_table_that_was_renamed_is_restored_and_a_dropped_one_is_a_conflict() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load = Load::injected(&scratch, 1, json!({"rows": 10, "tables": ["users"]})).await;
    let other = Load::injected(&scratch, 2, json!({"rows": 10, "tables": ["orders"]})).await;
    scratch.run("ALTER TABLE users RENAME TO people; DROP TABLE orders CASCADE").await;
    load.undo_all(&scratch).await;
    let same = "SELECT count(*) FROM people p JOIN users_before b USING (id) WHERE p.* IS DISTINCT FROM b.*";
    assert_eq!(scratch.value(same).await, "0");
    let reverted = other.revert(&scratch).await.unwrap().remove(0);
    assert_eq!(reverted.conflicts_total, 10);
    assert!(reverted.notes[0].contains("was dropped"), "{:?}", reverted.notes);
    other.disarm(&scratch).await;
    scratch.drop().await;
}

#[tokio::test]
async fn a_table_dropped_after_the_plan_is_not_touched_under_its_name() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load = Load::prepared(&scratch, 1, json!({"tables": ["orders"]})).await.unwrap();
    scratch.run("DROP TABLE orders CASCADE; CREATE TABLE orders (id int PRIMARY KEY, note text)").await;
    scratch.run("INSERT INTO orders VALUES (1, 'a stranger')").await;
    let error = load.try_inject(&scratch).await.unwrap_err();
    assert!(error.to_string().contains("not the one of the plan"), "{}", error.chain());
    assert_eq!(scratch.value("SELECT note FROM orders").await, "a stranger");
    scratch.drop().await;
}

#[tokio::test]
async fn a_trigger_added_during_the_hold_stops_the_undo_instead_of_spoiling_it() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let load =
        Load::injected(&scratch, 1, json!({"rows": 10, "tables": ["users"], "columns": ["name"]})).await;
    scratch.run("CREATE TRIGGER spoil BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION spoil()").await;
    let error = load.revert(&scratch).await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("trigger")), "{}", error.chain());
    scratch.run("DROP TRIGGER spoil ON users").await;
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn columns_altered_during_the_hold_stop_the_undo_with_a_way_out() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load =
        Load::injected(&scratch, 1, json!({"rows": 10, "tables": ["orders"], "columns": ["note"]})).await;
    let check_refused = async |alter: &str| {
        scratch.run(alter).await;
        let error = load.revert(&scratch).await.unwrap_err();
        assert!(error.chain().contains("altered since"), "{}", error.chain());
        let hint = error.hint().unwrap();
        assert!(hint.contains("`note` text") && hint.contains("--abandon"), "{hint}");
    };
    check_refused("ALTER TABLE orders ALTER note TYPE varchar(200)").await;
    scratch.run("ALTER TABLE orders ALTER note TYPE text").await;
    // The server has written every row anew, so none is known to be ours any more.
    assert_eq!(load.revert(&scratch).await.unwrap()[0].conflicts_total, 10);
    load.disarm(&scratch).await;

    let before = scratch.checksum().await;
    let load =
        Load::injected(&scratch, 2, json!({"rows": 10, "tables": ["items"], "columns": ["text"]})).await;
    scratch.run("ALTER TABLE items RENAME text TO remark").await;
    assert!(load.revert(&scratch).await.unwrap_err().chain().contains("altered since"));
    scratch.run("ALTER TABLE items RENAME remark TO text").await;
    load.undo_all(&scratch).await;
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_step_survives_the_journal() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let load = Load::prepared(&scratch, 1, json!({"tables": ["users"]})).await.unwrap();
    let text = serde_json::to_string(&load.steps[0]).unwrap();
    let back: chaos_db::faults::update_load::postgres::UpdateStep = serde_json::from_str(&text).unwrap();
    assert_eq!(back, load.steps[0]);
    let facts = FAULT.facts(&back);
    assert_eq!((facts.quantity.rows, facts.claims[0].resource.as_str()), (100, "table public.users"));
    let again = FAULT.prepare(&prepare_context(1), &scratch.target, update_common::params(json!({}))).await;
    assert!(again.unwrap().len() > 1);
    scratch.drop().await;
}
