//! The state directory of one test, and what the journals in it say.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// A state directory of its own. It is removed with this value.
pub struct StateDir {
    folder: TempDir,
}

impl StateDir {
    /// Makes an empty one.
    pub fn create() -> Self {
        Self { folder: tempfile::Builder::new().prefix("chaos-e2e-").tempdir().unwrap() }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns all files below it, relative to it.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else {
                    files.push(entry.path().strip_prefix(self.path()).unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// Returns the text of all journals.
    pub fn journals(&self) -> String {
        self.files()
            .iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
            // A full journal that is being written may end in the middle of a character.
            .map(|path| String::from_utf8_lossy(&std::fs::read(self.path().join(path)).unwrap()).into_owned())
            .collect()
    }

    /// Returns how many records of this type all journals hold.
    pub fn count_records(&self, record: &str) -> usize {
        self.journals().matches(&format!("\"type\":\"{record}\"")).count()
    }

    /// Returns the process ids of all guardians that the journals name.
    pub fn guardians(&self) -> Vec<i32> {
        let journals = self.journals();
        let after = journals.split("\"type\":\"guardian_started\",\"pid\":").skip(1);
        after.filter_map(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
    }

    /// Makes locks that were never signed as old as those that are swept, and returns whether there are any.
    pub fn age_unsigned_locks(&self) -> bool {
        let is_unsigned = |path: &PathBuf| {
            path.extension().is_some_and(|ending| ending == "lock")
                && std::fs::metadata(path).is_ok_and(|file| file.len() == 0)
        };
        let locks = self.files().into_iter().map(|path| self.path().join(path));
        let locks: Vec<_> = locks.filter(is_unsigned).collect();
        for path in &locks {
            let lock = std::fs::File::options().write(true).open(path).unwrap();
            lock.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        }
        !locks.is_empty()
    }

    /// Checks that there is nothing but journals.
    pub fn assert_only_journals(&self) {
        let others: Vec<PathBuf> = self
            .files()
            .into_iter()
            .filter(|path| path.extension().is_none_or(|ending| ending != "journal"))
            .collect();
        assert_eq!(others, Vec::<PathBuf>::new(), "files left in the state directory");
    }
}
