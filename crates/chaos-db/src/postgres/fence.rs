//! A lock on the server that orders inject and undo of one step, whatever became of the process that injects.
//!
//! The inject holds it from before its first effect until its commit. The undo takes it before it looks: once it has
//! it, the inject has either committed or can never do so.

use std::time::Duration;

use chaos_core::{Failure, FaultError};
use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryRow;

use super::session::PgSession;

/// How long the undo waits before it ends the session that holds the fence.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the undo waits in all.
const WAIT_MAX: Duration = Duration::from_secs(6);
/// How often the undo looks.
const POLL: Duration = Duration::from_millis(50);

/// The keys of the lock, chosen when the step is prepared. 64 bits: nobody else uses them by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The first and the second key.
    pub keys: (i32, i32),
}

impl Fence {
    /// Chooses keys for the step called `handle` in a run with this seed.
    pub fn choose(handle: &str, seed: u64) -> Self {
        let hash = hash(handle, seed);
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        Self { keys: (i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h])) }
    }

    /// Returns both keys as one number, as good as random.
    pub fn number(&self) -> u64 {
        (u64::from(self.keys.0.cast_unsigned()) << 32) | u64::from(self.keys.1.cast_unsigned())
    }

    /// Takes the fence in the open transaction of an inject. It is free at the end of the transaction.
    ///
    /// # Errors
    /// [`FaultError::Busy`] when an undo of this step holds it.
    pub async fn take_in_transaction(&self, session: &PgSession) -> Result<(), FaultError> {
        let sql = format!("SELECT pg_advisory_xact_lock({}, {})", self.keys.0, self.keys.1);
        session.batch("take the fence of a step", &sql).await
    }

    /// Takes the fence in the open transaction of an undo. An inject that holds it and does not end is ended.
    ///
    /// # Errors
    /// [`FaultError::Busy`] when it cannot be had in time. The transaction stays usable.
    pub async fn take_for_undo(&self, session: &PgSession) -> Result<(), FaultError> {
        let started = tokio::time::Instant::now();
        let mut ended = false;
        while !self.try_take(session).await? {
            let waited = started.elapsed();
            if waited > WAIT_MAX {
                return Err(self.still_held(session).await);
            }
            if waited > PATIENCE && !ended {
                self.end_holders(session).await?;
                ended = true;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn try_take(&self, session: &PgSession) -> Result<bool, FaultError> {
        let rows = session.simple("take the fence of a step", &self.attempt()).await?;
        Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
    }

    /// Returns the query that takes the fence for the open transaction if it is free, and says so with `t`. For those who
    /// send it along with other statements; everybody else uses [`Fence::take_for_undo`].
    pub fn attempt(&self) -> String {
        format!("SELECT pg_try_advisory_xact_lock({}, {})", self.keys.0, self.keys.1)
    }

    /// Returns the server processes that hold the fence, this session's own left out.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn holders(&self, session: &PgSession) -> Result<Vec<i32>, FaultError> {
        let sql = format!("SELECT l.pid FROM pg_locks l WHERE {}", self.held());
        Ok(pids(&session.simple("find who holds a fence", &sql).await?))
    }

    /// Ends the sessions that hold the fence. They are ours: nobody else knows the keys.
    async fn end_holders(&self, session: &PgSession) -> Result<(), FaultError> {
        for pid in terminate(session, "end the session of an unfinished step", &self.held()).await? {
            tracing::warn!(pid, "Ended the session of an unfinished step that still held its fence.");
        }
        Ok(())
    }

    /// Returns the condition for the rows of `pg_locks l` by which other sessions hold the fence.
    fn held(&self) -> String {
        format!("l.granted AND {}", self.locks())
    }

    /// Returns the condition for the rows of `pg_locks l` by which other sessions hold the fence or wait for it.
    pub(super) fn locks(&self) -> String {
        // The catalogue shows the keys as unsigned numbers.
        let (first, second) = (self.keys.0.cast_unsigned(), self.keys.1.cast_unsigned());
        format!(
            "l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = '{first}'::oid AND l.objid = '{second}'::oid \
             AND l.pid <> pg_backend_pid() \
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        )
    }

    async fn still_held(&self, session: &PgSession) -> FaultError {
        let holders = match self.holders(session).await {
            Ok(holders) => holders,
            Err(error) => return error,
        };
        let what = format!("take the fence of a step, which the server processes {holders:?} hold");
        FaultError::Busy(Failure::new(what).hint("the inject still runs; it will be tried again"))
    }
}

/// Asks the sessions with these rows of `pg_locks l` to end, and returns their processes. One statement looks and asks, so that
/// a pid that was given to somebody else meanwhile is never met.
pub(super) async fn terminate(session: &PgSession, what: &str, locks: &str) -> Result<Vec<i32>, FaultError> {
    let sql = format!("SELECT l.pid, pg_terminate_backend(l.pid) FROM pg_locks l WHERE {locks}");
    Ok(pids(&session.simple(what, &sql).await?))
}

/// Reads the process in the first column of each row.
fn pids(rows: &[SimpleQueryRow]) -> Vec<i32> {
    rows.iter().filter_map(|row| row.get(0)?.parse().ok()).collect()
}

/// Makes a number of a name and a seed, the same one in every version.
pub fn hash(name: &str, seed: u64) -> u64 {
    // FNV-1a spreads its input badly over the high bits, so they are mixed once more.
    let bytes = name.bytes().chain(seed.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_have_two_fences() {
        let first = Fence::choose("chaos_20261121_084512_k3vq_1_1", 7);
        assert_eq!(first, Fence::choose("chaos_20261121_084512_k3vq_1_1", 7));
        assert_ne!(first, Fence::choose("chaos_20261121_084512_k3vq_1_2", 7));
        assert_ne!(first, Fence::choose("chaos_20261121_084512_k3vq_1_1", 8));
    }
}
