//! The helper tables of one step: what we wrote, what was there before, and that we wrote it at all.
//!
//! They lie in the same file and are made in the same transaction as the effect, so that after any crash either both
//! are there or neither. `…_about` holds one row about the step; its existence is the marker. `…_rows` holds every row
//! that we wrote, as it was stored, and for updates the values before. Its columns have no types, so that SQLite does
//! not convert what is put in.

use chaos_core::FaultError;
use chaos_core::crash::crash_point;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::catalog::{SqliteTable, is_helper, query};
use super::error::During;
use super::sql::{ident, table};
use super::transaction::{UNDO_PATIENCE, write};

/// What an undo needs to know of the rows of one step, beside what the helper tables hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Helper {
    /// What the names of both tables begin with: the handle of the step.
    pub name: String,
    /// The table that the step writes to.
    pub table: String,
    /// Its columns, generated ones left out.
    pub columns: Vec<String>,
    /// The columns by which a row is found again.
    pub key: Vec<String>,
    /// The columns that an update changes; empty for an insert.
    pub changed: Vec<String>,
}

/// The largest number that SQLite remembers for a table with AUTOINCREMENT, before and after the step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// Before; absent: the table had no entry.
    pub(crate) before: Option<i64>,
    /// After; absent: the table has none.
    pub(crate) after: Option<i64>,
}

impl Helper {
    /// Plans the helper of a step on `of`, whose rows are found by `key`.
    pub(crate) fn plan(name: String, of: &SqliteTable, key: Vec<String>, changed: Vec<String>) -> Self {
        let columns = of.writable().map(|column| column.name.clone()).collect();
        Self { name, table: of.name().to_owned(), columns, key, changed }
    }

    /// Returns the quoted name of the table that holds the rows.
    pub(crate) fn rows(&self) -> String {
        table(&format!("{}_rows", self.name))
    }

    fn about(&self) -> String {
        table(&format!("{}_about", self.name))
    }

    /// Returns the helper's column for the value that a column has after the step.
    pub(crate) fn after(&self, column: &str) -> String {
        // A name that is no column of the table makes a statement that SQLite refuses.
        let place = self.columns.iter().position(|known| known == column).unwrap_or(usize::MAX);
        format!("after_{place}")
    }

    /// Returns the helper's column for the value that a changed column had before the step.
    pub(crate) fn before(&self, column: &str) -> String {
        let place = self.changed.iter().position(|known| known == column).unwrap_or(usize::MAX);
        format!("before_{place}")
    }

    /// Returns all columns of the table that holds the rows, in its order.
    pub(crate) fn row_columns(&self) -> Vec<String> {
        let after = self.columns.iter().map(|column| self.after(column));
        after.chain(self.changed.iter().map(|column| self.before(column))).collect()
    }

    /// Makes both tables. Call it inside the transaction of the effect.
    pub(crate) fn create(&self, connection: &Connection) -> Result<(), FaultError> {
        let keys: Vec<String> = self.key.iter().map(|column| self.after(column)).collect();
        let sql = format!(
            "CREATE TABLE {about} (table_name, key_columns, inserted, sequence_before, sequence_after);
             CREATE TABLE {rows} ({columns}, UNIQUE ({keys}))",
            about = self.about(),
            rows = self.rows(),
            columns = self.row_columns().join(", "),
            keys = keys.join(", "),
        );
        connection.execute_batch(&sql).during(format!("make the helper tables `{}`", self.name))?;
        let pairs: Vec<(&String, String)> =
            self.key.iter().map(|column| (column, self.after(column))).collect();
        let pairs = serde_json::json!(pairs).to_string();
        let insert =
            format!("INSERT INTO {} (table_name, key_columns, inserted) VALUES (?1, ?2, ?3)", self.about());
        let inserted = self.changed.is_empty();
        connection.execute(&insert, (&self.table, pairs, inserted)).during("write the marker of a step")?;
        Ok(())
    }

    /// Returns whether the step took effect and was not wholly undone.
    pub(crate) fn exists(&self, connection: &Connection) -> Result<bool, FaultError> {
        let name = format!("{}_about", self.name);
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let count: i64 =
            connection.query_row(sql, [name], |row| row.get(0)).during("look for the marker of a step")?;
        Ok(count > 0)
    }

    /// Removes both tables, where they are, in one transaction: one without the other would say something wrong.
    pub(crate) fn drop_tables(
        &self,
        connection: &Connection,
        cancel: &CancellationToken,
    ) -> Result<(), FaultError> {
        write(connection, cancel, UNDO_PATIENCE, |connection| {
            crash_point("sqlite.disarm.before_drop");
            let sql = format!("DROP TABLE IF EXISTS {}; DROP TABLE IF EXISTS {}", self.rows(), self.about());
            connection.execute_batch(&sql).during(format!("remove the helper tables `{}`", self.name))?;
            crash_point("sqlite.disarm.before_commit");
            Ok(())
        })
    }

