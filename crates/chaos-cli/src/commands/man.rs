//! `chaos man`: manual pages, made from the same definition as the help.

use std::path::Path;

use chaos_core::ExitCode;
use clap::CommandFactory;

use crate::args::Arguments;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::Output;

/// Prints the manual page, or writes all of them into a directory.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(dir: Option<&Path>, output: &Output) -> Result<ExitCode, CliError> {
    match dir {
        Some(dir) => clap_mangen::generate_to(Arguments::command(), dir)
            .map_err(|error| CliError::file("write manual pages into", dir, &error))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command())
                .render(&mut page)
                .map_err(|error| CliError::new(Code::Defect, "write the manual page").because(&error))?;
            output.print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(ExitCode::Done)
}
