//! How a journal comes to be: as a whole, with its space, or not at all.
//!
//! It is made under another name. One that stands under its own name without space behind it was cut, and never one whose run
//! died while it was made.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chaos_core::crash::crash_point;

use super::space;

/// Makes an empty journal at `path` that has `reserve` bytes of disk. The caller holds the lock of the run.
///
/// # Errors
/// When a file is there already, or cannot be made durable or reserved. Nothing is left then.
pub(super) fn create(path: &Path, reserve: u64) -> io::Result<File> {
    let beside = unborn(path);
    // Left by a process of the same name that died; the lock is ours.
    remove(&beside)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    crash_point("journal.create.begun");
    let made = space::keep(&file, path, reserve).and_then(|()| file.sync_all()).and_then(|()| {
        crash_point("journal.create.reserved");
        put(&beside, path)
    });
    if let Err(error) = made {
        // Nothing was done yet, so this file would only be litter.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    if let Err(error) = sync_directory(path) {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Returns where a journal is while it is made.
pub fn unborn(path: &Path) -> PathBuf {
    path.with_extension("journal.new")
}

/// Removes what is left of a journal that was never finished. Call it only where nobody holds the lock of the run.
pub fn sweep(path: &Path) {
    let beside = unborn(path);
    if let Err(error) = remove(&beside) {
        tracing::warn!(%error, path = %beside.display(), "An unfinished journal could not be removed.");
    }
}

/// Gives the file its name, unless another one has it.
fn put(beside: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(beside, path) {
        Ok(()) => std::fs::remove_file(beside),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links. The lock of the run keeps others from making the same journal meanwhile.
        Err(_) if path.symlink_metadata().is_err() => std::fs::rename(beside, path),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_journal_without_its_space_never_has_its_name_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        let too_much = i64::MAX as u64;
        assert!(create(&path, too_much).is_err());
        assert_eq!(names(dir.path()), Vec::<String>::new());
        // What somebody left who died there is in nobody's way.
        std::fs::write(unborn(&path), "").unwrap();
        let file = create(&path, 128 * 1024).unwrap();
        assert!(space::is_kept(&file.metadata().unwrap()));
        assert_eq!(names(dir.path()), ["run.journal"]);
    }

    #[test]
    fn a_journal_that_is_there_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.journal");
        std::fs::write(&path, "old").unwrap();
        assert_eq!(create(&path, 128 * 1024).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(dir.path()), ["run.journal"]);
    }
}
