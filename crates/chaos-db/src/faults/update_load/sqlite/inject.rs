//! Chooses the rows, notes their old and new values, and changes them. All of it runs inside one transaction.

use chaos_core::crash::crash_point;
use chaos_core::{Failure, FaultError, Progress};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, Statement};
use tokio_util::sync::CancellationToken;

use super::Step;
use crate::generate::change::{Sample, changed, random};
use crate::schema::ColumnKind;
use crate::sqlite::catalog::{SqliteTable, find};
use crate::sqlite::compare::same_key;
use crate::sqlite::error::During;
use crate::sqlite::helper::{live, not_ours};
use crate::sqlite::rows::cell;
use crate::sqlite::sql::{ident, idents, places, table};
use crate::sqlite::transaction::table_changed;

/// How many rows lie between two looks at the token and two reports.
const BATCH: u64 = 1_000;

/// Changes the rows and returns how many.
pub(super) fn update(
    connection: &Connection,
    step: &Step,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<u64, FaultError> {
    let helper = &step.helper;
    let unchanged = |of: &SqliteTable| of.sql == step.definition && of.table.triggers.is_empty();
    let of =
        find(connection, &helper.table)?.filter(unchanged).ok_or_else(|| table_changed(&helper.table))?;
    if helper.exists(connection)? {
        return Err(table_changed(&helper.table));
    }
    // Rows that other steps of ours still have to undo are theirs: a row with two owners could not be put back.
    let others = not_ours(&live(connection, &helper.table)?, "t");
    helper.create(connection)?;
    crash_point("sqlite.update_load.helper_made");
    let rows = note(connection, step, &of, &others, progress, cancel)?;
    crash_point("sqlite.update_load.noted");
    apply(connection, step, rows)?;
    crash_point("sqlite.update_load.before_commit");
    Ok(rows)
}

/// Fills the helper with the chosen rows, as they are and as they shall become.
fn note(
    connection: &Connection,
    step: &Step,
    of: &SqliteTable,
    others: &str,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<u64, FaultError> {
    let helper = &step.helper;
    let what = || format!("choose rows of `main.{}`", helper.table);
    let present: Vec<String> =
        helper.key.iter().map(|column| format!("t.{} IS NOT NULL", ident(column))).collect();
    let from = format!("FROM {} AS t WHERE {}{others}", table(&helper.table), present.join(" AND "));
    let total: i64 =
        connection.query_row(&format!("SELECT count(*) {from}"), [], |row| row.get(0)).during(what())?;
    let mut sample = Sample::new(step.seed, total.unsigned_abs(), step.rows);
    let wanted = sample.wanted();
    if wanted == 0 {
        let failure = Failure::new(what()).source("none is left that no other step is changing");
        return Err(FaultError::Busy(failure));
    }
    let columns = idents("t.", helper.columns.iter().map(String::as_str));
    let mut select = connection.prepare(&format!("SELECT {columns} {from}")).during(what())?;
    let width = helper.row_columns().len();
    let keep = format!("INSERT INTO {} VALUES ({})", helper.rows(), places(width));
    let mut keep = connection.prepare(&keep).during(what())?;
    let changes = changes(step, of);
    let mut found = select.query([]).during(what())?;
    while sample.wanted() > 0
        && let Some(row) = found.next().during(what())?
    {
        if !sample.take() {
            continue;
        }
        let done = wanted - sample.wanted();
        if done % BATCH == 1 {
            if cancel.is_cancelled() {
                return Err(FaultError::Cancelled);
            }
            progress.report("rows", done, wanted);
        }
        bind(&mut keep, row, helper.columns.len(), &changes, step.seed.wrapping_add(done)).during(what())?;
        keep.raw_execute().during(what())?;
    }
    progress.report("rows", wanted, wanted);
    Ok(wanted - sample.wanted())
}

/// The places of the changed columns among all, with what values they take.
fn changes(step: &Step, of: &SqliteTable) -> Vec<(usize, ColumnKind)> {
    let place = |name: &String| step.helper.columns.iter().position(|column| column == name);
    let kind = |name: &String| of.table.column(name).map(|column| column.kind.clone());
    step.helper.changed.iter().filter_map(|name| Some((place(name)?, kind(name)?))).collect()
}

/// Binds a row of the helper: all values as they shall become, then the old ones of the changed columns. What is kept is
/// handed on as SQLite gave it, so that also text that is no valid Unicode comes back byte by byte.
fn bind(
    keep: &mut Statement<'_>,
    row: &Row<'_>,
    width: usize,
    changes: &[(usize, ColumnKind)],
    seed: u64,
) -> rusqlite::Result<()> {
    for place in 0..width {
        let old = row.get_ref(place)?;
        match changes.iter().position(|(changed, _)| *changed == place) {
            Some(number) => {
                let new = changed(&cell(old), &changes[number].1, random(seed, place as u64));
                keep.raw_bind_parameter(place + 1, new)?;
                keep.raw_bind_parameter(width + number + 1, ToSqlOutput::Borrowed(old))?;
            }
            None => keep.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(old))?,
        }
    }
    Ok(())
}

/// Puts the new values into the rows, and what SQLite made of them back into the helper.
fn apply(connection: &Connection, step: &Step, rows: u64) -> Result<(), FaultError> {
    let helper = &step.helper;
    let name = table(&helper.table);
    let set = |to: &dyn Fn(&String) -> String| helper.changed.iter().map(to).collect::<Vec<_>>().join(", ");
    let (keys, kept) = (same_key(helper), helper.rows());
    // A constraint may say `ON CONFLICT REPLACE`: ABORT overrules it, so that no row of others can be lost.
    let change = format!(
        "UPDATE OR ABORT {name} AS t SET {} FROM {kept} AS h WHERE {keys}",
        set(&|column| format!("{} = h.{}", ident(column), helper.after(column)))
    );
    // A column may convert what it is given; the undo compares with what is stored.
    let read_back = format!(
        "UPDATE {kept} AS h SET {} FROM {name} AS t WHERE {keys}",
        set(&|column| format!("{} = t.{}", helper.after(column), ident(column)))
    );
    for sql in [change, read_back] {
        let changed =
            connection.execute(&sql, []).during(format!("change rows of `main.{}`", helper.table))?;
        if changed as u64 != rows {
            let failure = Failure::new(format!("change {rows} rows of `main.{}`", helper.table));
            return Err(FaultError::Target(failure.source(format!("SQLite changed {changed}"))));
        }
    }
    Ok(())
}
