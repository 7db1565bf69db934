//! The pragmas that a change can be taken back of, and why others are refused.

use std::fmt;

use chaos_core::{Failure, FaultError};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::sqlite::error::During;
use crate::sqlite::transaction::{UNDO_PATIENCE, write};

/// Pragmas that change nothing in the file: they hold for one connection, and ours is not the application's.
const OF_A_CONNECTION: [&str; 16] = [
    "busy_timeout",
    "cache_size",
    "case_sensitive_like",
    "cell_size_check",
    "defer_foreign_keys",
    "foreign_keys",
    "ignore_check_constraints",
    "journal_size_limit",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "query_only",
    "recursive_triggers",
    "synchronous",
    "temp_store",
    "wal_autocheckpoint",
];

/// A pragma that is kept in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pragma {
    /// The version that the application gives its schema.
    UserVersion,
    /// The kind of file that the application makes.
    ApplicationId,
    /// `wal` or `delete`.
    JournalMode,
}

impl fmt::Display for Pragma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserVersion => "user_version",
            Self::ApplicationId => "application_id",
            Self::JournalMode => "journal_mode",
        })
    }
}

impl Pragma {
    /// Returns the pragma of this name, or says why it cannot be changed.
    pub(in super::super) fn named(name: &str) -> Result<Self, FaultError> {
        let lower = name.to_lowercase();
        match lower.as_str() {
            "user_version" => return Ok(Self::UserVersion),
            "application_id" => return Ok(Self::ApplicationId),
            "journal_mode" => return Ok(Self::JournalMode),
            _ => {}
        }
        let failure = Failure::new(format!("change the setting `{name}` of SQLite"));
        let hint = "what can be changed and put back: `user_version`, `application_id`, `journal_mode`";
        let why = match lower.as_str() {
            "auto_vacuum" | "page_size" | "encoding" => {
                "it takes effect only when the whole file is rewritten"
            }
            "schema_version" | "writable_schema" => "a wrong value damages the file",
            other if OF_A_CONNECTION.contains(&other) => {
                "it holds for one connection only, and that of the application cannot be changed from outside"
            }
            _ => return Err(FaultError::Params(failure.source("there is no such setting").hint(hint))),
        };
        Err(FaultError::Preflight(failure.source(why).hint(hint)))
    }

    /// Returns a value as SQLite would give it back, or says why it is none.
    pub(super) fn check_value(self, value: &str) -> Result<String, FaultError> {
        self.value(value)
            .map_err(|why| FaultError::Params(Failure::new(format!("set `{self}` to `{value}`")).source(why)))
    }

    /// As [`check_value`](Self::check_value), but says only why it is none.
    pub(in super::super) fn value(self, value: &str) -> Result<String, &'static str> {
        match self {
            Self::UserVersion | Self::ApplicationId => match value.parse::<i32>() {
                Ok(number) => Ok(number.to_string()),
                Err(_) => Err("it must be a whole number of 32 bits"),
            },
            Self::JournalMode => match value.to_lowercase().as_str() {
                mode @ ("wal" | "delete") => Ok(mode.to_owned()),
                _ => Err("it must be `wal` or `delete`; the other modes are not kept in the file"),
            },
        }
    }

    /// Refuses changes that change nothing, or that cannot be put back.
    pub(super) fn check_change(self, before: &str, after: &str) -> Result<(), FaultError> {
        let failure = || Failure::new(format!("set `{self}` to `{after}`"));
        if before == after {
            // An undo could not tell whether it was us, and there would be nothing to see.
            return Err(FaultError::Preflight(failure().source("it has that value already")));
        }
        if self == Self::JournalMode && !matches!(before, "wal" | "delete") {
            let why = format!("it is `{before}` now, which cannot be put back");
            return Err(FaultError::Preflight(failure().source(why)));
        }
        Ok(())
    }

    /// Returns the value in the file.
    pub(super) fn read(self, connection: &Connection) -> Result<String, FaultError> {
        let what = format!("read `{self}`");
        connection
            .query_row(&format!("PRAGMA main.{self}"), [], |row| match self {
                Self::UserVersion | Self::ApplicationId => {
                    row.get::<_, i64>(0).map(|number| number.to_string())
                }
                Self::JournalMode => row.get(0),
            })
            .during(what)
    }

    /// Sets it from `from` to `to`, and reads it back. Refuses when it is not `from`.
    pub(super) fn replace(
        self,
        connection: &mut Connection,
        cancel: &CancellationToken,
        from: &str,
        to: &str,
    ) -> Result<(), FaultError> {
        let changed = |found: &str| {
            let why = format!("it was changed meanwhile to `{found}`");
            Err(FaultError::Busy(Failure::new(format!("set `{self}` to `{to}`")).source(why)))
        };
        // The values come from `check_value` or from SQLite itself, so none of them can be SQL of somebody else.
        let set = format!("PRAGMA main.{self} = {to}");
        match self {
            Self::UserVersion | Self::ApplicationId => {
                write(connection, cancel, UNDO_PATIENCE, |connection| {
                    let found = self.read(connection)?;
                    if found != from {
                        return changed(&found);
                    }
                    connection.execute_batch(&set).during(format!("set `{self}`"))
                })?
            }
            // The journal cannot be changed inside a transaction. SQLite refuses while anybody else has the file open.
            Self::JournalMode => {
                if cancel.is_cancelled() {
                    return Err(FaultError::Cancelled);
                }
                let found: String =
                    connection.query_row(&set, [], |row| row.get(0)).during(format!("set `{self}`"))?;
                if found != to {
                    return changed(&found);
                }
            }
        }
        match self.read(connection)? {
            found if found == to => Ok(()),
            found => changed(&found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_put_back_is_refused_with_its_reason() {
        for (name, why) in [
            ("auto_vacuum", "rewritten"),
            ("synchronous", "one connection"),
            ("SCHEMA_VERSION", "damages"),
            ("work_mem", "no such setting"),
        ] {
            let error = Pragma::named(name).unwrap_err().chain();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn values_are_checked_before_anything_is_touched() {
        assert_eq!(Pragma::UserVersion.check_value("-7").unwrap(), "-7");
        assert_eq!(Pragma::JournalMode.check_value("WAL").unwrap(), "wal");
        for (pragma, value) in [
            (Pragma::UserVersion, "1; DROP TABLE users"),
            (Pragma::ApplicationId, "99999999999"),
            (Pragma::JournalMode, "off"),
        ] {
            assert!(pragma.check_value(value).is_err(), "{value}");
        }
        assert!(Pragma::UserVersion.check_change("3", "3").is_err());
        assert!(Pragma::JournalMode.check_change("memory", "wal").is_err());
    }
}
