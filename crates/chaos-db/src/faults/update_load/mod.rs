//! `db.update_load`: changes random rows, and puts exactly those back that nobody else changed since.

pub mod postgres;
pub mod sqlite;

use chaos_core::{FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::on_database::{DatabaseFault, check_names};

/// The most rows that one use may change in one table.
pub const ROWS_MAX: u64 = 100_000_000;

/// How many tables are changed when none is named: enough to be felt, few enough to be read in a plan.
pub const TABLES_MAX: usize = 5;

/// How many columns of a table are changed when none is named.
pub const COLUMNS_MAX: usize = 3;

/// `db.update_load` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpdateLoad;

impl DatabaseFault for UpdateLoad {
    type Params = Params;
    type Postgres = postgres::UpdateLoadPostgres;
    type Sqlite = sqlite::UpdateLoadSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.update_load",
        target: "database",
        summary: "Changes random rows, and puts back those that nobody else changed since",
        risk: Risk::Medium,
        reversibility: Reversibility::Exact,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        check_names("tables", &params.tables)?;
        check_names("columns", &params.columns)
    }
}

/// How much to change, and where.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many rows of each table to change, chosen at random, 1 to 100000000. A smaller table is changed as a whole.
    /// Default: 100. Example: `rows: 5000`.
    #[serde(default = "default_rows", deserialize_with = "rows")]
    #[schemars(range(min = 1, max = ROWS_MAX))]
    pub rows: u64,
    /// The tables to change, as `table` or `schema.table`. Default: up to five of those that the experiment may touch
    /// and that have a column that can be changed, by name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The columns to change, by name; each table must have at least one of them. Default: up to three columns of each
    /// table that no key, index, constraint or generated column leans on. Example: `columns: [email, note]`.
    #[serde(default)]
    pub columns: Vec<String>,
}

fn default_rows() -> u64 {
    100
}

fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let rows = u64::deserialize(deserializer)?;
    if (1..=ROWS_MAX).contains(&rows) {
        Ok(rows)
    } else {
        Err(D::Error::custom(format_args!("`{rows}` rows; it must be 1 to {ROWS_MAX}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_params_are_the_documented_defaults() {
        let params: Params = serde_json::from_value(json!({})).unwrap();
        assert_eq!((params.rows, params.tables.len(), params.columns.len()), (100, 0, 0));
    }

    #[test]
    fn rows_out_of_range_and_unknown_keys_are_refused() {
        for params in [json!({"rows": 0}), json!({"rows": 100_000_001}), json!({"rows_per_table": 5})] {
            assert!(serde_json::from_value::<Params>(params.clone()).is_err(), "{params}");
        }
    }
}
