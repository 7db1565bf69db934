//! Changes the rows, in the transaction that `arm` began and that holds the fence.

use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::{Effect, Failure, FaultError, StepContext};

use super::UpdateStep;
use super::fill::fill;
use super::other_loads::OtherLoads;
use super::statements::Statements;
use super::undo::NESTED_LOOPS;
use crate::postgres::preflight::{self, Operation};
use crate::postgres::{PgSession, PgTarget, sql};

/// The first key of the lock that orders our own loads on one table; the second is the table. "chao" in ASCII.
const TABLE_LOCK: i32 = 0x6368_616f;
/// How long another load of ours may take to copy and change its rows.
const TABLE_LOCK_WAIT_MAX: Duration = Duration::from_secs(120);
/// How often we look whether it is done.
const POLL: Duration = Duration::from_millis(100);
/// Rows changed by one statement, between two words of progress.
const CHANGE_ROWS: u64 = 50_000;

/// Copies and changes the rows, leaves the marker and commits.
pub(super) async fn inject(
    cx: &StepContext,
    target: &PgTarget,
    step: &UpdateStep,
    session: &PgSession,
) -> Result<Effect, FaultError> {
    let statements = Statements::new(step);
    check_again(session, step, &statements).await?;
    wait_for_own_loads(session, step).await?;
    crash_point("pg.update.before_marker");
    step.helper.create(session).await?;
    session.batch("make the helper tables", &statements.create()).await?;
    crash_point("pg.update.after_marker");
    cx.progress.report("rows", 0, step.rows);
    let others = OtherLoads::of(target).await?;
    let rows = fill(session, &others, step, &statements).await?;
    others.close().await;
    crash_point("pg.update.after_copy");
    change(cx, session, step, &statements, rows).await?;
    crash_point("pg.update.after_change");
    session.batch("check the constraints", "SET CONSTRAINTS ALL IMMEDIATE").await?;
    check_touched(session, step).await?;
    step.helper.set_rows(session, rows).await?;
    crash_point("pg.update.before_commit");
    session.commit().await?;
    crash_point("pg.update.after_commit");
    Ok(effect(step, rows))
}

/// What preflight found may have changed since. The lock comes first, so that it cannot change after the check.
async fn check_again(
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
) -> Result<(), FaultError> {
    let table = sql::literal(&sql::qualified(&step.schema, &step.table));
    let same = format!("SELECT to_regclass({table}) = {}::oid", step.oid);
    let rows = session.simple("find the table again", &same).await?;
    if rows.first().and_then(|row| row.get(0)) != Some("t") {
        let what = format!("find table `{}`, which is not the one of the plan any more", step.qualified());
        return Err(FaultError::Target(
            Failure::new(what).hint("it was dropped or renamed since; plan again"),
        ));
    }
    session.batch(format!("lock table `{}`", step.qualified()), &statements.lock()).await?;
    let columns = step.column_names();
    let operation = Operation::Update { columns: &columns };
    let problems = preflight::table_problems(session, &step.schema, &step.table, operation).await?;
    preflight::refuse_if_any(&format!("prepare an exact undo on table `{}`", step.qualified()), problems)
}

/// Two loads of ours that chose rows at the same time could choose the same ones.
async fn wait_for_own_loads(session: &PgSession, step: &UpdateStep) -> Result<(), FaultError> {
    let sql = format!("SELECT pg_try_advisory_xact_lock({TABLE_LOCK}, {})", step.oid.cast_signed());
    let what = format!("wait for another load on `{}`", step.qualified());
    let started = tokio::time::Instant::now();
    while started.elapsed() < TABLE_LOCK_WAIT_MAX {
        let rows = session.simple(what.clone(), &sql).await?;
        if rows.first().and_then(|row| row.get(0)) == Some("t") {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(FaultError::Busy(Failure::new(what).hint("it still runs; try again when it is done")))
}

async fn change(
    cx: &StepContext,
    session: &PgSession,
    step: &UpdateStep,
    statements: &Statements<'_>,
    rows: u64,
) -> Result<(), FaultError> {
    let what = format!("change rows of `{}`", step.qualified());
    let sql = format!("SELECT coalesce(max(id), 0) FROM {}", statements.helper);
    let last = session.simple(what.clone(), &sql).await?;
    let last: u64 = last.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or(0);
    if last > CHANGE_ROWS {
        session.batch(what.clone(), NESTED_LOOPS).await?;
    }
    let mut changed = 0;
    for start in (0..last).step_by(CHANGE_ROWS as usize) {
        let ids = format!("h.id > {start} AND h.id <= {}", start + CHANGE_ROWS);
        changed += session.affected(what.clone(), &statements.change(&ids)).await?;
        cx.progress.report("rows", changed, rows);
    }
    if changed == rows {
        return Ok(());
    }
    let what = format!("change {rows} rows of `{}`: the server changed {changed}", step.qualified());
    Err(FaultError::Target(Failure::new(what).hint("something on the server rewrites our statements")))
}

/// Everything that this transaction wrote must be ours: a trigger or cascade that nobody foresaw shows here. The session
/// was opened for this transaction, so that nothing earlier is counted.
async fn check_touched(session: &PgSession, step: &UpdateStep) -> Result<(), FaultError> {
    let sql = format!(
        "SELECT relid::regclass FROM pg_stat_xact_user_tables \
         WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname <> {} AND relid <> {oid} \
           AND relid NOT IN (SELECT relid FROM pg_partition_tree({oid}))",
        sql::literal(&step.helper.schema),
        oid = step.oid
    );
    let rows = session.simple("see which tables were written", &sql).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = rows.iter().filter_map(|row| row.get(0)).collect();
    let what =
        format!("change `{}` alone: the server wrote to `{}` too", step.qualified(), names.join("`, `"));
    Err(FaultError::Target(Failure::new(what).hint("see what reacts to an update of this table")))
}

fn effect(step: &UpdateStep, rows: u64) -> Effect {
    let effect = Effect::default()
        .with("table", step.qualified())
        .with("columns", step.column_names())
        .with("rows", rows);
    if rows == step.rows {
        return effect;
    }
    let why = "the other rows do not exist, are locked, or belong to another run";
    effect.with("rows_asked", step.rows).with("fewer_because", why)
}
