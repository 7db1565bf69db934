//! `db.row_lock`: locks random rows for the hold.

pub mod postgres;
pub mod sqlite;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use chaos_core::{FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::on_database::{DatabaseFault, check_names};

/// `db.row_lock` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowLock;

impl DatabaseFault for RowLock {
    type Params = Params;
    type Postgres = postgres::RowLockPostgres;
    type Sqlite = sqlite::RowLockSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.row_lock",
        target: "database",
        summary: "Locks random rows; skips those that the application holds, and ends by itself",
        risk: Risk::High,
        reversibility: Reversibility::EndsItself,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        check_names("tables", &params.tables)
    }
}

/// How many rows of which tables to lock, and how.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The tables whose rows are locked, as `table` or `schema.table`. Default: up to five of those that the experiment
    /// may touch and that have rows.
    #[serde(default)]
    pub tables: Vec<String>,
    /// How many rows of each table to lock, chosen at random. Default: 100.
    #[serde(default = "default_rows_per_table")]
    pub rows_per_table: NonZeroU32,
    /// How to lock them, in the words of PostgreSQL and in any case: `FOR UPDATE` (the default), `FOR NO KEY UPDATE`,
    /// `FOR SHARE` or `FOR KEY SHARE`.
    #[serde(default)]
    pub lock_type: LockType,
}

fn default_rows_per_table() -> NonZeroU32 {
    const { NonZeroU32::new(100).unwrap() }
}

/// How rows are locked, weakest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum LockType {
    /// Keeps out DELETE and changes of the key.
    #[serde(rename = "FOR KEY SHARE")]
    KeyShare,
    /// Keeps out every change.
    #[serde(rename = "FOR SHARE")]
    Share,
    /// Keeps out every change and stronger locks; rows that refer to it can still be inserted.
    #[serde(rename = "FOR NO KEY UPDATE")]
    NoKeyUpdate,
    /// Keeps out every change and every lock; rows that refer to it wait.
    #[default]
    #[serde(rename = "FOR UPDATE")]
    Update,
}

impl LockType {
    /// All types, weakest first.
    pub const ALL: [Self; 4] = [Self::KeyShare, Self::Share, Self::NoKeyUpdate, Self::Update];

    /// Returns the type as SQL writes it.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::KeyShare => "FOR KEY SHARE",
            Self::Share => "FOR SHARE",
            Self::NoKeyUpdate => "FOR NO KEY UPDATE",
            Self::Update => "FOR UPDATE",
        }
    }
}

impl fmt::Display for LockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_sql())
    }
}

/// The text names no lock type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lock type; the types are {types}", types = types())]
pub struct NotALockType(String);

fn types() -> String {
    LockType::ALL.map(|lock_type| format!("`{lock_type}`")).join(", ")
}

impl FromStr for LockType {
    type Err = NotALockType;

    /// Takes any case, `_` or several blanks between the words, and leaves out `FOR` where it is missing.
    fn from_str(text: &str) -> Result<Self, NotALockType> {
        let words = text.replace('_', " ").to_uppercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = words.strip_prefix(&["FOR"]).unwrap_or(&words).join(" ");
        let named = |lock_type: &Self| lock_type.as_sql().strip_prefix("FOR ") == Some(words.as_str());
        Self::ALL.into_iter().find(named).ok_or_else(|| NotALockType(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for LockType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_read_in_any_case() {
        for lock_type in LockType::ALL {
            assert_eq!(lock_type.as_sql().to_lowercase().parse(), Ok(lock_type));
            assert_eq!(serde_json::from_value::<LockType>(json!(lock_type)).unwrap(), lock_type);
        }
        assert_eq!("no_key_update".parse(), Ok(LockType::NoKeyUpdate));
    }

    #[test]
    fn an_unknown_type_is_refused_with_all_that_exist() {
        let error = "FOR UPDATE SKIP".parse::<LockType>().unwrap_err().to_string();
        assert!(error.contains("`FOR UPDATE SKIP` is not a lock type"), "{error}");
        assert!(error.contains("`FOR KEY SHARE`, `FOR SHARE`, `FOR NO KEY UPDATE`, `FOR UPDATE`"), "{error}");
    }

    #[test]
    fn no_rows_are_refused() {
        let error = serde_json::from_value::<Params>(json!({"rows_per_table": 0})).unwrap_err().to_string();
        assert!(error.contains("nonzero"), "{error}");
    }
}