    /// Notes the number that SQLite remembers for the table, before and after the step.
    pub(crate) fn note_sequence(
        &self,
        connection: &Connection,
        sequence: Sequence,
    ) -> Result<(), FaultError> {
        let sql = format!("UPDATE {} SET sequence_before = ?1, sequence_after = ?2", self.about());
        connection.execute(&sql, (sequence.before, sequence.after)).during("note the sequence of a table")?;
        Ok(())
    }

    /// Puts the number back that SQLite remembers for the table, if it is still the one that the step left. Returns what
    /// to tell people where it is not.
    pub(crate) fn restore_sequence(&self, connection: &Connection) -> Result<Option<String>, FaultError> {
        let sql = format!("SELECT sequence_before, sequence_after FROM {}", self.about());
        let noted = connection
            .query_row(&sql, [], |row| Ok(Sequence { before: row.get(0)?, after: row.get(1)? }))
            .during("read the marker of a step")?;
        let Some(after) = noted.after else { return Ok(None) };
        let now = sequence(connection, &self.table)?;
        // Settled once: a second undo, after conflicts, must not take our own restore for the work of others.
        self.note_sequence(connection, Sequence::default())?;
        if now == Some(after) {
            return set_sequence(connection, &self.table, noted.before).map(|()| None);
        }
        // Another step of ours began where this one ended. It must not bring our number back after we are gone.
        for other in live(connection, &self.table)? {
            let pass_on = format!(
                "UPDATE {} SET sequence_before = ?1 WHERE sequence_before = ?2",
                table(&format!("{}_about", other.name))
            );
            if connection.execute(&pass_on, (noted.before, after)).during("pass a sequence on")? > 0 {
                return Ok(None);
            }
        }
        let now = now.map_or_else(|| "nothing".to_owned(), |now| now.to_string());
        Ok(Some(format!("the sequence of `{}` was moved on to {now} by others and stays there", self.table)))
    }
}

/// Returns the number that SQLite remembers for a table with AUTOINCREMENT.
pub(crate) fn sequence(connection: &Connection, name: &str) -> Result<Option<i64>, FaultError> {
    let what = || format!("read the sequence of `{name}`");
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    let exists: i64 = connection.query_row(sql, [], |row| row.get(0)).during(what())?;
    if exists == 0 {
        return Ok(None);
    }
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
    connection.query_row(sql, [name], |row| row.get(0)).optional().during(what())
}

fn set_sequence(connection: &Connection, name: &str, value: Option<i64>) -> Result<(), FaultError> {
    let what = format!("restore the sequence of `{name}`");
    match value {
        Some(value) => {
            connection.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = ?2", (value, name))
        }
        None => connection.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name]),
    }
    .map(drop)
    .during(what)
}

/// The helper of a step that took effect on a table and was not wholly undone, as found in the file.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    name: String,
    /// Columns of the table and the helper's columns for them.
    key: Vec<(String, String)>,
    /// Whether the step inserted its rows, so that they will go away again.
    pub(crate) inserted: bool,
}

/// Finds the helpers of all steps, of this run and of others, that hold rows of a table.
pub(crate) fn live(connection: &Connection, name: &str) -> Result<Vec<Live>, FaultError> {
    let what = "look for helper tables of other steps";
    let sql =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'chaos_*_about' ORDER BY name";
    let tables = query(connection, what, sql, &[], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for about in tables.into_iter().filter(|about| is_helper(about)) {
        let sql = format!("SELECT key_columns, inserted FROM {} WHERE table_name = ?1", table(&about));
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        for (pairs, inserted) in query(connection, what, &sql, &[&name], read)? {
            let key = serde_json::from_str(&pairs).map_err(|source| {
                let failure = chaos_core::Failure::new(format!("read the helper table `{about}`"));
                FaultError::Target(failure.source(source))
            })?;
            let name = about.trim_end_matches("_about").to_owned();
            found.push(Live { name, key, inserted });
        }
    }
    Ok(found)
}

/// Returns a condition that is true for rows of `alias` which no step of ours has written: ` AND NOT EXISTS (…)` for each
/// helper, or nothing.
pub(crate) fn not_ours(helpers: &[Live], alias: &str) -> String {
    let condition = |helper: &Live| {
        let rows = table(&format!("{}_rows", helper.name));
        // The helper stands on the left, so that its exact comparison counts and not the collation of the table. The
        // plus takes the affinity off, without which the index of the helper could not be used.
        let equal =
            helper.key.iter().map(|(column, after)| format!("h.{after} = +{alias}.{}", ident(column)));
        let equal = equal.collect::<Vec<_>>().join(" AND ");
        format!(" AND NOT EXISTS (SELECT 1 FROM {rows} AS h WHERE {equal})")
    };
    helpers.iter().map(condition).collect()
}
