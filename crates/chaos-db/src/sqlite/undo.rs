//! Undoes what the helper of a step holds, in one transaction, and says what somebody else changed meanwhile.
//!
//! Triggers and foreign keys are off in the session of an undo: a trigger made since must not fire on rows that were
//! never the application's, and a foreign key must not delete or change rows of others. What refers to our rows is
//! looked up instead, under the write lock.

use chaos_core::crash::crash_point;
use chaos_core::{Conflict, Effect, FaultError, RevertOutcome, Reverted};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio_util::sync::CancellationToken;

use super::catalog::{SqliteTable, find, query};
use super::compare::{as_before, as_we_left_it, same_key, without_children};
use super::error::During;
use super::helper::Helper;
use super::sql::{ident, idents, table};
use super::transaction::{UNDO_PATIENCE, write};

/// How many rows one statement undoes. SQLite keeps the numbers of the rows that a statement deletes in memory.
const BATCH: i64 = 100_000;

/// What kind of effect is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Rows were inserted.
    Insert,
    /// Rows were changed.
    Update,
}

impl Kind {
    fn crash_point(self, place: &str) {
        let fault = match self {
            Self::Insert => "insert_load",
            Self::Update => "update_load",
        };
        crash_point(&format!("sqlite.{fault}.{place}"));
    }
}

/// Undoes a step as far as its rows are as it left them. What is left is counted as conflicts, and the helper keeps it
/// until a person accepted it. `absent` is what a revert says that finds no helper.
pub(crate) fn undo(
    connection: &Connection,
    cancel: &CancellationToken,
    helper: &Helper,
    kind: Kind,
    absent: &Reverted,
) -> Result<Reverted, FaultError> {
    for (config, name) in [
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, "triggers"),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, "foreign keys"),
    ] {
        connection.set_db_config(config, false).during(format!("switch off {name} for the undo"))?;
    }
    kind.crash_point("before_undo");
    let reverted = write(connection, cancel, UNDO_PATIENCE, |connection| {
        if !helper.exists(connection)? {
            return Ok(None);
        }
        kind.crash_point("undo_started");
        let reverted = undo_in_transaction(connection, helper, kind)?;
        kind.crash_point("undo_before_commit");
        Ok(Some(reverted))
    })?;
    let Some(reverted) = reverted else { return Ok(absent.clone()) };
    kind.crash_point("undo_committed");
    verify(connection, helper, &reverted)?;
    Ok(reverted)
}

fn undo_in_transaction(connection: &Connection, helper: &Helper, kind: Kind) -> Result<Reverted, FaultError> {
    let noted = count(connection, &format!("SELECT count(*) FROM {}", helper.rows()))?;
    let Some(of) = find(connection, &helper.table)?.filter(|of| has_columns(of, helper)) else {
        let mut reverted = Reverted::new(RevertOutcome::NothingToDo);
        reverted.conflicts_total = noted;
        reverted.conflicts.push(Conflict {
            what: format!("{noted} rows of main.{}", helper.table),
            found: "the table was dropped or altered since by somebody else, left as it is".to_owned(),
        });
        return Ok(reverted);
    };
    let statement = match kind {
        Kind::Insert => delete_ours(&of, helper),
        Kind::Update => restore_ours(helper),
    };
    let restored =
        in_batches(connection, helper, &statement, &format!("undo the rows of `main.{}`", helper.table))?;
    kind.crash_point("undo_restored");
    let outcome = if restored > 0 { RevertOutcome::Restored } else { RevertOutcome::NothingToDo };
    let mut reverted =
        Reverted { effect: Effect::default().with("rows", restored), ..Reverted::new(outcome) };
    let settled = in_batches(connection, helper, &settle(helper, kind), "read back what was undone")?;
    if settled > restored && kind == Kind::Insert {
        let others = settled - restored;
        reverted
            .notes
            .push(format!("{others} rows of `main.{}` were already deleted by somebody else", helper.table));
    }
    reverted.notes.extend(helper.restore_sequence(connection)?);
    // The helper stays until the journal knows of the undo. Until then its absence means that somebody else removed it.
    list_conflicts(connection, helper, kind, &mut reverted)?;
    Ok(reverted)
}

fn has_columns(of: &SqliteTable, helper: &Helper) -> bool {
    helper.columns.iter().chain(&helper.key).all(|name| of.table.column(name).is_some())
}

