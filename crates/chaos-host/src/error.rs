//! What can go wrong between us and a machine.

use chaos_core::{Failure, FaultError};

/// What can go wrong between us and a machine. Messages are fragments that complete "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Nobody answers, or the connection broke. Worth another try.
    #[error("{0}")]
    Unreachable(#[source] Failure),
    /// Who answers is not who was expected, or does not let us in. Another try will not help.
    #[error("{0}")]
    Refused(#[source] Failure),
    /// A script did not end in its time, or said more than it may. It may still be running.
    #[error("{0}")]
    Bounds(#[source] Failure),
    /// The script did not run at all: what answered was not a shell.
    #[error("{0}")]
    NotRun(#[source] Failure),
    /// The script ran and ended with an exit status that it was not expected to end with.
    #[error("{what}: {said}")]
    Failed {
        /// What was tried.
        what: String,
        /// The exit status.
        status: i32,
        /// The last of what it wrote to standard error.
        said: String,
    },
}

impl HostError {
    /// Status of a script that found something of ours or of others in its way, which may pass.
    pub const BUSY: i32 = 75;

    /// Returns whether the same call may work a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Bounds(_) => true,
            Self::Failed { status, .. } => *status == Self::BUSY,
            Self::Refused(_) | Self::NotRun(_) => false,
        }
    }
}

impl From<HostError> for FaultError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Unreachable(failure) => Self::Unreachable(failure),
            HostError::Bounds(failure) => Self::Busy(failure),
            HostError::Refused(failure) | HostError::NotRun(failure) => Self::Target(failure),
            HostError::Failed { what, status, said } if status == HostError::BUSY => {
                Self::Busy(Failure::new(what).source(said))
            }
            HostError::Failed { what, said, .. } => Self::Target(Failure::new(what).source(said)),
        }
    }
}
