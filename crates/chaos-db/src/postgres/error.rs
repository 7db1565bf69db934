//! What an error of the driver means for us.

use std::error::Error as _;

use chaos_core::{Failure, FaultError};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// Says what an error of the driver means: worth another try, or not.
///
/// `what` completes "failed to …".
pub fn classify(what: impl Into<String>, error: Error) -> FaultError {
    let Some(refusal) = error.as_db_error() else { return without_answer(what.into(), error) };
    let failure = failure(what.into(), refusal);
    match kind(refusal.code(), refusal.message()) {
        Kind::Gone => FaultError::Unreachable(failure),
        Kind::Busy => FaultError::Busy(failure),
        Kind::Refused => FaultError::Target(failure),
    }
}

/// Makes a failure of what the server said, its own hint included.
pub fn failure(what: String, refusal: &DbError) -> Failure {
    let mut said = format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
    if let Some(detail) = refusal.detail() {
        said.push_str("; ");
        said.push_str(detail);
    }
    let failure = Failure::new(what).source(said);
    match refusal.hint() {
        Some(hint) => failure.hint(hint.to_owned()),
        None => failure,
    }
}

enum Kind {
    Gone,
    Busy,
    Refused,
}

fn kind(code: &SqlState, message: &str) -> Kind {
    let shutting_down = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    let busy = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::OBJECT_IN_USE,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    if shutting_down.contains(code) || code.code().starts_with("08") {
        Kind::Gone
    } else if busy.contains(code) || (*code == SqlState::QUERY_CANCELED && message.contains("lock timeout")) {
        Kind::Busy
    } else {
        Kind::Refused
    }
}

/// An error that the server did not send: the connection broke, or the driver itself is at a loss.
fn without_answer(what: String, error: Error) -> FaultError {
    let broken = error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>());
    let failure = Failure::new(what).source(error);
    if broken {
        FaultError::Unreachable(failure.hint("the connection to the server broke; is the server still up?"))
    } else {
        FaultError::Target(failure)
    }
}
