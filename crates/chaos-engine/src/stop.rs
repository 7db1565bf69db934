//! The wish to stop: the first signal ends the hold and begins the rollback.

use std::sync::{Arc, OnceLock};

use chaos_core::ExitCode;
use tokio_util::sync::CancellationToken;

/// Why a run was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT, Ctrl-C.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl StopReason {
    /// Returns how the process ends when everything is undone.
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::Interrupted,
            Self::Terminated => ExitCode::Terminated,
        }
    }
}

/// Tells a run to stop. Clones share one signal; the first reason stays.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl StopSignal {
    /// Asks the run to stop.
    pub fn stop(&self, reason: StopReason) {
        // A second reason is ignored: the run stops already.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Returns why the run was asked to stop, if it was.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Returns the token to select on.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
