//! Locks random rows on PostgreSQL: one session for each table, which the server ends by itself.

use std::fmt;
use std::time::Duration;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, PrepareContext, Quantity, Reverted, Rope,
    StepContext, StepFacts,
};
use serde::{Deserialize, Serialize};

use super::{LockType, Params, RowLock};
use crate::faults::on_database::DatabaseFault;
use crate::faults::table_lock::hold::{Hold, LockSession, try_lock};
use crate::faults::table_lock::postgres::{TABLES_DEFAULT, candidates, names};
use crate::faults::table_lock::preflight::{Lockable, check_lockable};
use crate::postgres::{Fence, PgSession, PgTarget, sql};
use crate::schema::Table;

/// How long the search for rows may take.
const SEARCH_MAX: Duration = Duration::from_secs(20);
/// Tables with fewer rows are searched as a whole, so that every row has the same chance.
const SAMPLE_FROM: u64 = 200_000;
/// How many rows a sample holds for every row to be locked: whole pages are sampled, single rows are chosen from them.
const SAMPLE_FACTOR: u64 = 50;

/// `db.row_lock` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowLockPostgres;

/// The lock of random rows of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowLockStep {
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// How many rows are locked.
    pub rows: u64,
    /// How they are locked.
    pub lock_type: LockType,
    /// The seed of the choice.
    pub seed: i64,
    /// Which share of the pages is looked at, in percent; absent: all.
    pub sample_percent: Option<f64>,
    /// How the locks are held and found again.
    pub hold: Hold,
}

impl fmt::Display for RowLockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock {} random rows of `{}.{}` {}", self.rows, self.schema, self.table, self.lock_type)
    }
}

impl RowLockStep {
    /// The statement that locks the rows. Rows that somebody else holds are skipped, so it never waits for one.
    fn statement(&self, sample: bool) -> String {
        let table = sql::qualified(&self.schema, &self.table);
        let sample = match self.sample_percent {
            Some(percent) if sample => format!("TABLESAMPLE SYSTEM ({percent}) REPEATABLE ({})", self.seed),
            _ => String::new(),
        };
        // The place of a row, mixed with the seed, orders the rows at random but for one seed always alike. Rows are
        // locked in this order, one by one, until there are enough.
        format!(
            "SELECT FROM {table} t {sample} \
             ORDER BY hashtextextended(t.tableoid::text || t.ctid::text, {}) LIMIT {} {} OF t SKIP LOCKED",
            self.seed,
            self.rows,
            self.lock_type.as_sql()
        )
    }
}

/// Plans the lock of one table, or nothing when it has no rows.
async fn plan_table(
    cx: &PrepareContext,
    session: &PgSession,
    params: &Params,
    place: usize,
    table: Table,
) -> Result<Option<RowLockStep>, FaultError> {
    let wanted = u64::from(params.rows_per_table.get());
    let from = sql::qualified(&table.schema, &table.name);
    let count = format!("SELECT count(*) FROM (SELECT FROM {from} LIMIT {wanted}) AS found");
    let rows = session.simple(format!("count rows of `{}`", table.qualified()), &count).await?;
    let rows = rows.first().and_then(|row| row.get(0)?.parse::<u64>().ok()).unwrap_or(0);
    if rows == 0 {
        return Ok(None);
    }
    let handle = format!("{}_{}", cx.handle(), place + 1);
    Ok(Some(RowLockStep {
        sample_percent: sample_percent(rows, table.row_estimate),
        schema: table.schema,
        table: table.name,
        rows,
        lock_type: params.lock_type,
        seed: cx.seed.cast_signed().wrapping_add_unsigned(place as u64),
        hold: Hold::plan(Fence::choose(&handle, cx.seed), cx.hold),
    }))
}

/// Which share of a large table is enough to find `rows` rows in it.
fn sample_percent(rows: u64, estimate: Option<u64>) -> Option<f64> {
    let estimate = estimate.filter(|estimate| *estimate > SAMPLE_FROM)?;
    let wanted = rows.saturating_mul(SAMPLE_FACTOR);
    // Exact to 53 bits, which is more than an estimate is worth.
    let percent = wanted as f64 * 100.0 / estimate as f64;
    (percent < 50.0).then_some(percent)
}

