//! `db.table_lock` and `db.row_lock` on a real PostgreSQL: they hold what they say, never stall anybody while they try,
//! end by themselves, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use std::time::{Duration, Instant};

use chaos_core::{Access, Fault, FaultError, RevertOutcome, Rope};
use chaos_db::faults::row_lock::postgres::{RowLockPostgres, RowLockStep};
use chaos_db::faults::table_lock::postgres::{TableLockPostgres, TableLockStep};
use chaos_db::postgres::PgTarget;
use common::{Scratch, prepare_context, step_context};
use serde_json::json;

const TABLES: &str = "CREATE TABLE users (id int PRIMARY KEY, name text); \
    INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 1000) g; \
    CREATE TABLE \"Order\" (\"Group\" int PRIMARY KEY, note text); \
    INSERT INTO \"Order\" SELECT g, NULL FROM generate_series(1, 50) g; \
    CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id); \
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (100); \
    CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (100) TO (1000); \
    INSERT INTO parts SELECT g FROM generate_series(0, 499) g; CREATE TABLE empty (id int); ANALYZE";

async fn table_steps(
    target: &PgTarget,
    use_number: u32,
    params: serde_json::Value,
) -> Result<Vec<TableLockStep>, FaultError> {
    let params = serde_json::from_value(params).unwrap();
    TableLockPostgres.prepare(&prepare_context(use_number), target, params).await
}

async fn row_steps(
    target: &PgTarget,
    use_number: u32,
    params: serde_json::Value,
) -> Result<Vec<RowLockStep>, FaultError> {
    let params = serde_json::from_value(params).unwrap();
    RowLockPostgres.prepare(&prepare_context(use_number), target, params).await
}

/// Runs a statement as an application that waits at most a moment for locks.
async fn blocked(scratch: &Scratch, sql: &str) -> bool {
    let session = scratch.target.session().await.unwrap();
    session.batch("set", "SET search_path TO public; SET lock_timeout = '100ms'").await.unwrap();
    match session.batch("run", sql).await {
        Ok(()) => false,
        Err(FaultError::Busy(_)) => true,
        Err(error) => panic!("{}", error.chain()),
    }
}

/// Locks of our sessions on tables of users, and locks of ours that mark them.
async fn ours_left(scratch: &Scratch) -> String {
    let sql = "SELECT count(*) FROM pg_locks l WHERE l.pid <> pg_backend_pid() \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    scratch.value(sql).await
}

#[tokio::test]
async fn a_table_lock_keeps_everybody_out_and_is_gone_after_the_revert() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let before = scratch.checksum().await;
    let steps = table_steps(&scratch.target, 1, json!({"tables": ["users", "Order"]})).await.unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1].to_string(), "lock table `public.Order` in ACCESS EXCLUSIVE mode");
    let cx = step_context(&prepare_context(1));
    let mut sessions = Vec::new();
    for step in &steps {
        let mut session = TableLockPostgres.arm(&cx, &scratch.target, step).await.unwrap();
        assert!(!blocked(&scratch, "SELECT count(*) FROM \"Order\"").await, "armed is not locked");
        let effect = TableLockPostgres.inject(&cx, &scratch.target, step, &mut session).await.unwrap();
        assert_eq!(effect.0["tries"], 1);
        sessions.push(session);
    }
    assert!(blocked(&scratch, "SELECT count(*) FROM users").await);
    assert!(blocked(&scratch, "SELECT count(*) FROM \"Order\"").await);
    for (session, step) in sessions.into_iter().zip(&steps) {
        let measured = TableLockPostgres.finish(&cx, session).await.unwrap().unwrap();
        assert!(measured.0["held_ms"].as_u64().unwrap() > 0, "{measured:?}");
        // The server may have noticed by itself that we have left.
        TableLockPostgres.revert(&cx, &scratch.target, step).await.unwrap();
        let again = TableLockPostgres.revert(&cx, &scratch.target, step).await.unwrap();
        assert_eq!(again.outcome, RevertOutcome::NothingToDo);
    }
    assert!(!blocked(&scratch, "BEGIN; LOCK TABLE users, \"Order\" IN ACCESS EXCLUSIVE MODE; COMMIT").await);
    assert_eq!(ours_left(&scratch).await, "0");
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn a_weak_mode_lets_readers_and_writers_in_as_it_claims() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    for (use_number, mode, read, write, access) in [
        (1, "access share", false, false, Access::Read),
        (2, "Row_Exclusive", false, false, Access::Read),
        (3, "SHARE", false, true, Access::BlockWrites),
        (4, "EXCLUSIVE", false, true, Access::BlockWrites),
    ] {
        let params = json!({"tables": ["users"], "lock_mode": mode});
        let step = table_steps(&scratch.target, use_number, params).await.unwrap().remove(0);
        let facts = TableLockPostgres.facts(&step);
        assert_eq!(facts.claims[0].access, access);
        assert_eq!(facts.rope, Rope::ServerLimit);
        let cx = step_context(&prepare_context(use_number));
        let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
        TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
        assert_eq!(blocked(&scratch, "SELECT count(*) FROM users").await, read, "{mode}");
        assert_eq!(blocked(&scratch, "UPDATE users SET name = name WHERE id = 1").await, write, "{mode}");
        drop(session);
        TableLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    }
    scratch.drop().await;
}

