//! Reads the schema of a file into the model that all kinds of database share.

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use chaos_core::FaultError;

use super::declared::{checks, computations, kind, mentions};
use super::error::During;
use super::sql;
use crate::schema::{Column, ForeignKey, Table};

/// What the names of our helper tables begin with.
pub(crate) const HELPER_PREFIX: &str = "chaos_";
/// Rows are counted up to here; beyond, the number is unknown.
const COUNT_MAX: i64 = 1_000_000;

/// A table of an SQLite file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SqliteTable {
    /// What every kind of database knows of a table.
    #[serde(flatten)]
    pub(crate) table: Table,
    /// Whether rows have no number beside their primary key.
    pub(crate) without_rowid: bool,
    /// Whether columns hold only values of their type.
    pub(crate) strict: bool,
    /// Whether SQLite remembers the largest number ever used.
    pub(crate) autoincrement: bool,
    /// The statement that made it.
    pub(crate) sql: String,
    /// The statements of unique indexes over expressions.
    pub(crate) unique_expressions: Vec<String>,
    /// The statements of all indexes that were made by one.
    pub(crate) indexes: Vec<String>,
    /// The expressions of generated columns.
    pub(crate) computations: Vec<String>,
}

impl SqliteTable {
    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.table.name
    }

    /// Returns the columns that can be written.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &Column> {
        self.table.columns.iter().filter(|column| !column.generated)
    }
}

/// Reads all tables of the file but SQLite's and our own.
pub(crate) fn tables(connection: &Connection) -> Result<Vec<SqliteTable>, FaultError> {
    let listed = list(connection)?;
    let mut tables = Vec::new();
    for listed in listed {
        tables.push(read(connection, listed)?);
    }
    let keys: Vec<ForeignKey> = tables.iter().flat_map(|table| table.table.foreign_keys.clone()).collect();
    for table in &mut tables {
        let points_here = |key: &&ForeignKey| key.parent_table.eq_ignore_ascii_case(&table.table.name);
        table.table.referenced_by = keys.iter().filter(points_here).cloned().collect();
    }
    let parents: Vec<(String, Vec<String>)> =
        tables.iter().map(|table| (table.table.name.clone(), table.table.primary_key.clone())).collect();
    for table in &mut tables {
        let keys = table.table.foreign_keys.iter_mut().chain(&mut table.table.referenced_by);
        keys.for_each(|key| resolve_parent(key, &parents));
    }
    Ok(tables)
}

/// Reads one table, `None` when it is not there.
pub(crate) fn find(connection: &Connection, name: &str) -> Result<Option<SqliteTable>, FaultError> {
    Ok(tables(connection)?.into_iter().find(|table| table.name() == name))
}

/// Counts the rows of a table, unless there are very many.
pub(crate) fn count_rows(connection: &Connection, name: &str) -> Result<Option<u64>, FaultError> {
    let table = sql::table(name);
    let count: i64 = connection
        .query_row(
            &format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {})", COUNT_MAX + 1),
            [],
            |row| row.get(0),
        )
        .during(format!("count the rows of `{name}`"))?;
    Ok(u64::try_from(count).ok().filter(|_| count <= COUNT_MAX))
}

struct Listed {
    name: String,
    without_rowid: bool,
    strict: bool,
    sql: String,
}

fn list(connection: &Connection) -> Result<Vec<Listed>, FaultError> {
    let sql = "SELECT l.name, l.wr, l.strict, s.sql FROM pragma_table_list AS l \
               JOIN sqlite_schema AS s ON s.type = 'table' AND s.name = l.name \
               WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name";
    let listed = query(connection, "list the tables", sql, &[], |row| {
        Ok(Listed {
            name: row.get(0)?,
            without_rowid: row.get(1)?,
            strict: row.get(2)?,
            sql: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        })
    })?;
    Ok(listed.into_iter().filter(|table| !is_helper(&table.name)).collect())
}

/// Returns whether a table is a helper of ours: `chaos_20261121_084512_k3vq_1`, with more behind it.
pub(crate) fn is_helper(name: &str) -> bool {
    name.strip_prefix(HELPER_PREFIX).is_some_and(|rest| {
        let shape = rest.bytes().take(21).enumerate().all(|(place, byte)| match place {
            8 | 15 | 20 => byte == b'_',
            0..=14 => byte.is_ascii_digit(),
            _ => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
        });
        shape && rest.len() > 21
    })
}

