//! `db.insert_load` on SQLite: prepared statements in one transaction, with a copy of every row in a helper table.

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Fault, FaultError, FaultSpec, NameKind, NoSession, PrepareContext, Progress,
    Quantity, Reverted, Rope, StepContext, StepFacts, TargetName,
};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{InsertLoad, Params, limit_tables};
use crate::faults::on_database::DatabaseFault;
use crate::generate::{Cell, RowPlan};
use crate::sqlite::catalog::{SqliteTable, find};
use crate::sqlite::error::During;
use crate::sqlite::helper::{Sequence, sequence};
use crate::sqlite::preflight::{check_space, check_table, chosen, key};
use crate::sqlite::sql::{idents, places, table};
use crate::sqlite::transaction::{EFFECT_PATIENCE, table_changed, write};
use crate::sqlite::undo::{Kind, undo};
use crate::sqlite::{Helper, SqliteTarget, rows};

/// How many rows lie between two looks at the token and two reports.
const BATCH: u64 = 1_000;
/// How many rows are made beforehand to know how large they are.
const SAMPLE: u64 = 100;

/// `db.insert_load` on SQLite.
#[derive(Debug, Clone, Copy, Default)]
pub struct InsertLoadSqlite;

/// The rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The helper tables that hold what was written.
    pub helper: Helper,
    /// The file, as other steps name it too.
    pub file: String,
    /// The statement that made the table: an inject refuses when it is another one by then.
    pub definition: String,
    /// How many rows.
    pub rows: u64,
    /// The seed of their values.
    pub seed: u64,
    /// The text in their unique texts.
    pub tag: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "insert {} rows into `main.{}`", self.rows, self.helper.table)
    }
}

impl Fault for InsertLoadSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = Step;
    type Session = NoSession;

    const SPEC: FaultSpec = InsertLoad::SPEC;

    async fn prepare(
        &self,
        cx: &PrepareContext,
        target: &SqliteTarget,
        params: Params,
    ) -> Result<Vec<Step>, FaultError> {
        let (cx, file) = (cx.clone(), target.file());
        target
            .run_to_the_end(move |connection| {
                file.check_writable(connection)?;
                let steps = prepare(connection, &cx, &params, &file.resource())?;
                check_space(file.path(), steps.iter().map(|(_, bytes)| bytes).sum())?;
                Ok(steps.into_iter().map(|(step, _)| step).collect())
            })
            .await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let name = format!("main.{}", step.helper.table);
        let claim = |resource: String| Claim { resource, access: Access::Write };
        StepFacts {
            undo: format!(
                "delete from `{name}` the rows that `{}_rows` holds and that nobody changed since",
                step.helper.name
            ),
            // SQLite is a library: nothing acts on the file while no program has it open.
            rope: Rope::None,
            claims: vec![claim(step.file.clone()), claim(format!("table {name}"))],
            quantity: Quantity { rows: step.rows, tables: 1, connections: 1, ..Quantity::default() },
            names: vec![TargetName::new(NameKind::Table, name)],
        }
    }

    async fn arm(
        &self,
        _cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<NoSession, FaultError> {
        // Nothing to arm: helper, marker and rows appear in one transaction or not at all. Only the way is tried.
        let helper = step.helper.clone();
        target
            .run_to_the_end(move |connection| match helper.exists(connection)? {
                true => Err(table_changed(&helper.table)),
                false => Ok(NoSession),
            })
            .await
    }

    async fn inject(
        &self,
        cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
        _session: &mut NoSession,
    ) -> Result<Effect, FaultError> {
        let (step, progress) = (step.clone(), cx.progress.clone());
        target
            .run(&cx.cancel, move |connection, cancel| {
                crash_point("sqlite.insert_load.before_begin");
                write(connection, cancel, EFFECT_PATIENCE, |connection| {
                    insert(connection, &step, &progress, cancel)
                })?;
                crash_point("sqlite.insert_load.committed");
                Ok(Effect::default()
                    .with("table", format!("main.{}", step.helper.table))
                    .with("rows", step.rows))
            })
            .await
    }

    async fn revert(
        &self,
        cx: &StepContext,
        target: &SqliteTarget,
        step: &Step,
    ) -> Result<Reverted, FaultError> {
        let helper = step.helper.clone();
        let trace = format!("helper tables {}", helper.name);
        let absent = Reverted::without_trace(cx, &trace, &step.to_string());
        target
            .run(&CancellationToken::new(), move |connection, cancel| {
                undo(connection, cancel, &helper, Kind::Insert, &absent)
            })
            .await
    }

    async fn disarm(&self, _cx: &StepContext, target: &SqliteTarget, step: &Step) -> Result<(), FaultError> {
        let helper = step.helper.clone();
        target
            .run(&CancellationToken::new(), move |connection, cancel| helper.drop_tables(connection, cancel))
            .await
    }
}