#[tokio::test]
async fn the_server_ends_the_lock_on_time_when_the_client_holds_the_socket_and_does_nothing() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let mut step = table_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    assert_eq!(step.hold.limit, Duration::from_secs(31), "the hold of one second and the margin");
    step.hold.limit = Duration::from_secs(4);
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
    let started = Instant::now();
    assert!(blocked(&scratch, "SELECT count(*) FROM users").await, "held until its limit");
    while blocked(&scratch, "SELECT count(*) FROM users").await {
        assert!(started.elapsed() < Duration::from_secs(15), "the server did not end the lock");
    }
    let lost = TableLockPostgres.finish(&cx, session).await.unwrap_err();
    assert!(lost.chain().contains("statement timeout"), "{}", lost.chain());
    let held = lost.to_string().split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap();
    assert!((3900..12_000).contains(&held), "{lost}");
    let reverted = TableLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    assert_eq!(reverted.outcome, RevertOutcome::NothingToDo);
    scratch.drop().await;
}

#[tokio::test]
async fn an_armed_session_that_never_locks_ends_by_itself_too() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let mut step = table_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    step.hold.limit = Duration::from_secs(2);
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ours_left(&scratch).await, "0");
    let late = TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await;
    assert!(matches!(late, Err(FaultError::Unreachable(_))), "{late:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn a_killed_client_loses_the_lock_within_seconds_of_its_socket() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = table_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
    drop(session);
    let started = Instant::now();
    while blocked(&scratch, "SELECT count(*) FROM users").await {
        assert!(started.elapsed() < Duration::from_secs(5), "the server did not notice");
    }
    scratch.drop().await;
}

