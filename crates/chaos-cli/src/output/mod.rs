//! Where everything that people and programs read is written: results to stdout, the rest to stderr.

pub mod error;
pub mod plan;
pub mod progress;
pub mod table;

use std::io::{self, IsTerminal, Write};

use chaos_engine::report::Ink;
use serde::Serialize;

use crate::args::{Color, Global, OutputForm};
use crate::codes::Code;
use crate::error::CliError;

/// How output is written.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The form of results.
    pub form: OutputForm,
    /// Whether stdout is painted.
    pub ink: Ink,
    /// Whether stderr is painted.
    pub is_stderr_colored: bool,
}

impl Output {
    /// Decides once, from flags, environment and terminals.
    pub fn new(global: &Global) -> Self {
        let is_colored = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !is_set("NO_COLOR") && !is_dumb(),
        };
        Self {
            form: global.output,
            ink: if is_colored(io::stdout().is_terminal()) { Ink::Ansi } else { Ink::Plain },
            is_stderr_colored: is_colored(io::stderr().is_terminal()),
        }
    }

    /// Writes a result: `text` for people, `data` for programs.
    ///
    /// # Errors
    /// When stdout cannot be written. A reader that has gone is no error.
    pub fn result(&self, text: impl FnOnce() -> String, data: &impl Serialize) -> Result<(), CliError> {
        match self.form {
            OutputForm::Text => self.print(&text()),
            OutputForm::Json => self.json(data),
        }
    }

    /// Writes text to stdout as it is.
    ///
    /// # Errors
    /// When stdout cannot be written. A reader that has gone is no error.
    pub fn print(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::new(Code::File, "write to stdout").because(&error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes data as JSON to stdout.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn json(&self, data: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(data)
            .map_err(|error| CliError::new(Code::Defect, "write the result as JSON").because(&error))?;
        self.print(&(text + "\n"))
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
