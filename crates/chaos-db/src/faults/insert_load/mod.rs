//! `db.insert_load`: realistic rows at full speed, and exactly those gone again.

pub mod postgres;
pub mod sqlite;

use chaos_core::{Failure, FaultError, FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::on_database::{DatabaseFault, check_names};
use crate::schema::Table;

/// The most rows that one use may insert into one table.
pub const ROWS_MAX: u64 = 100_000_000;

/// How many tables are filled when none is named: enough to be felt, few enough to be read in a plan.
pub const TABLES_MAX: usize = 10;

/// `db.insert_load` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct InsertLoad;

impl DatabaseFault for InsertLoad {
    type Params = Params;
    type Postgres = postgres::InsertLoadPostgres;
    type Sqlite = sqlite::InsertLoadSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.insert_load",
        target: "database",
        summary: "Inserts realistic rows that respect every constraint, and deletes exactly those",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        check_names("tables", &params.tables)
    }
}

/// How much to insert, and where.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many rows to insert into each table, 1 to 100000000. Default: 1000. Example: `rows_per_table: 50000`.
    #[serde(default = "default_rows", deserialize_with = "rows")]
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub rows_per_table: u64,
    /// The tables to fill, as `table` or `schema.table`. Default: up to ten of those that the experiment may touch, by name.
    #[serde(default)]
    pub tables: Vec<String>,
}

fn default_rows() -> u64 {
    1_000
}

fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let rows = u64::deserialize(deserializer)?;
    if (1..=ROWS_MAX).contains(&rows) {
        Ok(rows)
    } else {
        Err(D::Error::custom(format_args!("`{rows}` rows; it must be 1 to {ROWS_MAX}")))
    }
}

/// Puts parents before children, so that the undo, newest first, removes children before parents. Tables that refer to
/// each other in a ring stay in the order in which they came.
pub(super) fn parents_first(mut tables: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |table: &Table| {
            table.foreign_keys.iter().any(|key| {
                let parent = format!("{}.{}", key.parent_schema, key.parent_table);
                parent != table.qualified() && tables.iter().any(|other| other.qualified() == parent)
            })
        };
        let next = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(tables.remove(next));
    }
    ordered
}

/// Narrows what was chosen to what one use may fill.
///
/// # Errors
/// [`FaultError::Params`] when nothing is left to fill.
pub(super) fn limit_tables(params: &Params, mut tables: Vec<Table>) -> Result<Vec<Table>, FaultError> {
    if tables.is_empty() {
        let hint = "`resource_filters` and `schemas` may leave nothing; see `chaos discover`";
        return Err(FaultError::Params(Failure::new("find a table to fill").hint(hint)));
    }
    if params.tables.is_empty() && tables.len() > TABLES_MAX {
        tracing::warn!(
            left_out = tables.len() - TABLES_MAX,
            "Only the first ten tables are filled; name others in `tables`."
        );
        tables.truncate(TABLES_MAX);
    }
    Ok(parents_first(tables))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ForeignKey;

    fn table(name: &str, parents: &[&str]) -> Table {
        let key = |parent: &&str| ForeignKey {
            name: format!("{name}_{parent}"),
            child_schema: "public".to_owned(),
            child_table: name.to_owned(),
            child_columns: vec!["a".to_owned()],
            parent_schema: "public".to_owned(),
            parent_table: (*parent).to_owned(),
            parent_columns: vec!["a".to_owned()],
            on_delete: "NO ACTION".to_owned(),
        };
        Table {
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            foreign_keys: parents.iter().map(key).collect(),
            referenced_by: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_estimate: None,
            bytes: 0,
        }
    }

    fn check_order(tables: Vec<Table>, expected: &[&str]) {
        let names: Vec<String> = parents_first(tables).into_iter().map(|table| table.name).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn no_params_are_the_documented_defaults() {
        let params: Params = serde_json::from_value(json!({})).unwrap();
        assert_eq!((params.rows_per_table, params.tables.len()), (1_000, 0));
    }

    #[test]
    fn rows_out_of_range_and_unknown_keys_are_refused() {
        for params in
            [json!({"rows_per_table": 0}), json!({"rows_per_table": 100_000_001}), json!({"rows": 5})]
        {
            assert!(serde_json::from_value::<Params>(params.clone()).is_err(), "{params}");
        }
    }

    #[test]
    fn parents_come_first_and_rings_end() {
        let tables = vec![table("items", &["orders"]), table("orders", &["users"]), table("users", &[])];
        check_order(tables, &["users", "orders", "items"]);
        check_order(vec![table("a", &["b"]), table("b", &["a"])], &["a", "b"]);
        check_order(vec![table("tree", &["tree"])], &["tree"]);
    }
}
