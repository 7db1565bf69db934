//! Holds locks on a PostgreSQL server in a sleeping statement, so that the server ends them in time even if we vanish.
//!
//! One transaction takes the fence of the step, then the locks, then sleeps. Between its statements an idle limit is in
//! force, while it sleeps a statement limit: both end the transaction, and with it every lock, without us.

use std::time::Duration;

use chaos_core::plan::millis;
use chaos_core::{Effect, Failure, FaultError, RevertOutcome, Reverted, StepContext};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::postgres::holders::end_holders;
use crate::postgres::{Fence, PgSession, PgTarget};

/// How much longer than the hold the server keeps a lock. Other steps of the same experiment are injected in this time.
const MARGIN: Duration = Duration::from_secs(30);
/// How long we try to get a lock that somebody else holds.
const TRY_MAX: Duration = Duration::from_secs(10);
/// The pause between two tries. A try never waits, so the application never queues behind us.
const TRY_PAUSE: Duration = Duration::from_millis(50);
/// How much longer than its limit the sleep would be: the limit shall end it, never the sleep itself.
const OVERSLEEP: Duration = Duration::from_secs(3600);

/// How long a lock lasts at most, and how it is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The lock of ours by which the session is found.
    pub fence: Fence,
    /// The server ends the lock after this time, whatever became of us.
    #[serde(rename = "limit_ms", with = "millis")]
    pub limit: Duration,
}

impl Hold {
    /// Plans a lock that outlasts `hold` by a margin.
    pub fn plan(fence: Fence, hold: Duration) -> Self {
        Self { fence, limit: hold + MARGIN }
    }

    /// Says how the lock ends.
    pub fn undo(&self) -> String {
        let limit = self.limit.as_secs_f64();
        format!("its session is ended; without us the server ends it {limit} s after the lock")
    }

    /// Opens the session of a lock: limits in force, fence taken, no lock yet.
    pub async fn arm(&self, target: &PgTarget) -> Result<LockSession, FaultError> {
        let session = target.session().await?;
        session.begin().await?;
        let limit = self.limit.as_millis();
        session
            .batch("limit a lock", &format!("SET LOCAL idle_in_transaction_session_timeout = {limit}"))
            .await?;
        notice_vanished_client(&session).await?;
        self.fence.take_in_transaction(&session).await?;
        Ok(LockSession(State::Armed(Box::new(session))))
    }

    /// Ends the lock, wherever it is held, and reads back that it is gone.
    pub async fn end(&self, target: &PgTarget) -> Result<Reverted, FaultError> {
        let session = target.session().await?;
        let ended = end_holders(&session, &self.fence).await?;
        session.close().await;
        let outcome = if ended > 0 { RevertOutcome::Restored } else { RevertOutcome::NothingToDo };
        Ok(Reverted::new(outcome))
    }
}

/// Lets the server look every second whether we are still there, where it can (14 and later, not on every system).
async fn notice_vanished_client(session: &PgSession) -> Result<(), FaultError> {
    session.batch("limit a lock", "SAVEPOINT chaos").await?;
    let wish = session.batch("limit a lock", "SET LOCAL client_connection_check_interval = '1s'").await;
    match wish {
        Ok(()) => session.batch("limit a lock", "RELEASE SAVEPOINT chaos").await,
        // It only ends the lock earlier when we are killed. The limits hold without it.
        Err(FaultError::Target(_)) => session.batch("limit a lock", "ROLLBACK TO SAVEPOINT chaos").await,
        Err(error) => Err(error),
    }
}

/// The session of a lock.
pub struct LockSession(State);

enum State {
    /// The fence is taken, the lock is not.
    Armed(Box<PgSession>),
    /// The lock is held by a sleeping statement; the task ends when the lock is lost.
    Held { what: String, since: Instant, lost: AbortOnDropHandle<Lost> },
    /// An inject failed half-way.
    Spent,
}

/// When and why a lock was lost before we ended it.
struct Lost {
    at: Instant,
    why: Option<FaultError>,
}

impl LockSession {
    /// Gives out the armed session, once.
    pub fn take(&mut self) -> Result<PgSession, FaultError> {
        match std::mem::replace(&mut self.0, State::Spent) {
            State::Armed(session) => Ok(*session),
            State::Held { .. } | State::Spent => {
                Err(FaultError::Target(Failure::new("use the session of a lock a second time")))
            }
        }
    }

