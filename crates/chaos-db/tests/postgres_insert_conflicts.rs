//! `db.insert_load` on a real PostgreSQL, with somebody else at work in the same tables.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use chaos_core::{Fault, FaultError, PrepareContext, RevertOutcome, Reverted};
use chaos_db::faults::insert_load::Params;
use chaos_db::faults::insert_load::postgres::{InsertLoadPostgres, Step};
use common::{Scratch, prepare_context, step_context};

const FAULT: InsertLoadPostgres = InsertLoadPostgres;

const SHOP: &str = "
CREATE TABLE users (id bigserial PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE, note text);
CREATE TABLE plain (a int, b text);
CREATE TABLE codes (code text PRIMARY KEY, a int);
INSERT INTO users (name) SELECT 'n' FROM generate_series(1, 20);
INSERT INTO plain SELECT n, 'x' FROM generate_series(1, 20) n;";

async fn injected(scratch: &Scratch, rows: u64, table: &str) -> (PrepareContext, Step) {
    let cx = prepare_context(1);
    let params = Params { rows_per_table: rows, tables: vec![table.to_owned()] };
    let step = FAULT.prepare(&cx, &scratch.target, params).await.unwrap().remove(0);
    let step_cx = step_context(&cx);
    let mut session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
    FAULT.inject(&step_cx, &scratch.target, &step, &mut session).await.unwrap();
    (cx, step)
}

async fn revert(scratch: &Scratch, cx: &PrepareContext, step: &Step) -> Reverted {
    match FAULT.revert(&step_context(cx), &scratch.target, step).await {
        Ok(reverted) => reverted,
        Err(error) => panic!("{}", error.chain()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_by_someone_else_is_not_deleted() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 100, "users").await;
    let first = scratch.value("SELECT id FROM users ORDER BY id OFFSET 20 LIMIT 1").await;
    scratch.run(&format!("UPDATE users SET name = 'theirs' WHERE id = {first}")).await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!(reverted.outcome, RevertOutcome::Restored);
    assert_eq!(reverted.conflicts_total, 1);
    assert_eq!(reverted.conflicts[0].what, format!("row (id)=({first}) of public.users"));
    assert_eq!(scratch.value("SELECT string_agg(name, ',') FROM users WHERE id > 20").await, "theirs");
    let again = revert(&scratch, &cx, &step).await;
    assert_eq!(again, reverted, "a second undo says the same");
    // A person accepts the conflict: the helper goes, the row stays.
    FAULT.disarm(&step_context(&cx), &scratch.target, &step).await.unwrap();
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "21");
    assert!(!scratch.checksum().await.contains("schema chaos_"));
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_text_key_is_found_by_its_tag() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 50, "codes").await;
    scratch.run("UPDATE codes SET a = -1 WHERE code = (SELECT min(code) FROM codes)").await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert!(reverted.conflicts[0].what.starts_with("row (code)=("), "{reverted:?}");
    assert_eq!(scratch.value("SELECT count(*) FROM codes").await, "1");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_of_ours_with_a_foreign_child_stays_and_so_does_the_child() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 100, "users").await;
    scratch.run("INSERT INTO orders (user_id) SELECT max(id) FROM users").await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!(reverted.conflicts_total, 1, "{reverted:?}");
    assert!(reverted.conflicts[0].found.contains("refer to it"), "{reverted:?}");
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "21");
    assert_eq!(scratch.value("SELECT count(*) FROM orders").await, "1", "no cascade");
    // The child goes, and the undo is tried again.
    scratch.run("DELETE FROM orders").await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!((reverted.conflicts_total, reverted.effect.0["rows"].as_u64()), (0, Some(100)));
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "20");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_someone_else_deleted_or_changed_are_counted_even_without_a_key() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 40, "plain").await;
    let ctid = scratch.value("SELECT max(ctid) FROM plain").await;
    scratch.run(&format!("DELETE FROM plain WHERE ctid = '{ctid}'")).await;
    let ctid = scratch.value("SELECT max(ctid) FROM plain").await;
    scratch.run(&format!("UPDATE plain SET b = 'theirs' WHERE ctid = '{ctid}'")).await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!(reverted.conflicts_total, 1);
    assert_eq!(reverted.conflicts[0].what, "2 rows of public.plain");
    assert_eq!(scratch.value("SELECT count(*) FROM plain").await, "21");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_rows_among_ours_stay() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 40, "plain").await;
    scratch.run("INSERT INTO plain SELECT a, b FROM plain").await;
    assert_eq!(revert(&scratch, &cx, &step).await.conflicts_total, 0);
    assert_eq!(scratch.value("SELECT count(*) FROM plain").await, "80");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_table_is_found_and_a_dropped_one_is_a_conflict() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 40, "plain").await;
    scratch.run(r#"ALTER TABLE plain RENAME TO "Other""#).await;
    assert_eq!(revert(&scratch, &cx, &step).await.conflicts_total, 0);
    assert_eq!(scratch.value(r#"SELECT count(*) FROM "Other""#).await, "20");
    FAULT.disarm(&step_context(&cx), &scratch.target, &step).await.unwrap();

    let (cx, step) = injected(&scratch, 40, "codes").await;
    scratch.run("DROP TABLE codes").await;
    let reverted = revert(&scratch, &cx, &step).await;
    assert_eq!(reverted.conflicts_total, 1);
    assert!(reverted.conflicts[0].found.contains("dropped"), "{reverted:?}");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_survive_vacuum_full_freeze_and_an_added_column_and_still_go() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 40, "plain").await;
    scratch.run("ALTER TABLE plain ADD c int DEFAULT 5").await;
    scratch.run("VACUUM FULL plain").await;
    scratch.run("VACUUM FREEZE plain").await;
    assert_eq!(revert(&scratch, &cx, &step).await.conflicts_total, 0);
    assert_eq!(scratch.value("SELECT count(*) FROM plain").await, "20");
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_waits_for_foreign_locks_only_so_long_and_can_be_tried_again() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let (cx, step) = injected(&scratch, 40, "users").await;
    let other = scratch.target.session().await.unwrap();
    other.begin().await.unwrap();
    other.batch("lock", "SELECT * FROM public.users ORDER BY id DESC LIMIT 1 FOR UPDATE").await.unwrap();
    let error = FAULT.revert(&step_context(&cx), &scratch.target, &step).await.unwrap_err();
    assert!(matches!(error, FaultError::Busy(_)), "{}", error.chain());
    other.rollback().await.unwrap();
    assert_eq!(revert(&scratch, &cx, &step).await.conflicts_total, 0);
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "20");
    scratch.drop().await;
}
