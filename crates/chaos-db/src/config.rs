//! The `target_config` of a database.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// How to reach a database.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DbConfig {
    /// Where the database is: `postgres://user@host:5432/name?sslmode=verify-full`, or `sqlite:///path/to/file.db`.
    /// A password may stand in the URL, better as `${VAR}` or `file:/path`; without one, `PGPASSWORD` and the pgpass file
    /// are asked. `connect_timeout` is in seconds: 5 without it, 60 at most.
    pub connection_url: String,
    /// What kind of database it is.
    pub db_type: DbType,
    /// Only these schemas are looked at and touched. Default: all but the system's own.
    #[serde(default)]
    pub schemas: Vec<String>,
}

impl fmt::Debug for DbConfig {
    // The URL may hold a password, in a place that depends on the kind of database: it is left out as a whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbConfig")
            .field("db_type", &self.db_type)
            .field("schemas", &self.schemas)
            .finish_non_exhaustive()
    }
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DbType {
    /// PostgreSQL 12 to 18.
    Postgres,
    /// SQLite 3, by file.
    Sqlite,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_never_shows_the_url() {
        let config = DbConfig {
            connection_url: "postgres://u:hunter2@h/d".to_owned(),
            db_type: DbType::Postgres,
            schemas: Vec::new(),
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
