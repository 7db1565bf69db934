//! One error as people meet it: what failed, why, what to do, and what the process tells its caller.

use std::error::Error;
use std::path::Path;

use chaos_core::document::Problem;
use chaos_core::{ExitCode, FaultError};
use chaos_engine::EngineError;
use chaos_engine::journal::LockError;
use chaos_policy::Refusal;

use crate::codes::Code;

/// How many of the systems that failed together are told one by one.
const MEMBERS_TOLD: usize = 10;

/// One error as people meet it.
#[derive(Debug)]
pub struct CliError {
    /// Its code.
    pub code: Code,
    /// A fragment that completes "failed to …".
    pub what: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What the process tells its caller.
    pub exit: ExitCode,
    /// What there is to list below it.
    pub details: Details,
}

/// What there is to list below an error.
#[derive(Debug)]
pub enum Details {
    /// Nothing.
    None,
    /// Mistakes in files, each with its place.
    Problems(Vec<Problem>),
    /// What policy has against the plan.
    Refusals(Vec<Refusal>),
}

impl CliError {
    /// Makes an error that ends with exit code 2.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
            exit: ExitCode::CannotDo,
            details: Details::None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds an error and everything below it as causes.
    #[must_use]
    pub fn because(mut self, cause: &dyn Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.push_cause(error.to_string());
            next = error.source();
        }
        self
    }

    /// Mistakes in files.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let first = problems.first().map_or("", Problem::file);
        let files = match problems.iter().all(|problem| problem.file() == first) {
            true => format!("`{first}`"),
            false => "the files".to_owned(),
        };
        let what = match problems.len() {
            1 => format!("use {files}"),
            count => format!("use {files}: {count} mistakes"),
        };
        Self { details: Details::Problems(problems), ..Self::new(Code::InvalidFile, what) }
    }

    /// A file that the operating system refused.
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(Code::File, format!("{verb} `{}`", path.display())).because(error)
    }

    /// A plan that policy refused.
    pub fn refused(refusals: Vec<Refusal>) -> Self {
        Self {
            details: Details::Refusals(refusals),
            exit: ExitCode::Refused,
            ..Self::new(Code::Refused, "pass the review: the plan is refused")
        }
    }

    /// An error of a fault or target that was asked directly.
    pub fn of_fault(what: impl Into<String>, error: &FaultError) -> Self {
        let mut this = Self::new(code_of_fault(error), what);
        // The variants repeat what the failure inside says.
        match error.failure() {
            Some(failure) => this = this.because(failure),
            None => this.push_cause(error.to_string()),
        }
        this.hint = error.hint().map(str::to_owned);
        this
    }

    /// The errors of several systems that were asked side by side: the first ones, and how many there are more.
    fn of_members(what: String, failures: &[(String, FaultError)]) -> Self {
        let code = failures.first().map_or(Code::Defect, |(_, error)| code_of_fault(error));
        let mut this = Self::new(code, what);
        let told = failures.iter().take(MEMBERS_TOLD);
        this.causes = told.map(|(name, error)| format!("{name}: {}", error.chain())).collect();
        if failures.len() > MEMBERS_TOLD {
            this.causes.push(format!("and {} more", failures.len() - MEMBERS_TOLD));
        }
        this
    }

    /// Returns the mistakes in files.
    pub fn problems(&self) -> &[Problem] {
        match &self.details {
            Details::Problems(problems) => problems,
            Details::None | Details::Refusals(_) => &[],
        }
    }

    /// Returns what policy has against the plan.
    pub fn refusals(&self) -> &[Refusal] {
        match &self.details {
            Details::Refusals(refusals) => refusals,
            Details::None | Details::Problems(_) => &[],
        }
    }

    fn push_cause(&mut self, cause: String) {
        let repeats = self.causes.last().is_some_and(|last| last.ends_with(&cause));
        if !cause.is_empty() && !repeats && cause != self.what {
            self.causes.push(cause);
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let (hint, exit) = (error.hint(), error.exit());
        let mut this = match &error {
            EngineError::Prepare { source, .. } => Self::of_fault(error.to_string(), source),
            EngineError::Members { failures, .. } => Self::of_members(error.to_string(), failures),
            other => {
                let this = Self::new(code_of_engine(other), other.to_string());
                match other.source() {
                    Some(source) => this.because(source),
                    None => this,
                }
            }
        };
        this.hint = hint;
        this.exit = exit;
        this
    }
}

fn code_of_engine(error: &EngineError) -> Code {
    match error {
        EngineError::NoStateDir
        | EngineError::StateDir { .. }
        | EngineError::Lock(LockError::File { .. }) => Code::StateDir,
        EngineError::UnknownFault(_) | EngineError::UnknownTarget(_) => Code::Unknown,
        EngineError::Prepare { source, .. } => code_of_fault(source),
        EngineError::Members { failures, .. } => {
            failures.first().map_or(Code::Defect, |(_, source)| code_of_fault(source))
        }
        EngineError::Same { .. } => Code::Params,
        EngineError::NotPrepared { .. } => Code::NotPrepared,
        EngineError::Dirty { .. } => Code::Dirty,
        EngineError::Journal(_) | EngineError::ReadJournal { .. } => Code::Journal,
        EngineError::Lock(LockError::Held(_) | LockError::Elsewhere(_)) => Code::Held,
        EngineError::Guardian(_) => Code::Guardian,
        EngineError::UnknownRun(_) => Code::UnknownRun,
    }
}

fn code_of_fault(error: &FaultError) -> Code {
    match error {
        FaultError::Params(_) => Code::Params,
        FaultError::Preflight(_) => Code::Preflight,
        FaultError::Unreachable(_) => Code::Unreachable,
        FaultError::Busy(_) => Code::Busy,
        FaultError::Target(_) => Code::TargetRefused,
        FaultError::WrongTarget(_) => Code::WrongTarget,
        FaultError::Cancelled => Code::NotPrepared,
    }
}

#[cfg(test)]
mod tests {
    use chaos_core::Failure;

    use super::*;

    #[test]
    fn a_cause_is_told_once_and_its_hint_survives() {
        let failure = Failure::new("connect to `db:5432`").source("connection refused").hint("start it");
        let source = FaultError::Unreachable(failure);
        let engine = EngineError::Prepare { experiment: "shop".into(), what: "the database".into(), source };
        let error = CliError::from(engine);
        assert_eq!(error.code, Code::Unreachable);
        assert_eq!(error.what, "prepare the database of experiment `shop`");
        assert_eq!(error.causes, ["connect to `db:5432`", "connection refused"]);
        assert_eq!(error.hint.as_deref(), Some("start it"));
    }
}