#[tokio::test]
async fn tries_never_stall_the_application_and_the_refusal_names_who_holds_the_table() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = table_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    let holder = scratch.target.session().await.unwrap();
    holder.begin().await.unwrap();
    holder.batch("read", "SELECT count(*) FROM public.users").await.unwrap();
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    let started = Instant::now();
    let mut inject = Box::pin(TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session));
    let reader = scratch.target.session().await.unwrap();
    let mut slowest = Duration::ZERO;
    let error = loop {
        tokio::select! {
            result = &mut inject => break result.unwrap_err(),
            () = async {
                let began = Instant::now();
                reader.batch("read", "UPDATE public.users SET name = name WHERE id = 7").await.unwrap();
                slowest = slowest.max(began.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            } => {}
        }
    };
    assert!(matches!(error, FaultError::Busy(_)), "{error:?}");
    assert!(error.hint().unwrap().contains(&format!("process {}", holder.backend_pid)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "bounded");
    assert!(slowest < Duration::from_secs(3), "a reader waited {slowest:?} behind our tries");
    drop(inject);
    drop(session);
    TableLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    assert!(!blocked(&scratch, "SELECT count(*) FROM users").await);
    scratch.drop().await;
}

#[tokio::test]
async fn a_stop_request_ends_the_tries() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = table_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    let holder = scratch.target.session().await.unwrap();
    holder.begin().await.unwrap();
    holder.batch("read", "SELECT count(*) FROM public.users").await.unwrap();
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    cx.cancel.cancel();
    let stopped = TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await;
    assert!(matches!(stopped, Err(FaultError::Cancelled)), "{stopped:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn a_partitioned_table_is_locked_with_its_partitions() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = table_steps(&scratch.target, 1, json!({"tables": ["parts"]})).await.unwrap().remove(0);
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    TableLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
    assert!(blocked(&scratch, "SELECT count(*) FROM parts_b").await);
    drop(session);
    TableLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    assert!(!blocked(&scratch, "SELECT count(*) FROM parts_b").await);
    scratch.drop().await;
}

#[tokio::test]
async fn random_rows_are_locked_and_those_of_others_are_skipped() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let before = scratch.checksum().await;
    let holder = scratch.target.session().await.unwrap();
    holder.begin().await.unwrap();
    holder.batch("lock", "SELECT FROM public.users WHERE id <= 950 FOR UPDATE").await.unwrap();
    let params = json!({"tables": ["users"], "rows_per_table": 100});
    let step = row_steps(&scratch.target, 1, params).await.unwrap().remove(0);
    assert_eq!(step.to_string(), "lock 100 random rows of `public.users` FOR UPDATE");
    let cx = step_context(&prepare_context(1));
    let mut session = RowLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    let effect = RowLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
    assert_eq!(effect.0["rows_locked"], 50, "only what is free: {effect:?}");
    assert_eq!(effect.0["rows_asked"], 100);
    assert!(blocked(&scratch, "UPDATE users SET name = 'x' WHERE id = 951").await);
    assert!(!blocked(&scratch, "SELECT count(*) FROM users").await, "readers are let in");
    let reverted = RowLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    assert_eq!(reverted.outcome, RevertOutcome::Restored, "another process ends it while we hold it");
    let lost = RowLockPostgres.finish(&cx, session).await.unwrap_err();
    assert!(lost.to_string().contains("keep the lock on rows of `public.users`, which was lost"), "{lost}");
    assert!(lost.chain().contains("administrator"), "{}", lost.chain());
    assert!(!blocked(&scratch, "SELECT FROM users WHERE id > 950 FOR UPDATE").await);
    drop(holder);
    assert_eq!(scratch.checksum().await, before);
    scratch.drop().await;
}

#[tokio::test]
async fn the_choice_of_rows_is_spread_over_the_table_and_repeats_with_the_seed() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let params =
        json!({"tables": ["users", "parts"], "rows_per_table": 100, "lock_type": "for no key update"});
    let steps = row_steps(&scratch.target, 1, params).await.unwrap();
    let cx = step_context(&prepare_context(1));
    let mut seen = Vec::new();
    for _ in 0..2 {
        for step in &steps {
            let mut session = RowLockPostgres.arm(&cx, &scratch.target, step).await.unwrap();
            let effect = RowLockPostgres.inject(&cx, &scratch.target, step, &mut session).await.unwrap();
            assert_eq!(effect.0["rows_locked"], 100);
            let free = format!(
                "SELECT md5(string_agg(id::text, ',')), count(*), min(id), max(id) FROM \
                 (SELECT id FROM {} ORDER BY id FOR UPDATE SKIP LOCKED) AS f",
                step.table
            );
            seen.push(scratch.value(&free).await);
            let low = format!(
                "SELECT count(*) FROM (SELECT FROM {} WHERE id < 250 FOR UPDATE SKIP LOCKED) f",
                step.table
            );
            let low: i32 = scratch.value(&low).await.parse().unwrap();
            assert!((170..250).contains(&low), "{low} of the first 250 rows are free in {}", step.table);
            drop(session);
            RowLockPostgres.revert(&cx, &scratch.target, step).await.unwrap();
        }
    }
    assert_eq!(seen[..2], seen[2..]);
    scratch.drop().await;
}

