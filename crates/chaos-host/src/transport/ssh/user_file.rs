//! Reads a file that the user's configuration names. It may be anything: what never ends must not be waited for.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// The device that is always empty: how people say that there is no such file.
const NULL: &str = "/dev/null";

/// Opens a regular file; none where it is the device that is always empty.
///
/// # Errors
/// When it is something else, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    // Some devices do something when they are opened.
    if !is_good(&std::fs::metadata(path)?)? {
        return Ok(None);
    }
    // Whoever put a pipe in its place meanwhile has nobody wait for its writer.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let about = file.metadata()?;
    Ok(if is_good(&about)? { Some((file, about)) } else { None })
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// As [`open`], and when it is larger.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    match open(path)? {
        None => Ok(Vec::new()),
        Some((file, _)) => bytes(file, max),
    }
}

/// Reads a text of at most `max` bytes.
///
/// # Errors
/// As [`read`], and when it is no text.
pub(crate) fn text(path: &Path, max: u64) -> io::Result<String> {
    into_text(read(path, max)?)
}

/// Reads what was opened, at most `max` bytes of text.
///
/// # Errors
/// When it is larger, or no text.
pub(crate) fn text_of(file: File, max: u64) -> io::Result<String> {
    into_text(bytes(file, max)?)
}

fn bytes(file: File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let why = format!("it is larger than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

fn into_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))
}

/// Returns whether there is something to read in it.
fn is_good(about: &Metadata) -> io::Result<bool> {
    if about.is_file() {
        return Ok(true);
    }
    let is_null = about.file_type().is_char_device()
        && std::fs::metadata(NULL).is_ok_and(|null| null.rdev() == about.rdev());
    if is_null {
        Ok(false)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}
