//! Why the engine could not do what it was asked.

use std::io;
use std::path::PathBuf;

use chaos_core::{ExitCode, FaultError, RunId};

use crate::journal::{JournalError, LockError};

/// Why the engine could not do what it was asked. Unless it says otherwise, nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no place for journals.
    #[error("find a directory for the journals")]
    NoStateDir,
    /// The place for journals cannot be used.
    #[error("use the state directory `{path}`")]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The binary has no such fault.
    #[error("find the fault `{0}`")]
    UnknownFault(String),
    /// The binary cannot reach targets of this kind.
    #[error("reach a target of kind `{0}`")]
    UnknownTarget(String),
    /// Connecting to a target or preparing a fault failed.
    #[error("prepare {what} of experiment `{experiment}`")]
    Prepare {
        /// The experiment.
        experiment: String,
        /// The target, or the fault.
        what: String,
        /// Why.
        #[source]
        source: FaultError,
    },
    /// Several of the systems that a target stands for failed.
    #[error("prepare {what} of experiment `{experiment}`: {} of {total} failed", .failures.len())]
    Members {
        /// The experiment.
        experiment: String,
        /// The target, or the fault.
        what: String,
        /// How many there are.
        total: usize,
        /// The name and trouble of each that failed, in order.
        failures: Vec<(String, FaultError)>,
    },
    /// Two targets of one experiment are the same system: what acts on both would act on it twice.
    #[error("prepare experiment `{experiment}`: `{first}` and `{second}` are the same system")]
    Same {
        /// The experiment.
        experiment: String,
        /// One of them.
        first: String,
        /// The other one.
        second: String,
    },
    /// It took too long, or we were asked to stop before anything was done.
    #[error("prepare experiment `{experiment}`: {why}")]
    NotPrepared {
        /// The experiment.
        experiment: String,
        /// Why.
        why: String,
    },
    /// An earlier run has left something on the same target.
    #[error("start over `{target}`: run {run} has left something there")]
    Dirty {
        /// The earlier run.
        run: RunId,
        /// The target, without secrets.
        target: String,
    },
    /// The journal cannot be written; nothing was done, or everything was undone.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The lock of the run cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The guardian cannot be started.
    #[error("start the guardian")]
    Guardian(#[source] io::Error),
    /// There is no such run.
    #[error("find the journal of run {0}")]
    UnknownRun(RunId),
    /// A journal cannot be read.
    #[error("read the journal `{path}`")]
    ReadJournal {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl EngineError {
    /// Returns what the process tells its caller.
    pub fn exit(&self) -> ExitCode {
        ExitCode::CannotDo
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoStateDir => Some("set CHAOS_STATE_DIR, or give --state-dir".into()),
            Self::StateDir { .. } => Some("give another one with --state-dir, or CHAOS_STATE_DIR".into()),
            Self::UnknownFault(_) => Some("`chaos list-skills` names all faults".into()),
            Self::UnknownTarget(_) => {
                Some("`chaos list-skills` shows the kinds of target that this version knows".into())
            }
            Self::Prepare { source, .. } => source.hint().map(str::to_owned),
            Self::Members { failures, .. } => {
                failures.iter().find_map(|(_, source)| source.hint()).map(str::to_owned)
            }
            Self::Same { .. } => Some(
                "name each system once; in a lab, hosts may share a machine with `allow_same_machine: true`"
                    .into(),
            ),
            Self::NotPrepared { .. } => None,
            Self::Dirty { run, .. } => Some(format!(
                "see `chaos status`; undo it with `chaos recover {run}`, or start all the same with --over-dirty"
            )),
            Self::Journal(_) => {
                Some("see that the disk of the state directory has room and can be written".into())
            }
            Self::Lock(LockError::Held(_)) => {
                Some("wait for that process to end; `chaos status` shows it".into())
            }
            Self::Lock(LockError::Elsewhere(owner)) => Some(format!(
                "recover on `{}`; if that machine is gone for good, remove the `.lock` file of the run",
                owner.host
            )),
            Self::Lock(LockError::File { path, .. }) => Some(format!(
                "see that you may write to `{}`; a new run can use another state directory: --state-dir, or CHAOS_STATE_DIR",
                path.parent().unwrap_or(path).display()
            )),
            Self::Guardian(_) => {
                Some("`--no-guardian` runs without one; then only `chaos recover` undoes a killed run".into())
            }
            Self::UnknownRun(_) => Some("`chaos history` lists the runs of this state directory".into()),
            Self::ReadJournal { .. } => None,
        }
    }
}
