//! `db.select_load` on a real PostgreSQL: a load that is really concurrent, counts honestly, and ends.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use std::time::{Duration, Instant};

use chaos_core::{Access, Fault, FaultError, RevertOutcome, Rope};
use chaos_db::faults::select_load::postgres::{LoadSession, SelectLoadPostgres, SelectLoadStep};
use chaos_db::faults::select_load::query::{Query, QueryKind};
use chaos_db::postgres::PgTarget;
use common::{Scratch, prepare_context, step_context};
use serde_json::{Value, json};

const SHOP: &str = "CREATE TYPE status AS ENUM ('new', 'paid'); \
    CREATE TABLE users (id int PRIMARY KEY, name text, doc jsonb); \
    INSERT INTO users SELECT g, 'it''s ' || g, '{}' FROM generate_series(1, 2000) g; \
    CREATE TABLE \"Order\" (tenant int, \"No\" text, \"user\" int REFERENCES users (id), status status, raw json, \
        PRIMARY KEY (tenant, \"No\")); \
    INSERT INTO \"Order\" SELECT g % 7, 'n''' || g, g, 'new' FROM generate_series(1, 2000) g; \
    CREATE TABLE empty (id uuid PRIMARY KEY, at timestamptz); ANALYZE";

async fn prepare(target: &PgTarget, params: Value) -> Result<SelectLoadStep, FaultError> {
    let params = serde_json::from_value(params).unwrap();
    Ok(SelectLoadPostgres.prepare(&prepare_context(1), target, params).await?.remove(0))
}

async fn start(target: &PgTarget, step: &SelectLoadStep) -> LoadSession {
    let cx = step_context(&prepare_context(1));
    let mut session = SelectLoadPostgres.arm(&cx, target, step).await.unwrap();
    SelectLoadPostgres.inject(&cx, target, step, &mut session).await.unwrap();
    session
}

async fn finish(session: LoadSession) -> serde_json::Map<String, Value> {
    let cx = step_context(&prepare_context(1));
    SelectLoadPostgres.finish(&cx, session).await.unwrap().unwrap().0
}

async fn revert(target: &PgTarget, step: &SelectLoadStep) -> RevertOutcome {
    let cx = step_context(&prepare_context(1));
    SelectLoadPostgres.revert(&cx, target, step).await.unwrap().outcome
}

fn number(effect: &serde_json::Map<String, Value>, key: &str) -> u64 {
    effect[key].as_u64().unwrap_or_else(|| panic!("{key} in {effect:?}"))
}