/// Returns one step for each table, parents first, each with the bytes of its rows.
fn prepare(
    connection: &Connection,
    cx: &PrepareContext,
    params: &Params,
    resource: &str,
) -> Result<Vec<(Step, u64)>, FaultError> {
    let tables = chosen(connection, cx, &params.tables)?;
    let ordered = limit_tables(params, tables.iter().map(|of| of.table.clone()).collect())?;
    let mut steps = Vec::new();
    for (place, table) in ordered.iter().enumerate() {
        let Some(of) = tables.iter().find(|of| of.table.name == table.name) else { continue };
        check_table(connection, of)?;
        if !of.unique_expressions.is_empty() {
            let what = format!("index `{}`", of.unique_expressions.join("`, `"));
            let why = "a unique key over an expression is not understood".to_owned();
            return Err(rows::refuse(of.name(), &[crate::generate::Obstacle { what, why }]));
        }
        let tag = rows::tag(cx);
        let plan = rows::plan(connection, of, params.rows_per_table, &tag, cx.seed)?;
        let name = format!("{}_{}", cx.handle(), place + 1);
        let helper = Helper::plan(name, of, key(of).unwrap_or_default(), Vec::new());
        let definition = of.sql.clone();
        let bytes = bytes(&plan, params.rows_per_table);
        let step = Step {
            helper,
            file: resource.to_owned(),
            definition,
            rows: params.rows_per_table,
            seed: cx.seed,
            tag,
        };
        steps.push((step, bytes));
    }
    Ok(steps)
}

/// Estimates the bytes of `rows` rows from the first ones.
fn bytes(plan: &RowPlan, rows: u64) -> u64 {
    let sample = rows.min(SAMPLE);
    let size = |cell: &Cell| match cell {
        Cell::Null => 1,
        Cell::Int(_) | Cell::Real(_) => 9,
        Cell::Text(text) => text.len() as u64 + 2,
        Cell::Blob(bytes) => bytes.len() as u64 + 2,
    };
    let total: u64 = (0..sample).flat_map(|row| plan.cells(row)).map(|cell| size(&cell)).sum();
    (total / sample.max(1)).saturating_mul(rows)
}

/// Makes the helper and the rows. Runs inside the transaction.
fn insert(
    connection: &Connection,
    step: &Step,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(), FaultError> {
    let unchanged = |of: &SqliteTable| of.sql == step.definition && of.table.triggers.is_empty();
    let of = find(connection, &step.helper.table)?.filter(unchanged);
    let of = of.ok_or_else(|| table_changed(&step.helper.table))?;
    // The numbers are read again under the lock: somebody may have inserted since the plan was made.
    let plan = rows::plan(connection, &of, step.rows, &step.tag, step.seed)?;
    let before = sequence(connection, of.name())?;
    step.helper.create(connection)?;
    crash_point("sqlite.insert_load.helper_made");
    insert_rows(connection, step, &plan, progress, cancel)?;
    if of.autoincrement {
        let after = sequence(connection, of.name())?;
        step.helper.note_sequence(connection, Sequence { before, after })?;
    }
    crash_point("sqlite.insert_load.before_commit");
    Ok(())
}

fn insert_rows(
    connection: &Connection,
    step: &Step,
    plan: &RowPlan,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(), FaultError> {
    let what = || format!("insert rows into `main.{}`", step.helper.table);
    let stored = idents("", step.helper.columns.iter().map(String::as_str));
    let names = idents("", plan.columns());
    // A key may say `ON CONFLICT REPLACE` or `IGNORE`: ABORT overrules both, so that no row of others can be lost.
    let insert = format!(
        "INSERT OR ABORT INTO {} ({names}) VALUES ({}) RETURNING {stored}",
        table(&step.helper.table),
        places(plan.columns().len())
    );
    let columns = step.helper.row_columns();
    let keep = format!("INSERT INTO {} VALUES ({})", step.helper.rows(), places(columns.len()));
    let mut insert = connection.prepare(&insert).during(what())?;
    let mut keep = connection.prepare(&keep).during(what())?;
    for row in 0..step.rows {
        if row % BATCH == 0 {
            if cancel.is_cancelled() {
                return Err(FaultError::Cancelled);
            }
            progress.report("rows", row, step.rows);
        }
        if row == step.rows / 2 {
            crash_point("sqlite.insert_load.half_way");
        }
        // What comes back is what SQLite stored, after defaults and conversions.
        let mut returned = insert.query(params_from_iter(plan.cells(row))).during(what())?;
        while let Some(stored) = returned.next().during(what())? {
            for place in 0..columns.len() {
                let value = stored.get_ref(place).during(what())?;
                keep.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(value)).during(what())?;
            }
            keep.raw_execute().during(what())?;
        }
    }
    progress.report("rows", step.rows, step.rows);
    Ok(())
}
