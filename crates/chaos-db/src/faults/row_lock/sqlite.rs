//! `db.row_lock` on SQLite: refused, because SQLite has no row locks.

use chaos_core::{
    Effect, Failure, Fault, FaultError, FaultSpec, NoSession, PrepareContext, Reverted, StepContext,
    StepFacts,
};
use serde::{Deserialize, Serialize};

use super::{Params, RowLock};
use crate::faults::on_database::DatabaseFault;
use crate::sqlite::SqliteTarget;

/// `db.row_lock` on SQLite: says in preflight that there is no such thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowLockSqlite;

/// A step that cannot exist.
#[derive(Debug, Serialize, Deserialize)]
pub enum NoStep {}

impl std::fmt::Display for NoStep {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl Fault for RowLockSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = NoStep;
    type Session = NoSession;

    const SPEC: FaultSpec = RowLock::SPEC;

    async fn prepare(
        &self,
        _cx: &PrepareContext,
        _target: &SqliteTarget,
        params: Params,
    ) -> Result<Vec<NoStep>, FaultError> {
        let what = format!("lock {} rows {} on SQLite", params.rows_per_table, params.lock_type);
        let failure = Failure::new(what).source("SQLite locks the whole file, it has no row locks");
        Err(FaultError::Preflight(failure.hint("use `db.table_lock`, which locks the file")))
    }

    fn facts(&self, step: &NoStep) -> StepFacts {
        match *step {}
    }

    async fn arm(&self, _: &StepContext, _: &SqliteTarget, step: &NoStep) -> Result<NoSession, FaultError> {
        match *step {}
    }

    async fn inject(
        &self,
        _: &StepContext,
        _: &SqliteTarget,
        step: &NoStep,
        _: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        match *step {}
    }

    async fn revert(&self, _: &StepContext, _: &SqliteTarget, step: &NoStep) -> Result<Reverted, FaultError> {
        match *step {}
    }
}
