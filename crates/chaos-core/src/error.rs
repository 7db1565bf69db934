//! What can go wrong between us and a target.

use std::error::Error;
use std::fmt;

/// One trouble as people read it: what failed, why, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// A lower-case fragment that completes "failed to …", names the thing in backticks, no full stop.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The trouble below.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Starts a failure from what was tried: `connect to `db:5432``.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, source: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// The ways in which a fault or a target fails. The variant decides what the engine does next.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The parameters make no sense for this fault. Nothing was touched.
    #[error("{0}")]
    Params(#[source] Failure),
    /// Preflight found that it could not be undone, or not be done: no undo, no fault. Nothing was touched.
    #[error("{0}")]
    Preflight(#[source] Failure),
    /// The target cannot be reached or the connection broke. Worth another try.
    #[error("{0}")]
    Unreachable(#[source] Failure),
    /// The target is busy with somebody else: a lock, a fence, a running operation of ours. Worth another try.
    #[error("{0}")]
    Busy(#[source] Failure),
    /// The target answered with a refusal or an error. Trying again will not help.
    #[error("{0}")]
    Target(#[source] Failure),
    /// This is not the target that the step was made for. Nothing on it may be touched.
    #[error("{0}")]
    WrongTarget(#[source] Failure),
    /// We were asked to stop before it was done.
    #[error("finish before it was stopped")]
    Cancelled,
}

impl FaultError {
    /// Returns whether the same call may work a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy(_) => true,
            Self::Params(_)
            | Self::Preflight(_)
            | Self::Target(_)
            | Self::WrongTarget(_)
            | Self::Cancelled => false,
        }
    }

    /// Returns the failure inside, where there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Params(failure)
            | Self::Preflight(failure)
            | Self::Unreachable(failure)
            | Self::Busy(failure)
            | Self::Target(failure)
            | Self::WrongTarget(failure) => Some(failure),
            Self::Cancelled => None,
        }
    }

    /// Returns message and causes in one line, for journal and report.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.failure().and_then(|failure| failure.source.as_deref().map(|s| s as &dyn Error));
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.ends_with(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        // What a host says may have several lines.
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Returns what to do next, where somebody wrote it down.
    pub fn hint(&self) -> Option<&str> {
        self.failure().and_then(|failure| failure.hint.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_cause_once() {
        let inner = Failure::new("read `a`").source("disk gone");
        let error = FaultError::Target(Failure::new("load `b`").source(inner));
        assert_eq!(error.chain(), "load `b`: read `a`: disk gone");
    }

    #[test]
    fn what_a_host_says_over_several_lines_is_one_line_of_a_chain() {
        let failure = Failure::new("fill `/srv`").source("fallocate: no space\n\n  left on device\n");
        let chain = FaultError::Target(failure).chain();
        assert!(chain.ends_with("fill `/srv`: fallocate: no space; left on device"), "{chain}");
    }
}
