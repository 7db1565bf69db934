//! The forms a report can be written in.

use std::str::FromStr;

use super::model::RunReport;
use super::text::Ink;
use super::{html, junit, markdown, text};

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people, in a terminal.
    Text,
    /// For programs.
    Json,
    /// For pull requests and tickets.
    Markdown,
    /// One page that needs nothing else, with a timeline.
    Html,
    /// For build servers.
    Junit,
}

/// The report could not be written in this form.
#[derive(Debug, thiserror::Error)]
#[error("write the report as {format}")]
pub struct RenderError {
    format: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// There is no such form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no report format; there are html, md, json, junit and text")]
pub struct UnknownFormat(String);

impl Format {
    /// All forms.
    pub const ALL: [Self; 5] = [Self::Html, Self::Markdown, Self::Json, Self::Junit, Self::Text];

    /// Returns the name of the form, as in `--report`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Junit => "junit",
        }
    }

    /// Returns how the name of a file of this form ends, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Junit => "xml",
        }
    }

    /// Returns the report in this form, ending with a line end.
    ///
    /// # Errors
    /// When a template or a serialiser fails, which only a defect of ours can cause.
    pub fn render(self, report: &RunReport) -> Result<String, RenderError> {
        let failed = |source| RenderError { format: self.name(), source };
        match self {
            Self::Text => Ok(text::render(report, Ink::Plain)),
            Self::Json => serde_json::to_string_pretty(report)
                .map(|text| text + "\n")
                .map_err(|error| failed(error.into())),
            Self::Markdown => markdown::render(report).map_err(|error| failed(error.into())),
            Self::Html => html::render(report).map_err(|error| failed(error.into())),
            Self::Junit => junit::render(report).map_err(|error| failed(error.into())),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "text" | "txt" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "md" | "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            "junit" | "xml" => Ok(Self::Junit),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}