/// Locks the rows and returns how many it got.
async fn lock_rows(session: &PgSession, step: &RowLockStep) -> Result<u64, FaultError> {
    let what = format!("lock rows of `{}.{}`", step.schema, step.table);
    let limit = SEARCH_MAX.as_millis();
    session.batch(&*what, &format!("SET LOCAL statement_timeout = {limit}; SAVEPOINT rows")).await?;
    let locked = session.affected(&*what, &step.statement(true)).await?;
    if locked >= step.rows || step.sample_percent.is_none() {
        return Ok(locked);
    }
    // The estimate was wrong, or most of the sample is held by somebody else: look at the whole table instead.
    session.batch(&*what, "ROLLBACK TO SAVEPOINT rows").await?;
    session.affected(&*what, &step.statement(false)).await
}

fn no_rows(of: &str) -> FaultError {
    let hint = "name tables that have rows in `tables`";
    FaultError::Preflight(Failure::new(format!("lock rows of {of}")).hint(hint))
}

fn none_free(step: &RowLockStep) -> FaultError {
    let what = format!("lock any row of `{}.{}`", step.schema, step.table);
    FaultError::Busy(Failure::new(what).hint("all of them are held by somebody else, or deleted; try again"))
}

impl Fault for RowLockPostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = RowLockStep;
    type Session = LockSession;

    const SPEC: FaultSpec = RowLock::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<RowLockStep>, FaultError> {
        let session = target.session().await?;
        let mut steps = Vec::new();
        for table in candidates(cx, target, &session, &params.tables).await? {
            if params.tables.is_empty() && steps.len() == TABLES_DEFAULT {
                break;
            }
            check_lockable(&session, &table, Lockable::Rows).await?;
            let name = table.qualified();
            match plan_table(cx, &session, &params, steps.len(), table).await? {
                Some(step) => steps.push(step),
                // As documented: when no table is named, those that have rows are meant.
                None if params.tables.is_empty() => {}
                None => return Err(no_rows(&format!("`{name}`, which has none"))),
            }
        }
        session.close().await;
        if steps.is_empty() { Err(no_rows("any table; all of them are empty")) } else { Ok(steps) }
    }

    fn facts(&self, step: &RowLockStep) -> StepFacts {
        let resource = format!("table {}.{}", step.schema, step.table);
        StepFacts {
            undo: step.hold.undo(),
            rope: Rope::ServerLimit,
            claims: vec![Claim { resource, access: Access::BlockWrites }],
            quantity: Quantity { rows: step.rows, tables: 1, connections: 1, ..Quantity::default() },
            names: names(&step.schema, &step.table),
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &RowLockStep,
    ) -> Result<LockSession, FaultError> {
        step.hold.arm(target).await
    }

    async fn inject(
        &self,
        cx: &StepContext,
        _target: &PgTarget,
        step: &RowLockStep,
        session: &mut LockSession,
    ) -> Result<Effect, FaultError> {
        let locker = session.take()?;
        let table = sql::qualified(&step.schema, &step.table);
        crash_point("pg.row_lock.before_lock");
        // The lock of rows begins with a weak lock of the table, and that one would wait: so it is taken beforehand.
        let tries =
            try_lock(cx, &locker, &table, &format!("LOCK TABLE {table} IN ROW SHARE MODE NOWAIT")).await?;
        let locked = lock_rows(&locker, step).await?;
        crash_point("pg.row_lock.locked");
        if locked == 0 {
            return Err(none_free(step));
        }
        session.hold(locker, &step.hold, format!("rows of `{}.{}`", step.schema, step.table)).await?;
        crash_point("pg.row_lock.sleeping");
        let effect = Effect::default().with("table", format!("{}.{}", step.schema, step.table));
        let effect = effect.with("lock_type", step.lock_type.as_sql()).with("rows_asked", step.rows);
        Ok(effect.with("rows_locked", locked).with("tries", tries))
    }

    async fn finish(&self, _cx: &StepContext, session: LockSession) -> Result<Option<Effect>, FaultError> {
        session.finish().await
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &RowLockStep,
    ) -> Result<Reverted, FaultError> {
        crash_point("pg.row_lock.before_end");
        let reverted = step.hold.end(target).await?;
        crash_point("pg.row_lock.ended");
        Ok(reverted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_tables_are_sampled() {
        assert_eq!(sample_percent(100, None), None);
        assert_eq!(sample_percent(100, Some(100_000)), None);
        assert_eq!(sample_percent(100, Some(1_000_000)), Some(0.5));
        assert_eq!(sample_percent(100_000, Some(1_000_000)), None);
    }
}
