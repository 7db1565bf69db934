//! `db.insert_load` on a real PostgreSQL, ended at every crash point of inject, undo and clean-up.
#![cfg(feature = "crash-points")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

mod common;

use chaos_core::{Fault, PrepareContext, crash};
use chaos_db::faults::insert_load::Params;
use chaos_db::faults::insert_load::postgres::{InsertLoadPostgres, Step};
use chaos_db::postgres::PgTarget;
use common::{Scratch, prepare_context, step_context};

const FAULT: InsertLoadPostgres = InsertLoadPostgres;

const SHOP: &str = "
CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users);
CREATE TABLE plain (a int, b text);
INSERT INTO users (email) SELECT 'n' || n FROM generate_series(1, 20) n;";

async fn all(target: PgTarget, cx: PrepareContext, step: Step) {
    let cx = step_context(&cx);
    let mut session = FAULT.arm(&cx, &target, &step).await.unwrap();
    FAULT.inject(&cx, &target, &step, &mut session).await.unwrap();
    drop(session);
    FAULT.revert(&cx, &target, &step).await.unwrap();
    FAULT.disarm(&cx, &target, &step).await.unwrap();
}

/// Does everything in a task of its own, which ends at the `nth` passing of `point`.
async fn die_at(scratch: &Scratch, cx: &PrepareContext, step: &Step, point: &str, nth: u32) {
    crash::arm(Some((point.to_owned(), nth)));
    let task = tokio::spawn(all(scratch.target.clone(), cx.clone(), step.clone()));
    assert!(task.await.unwrap_err().is_panic(), "{point}#{nth} was not passed");
    crash::arm(None);
}

// One test for all points: the armed point is one for the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_point_is_undone_by_the_next_process() {
    let Some(scratch) = Scratch::new(SHOP).await else { return };
    crash::install_killer(|| panic!("killed"));
    let before = scratch.checksum().await;
    for (number, table) in ["users", "plain"].into_iter().enumerate() {
        let params = Params { rows_per_table: 25_000, tables: vec![table.to_owned()] };
        let cx = prepare_context(u32::try_from(number).unwrap());
        let step = FAULT.prepare(&cx, &scratch.target, params).await.unwrap().remove(0);
        crash::trace_start();
        all(scratch.target.clone(), cx.clone(), step.clone()).await;
        let trace = crash::trace_take();
        assert!(trace.len() > 15, "{trace:?}");
        for (place, point) in trace.iter().enumerate() {
            let nth = trace[..=place].iter().filter(|other| *other == point).count();
            die_at(&scratch, &cx, &step, point, u32::try_from(nth).unwrap()).await;
            let step_cx = step_context(&cx);
            FAULT.revert(&step_cx, &scratch.target, &step).await.unwrap();
            FAULT.disarm(&step_cx, &scratch.target, &step).await.unwrap();
            assert_eq!(scratch.checksum().await, before, "{table}: {point}#{nth}");
        }
    }
    scratch.drop().await;
}
