//! The exit codes of `chaos`, the same everywhere.

use serde::{Deserialize, Serialize};

/// What the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCode {
    /// 0: done, and what was asked held.
    Done,
    /// 1: done, but something was found: an invalid file, a failed hypothesis.
    Findings,
    /// 2: could not do it: usage, configuration, connection, preflight.
    CannotDo,
    /// 3: refused by policy.
    Refused,
    /// 4: a fault failed, everything is undone.
    FaultFailed,
    /// 5: something is left behind.
    LeftBehind,
    /// 6: a budget or time limit ran out.
    LimitReached,
    /// 130: interrupted by SIGINT, everything is undone.
    Interrupted,
    /// 143: ended by SIGTERM or SIGHUP, everything is undone.
    Terminated,
}

impl ExitCode {
    /// Returns the number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::CannotDo => 2,
            Self::Refused => 3,
            Self::FaultFailed => 4,
            Self::LeftBehind => 5,
            Self::LimitReached => 6,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}
