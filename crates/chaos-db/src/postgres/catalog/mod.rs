//! Reads the tables of a database from its catalogue: one query for each aspect of all tables.

mod kind;

use std::collections::HashMap;

use chaos_core::FaultError;
use tokio_postgres::Row;

use super::session::PgSession;
use crate::schema::{Check, Column, ForeignKey, Identity, Table};
use kind::Types;

/// Reads the tables of these schemas; no schemas: of all but the system's own. In order of schema and name. Only those
/// that `choose` keeps are read in full: a lock on any other table is not in the way.
///
/// # Errors
/// When the server cannot be asked, and what `choose` refuses.
pub(super) async fn load(
    session: &PgSession,
    schemas: &[String],
    choose: impl FnOnce(Vec<Table>) -> Result<Vec<Table>, FaultError>,
) -> Result<Vec<Table>, FaultError> {
    let rows = session.query("list the tables", include_str!("tables.sql"), &[&schemas]).await?;
    let by_name: HashMap<String, u32> =
        rows.iter().map(|row| (bare_table(row).qualified(), row.get(0))).collect();
    let mut tables = choose(rows.iter().map(bare_table).collect())?;
    let oids: Vec<u32> = tables.iter().map(|table| by_name[&table.qualified()]).collect();
    if !tables.is_empty() {
        fill(session, &mut tables, &oids).await?;
    }
    Ok(tables)
}

/// Reads every aspect of these tables.
async fn fill(session: &PgSession, tables: &mut [Table], oids: &[u32]) -> Result<(), FaultError> {
    let places: HashMap<u32, usize> = oids.iter().enumerate().map(|(place, oid)| (*oid, place)).collect();
    let ask = async |what: &str, sql: &str| session.query(what, sql, &[&oids]).await;

    let types = Types::read(&ask("read the types", include_str!("types.sql")).await?);
    for row in ask("read the columns", include_str!("columns.sql")).await? {
        add_column(&mut tables[places[&row.get::<_, u32>(0)]], &row, &types);
    }
    for row in ask("read the keys", include_str!("keys.sql")).await? {
        add_key(&mut tables[places[&row.get::<_, u32>(0)]], &row);
    }
    for row in ask("read the foreign keys", include_str!("foreign_keys.sql")).await? {
        let key = foreign_key(&row);
        if let Some(place) = places.get(&row.get(0)) {
            tables[*place].foreign_keys.push(key.clone());
        }
        if let Some(place) = places.get(&row.get(1)) {
            tables[*place].referenced_by.push(key);
        }
    }
    for row in ask("read the checks", include_str!("checks.sql")).await? {
        let check = Check { name: row.get(1), columns: row.get(2), expression: row.get(3) };
        tables[places[&row.get::<_, u32>(0)]].checks.push(check);
    }
    Ok(())
}

fn bare_table(row: &Row) -> Table {
    let estimate: Option<i64> = row.get(3);
    Table {
        schema: row.get(1),
        name: row.get(2),
        columns: Vec::new(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        checks: Vec::new(),
        triggers: row.get(5),
        row_estimate: estimate.and_then(|rows| u64::try_from(rows).ok()),
        bytes: row.get::<_, i64>(4).cast_unsigned(),
    }
}

fn add_column(table: &mut Table, row: &Row, types: &Types) {
    let name: String = row.get(1);
    let resolved = types.resolve(row.get(2), row.get(3), &name);
    table.checks.extend(resolved.checks);
    table.columns.push(Column {
        name,
        kind: resolved.kind,
        sql_type: row.get(4),
        not_null: row.get::<_, bool>(5) || resolved.not_null,
        default: row.get(6),
        identity: match row.get::<_, &str>(7) {
            "a" => Some(Identity::Always),
            "d" => Some(Identity::ByDefault),
            _ => None,
        },
        generated: row.get(8),
    });
}

fn add_key(table: &mut Table, row: &Row) {
    let members: Vec<String> = row.get(2);
    let columns: Vec<Option<String>> = row.get(3);
    let key: Vec<String> = members
        .into_iter()
        .zip(columns)
        .map(|(member, column)| column.or_else(|| folded_column(table, &member)).unwrap_or(member))
        .collect();
    if row.get(1) {
        table.primary_key = key;
    } else {
        table.unique.push(key);
    }
}

/// Returns the column of `lower(column)` and `upper(column)`. Unique texts that we make differ in any case, so a key over
/// the folded text is a key over the column. Any other expression stays what it is, a member that no column is.
fn folded_column(table: &Table, expression: &str) -> Option<String> {
    let inner = ["lower(", "upper("].iter().find_map(|start| expression.strip_prefix(start))?;
    let inner = inner.strip_suffix(')')?;
    let inner = inner.strip_suffix("::text").unwrap_or(inner);
    table
        .columns
        .iter()
        .find(|column| inner == column.name || inner == super::sql::ident(&column.name))
        .map(|column| column.name.clone())
}

fn foreign_key(row: &Row) -> ForeignKey {
    ForeignKey {
        name: row.get(2),
        child_schema: row.get(3),
        child_table: row.get(4),
        child_columns: row.get(7),
        parent_schema: row.get(5),
        parent_table: row.get(6),
        parent_columns: row.get(8),
        on_delete: row.get(9),
    }
}
