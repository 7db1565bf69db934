//! The lock of a run: whoever holds it may write its journal and undo its steps.
//!
//! The lock proper is the kernel's (`flock`), which no crash can leave behind. The file says who the owner is, for people
//! and for file systems that are shared between machines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chaos_core::record::Undoer;
use serde::{Deserialize, Serialize};

use super::file::{self, open_to_read};

/// How long a run that begins waits for somebody who looks at its lock or sweeps it away; both take microseconds.
const SWEEP_MAX: Duration = Duration::from_secs(1);
const SWEEP_POLL: Duration = Duration::from_millis(1);
/// A lock without a name that is as old as this belongs to nobody who lives. Where machines share files and not their locks, a name
/// may come late.
const NAMELESS_MIN: Duration = Duration::from_secs(10);

/// Who holds a lock. Process ids are recycled, so the start time and the boot belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The name of the machine.
    pub host: String,
    /// The boot of that machine.
    pub boot_id: String,
    /// The process.
    pub pid: u32,
    /// When the process started, in clock ticks since that boot.
    pub start_time: u64,
    /// What the process does with the run.
    pub role: Undoer,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another live process has it.
    #[error("take the lock of the run: process {} on `{}` has it", .0.pid, .0.host)]
    Held(Owner),
    /// A process on another machine has it, and nobody can tell from here whether it lives.
    #[error("take the lock of the run: process {} on another machine, `{}`, has it", .0.pid, .0.host)]
    Elsewhere(Owner),
    /// The file cannot be used.
    #[error("use the lock file `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

impl Owner {
    /// Returns who this process is.
    pub fn this_process(role: Undoer) -> Self {
        let host = nix::unistd::gethostname()
            .map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
        let pid = std::process::id();
        Self { host, boot_id: boot_id(), pid, start_time: start_time(pid).unwrap_or_default(), role }
    }

    /// Returns whether this process is certainly running on this machine.
    pub fn is_alive_here(&self) -> bool {
        self.boot_id == boot_id() && start_time(self.pid) == Some(self.start_time)
    }

    fn is_another_live_process(&self) -> bool {
        self.is_alive_here() && self.pid != std::process::id()
    }

    fn is_of_this_machine(&self) -> bool {
        // After a reboot the boot id differs but the name is the same: that owner is dead.
        let here = Self::this_process(self.role);
        here.boot_id == self.boot_id || here.host == self.host
    }
}

impl RunLock {
    /// Takes the lock at `path`, or says who has it.
    ///
    /// # Errors
    /// [`LockError::Held`] and [`LockError::Elsewhere`] when somebody else has it.
    pub fn acquire(path: &Path, role: Undoer) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        loop {
            let file = open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return match read_owner(path).map_err(failed)? {
                        Some(owner) => Err(LockError::Held(owner)),
                        // The owner has the lock and is about to write its name.
                        None => {
                            Err(LockError::Held(Owner { pid: 0, start_time: 0, ..Owner::this_process(role) }))
                        }
                    };
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // The last owner removes the file while it has the lock. What we locked may be that removed file.
            if is_still_at(&file, path) {
                return Self { file, path: path.to_owned() }.sign(role);
            }
        }
    }

    /// Takes the lock of a run that begins. Only who looks at it or sweeps it can have that, and for no longer than a moment: it is
    /// waited for.
    ///
    /// # Errors
    /// As [`RunLock::acquire`].
    pub async fn begin(path: &Path) -> Result<Self, LockError> {
        let end = Instant::now() + SWEEP_MAX;
        loop {
            match Self::acquire(path, Undoer::Run) {
                Err(LockError::Held(_)) if Instant::now() < end => tokio::time::sleep(SWEEP_POLL).await,
                taken => return taken,
            }
        }
    }

    fn sign(mut self, role: Undoer) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: self.path.clone(), source };
        if let Some(owner) = read_owner(&self.path).map_err(failed)? {
            if !owner.is_of_this_machine() {
                return Err(LockError::Elsewhere(owner));
            }
            // A file system without working locks gives the lock to everybody: the name decides then.
            if owner.is_another_live_process() {
                return Err(LockError::Held(owner));
            }
        }
        let name = serde_json::to_vec(&Owner::this_process(role)).map_err(|error| failed(error.into()))?;
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&name)?;
            // Other machines may look.
            file.sync_data()
        };
        // A full disk must not stop a recovery, and the kernel's lock holds without the name.
        if let Err(error) = write(&mut self.file) {
            let path = self.path.display();
            match role {
                // Where there is no room for a name there is none for a journal, and that ends the run with an error.
                Undoer::Run => tracing::debug!(%error, %path, "The owner of the lock could not be written."),
                Undoer::Guardian | Undoer::Recovery => {
                    tracing::warn!(%error, %path, "The lock is held, but its owner could not be written.");
                }
            }
        }
        Ok(self)
    }

    /// Gives the lock up and removes its file.
    pub fn release(self) {
        // Removed while locked: nobody else can have locked this very file meanwhile.
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "The lock file could not be removed.");
        }
    }
}

