//! The ways to a machine.

pub mod local;
pub mod ssh;

use std::time::Duration;

use chaos_core::erased::BoxFuture;

use crate::error::HostError;

/// What one command may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest it may take.
    pub time: Duration,
    /// The most bytes it may write to standard output; of standard error the last 16 KiB are kept.
    pub output: usize,
}

/// What one command wrote, as it came.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// The last of standard error.
    pub stderr: Vec<u8>,
    /// The exit status, where the machine told one; a signal counts as 128 and its number.
    pub status: Option<i32>,
}

/// What stands around what a script writes. Nobody can guess it.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Comes before it, on both outputs. Where it is missing nothing was run.
    pub begin: Vec<u8>,
    /// Comes behind what it wrote to standard output; a number and a line break follow.
    pub end: Vec<u8>,
    /// Comes behind what it wrote to standard error.
    pub end_of_errors: Vec<u8>,
}

/// A script, and what is to read it.
#[derive(Debug)]
pub struct Question {
    /// What starts a shell that reads scripts from its input: one of our constants, for the user's login shell.
    pub command: &'static str,
    /// What a new shell reads before its first script: a password, as a rule nothing.
    pub greeting: Vec<u8>,
    /// The script.
    pub text: Vec<u8>,
    /// What it writes before and behind everything else.
    pub marks: Marks,
}

/// A way to run scripts on one machine.
pub trait Transport: Send + Sync + 'static {
    /// Has a script run, and waits for its last mark or for the end of the shell, whichever comes first. The shell may be a new one,
    /// or one that has answered before. When the future is dropped, the streams of the shell are closed; the script may go on.
    fn ask(&self, question: Question, bounds: Bounds) -> BoxFuture<'_, Result<Raw, HostError>>;

    /// Keeps what was learnt of the machine while connecting, before anything is changed there. Whoever only looks does not call it.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn settle(&self) -> BoxFuture<'_, Result<(), HostError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns whether the machine that was connected to answers on that very connection, without connecting again.
    fn answers(&self) -> BoxFuture<'_, bool>;
}
