//! `db.insert_load` on a real PostgreSQL: rows of every kind arrive, and exactly those go.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use chaos_core::{Fault, FaultError, PrepareContext, RevertOutcome, Reverted};
use chaos_db::faults::insert_load::Params;
use chaos_db::faults::insert_load::postgres::key::Key;
use chaos_db::faults::insert_load::postgres::{InsertLoadPostgres, Step};
use common::{Scratch, prepare_context, step_context};

const FAULT: InsertLoadPostgres = InsertLoadPostgres;

/// A shop with most of what tables can have.
const SHOP: &str = r#"
CREATE TYPE status AS ENUM ('new', 'it''s paid', 'sent');
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0);
CREATE TABLE users (id bigserial PRIMARY KEY, email varchar(60) NOT NULL UNIQUE, name text NOT NULL,
  age int CHECK (age BETWEEN 18 AND 120), prefs jsonb NOT NULL DEFAULT '{}', created timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users,
  status status NOT NULL, total price NOT NULL, tags text[], stay daterange, ip inet, twice numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE TABLE items (order_id int REFERENCES orders ON DELETE CASCADE, line smallint, sku text NOT NULL, PRIMARY KEY (order_id, line));
CREATE TABLE documents (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text, owner bigint REFERENCES users ON DELETE SET NULL);
CREATE TABLE coupons (code varchar(16) PRIMARY KEY, percent int);
CREATE TABLE "Order Log" ("select" bigint, "it's" text, "When" timestamp, note bytea);
CREATE TABLE events (id bigint, at date NOT NULL, kind text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO users (email, name, age) SELECT 'u' || n || '@x', 'n' || n, 30 FROM generate_series(1, 200) n;
INSERT INTO orders (user_id, status, total) SELECT n, 'new', n FROM generate_series(1, 200) n;
INSERT INTO items SELECT n, 1, 's' FROM generate_series(1, 200) n;
INSERT INTO documents (title) SELECT 't' FROM generate_series(1, 50);
INSERT INTO coupons SELECT 'c' || n, 5 FROM generate_series(1, 50) n;
INSERT INTO "Order Log" SELECT n, 'x', now(), NULL FROM generate_series(1, 50) n;
INSERT INTO events SELECT n, '2020-05-05', 'k' FROM generate_series(1, 50) n;
ANALYZE;
"#;

fn params(rows: u64, tables: &[&str]) -> Params {
    Params { rows_per_table: rows, tables: tables.iter().map(ToString::to_string).collect() }
}

async fn prepare(scratch: &Scratch, cx: &PrepareContext, params: Params) -> Result<Vec<Step>, FaultError> {
    FAULT.prepare(cx, &scratch.target, params).await
}

async fn inject(scratch: &Scratch, cx: &PrepareContext, step: &Step) -> Result<u64, FaultError> {
    let cx = step_context(cx);
    let mut session = FAULT.arm(&cx, &scratch.target, step).await?;
    let effect = FAULT.inject(&cx, &scratch.target, step, &mut session).await?;
    Ok(effect.0["rows"].as_u64().unwrap())
}

async fn revert(scratch: &Scratch, cx: &PrepareContext, step: &Step) -> Reverted {
    let cx = step_context(cx);
    match FAULT.revert(&cx, &scratch.target, step).await {
        Ok(reverted) => reverted,
        Err(error) => panic!("{}", error.chain()),
    }
}

async fn disarm(scratch: &Scratch, cx: &PrepareContext, step: &Step) {
    FAULT.disarm(&step_context(cx), &scratch.target, step).await.unwrap();
}

/// Inserts into one table, and returns the context and the step.
async fn injected(scratch: &Scratch, rows: u64, table: &str, number: u32) -> (PrepareContext, Step) {
    let cx = prepare_context(number);
    let step = match prepare(scratch, &cx, params(rows, &[table])).await {
        Ok(mut steps) => steps.remove(0),
        Err(error) => panic!("{table}: {}", error.chain()),
    };
    match inject(scratch, &cx, &step).await {
        Ok(count) => assert_eq!(count, rows, "{table}"),
        Err(error) => panic!("{table}: {}", error.chain()),
    }
    (cx, step)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_every_table_goes_and_no_other() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let cx = prepare_context(1);
    let steps =
        prepare(&scratch, &cx, params(700, &[])).await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(steps.len(), 7);
    assert_eq!(scratch.checksum().await, before, "prepare changes nothing");
    let place = |name: &str| steps.iter().position(|step| step.table == name).unwrap();
    assert!(place("users") < place("orders") && place("orders") < place("items"));
    for step in &steps {
        let text = serde_json::to_string(step).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&text).unwrap(), *step);
        match inject(&scratch, &cx, step).await {
            Ok(count) => assert_eq!(count, 700),
            Err(error) => panic!("{step}: {}", error.chain()),
        }
    }
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "900");
    assert_eq!(scratch.value("SELECT count(*) FROM events").await, "750");
    for step in steps.iter().rev() {
        let reverted = revert(&scratch, &cx, step).await;
        assert_eq!(reverted.outcome, RevertOutcome::Restored, "{step}");
        assert_eq!((reverted.conflicts_total, reverted.effect.0["rows"].as_u64()), (0, Some(700)), "{step}");
        disarm(&scratch, &cx, step).await;
    }
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_the_sequences_where_they_were() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let sequences =
        "SELECT string_agg(sequencename || coalesce(last_value, 0), ',' ORDER BY 1) FROM pg_sequences";
    let before = scratch.value(sequences).await;
    let (cx, step) = injected(&scratch, 50, "users", 2).await;
    revert(&scratch, &cx, &step).await;
    assert_eq!(scratch.value(sequences).await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_table_has_the_best_key_it_allows() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let cx = prepare_context(3);
    let steps = prepare(&scratch, &cx, params(5, &[])).await.unwrap();
    let key = |name: &str| &steps.iter().find(|step| step.table == name).unwrap().key;
    assert!(matches!(key("users"), Key::Numbers { column, .. } if column == "id"));
    assert!(matches!(key("items"), Key::Numbers { column, .. } if column == "line"));
    assert!(matches!(key("documents"), Key::Uuids { column, .. } if column == "id"));
    assert!(matches!(key("coupons"), Key::Tag { column, .. } if column == "code"));
    assert_eq!(*key("Order Log"), Key::Transaction);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_twice_or_without_an_inject_is_harmless() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let cx = prepare_context(4);
    let step = prepare(&scratch, &cx, params(30, &["documents"])).await.unwrap().remove(0);
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);
    disarm(&scratch, &cx, &step).await;

    inject(&scratch, &cx, &step).await.unwrap();
    let first = revert(&scratch, &cx, &step).await;
    let second = revert(&scratch, &cx, &step).await;
    assert_eq!(first, second);
    disarm(&scratch, &cx, &step).await;
    disarm(&scratch, &cx, &step).await;
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_dies_before_its_commit_leaves_nothing() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let cx = prepare_context(5);
    let step = prepare(&scratch, &cx, params(30, &["users"])).await.unwrap().remove(0);
    let step_cx = step_context(&cx);
    let session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
    step.helper.create(&session).await.unwrap();
    session
        .batch("insert", "INSERT INTO public.users (id, email, name) VALUES (9000000000, 'x', 'x')")
        .await
        .unwrap();
    drop(session);
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_inject_leaves_nothing() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let cx = prepare_context(6);
    let step = prepare(&scratch, &cx, params(2_000_000, &["users"])).await.unwrap().remove(0);
    let step_cx = step_context(&cx);
    let cancel = step_cx.cancel.clone();
    let mut session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        cancel.cancel();
    });
    let error = FAULT.inject(&step_cx, &scratch.target, &step, &mut session).await.unwrap_err();
    assert!(matches!(error, FaultError::Cancelled), "{error:?}");
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_and_two_uses_at_once_do_not_meet() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let mut all = Vec::new();
    for number in 10..14 {
        // Two uses of one run, and several runs: all of them choose before any of them acts.
        let first = prepare_context(number);
        let second = PrepareContext { use_number: 100 + number, ..first.clone() };
        for cx in [first, second] {
            let steps =
                prepare(&scratch, &cx, params(25, &["users", "orders", "documents", "coupons"])).await;
            all.extend(steps.unwrap().into_iter().map(|step| (cx.clone(), step)));
        }
    }
    for (cx, step) in &all {
        match inject(&scratch, cx, step).await {
            Ok(count) => assert_eq!(count, 25),
            Err(error) => panic!("{step}: {}", error.chain()),
        }
    }
    for (cx, step) in all.iter().rev() {
        assert_eq!(revert(&scratch, cx, step).await.conflicts_total, 0, "{step}");
        disarm(&scratch, cx, step).await;
    }
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inject_that_waits_for_somebody_else_can_be_cancelled_and_ends_by_itself() {
    let Some(scratch) = Scratch::new("CREATE TABLE t (id int PRIMARY KEY)").await else { return };
    let cx = prepare_context(20);
    let step = prepare(&scratch, &cx, params(100, &["t"])).await.unwrap().remove(0);
    let other = scratch.target.session().await.unwrap();
    other.begin().await.unwrap();
    // The same key as our first row, in a transaction that stays open.
    let first = step.first_numbers["id"];
    other.batch("insert", &format!("INSERT INTO public.t VALUES ({first})")).await.unwrap();

    let step_cx = step_context(&cx);
    let cancel = step_cx.cancel.clone();
    let mut session = FAULT.arm(&step_cx, &scratch.target, &step).await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        cancel.cancel();
    });
    let started = std::time::Instant::now();
    let error = FAULT.inject(&step_cx, &scratch.target, &step, &mut session).await.unwrap_err();
    assert!(matches!(error, FaultError::Cancelled), "{error:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);

    let error = inject(&scratch, &cx, &step).await.unwrap_err();
    assert!(matches!(error, FaultError::Busy(_)), "{}", error.chain());
    assert_eq!(revert(&scratch, &cx, &step).await.outcome, RevertOutcome::NothingToDo);
    other.rollback().await.unwrap();
    scratch.drop().await;
}