/// Returns who holds the lock at `path` now; `None` when nobody does.
///
/// # Errors
/// When the file cannot be read.
pub fn holder(path: &Path) -> io::Result<Option<Owner>> {
    let file = match open_to_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            Ok(Some(read_owner(path)?.unwrap_or_else(|| Owner::this_process(Undoer::Run))))
        }
        Err(TryLockError::Error(error)) => Err(error),
        // Where locks work it is free. Where they do not, the name decides; our own name is one that we left behind.
        Ok(()) => {
            Ok(read_owner(path)?
                .filter(|owner| owner.is_another_live_process() || !owner.is_of_this_machine()))
        }
    }
}

/// Removes the lock file at `path` when its owner is dead. Call it only for a run that has left nothing: the file of any other
/// says who died.
pub fn sweep(path: &Path) {
    let is_dead = match read_owner(path) {
        Ok(Some(owner)) => owner.is_of_this_machine() && !owner.is_alive_here(),
        // There is none, or who made it has not signed it yet, or died before.
        Ok(None) => age(path).is_some_and(|age| age > NAMELESS_MIN),
        Err(_) => false,
    };
    // Whoever has taken it meanwhile removes it.
    if is_dead && let Ok(lock) = RunLock::acquire(path, Undoer::Recovery) {
        lock.release();
    }
}

/// Returns for how long a file has not been written to; `None` when there is none, or it is of a time to come.
fn age(path: &Path) -> Option<Duration> {
    std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    file::open(path, options.read(true).write(true).create(true).truncate(false).mode(0o600))
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.dev() == there.dev() && ours.ino() == there.ino(),
        _ => false,
    }
}

fn read_owner(path: &Path) -> io::Result<Option<Owner>> {
    let mut text = Vec::new();
    match open_to_read(path) {
        Ok(file) => file.take(4096).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A half-written name says nothing, and the kernel's lock does not need it.
    Ok(serde_json::from_slice(&text).ok())
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".into(), |id| id.trim().to_owned())
}

/// Returns when a process started; `None` for one that has ended, also while nobody has asked for its exit status.
fn start_time(pid: u32) -> Option<u64> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let lock = RunLock::acquire(&path, Undoer::Run).unwrap();
        match RunLock::acquire(&path, Undoer::Recovery) {
            Err(LockError::Held(owner)) => assert_eq!(owner, Owner::this_process(Undoer::Run)),
            other => panic!("{other:?}"),
        }
        assert_eq!(holder(&path).unwrap(), Some(Owner::this_process(Undoer::Run)));
        lock.release();
        assert!(!path.exists());
        assert_eq!(holder(&path).unwrap(), None);
    }

    #[test]
    fn a_recycled_process_id_never_counts_as_alive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let ours = Owner::this_process(Undoer::Run);
        let dead = Owner { start_time: ours.start_time - 1, ..ours };
        std::fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        RunLock::acquire(&path, Undoer::Recovery).unwrap();
    }

    #[test]
    fn a_process_that_has_ended_is_dead_even_before_its_parent_asks_how() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while start_time(child.id()).is_some() {
            assert!(std::time::Instant::now() < end, "the child ends, or counts as alive");
            std::thread::yield_now();
        }
        assert!(std::path::Path::new(&format!("/proc/{}", child.id())).exists());
        child.wait().unwrap();
    }

    #[test]
    fn only_the_lock_file_of_a_dead_owner_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let lock = RunLock::acquire(&path, Undoer::Run).unwrap();
        sweep(&path);
        assert!(path.exists());
        lock.release();
        let ours = Owner::this_process(Undoer::Run);
        let dead = Owner { start_time: ours.start_time - 1, ..ours };
        std::fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        sweep(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_was_never_signed_is_swept_when_it_is_old_and_nobody_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let unsigned = open(&path).unwrap();
        sweep(&path);
        assert!(path.exists());
        unsigned.set_modified(SystemTime::now() - NAMELESS_MIN * 2).unwrap();
        unsigned.try_lock().unwrap();
        sweep(&path);
        assert!(path.exists());
        drop(unsigned);
        // A process that another test is just starting has it until it is another program.
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while path.exists() && std::time::Instant::now() < end {
            sweep(&path);
        }
        assert!(!path.exists());
    }

    #[test]
    fn where_there_is_no_lock_none_is_made_to_be_swept() {
        let dir = tempfile::tempdir().unwrap();
        let before = std::fs::metadata(dir.path()).unwrap().modified().unwrap();
        sweep(&dir.path().join("run.lock"));
        assert_eq!(std::fs::metadata(dir.path()).unwrap().modified().unwrap(), before);
    }

    #[tokio::test]
    async fn a_run_that_begins_waits_for_a_sweep() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let sweep = RunLock::acquire(&path, Undoer::Recovery).unwrap();
        let sweeper = std::thread::spawn(move || {
            std::thread::sleep(SWEEP_POLL * 20);
            sweep.release();
        });
        let lock = RunLock::begin(&path).await.unwrap();
        sweeper.join().unwrap();
        assert!(is_still_at(&lock.file, &path));
        assert!(matches!(RunLock::begin(&path).await, Err(LockError::Held(_))));
    }

    #[test]
    fn a_lock_of_another_machine_is_not_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let far = Owner { host: "far".into(), boot_id: "other".into(), ..Owner::this_process(Undoer::Run) };
        std::fs::write(&path, serde_json::to_vec(&far).unwrap()).unwrap();
        assert!(matches!(RunLock::acquire(&path, Undoer::Recovery), Err(LockError::Elsewhere(_))));
    }
}
