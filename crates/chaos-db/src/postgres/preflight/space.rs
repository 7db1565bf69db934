//! Whether the server's disk has room for what the undo keeps, as far as that can be seen from here.

use std::path::PathBuf;

use chaos_core::FaultError;

use super::{Problem, refuse_if_any};
use crate::postgres::PgSession;

/// What must stay free beside what we need: a server without any room stops.
const RESERVE_BYTES: u64 = 256 << 20;

/// Where the data lies, if this session is local and the role may know. Only then is the path one of this machine.
const DIRECTORY: &str = "SELECT setting FROM pg_settings WHERE name = 'data_directory' \
     AND (inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1')";

/// Checks that the disk of a server on this machine has room for `needed` bytes and stays usable. No server tells a
/// client how much room it has, so that of another machine cannot be checked.
///
/// # Errors
/// [`FaultError::Preflight`] when there is too little room.
pub async fn check_space(session: &PgSession, needed: u64) -> Result<(), FaultError> {
    let rows = session.simple("find the disk of the server", DIRECTORY).await?;
    let Some(directory) = rows.first().and_then(|row| row.get(0)).map(PathBuf::from) else {
        return Ok(());
    };
    // A tunnel or a container makes another machine look like this one; then there is no such path, or not for us.
    let Ok(disk) = nix::sys::statvfs::statvfs(&directory) else { return Ok(()) };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free >= needed.saturating_add(RESERVE_BYTES) {
        return Ok(());
    }
    let what = format!(
        "the disk of `{}` has {} MiB free; the undo may need {} MiB and {} MiB must stay free",
        directory.display(),
        free >> 20,
        needed >> 20,
        RESERVE_BYTES >> 20
    );
    let hint = "change fewer rows, or free some room".to_owned();
    refuse_if_any("prepare an exact undo on this server", vec![Problem { what, hint }])
}
