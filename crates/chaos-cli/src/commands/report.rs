//! `chaos report`: the report of a run, from its journal alone.

use std::path::Path;

use chaos_core::ExitCode;
use chaos_engine::report::{Format, Ink, RunReport};

use super::history::report;
use crate::args::{Global, OutputForm, ReportArguments};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::Output;

/// Writes the report of one run.
///
/// # Errors
/// What kept it from that, with its code.
pub fn run(arguments: &ReportArguments, global: &Global, output: &Output) -> Result<ExitCode, CliError> {
    let state = super::state_dir(global)?;
    let format = match (&arguments.format, output.form) {
        (Some(name), _) => parse_format(name)?,
        (None, OutputForm::Json) => Format::Json,
        (None, OutputForm::Text) => Format::Text,
    };
    let run = super::run_id(&state, &arguments.run)?;
    let report = report(&state, &run)?;
    match &arguments.out {
        Some(path) => write(&report, format, path)?,
        None => output.print(&render(&report, format, output.ink)?)?,
    }
    Ok(ExitCode::Done)
}

/// Reads the name of a format.
///
/// # Errors
/// When there is no such format.
pub fn parse_format(name: &str) -> Result<Format, CliError> {
    name.parse::<Format>()
        .map_err(|error| CliError::new(Code::Usage, format!("use report format `{name}`")).because(&error))
}

/// Writes a report into a file.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &RunReport, format: Format, path: &Path) -> Result<(), CliError> {
    let text = render(report, format, Ink::Plain)?;
    std::fs::write(path, text).map_err(|error| CliError::file("write the report to", path, &error))
}

/// Returns a report as text in this format.
///
/// # Errors
/// When a template fails, which only a defect of ours can cause.
pub fn render(report: &RunReport, format: Format, ink: Ink) -> Result<String, CliError> {
    if format == Format::Text {
        return Ok(report.to_text(ink));
    }
    format.render(report).map_err(|error| {
        let text = error.to_string();
        let source = std::error::Error::source(&error);
        source.into_iter().fold(CliError::new(Code::Defect, text), |this, source| this.because(source))
    })
}
