//! What an error of SQLite means for us, and what to do about it.

use chaos_core::{Failure, FaultError};
use rusqlite::{Error, ErrorCode};

/// Sorts an error into what the engine does next; `what` completes "failed to …".
pub(crate) fn classify(what: impl Into<String>, source: Error) -> FaultError {
    let failure = Failure::new(what);
    let Some(code) = source.sqlite_error_code() else { return FaultError::Target(failure.source(source)) };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            let hint = "another program is writing to the file; SQLite lets in one writer at a time";
            FaultError::Busy(failure.hint(hint).source(source))
        }
        // Only our own handler interrupts, and only when we were asked to stop.
        ErrorCode::OperationInterrupted => FaultError::Cancelled,
        ErrorCode::CannotOpen => {
            let hint = "check that file and directory exist and that this user may write both";
            FaultError::Unreachable(failure.hint(hint).source(source))
        }
        ErrorCode::NotADatabase => {
            let hint = "the file is not an SQLite database, or it is encrypted";
            FaultError::Target(failure.hint(hint).source(source))
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            let hint = "this user must be allowed to write the file and its directory";
            FaultError::Target(failure.hint(hint).source(source))
        }
        ErrorCode::DiskFull => {
            FaultError::Target(failure.hint("make room on the disk of the database").source(source))
        }
        ErrorCode::DatabaseCorrupt => {
            let hint = "the file is damaged; `PRAGMA integrity_check` says where";
            FaultError::Target(failure.hint(hint).source(source))
        }
        _ => FaultError::Target(failure.source(source)),
    }
}

/// Adds what was tried to an error of SQLite.
pub(crate) trait During<T> {
    /// Completes "failed to …".
    fn during(self, what: impl Into<String>) -> Result<T, FaultError>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, what: impl Into<String>) -> Result<T, FaultError> {
        self.map_err(|source| classify(what, source))
    }
}