/// Runs a statement for one range of the helper's rows after the other, and returns how many rows it changed.
fn in_batches(connection: &Connection, helper: &Helper, sql: &str, what: &str) -> Result<u64, FaultError> {
    let ends = format!("SELECT ifnull(min(rowid), 0), ifnull(max(rowid), -1) FROM {}", helper.rows());
    let (first, last): (i64, i64) =
        connection.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?))).during(what)?;
    let mut statement = connection.prepare(sql).during(what)?;
    let (mut changed, mut start) = (0, first);
    while start <= last {
        changed += statement.execute([start, start + BATCH - 1]).during(what)? as u64;
        start += BATCH;
    }
    Ok(changed)
}

/// Deletes the rows that are still as we inserted them and to which nothing refers.
fn delete_ours(of: &SqliteTable, helper: &Helper) -> String {
    let name = table(&helper.table);
    let keys = || helper.key.iter().map(String::as_str);
    format!(
        "DELETE FROM {name} WHERE ({key}) IN (SELECT {found} FROM {rows} AS h CROSS JOIN {name} AS t \
         ON {same_key} WHERE h.rowid BETWEEN ?1 AND ?2 AND {same}{childless})",
        key = idents("", keys()),
        found = idents("t.", keys()),
        rows = helper.rows(),
        same_key = same_key(helper),
        same = as_we_left_it(helper),
        childless = without_children(&of.table.referenced_by),
    )
}

/// Puts the old values into the rows that are still as we left them.
fn restore_ours(helper: &Helper) -> String {
    let set: Vec<String> = helper
        .changed
        .iter()
        .map(|column| format!("{} = h.{}", ident(column), helper.before(column)))
        .collect();
    format!(
        "UPDATE OR ABORT {} AS t SET {} FROM {} AS h WHERE h.rowid BETWEEN ?1 AND ?2 AND {} AND {}",
        table(&helper.table),
        set.join(", "),
        helper.rows(),
        same_key(helper),
        as_we_left_it(helper),
    )
}

/// Takes out of the helper what is done: inserted rows that are gone, updated rows that are as they were before.
fn settle(helper: &Helper, kind: Kind) -> String {
    let row = format!("SELECT 1 FROM {} AS t WHERE {}", table(&helper.table), same_key(helper));
    let done = match kind {
        Kind::Insert => format!("NOT EXISTS ({row})"),
        Kind::Update => format!("EXISTS ({row} AND {})", as_before(helper)),
    };
    format!("DELETE FROM {} AS h WHERE h.rowid BETWEEN ?1 AND ?2 AND {done}", helper.rows())
}

fn list_conflicts(
    connection: &Connection,
    helper: &Helper,
    kind: Kind,
    reverted: &mut Reverted,
) -> Result<(), FaultError> {
    let keys: Vec<String> =
        helper.key.iter().map(|column| format!("quote(h.{})", helper.after(column))).collect();
    let row = format!("SELECT 1 FROM {} AS t WHERE {}", table(&helper.table), same_key(helper));
    let sql = format!(
        "SELECT {keys}, EXISTS ({row}), EXISTS ({row} AND {same}) FROM {rows} AS h ORDER BY h.rowid LIMIT {max}",
        keys = keys.join(" || ',' || "),
        same = as_we_left_it(helper),
        rows = helper.rows(),
        max = Reverted::CONFLICTS_MAX,
    );
    reverted.conflicts = query(connection, "list the conflicts", &sql, &[], |row| {
        let (key, exists, same): (String, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let found = match (exists, same, kind) {
            (false, _, _) => "deleted since by somebody else, not made again",
            (true, true, Kind::Insert) => "rows of others refer to it, left as it is",
            (true, _, _) => "changed since by somebody else, left as it is",
        };
        let what = format!("row ({})=({key}) of main.{}", helper.key.join(","), helper.table);
        Ok(Conflict { what, found: found.to_owned() })
    })?;
    reverted.conflicts_total = count(connection, &format!("SELECT count(*) FROM {}", helper.rows()))?;
    Ok(())
}

/// Reads the file again after the commit: what is left of the helper must be exactly the conflicts.
fn verify(connection: &Connection, helper: &Helper, reverted: &Reverted) -> Result<(), FaultError> {
    let left = match helper.exists(connection)? {
        true => count(connection, &format!("SELECT count(*) FROM {}", helper.rows()))?,
        false => 0,
    };
    if left == reverted.conflicts_total {
        return Ok(());
    }
    let failure = chaos_core::Failure::new(format!("read back the undo on `main.{}`", helper.table));
    Err(FaultError::Busy(
        failure.source(format!("{left} rows are left, {} were expected", reverted.conflicts_total)),
    ))
}

fn count(connection: &Connection, sql: &str) -> Result<u64, FaultError> {
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).during("count the rows of a step")?;
    Ok(count.unsigned_abs())
}
