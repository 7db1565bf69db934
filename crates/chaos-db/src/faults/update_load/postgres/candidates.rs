//! Finds the tables that can be changed and exactly restored, and makes a step of each.

use chaos_core::{Failure, FaultError, PrepareContext};

use super::super::{Params, TABLES_MAX};
use super::columns::{Change, choose, restrictions};
use super::{BATCH_ROWS, UpdateStep};
use crate::postgres::preflight::{self, Operation, Problem};
use crate::postgres::{Helper, PgSession, PgTarget, sql};
use crate::schema::Table;

/// What the helper table takes of the disk: old and new values, twice for the log; the changed rows, twice as well.
const SPACE_FACTOR: u64 = 6;

/// How many reasons for leaving tables out the line of a step spells out.
const SKIPPED_MAX: usize = 6;

/// A table that passed.
struct Candidate {
    table: Table,
    oid: u32,
    changes: Vec<Change>,
}

/// Prepares one step for every table. Named tables must all pass; of the others the first few that pass are taken, and
/// those before them that do not are named in the first step.
pub(super) async fn prepare(
    cx: &PrepareContext,
    target: &PgTarget,
    session: &PgSession,
    params: &Params,
) -> Result<Vec<UpdateStep>, FaultError> {
    preflight::check_server(session).await?;
    let tables = target.tables(session, &params.tables, &cx.filter).await?;
    let is_choice_ours = params.tables.is_empty();
    let (mut candidates, mut problems) = (Vec::new(), Vec::new());
    for table in tables {
        if is_choice_ours && candidates.len() == TABLES_MAX {
            break;
        }
        match examine(session, table, &params.columns).await? {
            Ok(candidate) => candidates.push(candidate),
            Err(found) => problems.extend(found),
        }
    }
    if !is_choice_ours || candidates.is_empty() {
        preflight::refuse_if_any("prepare an exact undo of changed rows", problems.clone())?;
    }
    if candidates.is_empty() {
        let hint = "`resource_filters` and `schemas` may leave nothing; see `chaos discover`";
        return Err(FaultError::Params(Failure::new("find a table to change").hint(hint)));
    }
    let needed = candidates.iter().map(|candidate| space(&candidate.table, params.rows)).sum();
    preflight::check_space(session, needed).await?;
    let mut steps: Vec<UpdateStep> =
        (1..).zip(candidates).map(|(number, candidate)| step(cx, params.rows, number, candidate)).collect();
    if !problems.is_empty() {
        steps[0].skipped = vec![preflight::list(&problems, SKIPPED_MAX)];
    }
    Ok(steps)
}

/// Looks at one table and returns it with the columns to change, or everything that is in the way.
async fn examine(
    session: &PgSession,
    table: Table,
    wanted: &[String],
) -> Result<Result<Candidate, Vec<Problem>>, FaultError> {
    let leaning = restrictions(session, &table).await?;
    let changes = match choose(&table, &leaning, wanted) {
        Ok(changes) => changes,
        Err(problems) => return Ok(Err(problems)),
    };
    let columns: Vec<String> = changes.iter().map(|change| change.column.clone()).collect();
    let operation = Operation::Update { columns: &columns };
    let problems = preflight::table_problems(session, &table.schema, &table.name, operation).await?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let name = sql::qualified(&table.schema, &table.name);
    let sql = format!("SELECT {}::regclass::oid, EXISTS (SELECT FROM {name})", sql::literal(&name));
    let rows = session.simple(format!("look into table `{}`", table.qualified()), &sql).await?;
    let oid = rows.first().and_then(|row| row.get(0)?.parse().ok());
    let Some(oid) = oid.filter(|_| rows[0].get(1) == Some("t")) else {
        let what = format!("table `{}` has no rows", table.qualified());
        return Ok(Err(vec![Problem { what, hint: "choose another table".to_owned() }]));
    };
    Ok(Ok(Candidate { table, oid, changes }))
}

/// Returns how much disk a change of so many rows may take.
fn space(table: &Table, rows: u64) -> u64 {
    let all = table.row_estimate.unwrap_or(rows).max(1);
    (table.bytes / all).saturating_mul(rows.min(all)).saturating_mul(SPACE_FACTOR)
}

fn step(cx: &PrepareContext, rows: u64, number: usize, candidate: Candidate) -> UpdateStep {
    let helper = Helper::choose(cx, number);
    // The fence is already mixed of seed, use and step; 30 bits leave room for adding row and column numbers.
    let seed = helper.fence.keys.0.cast_unsigned() >> 2;
    UpdateStep {
        helper,
        schema: candidate.table.schema,
        table: candidate.table.name,
        oid: candidate.oid,
        key: candidate.table.primary_key,
        changes: candidate.changes,
        rows,
        batch_rows: BATCH_ROWS,
        seed,
        skipped: Vec::new(),
    }
}
