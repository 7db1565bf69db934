//! Asks, before anything happens, whether a change of a table could be undone.

use std::path::Path;

use chaos_core::{Failure, FaultError, PrepareContext};
use nix::sys::statvfs::statvfs;
use rusqlite::Connection;

use super::catalog::{SqliteTable, tables};
use super::error::During;
use super::sql::{ident, places, table};
use crate::postgres::preflight::{Problem, refuse_if_any};
use crate::postgres::select::select;

/// How many times the bytes of the rows a step needs: the rows, their index entries, our copy of them, the journal.
const SPACE_FACTOR: u64 = 5;
/// What must stay free beside that.
const SPACE_RESERVE: u64 = 16 * 1024 * 1024;

/// Returns the tables that the params name, or all that the experiment may touch.
pub(crate) fn chosen(
    connection: &Connection,
    cx: &PrepareContext,
    named: &[String],
) -> Result<Vec<SqliteTable>, FaultError> {
    let all = tables(connection)?;
    let models = all.iter().map(|of| of.table.clone()).collect();
    let chosen = select(models, named, &cx.filter)?;
    let position = |of: &SqliteTable| chosen.iter().position(|table| table.name == of.table.name);
    let mut found: Vec<(usize, SqliteTable)> =
        all.into_iter().filter_map(|of| position(&of).map(|place| (place, of))).collect();
    found.sort_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, of)| of).collect())
}

/// Returns the columns by which every row is found again: the primary key, or another one that is never NULL.
///
/// The number of a row (`rowid`) is not one of them: VACUUM gives every row a new one.
pub(crate) fn key(of: &SqliteTable) -> Option<Vec<String>> {
    let never_null = |key: &&Vec<String>| {
        !key.is_empty() && key.iter().all(|name| of.table.column(name).is_some_and(|column| column.not_null))
    };
    let primary = Some(&of.table.primary_key).filter(|key| !key.is_empty());
    primary.or_else(|| of.table.unique.iter().find(never_null)).cloned()
}

/// Checks that rows of a table can be written and found again, and names everything in the way.
pub(crate) fn check_table(connection: &Connection, of: &SqliteTable) -> Result<(), FaultError> {
    let mut problems = Vec::new();
    if key(of).is_none() {
        problems.push(Problem {
            what: "it has neither a primary key nor a unique key that is never NULL".to_owned(),
            hint: "rows without a key cannot be found again after a VACUUM".to_owned(),
        });
    }
    if !of.table.triggers.is_empty() {
        problems.push(Problem {
            what: format!(
                "its triggers `{}` would fire, and what they do cannot be undone",
                of.table.triggers.join("`, `")
            ),
            hint: "leave the table out, or try on a copy without triggers".to_owned(),
        });
    }
    if let Err(error) = check_statements(connection, of) {
        let hint = "the table may need a function or collation that only its application loads".to_owned();
        problems.push(Problem { what: error.chain(), hint });
    }
    refuse_if_any(&format!("prepare an exact undo on table `{}`", of.table.qualified()), problems)
}

/// Lets SQLite compile what the effect and its undo will run: it finds what only the application knows.
fn check_statements(connection: &Connection, of: &SqliteTable) -> Result<(), FaultError> {
    let columns: Vec<String> = of.writable().map(|column| ident(&column.name)).collect();
    let name = table(of.name());
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = ?")).collect();
    for sql in [
        format!("INSERT INTO {name} ({}) VALUES ({})", columns.join(", "), places(columns.len())),
        format!("UPDATE {name} SET {}", set.join(", ")),
        format!("DELETE FROM {name} WHERE {} IS ?", columns.first().map_or("1", String::as_str)),
    ] {
        connection.prepare(&sql).map(drop).during("compile a statement for it")?;
    }
    Ok(())
}

/// Checks that there is room for `bytes` of rows, our copy of them and the journal.
pub(crate) fn check_space(path: &Path, bytes: u64) -> Result<(), FaultError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let what = format!("find room for the rows beside `{}`", path.display());
    let disk =
        statvfs(directory).map_err(|source| FaultError::Preflight(Failure::new(&what).source(source)))?;
    // The types of these fields differ between systems.
    #[allow(clippy::useless_conversion, reason = "u64 only on this system")]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    let needed = bytes.saturating_mul(SPACE_FACTOR).saturating_add(SPACE_RESERVE);
    if free >= needed {
        return Ok(());
    }
    let why = format!("{} MiB are needed, {} MiB are free", needed >> 20, free >> 20);
    Err(FaultError::Preflight(Failure::new(what).source(why).hint("ask for fewer rows, or make room")))
}
