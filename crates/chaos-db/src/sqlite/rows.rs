//! Looks up in the file what the generator of rows must know: free numbers and parent rows.

use std::collections::HashMap;

use chaos_core::{Failure, FaultError, PrepareContext};
use rusqlite::Connection;
use rusqlite::types::{Null, Value, ValueRef};

use super::catalog::{SqliteTable, query};
use super::compare::without_children;
use super::error::During;
use super::helper::{live, not_ours, sequence};
use super::sql::{ident, idents, table};
use crate::generate::{Cell, KeyPlan, Needs, Obstacle, RowPlan};
use crate::schema::ForeignKey;

/// How many parent rows are picked from. More would not make the load more real.
const PARENTS_MAX: u64 = 10_000;

/// Makes a plan for `rows` rows of a table, from what the file holds now.
pub(crate) fn plan(
    connection: &Connection,
    of: &SqliteTable,
    rows: u64,
    tag: &str,
    seed: u64,
) -> Result<RowPlan, FaultError> {
    let refused = |obstacles: Vec<Obstacle>| refuse(of.name(), &obstacles);
    let needs = Needs::of(&of.table).map_err(refused)?;
    let mut keys = KeyPlan { tag: tag.to_owned(), rows, first_numbers: HashMap::new() };
    for column in &needs.numbers {
        let first = first_free_number(connection, of, column)?;
        keys.first_numbers.insert(column.clone(), first);
    }
    let mut parents = HashMap::new();
    for key in &of.table.foreign_keys {
        let free = needs.free_parents.contains(&key.name);
        let limit = if free { rows } else { PARENTS_MAX };
        parents.insert(key.name.clone(), parent_rows(connection, of, key, free, limit)?);
    }
    RowPlan::new(&of.table, &keys, &parents, seed).map_err(refused)
}

/// Returns a short text that no other run and no other use of a fault puts into unique texts: the random end of the name
/// of the run, and one letter more for the use.
pub(crate) fn tag(cx: &PrepareContext) -> String {
    const LETTERS: &[u8; 25] = b"abcdefghijklmnopqrstuvwxy";
    let run = cx.run.as_str();
    let use_index = cx.use_number.saturating_sub(1) as usize;
    // `z` goes on, so that no tag is the beginning of another one.
    let further = "z".repeat(use_index / LETTERS.len());
    let letter = char::from(LETTERS[use_index % LETTERS.len()]);
    format!("{}{further}{letter}", run.rsplit('-').next().unwrap_or(run))
}

/// Makes one refusal of everything that stands in the way.
pub(crate) fn refuse(name: &str, obstacles: &[Obstacle]) -> FaultError {
    let why: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    let failure = Failure::new(format!("make rows for table `main.{name}`")).source(why.join("; "));
    FaultError::Preflight(failure.hint("leave the table out with `tables` or `resource_filters`"))
}

/// Returns the number after the largest in use. SQLite itself gives the next application an id behind ours, so nobody
/// runs into them.
fn first_free_number(connection: &Connection, of: &SqliteTable, column: &str) -> Result<i64, FaultError> {
    let sql = format!("SELECT max({}) FROM {}", ident(column), table(of.name()));
    let largest: Value = connection
        .query_row(&sql, [], |row| row.get(0))
        .during(format!("find the largest `{column}` of `main.{}`", of.name()))?;
    let largest = match largest {
        Value::Null => 0,
        Value::Integer(number) => number,
        Value::Real(number) if number.abs() < 9e18 => number.ceil() as i64,
        _ => return Err(refuse(of.name(), &[odd_numbers(column)])),
    };
    let remembered = if of.autoincrement { sequence(connection, of.name())?.unwrap_or(0) } else { 0 };
    let first = largest.max(remembered).max(0).checked_add(1);
    first.ok_or_else(|| {
        refuse(
            of.name(),
            &[Obstacle {
                what: format!("column `{column}`"),
                why: "its largest number is the largest that there is".to_owned(),
            }],
        )
    })
}

fn odd_numbers(column: &str) -> Obstacle {
    Obstacle {
        what: format!("column `{column}`"),
        why: "it holds text or bytes beside numbers, so no free number is known".to_owned(),
    }
}

/// Reads parent rows that no step of ours has inserted: ours go away again, and must not take children along. With `free`
/// only those to which no row of the table refers.
fn parent_rows(
    connection: &Connection,
    of: &SqliteTable,
    key: &ForeignKey,
    free: bool,
    limit: u64,
) -> Result<Vec<Vec<Cell>>, FaultError> {
    let columns = || key.parent_columns.iter().map(String::as_str);
    let present: Vec<String> = columns().map(|column| format!("t.{} IS NOT NULL", ident(column))).collect();
    let mut helpers = live(connection, &key.parent_table)?;
    // Rows that a step of ours only changes keep their key, so they may have children.
    helpers.retain(|helper| helper.inserted);
    let ours = not_ours(&helpers, "t");
    let childless = if free { without_children(std::slice::from_ref(key)) } else { String::new() };
    let sql = format!(
        "SELECT {} FROM {} AS t WHERE {}{ours}{childless} LIMIT {limit}",
        idents("t.", columns()),
        table(&key.parent_table),
        present.join(" AND "),
    );
    let width = key.parent_columns.len();
    let what = format!("read rows of `main.{}` for `main.{}` to refer to", key.parent_table, of.name());
    query(connection, what, &sql, &[], |row| (0..width).map(|place| row.get_ref(place).map(cell)).collect())
}

/// Returns a stored value as the generator knows it.
pub(crate) fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => Null.into(),
            Self::Int(number) => (*number).into(),
            Self::Real(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Blob(bytes) => bytes.as_slice().into(),
        })
    }
}