fn read(connection: &Connection, listed: Listed) -> Result<SqliteTable, FaultError> {
    let name = listed.name;
    let (columns, primary_key) = columns(connection, &name)?;
    let (unique, unique_expressions) = unique_keys(connection, &name)?;
    let triggers = query(
        connection,
        "list the triggers",
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name",
        &[&name],
        |row| row.get(0),
    )?;
    let indexes = query(
        connection,
        "list the indexes",
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?1 COLLATE NOCASE",
        &[&name],
        |row| row.get(0),
    )?;
    let autoincrement = mentions(&listed.sql, "autoincrement");
    let table = Table {
        schema: "main".to_owned(),
        foreign_keys: foreign_keys(connection, &name)?,
        columns,
        primary_key,
        unique,
        referenced_by: Vec::new(),
        checks: checks(&listed.sql),
        triggers,
        row_estimate: None,
        bytes: 0,
        name,
    };
    let (without_rowid, strict, sql) = (listed.without_rowid, listed.strict, listed.sql);
    let computations = computations(&sql);
    Ok(SqliteTable {
        table,
        without_rowid,
        strict,
        autoincrement,
        sql,
        unique_expressions,
        indexes,
        computations,
    })
}

/// Reads the columns, and the names of those of the primary key in its order.
fn columns(connection: &Connection, table: &str) -> Result<(Vec<Column>, Vec<String>), FaultError> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let rows = query(connection, format!("read the columns of `{table}`"), sql, &[&table], |row| {
        let declared: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        let column = Column {
            name: row.get(0)?,
            kind: kind(&declared),
            sql_type: declared,
            not_null: row.get(2)?,
            default: row.get(3)?,
            identity: None,
            // 2 and 3 are generated columns, 1 the hidden ones of virtual tables.
            generated: row.get::<_, i64>(5)? != 0,
        };
        Ok((column, row.get::<_, i64>(4)?))
    })?;
    let mut key: Vec<(i64, String)> = rows
        .iter()
        .filter(|(_, place)| *place > 0)
        .map(|(column, place)| (*place, column.name.clone()))
        .collect();
    key.sort_unstable();
    let columns = rows.into_iter().map(|(column, _)| column).collect();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

/// Reads the unique keys beside the primary key: by columns, and the statements of those by expressions.
fn unique_keys(connection: &Connection, table: &str) -> Result<(Vec<Vec<String>>, Vec<String>), FaultError> {
    let what = || format!("read the indexes of `{table}`");
    let indexes = query(
        connection,
        what(),
        "SELECT l.name, s.sql FROM pragma_index_list(?1, 'main') AS l \
         LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name \
         WHERE l.\"unique\" AND l.origin <> 'pk' ORDER BY l.seq",
        &[&table],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)),
    )?;
    let (mut unique, mut expressions) = (Vec::new(), Vec::new());
    for (index, statement) in indexes {
        let sql = "SELECT name FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" ORDER BY seqno";
        let columns = query(connection, what(), sql, &[&index], |row| row.get::<_, Option<String>>(0))?;
        match columns.into_iter().collect::<Option<Vec<String>>>() {
            Some(columns) => unique.push(columns),
            None => expressions.push(statement.unwrap_or(index)),
        }
    }
    Ok((unique, expressions))
}

fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>, FaultError> {
    let sql = "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq";
    let rows = query(connection, format!("read the foreign keys of `{table}`"), sql, &[&table], |row| {
        let parts: (i64, String, String, Option<String>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(parts)
    })?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for (id, parent, from, to, on_delete) in rows {
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let key = ForeignKey {
                // Foreign keys of SQLite have no name that a pragma tells.
                name: format!("{table}_fk{id}"),
                child_schema: "main".to_owned(),
                child_table: table.to_owned(),
                child_columns: Vec::new(),
                parent_schema: "main".to_owned(),
                parent_table: parent,
                parent_columns: Vec::new(),
                on_delete,
            };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.child_columns.push(from);
            key.parent_columns.extend(to);
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// Fills in what a foreign key leaves out: without columns it means the primary key of the parent.
fn resolve_parent(key: &mut ForeignKey, parents: &[(String, Vec<String>)]) {
    let parent = parents.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key.parent_table));
    if let Some((name, primary_key)) = parent {
        key.parent_table.clone_from(name);
        if key.parent_columns.is_empty() {
            key.parent_columns.clone_from(primary_key);
        }
    }
}

/// Runs a query and collects its rows.
pub(crate) fn query<T>(
    connection: &Connection,
    what: impl Into<String>,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, FaultError> {
    let collect = || {
        let mut statement = connection.prepare(sql)?;
        statement.query_map(values, read)?.collect::<Result<Vec<T>, _>>()
    };
    collect().during(what)
}
