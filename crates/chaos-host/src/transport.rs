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

/// A way to run commands on one machine.
pub trait Transport: Send + Sync + 'static {
    /// Runs `command`, one of our constants, in the user's login shell with `stdin`, and waits for its end. When the future is
    /// dropped, the command's streams are closed; it may go on.
    fn exec<'a>(
        &'a self,
        command: &'static str,
        stdin: Vec<u8>,
        bounds: Bounds,
    ) -> BoxFuture<'a, Result<Raw, HostError>>;

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
