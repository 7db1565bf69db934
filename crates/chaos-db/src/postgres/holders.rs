//! Ends the sessions that hold the fence of a step whose effect ends with its session: locks, running queries.

use std::time::Duration;

use chaos_core::{Failure, FaultError};

use super::{Fence, PgSession};

/// How long an ended session may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(8);
/// How often we look.
const POLL: Duration = Duration::from_millis(20);

/// Ends every session that holds or waits for `fence`, and returns how many there were, once it was read back that none
/// of them holds anything any more.
///
/// # Errors
/// [`FaultError::Busy`] when one is still there after some seconds; as the server refuses.
pub async fn end_holders(session: &PgSession, fence: &Fence) -> Result<usize, FaultError> {
    let ended = terminate(session, fence).await?;
    let started = tokio::time::Instant::now();
    // The fence alone is not enough: a session gives up its locks one after the other.
    while remaining(session, fence, &ended).await? > 0 {
        if started.elapsed() > GONE_MAX {
            let what = format!("end the server processes {ended:?} of a step of ours");
            return Err(FaultError::Busy(
                Failure::new(what).hint("they do not react; it will be tried again"),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(ended.len())
}

/// Asks them to end. One statement looks and asks, so that a pid that was given to somebody else is never met.
async fn terminate(session: &PgSession, fence: &Fence) -> Result<Vec<i32>, FaultError> {
    let sql = format!("SELECT l.pid, pg_terminate_backend(l.pid) FROM pg_locks l WHERE {}", ours(fence));
    let rows = session.simple("end the sessions of a step", &sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)?.parse().ok()).collect())
}

async fn remaining(session: &PgSession, fence: &Fence, ended: &[i32]) -> Result<u64, FaultError> {
    let pids = ended.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let sql = format!(
        "SELECT count(*) FROM pg_locks l WHERE l.pid = ANY('{{{pids}}}'::int[]) OR ({})",
        ours(fence)
    );
    let rows = session.simple("look whether a step still holds anything", &sql).await?;
    let count = rows.first().and_then(|row| row.get(0)?.parse().ok());
    count.ok_or_else(|| FaultError::Target(Failure::new("look whether a step still holds anything")))
}

fn ours(fence: &Fence) -> String {
    // The catalogue shows the keys as unsigned numbers.
    let (first, second) = (fence.keys.0.cast_unsigned(), fence.keys.1.cast_unsigned());
    format!(
        "l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = '{first}'::oid AND l.objid = '{second}'::oid \
         AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
    )
}
