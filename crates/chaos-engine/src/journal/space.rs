//! The space behind the last record of a journal: kept from before the first record until the run is over.
//!
//! It holds the records of the rollback when the disk is full by then. And it tells a journal that ends early because its run
//! died from one that was cut: whoever makes a file shorter, or copies it, loses what was kept behind its end.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The unit in which file systems tell what a file takes of them, in bytes.
const BLOCK: u64 = 512;
/// Space behind the last record that no rounding explains. A run keeps twice as much at least.
const SEEN: u64 = 64 * 1024;
/// How much is kept again when little is left.
const MORE: u64 = 4 * SEEN;

/// Returns whether space is kept behind the end of the file.
pub(super) fn is_kept(file: &Metadata) -> bool {
    (file.blocks() * BLOCK).saturating_sub(file.len()) >= SEEN
}

/// Keeps blocks up to this place of the file, without changing its length. Where the file system cannot, it says so.
///
/// # Errors
/// When there is no space.
pub(super) fn keep(file: &File, path: &Path, until: u64) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let length = i64::try_from(until).map_err(io::Error::other)?;
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::ENOSYS) => {
            tracing::warn!(
                path = %path.display(),
                "This file system cannot reserve space for the rollback's records; if this run dies, its recovery tries every \
                 planned step."
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps more where little is left behind `len`. Where nothing is kept nothing is added: that would hide that the file was cut.
pub(super) fn keep_more(file: &File, path: &Path, len: u64) {
    let is_low = |about: &Metadata| {
        let kept = (about.blocks() * BLOCK).saturating_sub(len);
        is_kept(about) && kept < 2 * SEEN
    };
    if file.metadata().is_ok_and(|about| is_low(&about)) {
        keep_behind(file, path, len);
    }
}

/// Keeps space behind `len` if there is any.
pub(crate) fn keep_behind(file: &File, path: &Path, len: u64) {
    if let Err(error) = keep(file, path, len + MORE) {
        // Without it a recovery of this run tries more than it must, and that is all.
        tracing::warn!(%error, path = %path.display(), "No more space could be reserved for the rollback's records.");
    }
}
