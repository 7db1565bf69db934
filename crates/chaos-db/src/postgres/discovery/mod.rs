//! Shows what is there: server, role, replication, settings, tables.

use chaos_core::{DiscoverFilter, FaultError, Inventory, InventoryTable};
use serde_json::{Map, Value, json};

use super::session::PgSession;
use super::target::PgTarget;
use crate::schema::Table;

/// The names of the facts that `server.sql` asks for, in its order.
const FACTS: &[&str] = &[
    "version",
    "database",
    "database_bytes",
    "encoding",
    "role",
    "in_recovery",
    "read_only",
    "started",
    "superuser",
    "createdb",
    "createrole",
    "replication",
    "bypassrls",
    "create_on_database",
    "pg_signal_backend",
    "pg_read_all_settings",
    "standbys",
    "replication_slots",
    "connections",
    "max_connections",
];
/// Where the facts about the role begin and end.
const ROLE_FACTS: std::ops::Range<usize> = 8..16;

/// Reads everything.
pub(super) async fn discover(target: &PgTarget, filter: &DiscoverFilter) -> Result<Inventory, FaultError> {
    let session = target.session().await?;
    let tables = target.tables(&session, &filter.tables, &filter.resources).await?;
    let facts = facts(&session).await?;
    let replication = texts(&session, "read the replication state", include_str!("replication.sql")).await?;
    let settings = texts(&session, "read the settings", include_str!("settings.sql")).await?;
    session.close().await;

    let data = json!({
        "server": facts.iter().cloned().collect::<Map<String, Value>>(),
        "replication": named(&replication, &["kind", "name", "state"]),
        "settings": named(&settings, &["name", "value", "source", "context", "pending_restart"]),
        "tables": tables,
    });
    let mut shown = vec![server_table(&facts), tables_table(&tables)];
    shown.extend(tables.iter().map(columns_table));
    if !replication.is_empty() {
        shown.push(list("Replication", vec!["kind", "name", "state"], &replication));
    }
    shown.push(list("Settings that are not the default", vec!["name", "value", "source"], &settings));
    Ok(Inventory { tables: shown, data })
}

async fn facts(session: &PgSession) -> Result<Vec<(String, Value)>, FaultError> {
    let rows = texts(session, "ask the server about itself", include_str!("server.sql")).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let facts = FACTS.iter().zip(row).map(|(name, text)| ((*name).to_owned(), typed(&text)));
    Ok(facts.collect())
}

/// Gives booleans and whole numbers their own type.
fn typed(text: &str) -> Value {
    match text {
        "true" | "on" => Value::Bool(true),
        "false" | "off" => Value::Bool(false),
        text => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

async fn texts(session: &PgSession, what: &str, sql: &str) -> Result<Vec<Vec<String>>, FaultError> {
    let rows = session.simple(what, sql).await?;
    let cells = |row: &tokio_postgres::SimpleQueryRow| {
        (0..row.len()).map(|place| row.get(place).unwrap_or_default().to_owned()).collect()
    };
    Ok(rows.iter().map(cells).collect())
}

fn named(rows: &[Vec<String>], names: &[&str]) -> Vec<Value> {
    let object = |row: &Vec<String>| -> Map<String, Value> {
        names.iter().zip(row).map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str()))).collect()
    };
    rows.iter().map(|row| Value::Object(object(row))).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

fn server_table(facts: &[(String, Value)]) -> InventoryTable {
    let granted: Vec<&str> = facts[ROLE_FACTS.start.min(facts.len())..ROLE_FACTS.end.min(facts.len())]
        .iter()
        .filter(|(_, value)| *value == Value::Bool(true))
        .map(|(name, _)| name.as_str())
        .collect();
    let mut rows: Vec<Vec<String>> = facts
        .iter()
        .enumerate()
        .filter(|(place, _)| !ROLE_FACTS.contains(place))
        .map(|(_, (name, value))| match name.as_str() {
            "database_bytes" => vec!["size".to_owned(), bytes(value.as_u64().unwrap_or_default())],
            _ => vec![name.replace('_', " "), plain(value)],
        })
        .collect();
    let rights = if granted.is_empty() { "none beyond its grants".to_owned() } else { granted.join(", ") };
    rows.push(vec!["rights".to_owned(), rights]);
    InventoryTable { title: "Server".to_owned(), columns: vec!["fact", "value"], rows }
}

fn tables_table(tables: &[Table]) -> InventoryTable {
    let row = |table: &Table| {
        vec![
            table.qualified(),
            table.row_estimate.map_or_else(|| "unknown".to_owned(), |rows| format!("~{rows}")),
            bytes(table.bytes),
            if table.primary_key.is_empty() { "none".to_owned() } else { table.primary_key.join(", ") },
            table.foreign_keys.len().to_string(),
            table.referenced_by.len().to_string(),
            table.triggers.join(", "),
        ]
    };
    InventoryTable {
        title: "Tables".to_owned(),
        columns: vec!["table", "rows", "size", "primary key", "foreign keys", "referenced by", "triggers"],
        rows: tables.iter().map(row).collect(),
    }
}

fn columns_table(table: &Table) -> InventoryTable {
    let rows = table.columns.iter().map(|column| {
        let default = match (&column.default, column.identity, column.generated) {
            (_, _, true) => "generated".to_owned(),
            (_, Some(_), _) => "identity".to_owned(),
            (Some(default), None, _) => default.clone(),
            (None, None, _) => String::new(),
        };
        let null = if column.not_null { "not null" } else { "" };
        vec![
            column.name.clone(),
            column.sql_type.clone(),
            null.to_owned(),
            default,
            notes(table, &column.name),
        ]
    });
    InventoryTable {
        title: format!("Columns of {}", table.qualified()),
        columns: vec!["column", "type", "null", "default", "keys and checks"],
        rows: rows.collect(),
    }
}

/// Which constraints look at a column.
fn notes(table: &Table, column: &str) -> String {
    let has = |names: &[String]| names.iter().any(|name| name == column);
    let mut notes = Vec::new();
    if has(&table.primary_key) {
        notes.push("primary key".to_owned());
    }
    notes
        .extend(table.unique.iter().filter(|key| has(key)).map(|key| format!("unique ({})", key.join(", "))));
    let foreign = table.foreign_keys.iter().filter(|key| has(&key.child_columns));
    notes.extend(foreign.map(|key| {
        format!("→ {}.{} ({})", key.parent_schema, key.parent_table, key.parent_columns.join(", "))
    }));
    let checks = table.checks.iter().filter(|check| has(&check.columns));
    notes.extend(checks.map(|check| format!("check {}", check.expression)));
    notes.join("; ")
}

fn list(title: &str, columns: Vec<&'static str>, rows: &[Vec<String>]) -> InventoryTable {
    let width = columns.len();
    let rows = rows.iter().map(|row| row.iter().take(width).cloned().collect()).collect();
    InventoryTable { title: title.to_owned(), columns, rows }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}