/// Waits until the load has sent everything, which a scratch database does in moments.
async fn wait_idle(scratch: &Scratch) {
    let started = Instant::now();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND backend_type = 'client backend'";
    while scratch.value(sql).await != "0" {
        assert!(started.elapsed() < Duration::from_secs(30), "the load does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn every_kind_of_query_runs_and_nothing_is_changed() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let before = scratch.checksum().await;
    let step = prepare(&scratch.target, json!({"query_count": 300})).await.unwrap();
    assert_eq!(
        step.to_string(),
        "run 300 queries on 4 connections, over `public.Order`, `public.empty`, `public.users` \
         (lookup, scan, join, sort, aggregate)"
    );
    let facts = SelectLoadPostgres.facts(&step);
    assert_eq!((facts.rope, facts.quantity.connections, facts.quantity.tables), (Rope::ServerLimit, 4, 3));
    assert!(facts.claims.iter().all(|claim| claim.access == Access::Read));
    let session = start(&scratch.target, &step).await;
    wait_idle(&scratch).await;
    let effect = finish(session).await;
    assert_eq!(number(&effect, "queries_done"), 300, "{effect:?}");
    assert_eq!(number(&effect, "queries_failed"), 0);
    for kind in QueryKind::ALL {
        let entry = &effect["kinds"][kind.as_str()];
        assert!(entry["done"].as_u64().unwrap() > 0, "{kind:?}: {effect:?}");
        let latency = &entry["latency_ms"];
        assert!(latency["p50"].as_f64() <= latency["max"].as_f64(), "{latency}");
    }
    assert!(number(&effect, "rows") > 300);
    assert_eq!(revert(&scratch.target, &step).await, RevertOutcome::NothingToDo);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn lookups_find_their_rows_by_composite_keys_with_quotes() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let mut step = prepare(&scratch.target, json!({"tables": ["Order"], "query_count": 50})).await.unwrap();
    step.queries.retain(|query| query.kind == QueryKind::Lookup);
    let session = start(&scratch.target, &step).await;
    wait_idle(&scratch).await;
    let effect = finish(session).await;
    assert_eq!(number(&effect, "queries_done"), 50);
    assert_eq!(number(&effect, "rows"), 50, "each lookup finds its row");
    scratch.drop().await;
}

#[tokio::test]
async fn lookups_of_a_large_table_are_spread_over_it() {
    let large =
        "CREATE TABLE big (id int PRIMARY KEY); INSERT INTO big SELECT generate_series(1, 50000); ANALYZE";
    let Some(scratch) = Scratch::new(large).await else { return };
    let step = prepare(&scratch.target, json!({})).await.unwrap();
    let keys = step.queries.iter().find_map(|query| query.keys.clone()).unwrap();
    assert!(keys.sql.contains("TABLESAMPLE"), "{}", keys.sql);
    let count = "SELECT count(*) FILTER (WHERE id::int <= 25000) || ' ' || count(*)";
    let found = scratch.value(&format!("{count} FROM ({}) AS k", keys.sql)).await;
    let (low, all) = found.split_once(' ').unwrap();
    assert_eq!(all, "200");
    assert!((50..150).contains(&low.parse::<u32>().unwrap()), "{low} of 200 keys are in the lower half");
    scratch.drop().await;
}

#[tokio::test]
async fn the_connections_work_at_the_same_time() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let params = json!({"tables": ["users"], "query_count": 1000, "connections": 6});
    let mut step = prepare(&scratch.target, params).await.unwrap();
    step.queries = vec![Query { kind: QueryKind::Scan, sql: "SELECT pg_sleep(0.2)".to_owned(), keys: None }];
    let session = start(&scratch.target, &step).await;
    let (first, second) = (step.fence.keys.0.cast_unsigned(), step.fence.keys.1.cast_unsigned());
    let holders = format!(
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' \
         AND classid = '{first}'::oid AND objid = '{second}'::oid"
    );
    let started = Instant::now();
    while scratch.value(&holders).await != "6" {
        assert!(started.elapsed() < Duration::from_secs(5), "never six at once");
    }
    let effect = finish(session).await;
    assert!(number(&effect, "queries_not_run") > 900, "{effect:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn failed_queries_are_counted_as_failed_with_the_first_error_of_their_kind() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let step =
        prepare(&scratch.target, json!({"tables": ["users", "Order"], "query_count": 200})).await.unwrap();
    scratch.run("DROP TABLE \"Order\"").await;
    let session = start(&scratch.target, &step).await;
    wait_idle(&scratch).await;
    let effect = finish(session).await;
    let (done, failed) = (number(&effect, "queries_done"), number(&effect, "queries_failed"));
    assert!(done > 0 && failed > 0 && done + failed == 200, "{effect:?}");
    let error = effect["kinds"]["join"]["first_error"].as_str().unwrap();
    assert!(error.contains("does not exist"), "{error}");
    assert_eq!(effect["kinds"]["join"]["done"], 0);
    scratch.drop().await;
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended_by_the_server_and_counts_as_failed() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let params =
        json!({"tables": ["users"], "query_count": 3, "connections": 1, "statement_timeout": "150ms"});
    let mut step = prepare(&scratch.target, params).await.unwrap();
    step.queries = vec![Query { kind: QueryKind::Sort, sql: "SELECT pg_sleep(30)".to_owned(), keys: None }];
    let session = start(&scratch.target, &step).await;
    wait_idle(&scratch).await;
    let effect = finish(session).await;
    assert_eq!(number(&effect, "queries_failed"), 3, "{effect:?}");
    assert!(effect["kinds"]["sort"]["first_error"].as_str().unwrap().contains("statement timeout"));
    assert_eq!(effect["latency_ms"], Value::Null, "a failed query has no latency");
    scratch.drop().await;
}

#[tokio::test]
async fn a_load_that_writes_is_refused_by_the_server() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let params = json!({"tables": ["users"], "query_count": 2, "connections": 1});
    let mut step = prepare(&scratch.target, params).await.unwrap();
    step.queries =
        vec![Query { kind: QueryKind::Scan, sql: "DELETE FROM public.users".to_owned(), keys: None }];
    let session = start(&scratch.target, &step).await;
    wait_idle(&scratch).await;
    let effect = finish(session).await;
    assert!(effect["kinds"]["scan"]["first_error"].as_str().unwrap().contains("read-only"), "{effect:?}");
    assert_eq!(scratch.value("SELECT count(*) FROM users").await, "2000");
    scratch.drop().await;
}

#[tokio::test]
async fn what_runs_at_the_end_of_the_hold_is_cut_off_and_ended_on_the_server() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let params = json!({"tables": ["users"], "query_count": 9, "connections": 3, "statement_timeout": "60s"});
    let mut step = prepare(&scratch.target, params).await.unwrap();
    let long = "SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM public.empty) THEN 40 ELSE 0.01 END)";
    step.queries = vec![Query { kind: QueryKind::Scan, sql: long.to_owned(), keys: None }];
    step.rate = Some(4.0);
    let session = start(&scratch.target, &step).await;
    scratch.run("INSERT INTO empty VALUES ('00000000-0000-0000-0000-000000000001', now())").await;
    let asleep =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while scratch.value(asleep).await == "0" {}
    let started = Instant::now();
    let effect = finish(session).await;
    assert!(started.elapsed() < Duration::from_secs(3), "finish is bounded");
    assert!(number(&effect, "queries_cut_off") >= 1, "{effect:?}");
    assert!(number(&effect, "queries_done") >= 1, "{effect:?}");
    assert_eq!(revert(&scratch.target, &step).await, RevertOutcome::Restored);
    assert_eq!(scratch.value(asleep).await, "0");
    assert_eq!(revert(&scratch.target, &step).await, RevertOutcome::NothingToDo);
    scratch.drop().await;
}

