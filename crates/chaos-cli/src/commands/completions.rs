//! `chaos completions`: what a shell needs to complete our command line.

use chaos_core::ExitCode;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::error::CliError;
use crate::output::Output;

/// Prints the completions of a shell.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(shell: Shell, output: &Output) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "chaos", &mut script);
    output.print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}
