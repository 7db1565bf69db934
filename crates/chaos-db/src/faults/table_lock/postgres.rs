//! Locks tables on PostgreSQL: one session for each, which the server ends by itself.

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity,
    Reverted, Rope, StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

use super::hold::{Hold, LockSession, try_lock};
use super::preflight::{Lockable, check_lockable};
use super::{LockMode, Params, TableLock};
use crate::faults::on_database::DatabaseFault;
use crate::postgres::{Fence, PgSession, PgTarget, sql};
use crate::schema::Table;

/// How many tables are locked when none is named.
pub(crate) const TABLES_DEFAULT: usize = 5;

/// `db.table_lock` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableLockPostgres;

/// The lock of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLockStep {
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// How it is locked.
    pub mode: LockMode,
    /// How the lock is held and found again.
    pub hold: Hold,
}

impl fmt::Display for TableLockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock table `{}.{}` in {} mode", self.schema, self.table, self.mode)
    }
}

/// The tables to choose from: those named, or all that may be touched.
pub(crate) async fn candidates(
    cx: &PrepareContext,
    target: &PgTarget,
    session: &PgSession,
    named: &[String],
) -> Result<Vec<Table>, FaultError> {
    let tables = target.tables(session, named, &cx.filter).await?;
    if tables.is_empty() {
        let hint =
            "see `schemas` of `target_config` and `resource_filters`, and `chaos discover` for what is there";
        return Err(FaultError::Preflight(Failure::new("find a table that may be locked").hint(hint)));
    }
    Ok(tables)
}

/// The names that policy looks at.
pub(crate) fn names(schema: &str, table: &str) -> Vec<TargetName> {
    let qualified = format!("{schema}.{table}");
    vec![TargetName::new(NameKind::Schema, schema), TargetName::new(NameKind::Table, qualified)]
}

/// How a mode stands in the way of other steps.
fn access(mode: LockMode) -> Access {
    if mode.blocks_readers() {
        Access::BlockAll
    } else if mode.blocks_writers() {
        Access::BlockWrites
    } else {
        Access::Read
    }
}

impl Fault for TableLockPostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = TableLockStep;
    type Session = LockSession;

    const SPEC: FaultSpec = TableLock::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<TableLockStep>, FaultError> {
        let session = target.session().await?;
        let mut tables = candidates(cx, target, &session, &params.tables).await?;
        if params.tables.is_empty() {
            tables.truncate(TABLES_DEFAULT);
        }
        for table in &tables {
            check_lockable(&session, table, Lockable::Table(params.lock_mode)).await?;
        }
        session.close().await;
        let step = |(place, table): (usize, Table)| {
            let handle = format!("{}_{}", cx.handle(), place + 1);
            TableLockStep {
                schema: table.schema,
                table: table.name,
                mode: params.lock_mode,
                hold: Hold::plan(Fence::choose(&handle, cx.seed), cx.hold),
            }
        };
        Ok(tables.into_iter().enumerate().map(step).collect())
    }

    fn facts(&self, step: &TableLockStep) -> StepFacts {
        let resource = format!("table {}.{}", step.schema, step.table);
        StepFacts {
            undo: step.hold.undo(),
            rope: Rope::ServerLimit,
            claims: vec![Claim { resource, access: access(step.mode) }],
            quantity: Quantity { tables: 1, connections: 1, ..Quantity::default() },
            names: names(&step.schema, &step.table),
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &TableLockStep,
    ) -> Result<LockSession, FaultError> {
        step.hold.arm(target).await
    }

    async fn inject(
        &self,
        cx: &StepContext,
        _target: &PgTarget,
        step: &TableLockStep,
        session: &mut LockSession,
    ) -> Result<Effect, FaultError> {
        let locker = session.take()?;
        let table = sql::qualified(&step.schema, &step.table);
        crash_point("pg.table_lock.before_lock");
        let lock = format!("LOCK TABLE {table} IN {} MODE NOWAIT", step.mode.as_sql());
        let tries = try_lock(cx, &locker, &table, &lock).await?;
        crash_point("pg.table_lock.locked");
        session.hold(locker, &step.hold, format!("table `{}.{}`", step.schema, step.table)).await?;
        crash_point("pg.table_lock.sleeping");
        let effect = Effect::default().with("table", format!("{}.{}", step.schema, step.table));
        Ok(effect.with("lock_mode", step.mode.as_sql()).with("tries", tries))
    }

    async fn finish(&self, _cx: &StepContext, session: LockSession) -> Result<Option<Effect>, FaultError> {
        session.finish().await
    }

    async fn revert(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &TableLockStep,
    ) -> Result<Reverted, FaultError> {
        crash_point("pg.table_lock.before_end");
        let reverted = step.hold.end(target).await?;
        crash_point("pg.table_lock.ended");
        Ok(reverted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_lets_writers_in_claims_no_more_than_reading() {
        let claims = LockMode::ALL.map(access);
        assert_eq!(claims[..4], [Access::Read; 4]);
        assert_eq!(claims[4..7], [Access::BlockWrites; 3]);
        assert_eq!(claims[7], Access::BlockAll);
    }
}
