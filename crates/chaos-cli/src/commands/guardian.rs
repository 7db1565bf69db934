//! `chaos __guardian`: stands by while a run lives. Started by `chaos run`, never by people.

use std::sync::Arc;

use chaos_core::ExitCode;

use crate::catalog::catalog;
use crate::error::CliError;
use crate::loader::FileLoader;

/// Returns whether this process was started as a guardian.
pub fn is_asked_for() -> bool {
    std::env::args_os().nth(1).is_some_and(|first| first == chaos_engine::guardian::COMMAND)
}

/// Is the guardian until its run ends. It has no terminal and nobody who reads: what it does stands in the journal.
pub fn run() -> ExitCode {
    let stood = super::block_on(async {
        Ok::<_, CliError>(chaos_engine::guardian::main(catalog(), Arc::new(FileLoader)).await)
    });
    stood.unwrap_or_else(|error| error.exit)
}
