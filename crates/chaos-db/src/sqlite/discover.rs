//! Shows what is there: the file, its settings, its tables.

use std::collections::HashMap;
use std::path::Path;

use chaos_core::{DiscoverFilter, FaultError, Inventory, InventoryTable};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::catalog::{SqliteTable, count_rows, query, tables};
use super::error::During;
use crate::postgres::select::select;
use crate::schema::Table;

/// Pragmas that say something about the file and what an application will meet.
const PRAGMAS: [&str; 10] = [
    "page_size",
    "page_count",
    "freelist_count",
    "journal_mode",
    "auto_vacuum",
    "encoding",
    "user_version",
    "application_id",
    "schema_version",
    "max_page_count",
];
/// Sizes of single tables are only measured in files up to this size, because every page is read for it.
const MEASURED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads everything.
pub(super) fn discover(
    connection: &Connection,
    path: &Path,
    filter: &DiscoverFilter,
) -> Result<Inventory, FaultError> {
    let mut tables = chosen(connection, filter)?;
    let facts = facts(connection)?;
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let sizes = if bytes <= MEASURED_BYTES_MAX { sizes(connection)? } else { HashMap::new() };
    for table in &mut tables {
        table.table.row_estimate = count_rows(connection, table.name())?;
        table.table.bytes = sizes.get(table.name()).copied().unwrap_or(0);
    }
    let mut file = vec![
        vec!["path".to_owned(), path.display().to_string()],
        vec!["size".to_owned(), format!("{bytes} B")],
    ];
    file.extend(facts.iter().map(|(name, value)| vec![name.replace('_', " "), plain(value)]));
    let shown = InventoryTable { title: "File".to_owned(), columns: vec!["fact", "value"], rows: file };
    let mut shown = vec![shown, tables_table(&tables)];
    shown.extend(tables.iter().map(columns_table));
    let data = json!({
        "file": {"path": path.display().to_string(), "bytes": bytes},
        "settings": facts,
        "tables": tables,
    });
    Ok(Inventory { tables: shown, data })
}

fn chosen(connection: &Connection, filter: &DiscoverFilter) -> Result<Vec<SqliteTable>, FaultError> {
    let all = tables(connection)?;
    let models = all.iter().map(|table| table.table.clone()).collect();
    let chosen = select(models, &filter.tables, &filter.resources)?;
    let names: Vec<String> = chosen.into_iter().map(|table| table.name).collect();
    Ok(all.into_iter().filter(|table| names.contains(&table.table.name)).collect())
}

fn facts(connection: &Connection) -> Result<Map<String, Value>, FaultError> {
    let mut facts = Map::new();
    for pragma in PRAGMAS {
        let value = connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
            .during(format!("read the pragma `{pragma}`"))?;
        let value = match value {
            rusqlite::types::Value::Integer(number) => Value::from(number),
            rusqlite::types::Value::Text(text) => Value::from(text),
            _ => Value::Null,
        };
        facts.insert((*pragma).to_owned(), value);
    }
    Ok(facts)
}

/// Measures all tables, indexes included, in one pass over the file.
fn sizes(connection: &Connection) -> Result<HashMap<String, u64>, FaultError> {
    let sql = "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name \
               WHERE d.aggregate = TRUE GROUP BY s.tbl_name";
    let sizes =
        query(connection, "measure the tables", sql, &[], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    Ok(sizes.into_iter().map(|(name, bytes)| (name, bytes.unsigned_abs())).collect())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn tables_table(tables: &[SqliteTable]) -> InventoryTable {
    let row = |of: &SqliteTable| {
        let Table { primary_key, foreign_keys, referenced_by, triggers, row_estimate, bytes, .. } = &of.table;
        let features =
            [(of.without_rowid, "without rowid"), (of.strict, "strict"), (of.autoincrement, "autoincrement")];
        let features: Vec<&str> = features.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        vec![
            of.table.qualified(),
            row_estimate.map_or_else(|| "over 1000000".to_owned(), |rows| rows.to_string()),
            if *bytes > 0 { format!("{bytes} B") } else { "not measured".to_owned() },
            if primary_key.is_empty() { "none".to_owned() } else { primary_key.join(", ") },
            foreign_keys.len().to_string(),
            referenced_by.len().to_string(),
            triggers.join(", "),
            features.join(", "),
        ]
    };
    let columns =
        vec!["table", "rows", "size", "primary key", "foreign keys", "referenced by", "triggers", "features"];
    InventoryTable { title: "Tables".to_owned(), columns, rows: tables.iter().map(row).collect() }
}

fn columns_table(of: &SqliteTable) -> InventoryTable {
    let rows = of.table.columns.iter().map(|column| {
        let default = if column.generated { "generated" } else { column.default.as_deref().unwrap_or("") };
        let null = if column.not_null { "not null" } else { "" };
        vec![column.name.clone(), column.sql_type.clone(), null.to_owned(), default.to_owned()]
    });
    InventoryTable {
        title: of.table.qualified(),
        columns: vec!["column", "type", "null", "default"],
        rows: rows.collect(),
    }
}
