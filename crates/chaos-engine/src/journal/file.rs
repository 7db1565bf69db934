//! Opens the files of a run, which others may have put something else in the place of.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a file that must be a regular one. A link, a device or a pipe in its place is refused, and nothing waits for a writer of
/// a pipe or reads a device without end.
///
/// # Errors
/// When it is none, or cannot be opened.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).open(path).map_err(|error| {
        match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(nix::errno::Errno::ELOOP) => not_ours("a symbolic link"),
            _ => error,
        }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_ours("no regular file")) }
}

/// Opens such a file for reading.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true))
}

fn not_ours(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and none of ours"))
}