    /// Lets the session, which holds the locks on `what` by now, sleep until the end of the hold.
    pub async fn hold(&mut self, session: PgSession, hold: &Hold, what: String) -> Result<(), FaultError> {
        let limit = hold.limit.as_millis();
        session.batch("limit a lock", &format!("SET LOCAL statement_timeout = {limit}")).await?;
        let sleep = format!("SELECT pg_sleep({})", (hold.limit + OVERSLEEP).as_secs());
        let since = Instant::now();
        let task = tokio::spawn(async move {
            let ended = session.batch("sleep", &sleep).await;
            Lost { at: Instant::now(), why: ended.err() }
        });
        self.0 = State::Held { what, since, lost: AbortOnDropHandle::new(task) };
        Ok(())
    }

    /// Says how long the lock was held.
    ///
    /// # Errors
    /// [`FaultError::Target`] when it was lost before the end of the hold: then the fault was not what was asked for.
    pub async fn finish(self) -> Result<Option<Effect>, FaultError> {
        let State::Held { what, since, lost } = self.0 else { return Ok(None) };
        if !lost.is_finished() {
            return Ok(Some(Effect::default().with("held_ms", millis_of(since.elapsed()))));
        }
        let (held, why) = match lost.await {
            Ok(lost) => (lost.at.saturating_duration_since(since), lost.why.map(|error| error.chain())),
            Err(error) => (since.elapsed(), Some(error.to_string())),
        };
        let failure =
            Failure::new(format!("keep the lock on {what}, which was lost after {} ms", millis_of(held)));
        let why = why.unwrap_or_else(|| "the server woke it".to_owned());
        Err(FaultError::Target(failure.source(why).hint("what happened from then on was without the lock")))
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs `statement`, which takes a lock with NOWAIT, until it gets it, and returns how many tries it took. Between two
/// tries nothing is held but the fence.
///
/// # Errors
/// [`FaultError::Busy`] that names who holds it, after ten seconds.
pub async fn try_lock(
    cx: &StepContext,
    session: &PgSession,
    table: &str,
    statement: &str,
) -> Result<u64, FaultError> {
    let started = Instant::now();
    let mut tries = 1;
    loop {
        let what = format!("lock table {table}");
        session.batch(&*what, "SAVEPOINT chaos").await?;
        match session.batch(&*what, statement).await {
            Ok(()) => return Ok(tries),
            Err(FaultError::Busy(_)) if started.elapsed() < TRY_MAX => {}
            Err(FaultError::Busy(failure)) => {
                session.batch(&*what, "ROLLBACK TO SAVEPOINT chaos").await?;
                return Err(FaultError::Busy(failure.hint(holders_of(session, table).await?)));
            }
            Err(error) => return Err(error),
        }
        session.batch(&*what, "ROLLBACK TO SAVEPOINT chaos; RELEASE SAVEPOINT chaos").await?;
        tries += 1;
        tokio::select! {
            () = cx.cancel.cancelled() => return Err(FaultError::Cancelled),
            () = tokio::time::sleep(TRY_PAUSE) => {}
        }
    }
}

/// Says who holds locks on a table, as the hint of a failure.
async fn holders_of(session: &PgSession, table: &str) -> Result<String, FaultError> {
    let sql = format!(
        "SELECT DISTINCT format('process %s (role `%s`, application `%s`) holds %s', l.pid, s.usename, \
         s.application_name, l.mode) \
         FROM pg_locks l LEFT JOIN pg_stat_activity s ON s.pid = l.pid \
         WHERE l.locktype = 'relation' AND l.relation = {}::regclass AND l.granted AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) LIMIT 5",
        crate::postgres::sql::literal(table)
    );
    let rows = session.simple("find who holds a table", &sql).await?;
    let holders: Vec<&str> = rows.iter().filter_map(|row| row.get(0)).collect();
    Ok(match holders.as_slice() {
        [] => "whoever held it is gone by now; try again".to_owned(),
        holders => format!("{}; try again when it is free", holders.join(", ")),
    })
}
