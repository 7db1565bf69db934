//! `db.update_load` on PostgreSQL.
//!
//! One transaction copies random rows with their new values into a helper table, changes them from there and leaves a
//! marker. The undo goes through the helper in batches and sets back only rows that still carry the number of that very
//! transaction and still hold exactly what it wrote.

mod candidates;
mod change;
mod columns;
mod fill;
mod inject;
mod other_loads;
mod statements;
mod undo;

use std::fmt;

use chaos_core::{
    Access, Claim, Effect, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity, Reverted, Rope,
    StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

use super::{Params, UpdateLoad};
use crate::faults::on_database::DatabaseFault;
use crate::postgres::{Helper, PgSession, PgTarget};
pub use columns::Change;

/// Rows undone in one transaction: few enough that the application hardly waits for one, many enough that the way to the
/// server does not count.
const BATCH_ROWS: u64 = 10_000;

/// `db.update_load` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpdateLoadPostgres;

/// Which rows of one table are changed, and how they are found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateStep {
    /// Where before-images and marker are kept, and the fence.
    pub helper: Helper,
    /// The schema of the table.
    pub schema: String,
    /// The name of the table.
    pub table: String,
    /// The table itself, whatever its name is by then.
    pub oid: u32,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// The columns to be changed.
    pub changes: Vec<Change>,
    /// How many rows are to be changed.
    pub rows: u64,
    /// How many rows one transaction of the undo takes.
    pub batch_rows: u64,
    /// What all random choices derive from.
    pub seed: u32,
    /// Tables that were left out and why, where none was named.
    #[serde(default)]
    pub skipped: Vec<String>,
}

impl UpdateStep {
    /// Returns `schema.table`, unquoted.
    fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    fn column_names(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.column.clone()).collect()
    }
}

impl fmt::Display for UpdateStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.column_names().join("`, `");
        let rows = if self.rows == 1 { "row" } else { "rows" };
        write!(f, "change `{columns}` in {} random {rows} of `{}`", self.rows, self.qualified())?;
        if !self.skipped.is_empty() {
            write!(f, " (left out: {})", self.skipped.join("; "))?;
        }
        Ok(())
    }
}

impl Fault for UpdateLoadPostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = UpdateStep;
    type Session = PgSession;

    const SPEC: FaultSpec = UpdateLoad::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<UpdateStep>, FaultError> {
        let session = target.session().await?;
        let steps = candidates::prepare(cx, target, &session, &params).await?;
        session.close().await;
        Ok(steps)
    }

    fn facts(&self, step: &UpdateStep) -> StepFacts {
        let table = step.qualified();
        StepFacts {
            undo: format!(
                "set the old values back in every row that nobody else changed since, from schema `{}`",
                step.helper.schema
            ),
            rope: Rope::None,
            claims: vec![Claim { resource: format!("table {table}"), access: Access::Write }],
            // The second connection looks for other runs while the first one copies.
            quantity: Quantity { rows: step.rows, tables: 1, connections: 2, ..Quantity::default() },
            names: vec![
                TargetName::new(NameKind::Schema, step.schema.clone()),
                TargetName::new(NameKind::Table, table),
            ],
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &UpdateStep,
    ) -> Result<PgSession, FaultError> {
        let session = target.session().await?;
        session.begin().await?;
        step.helper.fence.take_in_transaction(&session).await?;
        Ok(session)
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &PgTarget,
        step: &UpdateStep,
        session: &mut PgSession,
    ) -> Result<Effect, FaultError> {
        let session = &*session;
        tokio::select! {
            done = inject::inject(cx, target, step, session) => done,
            () = cx.cancel.cancelled() => {
                if let Err(error) = session.cancel().await {
                    // The session is dropped next, and with it everything that it had not committed.
                    tracing::warn!(error = error.chain(), "The running statement could not be cancelled.");
                }
                Err(FaultError::Cancelled)
            }
        }
    }

    async fn revert(
        &self,
        cx: &StepContext,
        target: &PgTarget,
        step: &UpdateStep,
    ) -> Result<Reverted, FaultError> {
        let session = target.session().await?;
        let reverted = undo::revert(cx, &session, step).await?;
        session.close().await;
        Ok(reverted)
    }

    async fn disarm(
        &self,
        _cx: &StepContext,
        target: &PgTarget,
        step: &UpdateStep,
    ) -> Result<(), FaultError> {
        let session = target.session().await?;
        step.helper.drop(&session, &statements::TABLES).await?;
        session.close().await;
        Ok(())
    }
}
