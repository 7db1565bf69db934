//! `db.update_load` on SQLite: old and new values go into a helper table, and from there set-based into the rows.

mod columns;
mod inject;

use std::fmt;

use chaos_core::crash::crash_point;
use chaos_core::{
    Access, Claim, Effect, Failure, Fault, FaultError, FaultSpec, NameKind, NoSession, PrepareContext,
    Quantity, Reverted, Rope, StepContext, StepFacts, TargetName,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Params, TABLES_MAX, UpdateLoad};
use crate::faults::on_database::DatabaseFault;
use crate::sqlite::catalog::SqliteTable;
use crate::sqlite::error::During;
use crate::sqlite::preflight::{check_space, check_table, chosen, key};
use crate::sqlite::sql::table;
use crate::sqlite::transaction::{EFFECT_PATIENCE, write};
use crate::sqlite::undo::{Kind, undo};
use crate::sqlite::{Helper, SqliteTarget};

/// How many rows are looked at to know how large they are.
const SAMPLE: u64 = 100;

/// `db.update_load` on SQLite.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpdateLoadSqlite;

/// The changes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The helper tables that hold the values before and after.
    pub helper: Helper,
    /// The file, as other steps name it too.
    pub file: String,
    /// The statement that made the table: an inject refuses when it is another one by then.
    pub definition: String,
    /// How many rows.
    pub rows: u64,
    /// The seed of choice and values.
    pub seed: u64,
    /// Tables that were left out because they cannot be changed, and why. Only the first step names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.helper.changed.join("`, `");
        write!(f, "change `{columns}` in {} random rows of `main.{}`", self.rows, self.helper.table)?;
        if !self.skipped.is_empty() {
            write!(f, " (left out: {})", self.skipped.join("; "))?;
        }
        Ok(())
    }
}

impl Fault for UpdateLoadSqlite {
    type Target = SqliteTarget;
    type Params = Params;
    type Step = Step;
    type Session = NoSession;

    const SPEC: FaultSpec = UpdateLoad::SPEC;

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
                let candidates = candidates(connection, &cx, &params)?;
                check_space(file.path(), candidates.tables.iter().map(|found| found.bytes).sum())?;
                Ok(candidates.into_steps(&cx, &file.resource(), params.rows))
            })
            .await
    }

    fn facts(&self, step: &Step) -> StepFacts {
        let name = format!("main.{}", step.helper.table);
        let claim = |resource: String| Claim { resource, access: Access::Write };
        StepFacts {
            undo: format!(
                "put the values that `{}_rows` holds back into the rows of `{name}` that nobody changed since",
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
        _target: &SqliteTarget,
        _step: &Step,
    ) -> Result<NoSession, FaultError> {
        // Nothing to arm: helper, marker and changes appear in one transaction or not at all.
        Ok(NoSession)
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
                crash_point("sqlite.update_load.before_begin");
                let rows = write(connection, cancel, EFFECT_PATIENCE, |connection| {
                    inject::update(connection, &step, &progress, cancel)
                })?;
                crash_point("sqlite.update_load.committed");
                let effect = Effect::default().with("table", format!("main.{}", step.helper.table));
                Ok(effect.with("columns", step.helper.changed.clone()).with("rows", rows))
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
                undo(connection, cancel, &helper, Kind::Update, &absent)
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

/// The tables that passed, and why the others did not.
struct Candidates {
    tables: Vec<Candidate>,
    skipped: Vec<String>,
}

/// A table that passed.
struct Candidate {
    of: SqliteTable,
    changed: Vec<String>,
    bytes: u64,
}

impl Candidates {
    fn into_steps(self, cx: &PrepareContext, file: &str, rows: u64) -> Vec<Step> {
        let mut skipped = self.skipped;
        let step = |(place, found): (usize, Candidate)| {
            let name = format!("{}_{}", cx.handle(), place + 1);
            let key = key(&found.of).unwrap_or_default();
            Step {
                helper: Helper::plan(name, &found.of, key, found.changed),
                file: file.to_owned(),
                definition: found.of.sql,
                rows,
                seed: cx.seed.wrapping_add(u64::from(cx.use_number)),
                skipped: std::mem::take(&mut skipped),
            }
        };
        self.tables.into_iter().enumerate().map(step).collect()
    }
}

/// Looks at the tables. Named ones must all pass; of the others the first few that pass are taken.
fn candidates(
    connection: &Connection,
    cx: &PrepareContext,
    params: &Params,
) -> Result<Candidates, FaultError> {
    let mut found = Candidates { tables: Vec::new(), skipped: Vec::new() };
    let is_choice_ours = params.tables.is_empty();
    let mut first_refusal = None;
    for of in chosen(connection, cx, &params.tables)? {
        if is_choice_ours && found.tables.len() == TABLES_MAX {
            break;
        }
        match examine(connection, of, params) {
            Ok(candidate) => found.tables.push(candidate),
            Err(error @ (FaultError::Preflight(_) | FaultError::Params(_))) if is_choice_ours => {
                found.skipped.push(error.chain());
                first_refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if !found.tables.is_empty() {
        return Ok(found);
    }
    let hint = "`resource_filters` may leave nothing; see `chaos discover`";
    Err(first_refusal
        .unwrap_or_else(|| FaultError::Params(Failure::new("find a table to change").hint(hint))))
}

fn examine(connection: &Connection, of: SqliteTable, params: &Params) -> Result<Candidate, FaultError> {
    check_table(connection, &of)?;
    let changed = columns::choose(&of, &params.columns)?;
    let name = of.table.qualified();
    let sizes: Vec<String> = of
        .writable()
        .map(|column| {
            format!("ifnull(length(CAST({} AS BLOB)), 0) + 2", crate::sqlite::sql::ident(&column.name))
        })
        .collect();
    let sql = format!(
        "SELECT count(*), ifnull(sum(size), 0) FROM (SELECT {} AS size FROM {} LIMIT {SAMPLE})",
        crate::sqlite::sql::join(&sizes, "+"),
        table(of.name())
    );
    let (rows, bytes): (i64, i64) = connection
        .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .during(format!("look into table `{name}`"))?;
    if rows == 0 {
        let failure = Failure::new(format!("change rows of table `{name}`")).source("it has no rows");
        return Err(FaultError::Preflight(failure.hint("choose another table")));
    }
    let bytes = (bytes / rows).unsigned_abs().saturating_mul(params.rows.min(total(connection, of.name())?));
    Ok(Candidate { of, changed, bytes })
}

fn total(connection: &Connection, name: &str) -> Result<u64, FaultError> {
    Ok(crate::sqlite::catalog::count_rows(connection, name)?.unwrap_or(u64::MAX))
}
