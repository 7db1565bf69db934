//! One transaction that holds the write lock of the file from its first statement.

use std::time::{Duration, Instant};

use chaos_core::{Failure, FaultError};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::error::During;

/// How long an effect waits for other writers, steps of ours that run side by side among them.
pub(crate) const EFFECT_PATIENCE: Duration = Duration::from_secs(120);
/// How long one attempt to undo waits for other writers. More attempts follow.
pub(crate) const UNDO_PATIENCE: Duration = Duration::from_secs(20);
/// How long SQLite waits at a time before we look whether we shall stop.
const WAIT: Duration = Duration::from_millis(200);

/// Runs `work` in one transaction and commits it. On an error everything is rolled back.
///
/// The write lock is taken first: a transaction that reads and writes later fails at once when somebody else wrote in
/// between. It is also the fence: `cancel` is asked under the lock, and a revert takes the same lock, so no effect can
/// slip in behind a revert.
pub(crate) fn write<T>(
    connection: &Connection,
    cancel: &CancellationToken,
    patience: Duration,
    work: impl FnOnce(&Connection) -> Result<T, FaultError>,
) -> Result<T, FaultError> {
    patiently(connection, cancel, patience, "BEGIN IMMEDIATE", "take the write lock of the file")?;
    // From here on every way out but the commit ends in a rollback, a panic too.
    let open = Open(connection);
    if cancel.is_cancelled() {
        return Err(FaultError::Cancelled);
    }
    let result = work(connection)?;
    // With a rollback journal a commit waits for readers. It may be tried again: the transaction stays open.
    patiently(connection, cancel, patience, "COMMIT", "commit")?;
    drop(open);
    Ok(result)
}

/// Runs one statement again and again while others are in the way.
fn patiently(
    connection: &Connection,
    cancel: &CancellationToken,
    patience: Duration,
    sql: &str,
    what: &str,
) -> Result<(), FaultError> {
    let usual: u32 =
        connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).during("read the busy timeout")?;
    connection.busy_timeout(WAIT).during("shorten the busy timeout")?;
    let started = Instant::now();
    let result = loop {
        if cancel.is_cancelled() {
            break Err(FaultError::Cancelled);
        }
        match connection.execute_batch(sql).during(what) {
            Err(FaultError::Busy(_)) if started.elapsed() < patience => {}
            result => break result,
        }
    };
    connection.busy_timeout(Duration::from_millis(u64::from(usual))).during("restore the busy timeout")?;
    result
}

/// Rolls back when it is dropped, unless the transaction was committed.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "A transaction could not be rolled back; it ends with its connection.");
        }
    }
}

/// A refusal in the middle of a step: the table is not what it was when the step was planned.
pub(crate) fn table_changed(name: &str) -> FaultError {
    let failure = Failure::new(format!("use table `main.{name}`, which was changed since the plan was made"));
    FaultError::Target(failure.hint("plan again; nothing was touched"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens two sessions on one new file; the first holds the write lock.
    fn two_sessions() -> (tempfile::TempDir, Connection, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let open = || Connection::open(directory.path().join("a.db")).unwrap();
        let (first, second) = (open(), open());
        first.execute_batch("CREATE TABLE t (a); BEGIN IMMEDIATE").unwrap();
        (directory, first, second)
    }

    #[test]
    fn a_writer_that_does_not_let_go_is_an_error_worth_another_try() {
        let (_directory, _first, second) = two_sessions();
        let error = write(&second, &CancellationToken::new(), WAIT, |_| Ok(())).unwrap_err();
        assert!(matches!(error, FaultError::Busy(_)), "{error:?}");
        assert!(error.hint().unwrap().contains("one writer at a time"), "{error:?}");
    }

    #[test]
    fn a_writer_that_lets_go_is_waited_for() {
        let (_directory, first, second) = two_sessions();
        let other = std::thread::spawn(move || {
            std::thread::sleep(2 * WAIT);
            first.execute_batch("ROLLBACK").unwrap();
        });
        let insert =
            |connection: &Connection| connection.execute("INSERT INTO t VALUES (1)", []).during("insert");
        assert_eq!(write(&second, &CancellationToken::new(), EFFECT_PATIENCE, insert).unwrap(), 1);
        other.join().unwrap();
    }

    #[test]
    fn a_commit_waits_for_a_reader() {
        let (_directory, first, second) = two_sessions();
        first.execute_batch("INSERT INTO t VALUES (1); COMMIT; BEGIN; SELECT * FROM t").unwrap();
        let other = std::thread::spawn(move || {
            std::thread::sleep(3 * WAIT);
            first.execute_batch("ROLLBACK").unwrap();
        });
        let insert =
            |connection: &Connection| connection.execute("INSERT INTO t VALUES (2)", []).during("insert");
        assert_eq!(write(&second, &CancellationToken::new(), EFFECT_PATIENCE, insert).unwrap(), 1);
        other.join().unwrap();
    }

    #[test]
    fn who_is_told_to_stop_stops_waiting_and_an_error_rolls_back() {
        let (_directory, first, second) = two_sessions();
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let other = std::thread::spawn(move || {
            std::thread::sleep(WAIT);
            stop.cancel();
        });
        let error = write(&second, &cancel, EFFECT_PATIENCE, |_| Ok(())).unwrap_err();
        assert!(matches!(error, FaultError::Cancelled), "{error:?}");
        other.join().unwrap();
        first.execute_batch("ROLLBACK").unwrap();
        let fail = |connection: &Connection| -> Result<(), FaultError> {
            connection.execute("INSERT INTO t VALUES (3)", []).during("insert")?;
            Err(table_changed("t"))
        };
        assert!(write(&second, &CancellationToken::new(), WAIT, fail).is_err());
        assert!(second.is_autocommit());
        let rows: i64 = second.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }
}