#[tokio::test]
async fn a_wrong_estimate_of_a_sampled_table_never_locks_more_rows_than_asked() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let params = json!({"tables": ["users"], "rows_per_table": 100});
    let mut step = row_steps(&scratch.target, 1, params).await.unwrap().remove(0);
    assert_eq!(step.sample_percent, None);
    step.sample_percent = Some(0.01);
    let cx = step_context(&prepare_context(1));
    let mut session = RowLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    let effect = RowLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap();
    assert_eq!(effect.0["rows_locked"], 100);
    let free = "SELECT count(*) FROM (SELECT FROM users FOR UPDATE SKIP LOCKED) f";
    assert_eq!(scratch.value(free).await, "900");
    drop(session);
    RowLockPostgres.revert(&cx, &scratch.target, &step).await.unwrap();
    scratch.drop().await;
}

#[tokio::test]
async fn rows_of_a_table_that_somebody_locks_are_not_waited_for() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = row_steps(&scratch.target, 1, json!({"tables": ["users"]})).await.unwrap().remove(0);
    let holder = scratch.target.session().await.unwrap();
    holder.begin().await.unwrap();
    holder.batch("lock", "LOCK TABLE public.users IN EXCLUSIVE MODE").await.unwrap();
    let cx = step_context(&prepare_context(1));
    let mut session = RowLockPostgres.arm(&cx, &scratch.target, &step).await.unwrap();
    let error = RowLockPostgres.inject(&cx, &scratch.target, &step, &mut session).await.unwrap_err();
    assert!(matches!(error, FaultError::Busy(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("ExclusiveLock"), "{error:?}");
    scratch.drop().await;
}

#[tokio::test]
async fn what_cannot_be_locked_is_refused_with_the_reason() {
    let role = format!("a_lock_{}", std::process::id());
    let sql = format!(
        "{TABLES}; CREATE VIEW v AS SELECT 1 AS a; \
         CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT, INSERT ON users TO {role}; \
         GRANT USAGE ON SCHEMA public TO {role}"
    );
    let Some(scratch) = Scratch::new(&sql).await else { return };
    let error = table_steps(&scratch.target, 1, json!({"tables": ["v"]})).await.unwrap_err();
    assert!(error.chain().contains("`v`"), "{}", error.chain());
    let error = row_steps(&scratch.target, 1, json!({"tables": ["empty"]})).await.unwrap_err();
    assert!(error.chain().contains("which has none"), "{}", error.chain());
    let mut url = url::Url::parse(&common::url_of(&scratch.name)).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("x")).unwrap();
    let weak = PgTarget::connect(&common::config(url)).await.unwrap();
    let refused = table_steps(&weak, 1, json!({"tables": ["users"]})).await.unwrap_err();
    assert!(matches!(refused, FaultError::Preflight(_)), "{refused:?}");
    assert!(refused.chain().contains("UPDATE, DELETE, TRUNCATE"), "{}", refused.chain());
    assert!(refused.hint().unwrap().contains("GRANT UPDATE ON public.users TO"), "{:?}", refused.hint());
    assert!(row_steps(&weak, 1, json!({"tables": ["users"]})).await.is_err());
    let reading = json!({"tables": ["users"], "lock_mode": "ROW EXCLUSIVE"});
    let step = table_steps(&weak, 1, reading).await.unwrap().remove(0);
    let cx = step_context(&prepare_context(1));
    let mut session = TableLockPostgres.arm(&cx, &weak, &step).await.unwrap();
    TableLockPostgres.inject(&cx, &weak, &step, &mut session).await.unwrap();
    let reverted = TableLockPostgres.revert(&cx, &weak, &step).await.unwrap();
    assert_eq!(reverted.outcome, RevertOutcome::Restored, "a plain role ends its own session");
    drop(session);
    drop(weak);
    scratch.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    scratch.drop().await;
}

#[tokio::test]
async fn a_step_survives_the_journal() {
    let Some(scratch) = Scratch::new(TABLES).await else { return };
    let step = table_steps(&scratch.target, 1, json!({"lock_mode": "share"})).await.unwrap().remove(0);
    let text = serde_json::to_string(&step).unwrap();
    assert_eq!(serde_json::from_str::<TableLockStep>(&text).unwrap(), step);
    let rows = row_steps(&scratch.target, 2, json!({})).await.unwrap();
    assert_eq!(rows.len(), 3, "every table of the database that has rows, partitions within their parent");
    let text = serde_json::to_string(&rows[0]).unwrap();
    assert_eq!(serde_json::from_str::<RowLockStep>(&text).unwrap(), rows[0]);
    scratch.drop().await;
}
