//! `db.table_lock`: locks tables for the hold.

pub(crate) mod hold;
pub mod postgres;
pub(crate) mod preflight;
pub mod sqlite;

use std::fmt;
use std::str::FromStr;

use chaos_core::{FaultSpec, Misfit, Reversibility, Risk};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::on_database::{DatabaseFault, check_names};

/// `db.table_lock` on all kinds of database.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableLock;

impl DatabaseFault for TableLock {
    type Params = Params;
    type Postgres = postgres::TableLockPostgres;
    type Sqlite = sqlite::TableLockSqlite;

    const SPEC: FaultSpec = FaultSpec {
        name: "db.table_lock",
        target: "database",
        summary: "Locks tables; never waits in front of the application, and ends by itself",
        risk: Risk::High,
        reversibility: Reversibility::EndsItself,
    };

    fn check(params: &Params) -> Result<(), Misfit> {
        check_names("tables", &params.tables)
    }
}

/// Which tables to lock, and how.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The tables to lock, as `table` or `schema.table`. Default: up to five of those that the experiment may touch.
    #[serde(default)]
    pub tables: Vec<String>,
    /// How to lock them, in the words of PostgreSQL and in any case. Default: `ACCESS EXCLUSIVE`, which keeps out
    /// readers too. `EXCLUSIVE`, `SHARE ROW EXCLUSIVE` and `SHARE` keep out writers only.
    #[serde(default)]
    pub lock_mode: LockMode,
}

/// How a table is locked, weakest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum LockMode {
    /// As every SELECT does; keeps out only ACCESS EXCLUSIVE.
    #[serde(rename = "ACCESS SHARE")]
    AccessShare,
    /// As SELECT … FOR UPDATE does.
    #[serde(rename = "ROW SHARE")]
    RowShare,
    /// As INSERT, UPDATE and DELETE do.
    #[serde(rename = "ROW EXCLUSIVE")]
    RowExclusive,
    /// As VACUUM and CREATE INDEX CONCURRENTLY do; keeps out changes of the schema.
    #[serde(rename = "SHARE UPDATE EXCLUSIVE")]
    ShareUpdateExclusive,
    /// As CREATE INDEX does; keeps out writers.
    #[serde(rename = "SHARE")]
    Share,
    /// Keeps out writers, and other locks of its kind.
    #[serde(rename = "SHARE ROW EXCLUSIVE")]
    ShareRowExclusive,
    /// Keeps out everybody but plain readers.
    #[serde(rename = "EXCLUSIVE")]
    Exclusive,
    /// Keeps out everybody.
    #[default]
    #[serde(rename = "ACCESS EXCLUSIVE")]
    AccessExclusive,
}

impl LockMode {
    /// All modes, weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// Returns the mode as SQL writes it.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Returns whether it keeps out plain readers.
    pub fn blocks_readers(self) -> bool {
        self == Self::AccessExclusive
    }

    /// Returns whether it keeps out INSERT, UPDATE and DELETE.
    pub fn blocks_writers(self) -> bool {
        self >= Self::Share
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_sql())
    }
}

/// The text names no lock mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a lock mode; the modes are {modes}", modes = modes())]
pub struct NotALockMode(String);

fn modes() -> String {
    LockMode::ALL.map(|mode| format!("`{mode}`")).join(", ")
}

impl FromStr for LockMode {
    type Err = NotALockMode;

    /// Takes any case, `_` or several blanks between the words, and a closing `MODE`.
    fn from_str(text: &str) -> Result<Self, NotALockMode> {
        let words = text.replace('_', " ").to_uppercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = words.strip_suffix(&["MODE"]).unwrap_or(&words).join(" ");
        Self::ALL.into_iter().find(|mode| mode.as_sql() == words).ok_or_else(|| NotALockMode(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for LockMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_in_any_case() {
        for mode in LockMode::ALL {
            assert_eq!(mode.as_sql().to_lowercase().parse(), Ok(mode));
            assert_eq!(serde_json::from_value::<LockMode>(serde_json::json!(mode)).unwrap(), mode);
        }
        assert_eq!(" access_exclusive  mode ".parse(), Ok(LockMode::AccessExclusive));
    }

    #[test]
    fn an_unknown_mode_is_refused_with_all_that_exist() {
        let error = "EXCLUSIV; DROP TABLE users".parse::<LockMode>().unwrap_err().to_string();
        assert!(error.contains("`EXCLUSIV; DROP TABLE users` is not a lock mode"), "{error}");
        assert!(error.contains("`SHARE ROW EXCLUSIVE`, `EXCLUSIVE`, `ACCESS EXCLUSIVE`"), "{error}");
    }

    #[test]
    fn only_modes_that_conflict_with_row_exclusive_block_writers() {
        let blocking: Vec<_> = LockMode::ALL.into_iter().filter(|mode| mode.blocks_writers()).collect();
        assert_eq!(
            blocking,
            [LockMode::Share, LockMode::ShareRowExclusive, LockMode::Exclusive, LockMode::AccessExclusive]
        );
    }
}