#[tokio::test]
async fn even_a_hold_of_no_length_has_run_something() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let step = prepare(&scratch.target, json!({"query_count": 100000})).await.unwrap();
    let session = start(&scratch.target, &step).await;
    let effect = finish(session).await;
    assert!(number(&effect, "queries_done") >= 1, "{effect:?}");
    assert!(number(&effect, "queries_not_run") > 0, "{effect:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn the_rate_is_kept() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let step = prepare(&scratch.target, json!({"query_count": 1000, "rate": 50})).await.unwrap();
    let session = start(&scratch.target, &step).await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let effect = finish(session).await;
    let most = 50.0 * started.elapsed().as_secs_f64() + 60.0;
    let done = number(&effect, "queries_done");
    assert!((20..most as u64).contains(&done), "{done} of at most {most}");
    scratch.drop().await;
}

#[tokio::test]
async fn broken_connections_are_opened_again_and_counted() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let step = prepare(&scratch.target, json!({"query_count": 100000, "connections": 2})).await.unwrap();
    let session = start(&scratch.target, &step).await;
    scratch
        .run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
              AND pid <> pg_backend_pid()",
        )
        .await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let effect = finish(session).await;
    assert!(number(&effect, "reconnects") >= 1, "{effect:?}");
    assert!(number(&effect, "queries_done") >= 2, "{effect:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_anything_runs() {
    let role = format!("a_select_{}", std::process::id());
    let sql = format!(
        "{SHOP}; CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 20; GRANT SELECT ON users TO {role}; \
        ALTER TABLE users ENABLE ROW LEVEL SECURITY"
    );
    let Some(scratch) = Scratch::new(&sql).await else { return };
    let error = prepare(&scratch.target, json!({"tables": ["user"]})).await.unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `public.users`?"));
    let mut url = url::Url::parse(&common::url_of(&scratch.name)).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    let weak = PgTarget::connect(&common::config(url)).await.unwrap();
    let error = prepare(&weak, json!({"tables": ["users", "Order"]})).await.unwrap_err();
    assert!(matches!(error, FaultError::Preflight(_)), "{error:?}");
    assert!(error.chain().contains("row security"), "{}", error.chain());
    assert!(error.chain().contains("no right to SELECT on `public.\"Order\"`"), "{}", error.chain());
    let error = prepare(&weak, json!({"tables": ["empty"], "connections": 20})).await.unwrap_err();
    assert!(error.chain().contains("connections are free"), "{}", error.chain());
    drop(weak);
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    scratch.drop().await;
}

#[tokio::test]
async fn a_step_survives_the_journal_and_holds_no_data_of_users() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    let step = prepare(&scratch.target, json!({"rate": 12.5})).await.unwrap();
    let text = serde_json::to_string(&step).unwrap();
    assert_eq!(serde_json::from_str::<SelectLoadStep>(&text).unwrap(), step);
    assert!(!text.contains("it's"), "{text}");
    scratch.drop().await;
}
