//! Where journals and locks live.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chaos_core::RunId;

use crate::error::EngineError;

/// The directory of journals and locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    runs: PathBuf,
}

impl StateDir {
    /// Finds the directory: `given`, else `$CHAOS_STATE_DIR`, else `chaos` in the XDG state directory. Creates nothing.
    ///
    /// # Errors
    /// When none of them is known, because there is no home directory.
    pub fn resolve(given: Option<PathBuf>) -> Result<Self, EngineError> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = given
            .or_else(|| variable("CHAOS_STATE_DIR"))
            .or_else(|| variable("XDG_STATE_HOME").map(|dir| dir.join("chaos")))
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/state/chaos")))
            .ok_or(EngineError::NoStateDir)?;
        // Guardian and recovery run elsewhere, so the path must not depend on the working directory.
        let root = std::path::absolute(&root)
            .map_err(|source| EngineError::StateDir { path: root.clone(), source })?;
        Ok(Self { runs: root.join("runs") })
    }

    /// Creates the directory, for this user only, and makes its name durable: a journal in a directory that a power cut
    /// takes away is no journal.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(&self) -> Result<(), EngineError> {
        let missing: Vec<&Path> = self.runs.ancestors().take_while(|path| !path.exists()).collect();
        let create = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.runs)?;
            let parents = missing.iter().filter_map(|path| path.parent());
            parents.map(File::open).try_for_each(|parent| parent?.sync_all())
        };
        create().map_err(|source| EngineError::StateDir { path: self.runs.clone(), source })
    }

    /// Returns the directory that was asked for.
    pub fn root(&self) -> &Path {
        self.runs.parent().unwrap_or(&self.runs)
    }

    /// Returns where the journal of a run is.
    pub fn journal(&self, run: &RunId) -> PathBuf {
        self.runs.join(format!("{run}.journal"))
    }

    /// Returns where the lock of a run is while somebody holds it.
    pub fn lock(&self, run: &RunId) -> PathBuf {
        self.runs.join(format!("{run}.lock"))
    }

    /// Returns all runs that have a journal, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read. A missing one has no runs.
    pub fn runs(&self) -> Result<Vec<RunId>, EngineError> {
        self.files(".journal")
    }

    /// Returns all runs that have a lock file, whether or not anybody holds it.
    ///
    /// # Errors
    /// As [`StateDir::runs`].
    pub fn locked(&self) -> Result<Vec<RunId>, EngineError> {
        self.files(".lock")
    }

    /// Returns all runs whose journal was begun and has not got its name yet.
    ///
    /// # Errors
    /// As [`StateDir::runs`].
    pub fn unborn(&self) -> Result<Vec<RunId>, EngineError> {
        self.files(".journal.new")
    }

    fn files(&self, ending: &str) -> Result<Vec<RunId>, EngineError> {
        let failed = |source| EngineError::StateDir { path: self.runs.clone(), source };
        let entries = match std::fs::read_dir(&self.runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let run =
                name.to_str().and_then(|name| name.strip_suffix(ending)).and_then(|run| run.parse().ok());
            // Other files are none of ours, and none of our business.
            runs.extend(run);
        }
        runs.sort();
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_journals_of_runs_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(dir.path().to_owned())).unwrap();
        assert_eq!(state.runs().unwrap(), []);
        state.create().unwrap();
        let run: RunId = "20261121-084512-k3vq".parse().unwrap();
        for name in ["20261121-084512-k3vq.journal", "20261121-084512-k3vq.lock", "notes.journal", "x"] {
            std::fs::write(dir.path().join("runs").join(name), "").unwrap();
        }
        assert_eq!(state.runs().unwrap(), [run]);
    }
}
