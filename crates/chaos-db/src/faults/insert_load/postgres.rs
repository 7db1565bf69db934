//! `db.insert_load` on PostgreSQL: one COPY a table, with a marker in the same transaction; the undo deletes what is
//! still as that transaction left it.

mod children;
mod inject;
pub mod key;
mod left;
mod parents;
mod parts;
mod place;
mod prepare;
mod rows;
mod undo;

use std::collections::BTreeMap;
use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Fault, FaultError, FaultSpec, NameKind, PrepareContext, Quantity, Reverted, Rope,
    StepContext, StepFacts, TargetName,
};
use serde::{Deserialize, Serialize};

use super::{InsertLoad, Params};
use crate::faults::on_database::DatabaseFault;
use crate::postgres::{Helper, PgSession, PgTarget};
use crate::schema::Check;
use key::Key;

/// `db.insert_load` on PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct InsertLoadPostgres;

/// The rows of one table: what makes them, and by what they are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Schema and fence of the marker.
    pub helper: Helper,
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What stays the same when the table is renamed, and differs when another one takes its name.
    pub table_oid: u32,
    /// How many rows.
    pub rows: u64,
    /// The seed of their values.
    pub seed: u64,
    /// By what they are known.
    pub key: Key,
    /// The text in their unique texts.
    pub tag: String,
    /// The first of the numbers reserved in each column that needs them.
    pub first_numbers: BTreeMap<String, i64>,
    /// What the rows must fulfil to fit into the chosen partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Check>,
    /// The tables that the rows refer to, as `schema.table`.
    pub parents: Vec<String>,
}

impl Step {
    /// Returns `schema.table`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "insert {} rows into `{}` ({})", self.rows, self.qualified(), self.key)
    }
}

impl Fault for InsertLoadPostgres {
    type Target = PgTarget;
    type Params = Params;
    type Step = Step;
    type Session = PgSession;

    const SPEC: FaultSpec = InsertLoad::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &PgTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        prepare::prepare(cx, target, &params).await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let table = Claim { resource: format!("table {}", step.qualified()), access: Access::Write };
        // The check of a foreign key locks the parent row.
        let parents = step
            .parents
            .iter()
            .filter(|parent| **parent != step.qualified())
            .map(|parent| Claim { resource: format!("table {parent}"), access: Access::Write });
        StepFacts {
            undo: format!(
                "delete exactly these rows of `{}`, unless somebody else changed one",
                step.qualified()
            ),
            rope: Rope::None,
            claims: [table].into_iter().chain(parents).collect(),
            quantity: Quantity { rows: step.rows, tables: 1, ..Quantity::default() },
            names: vec![
                TargetName::new(NameKind::Schema, step.schema.clone()),
                TargetName::new(NameKind::Table, step.qualified()),
            ],
        }
    }

    async fn arm(&self, _cx: &StepContext, target: &PgTarget, step: &Step) -> Result<PgSession, FaultError> {
        let session = target.session().await?;
        session.begin().await?;
        crash_point("pg.insert.begun");
        step.helper.fence.take_in_transaction(&session).await?;
        crash_point("pg.insert.fenced");
        Ok(session)
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &PgTarget,
        step: &Step,
        session: &mut PgSession,
    ) -> Result<Effect, FaultError> {
        inject::inject(cx, target, step, session).await
    }

    async fn revert(&self, cx: &StepContext, target: &PgTarget, step: &Step) -> Result<Reverted, FaultError> {
        undo::revert(cx, target, step).await
    }

    async fn disarm(&self, _cx: &StepContext, target: &PgTarget, step: &Step) -> Result<(), FaultError> {
        let session = target.session().await?;
        step.helper.drop(&session, &[]).await?;
        session.close().await;
        Ok(())
    }
}
