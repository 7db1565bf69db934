//! Ends the sessions that hold the fence of a step whose effect ends with its session: locks, running queries.

use std::time::Duration;

use chaos_core::{Failure, FaultError};

use super::fence::terminate;
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
    let ended = terminate(session, "end the sessions of a step", &fence.locks()).await?;
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

async fn remaining(session: &PgSession, fence: &Fence, ended: &[i32]) -> Result<u64, FaultError> {
    let pids = ended.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let sql = format!(
        "SELECT count(*) FROM pg_locks l WHERE l.pid = ANY('{{{pids}}}'::int[]) OR ({})",
        fence.locks()
    );
    let rows = session.simple("look whether a step still holds anything", &sql).await?;
    let count = rows.first().and_then(|row| row.get(0)?.parse().ok());
    count.ok_or_else(|| FaultError::Target(Failure::new("look whether a step still holds anything")))
}
