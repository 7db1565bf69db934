//! One mistake in a document, as people see it: what, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::mask::{Masked, mask};
use super::node::Span;

/// The text of a document as errors may show it.
pub(super) struct Shown {
    /// The name of the file.
    pub name: String,
    source: NamedSource<String>,
    masked: Masked,
}

impl Shown {
    /// Masks the secrets of a text, and the places that are `known` to be one.
    pub fn new(name: &str, text: &str, known: &[(usize, usize)]) -> Arc<Self> {
        let masked = Masked::new(text, known);
        let source = NamedSource::new(name, masked.text.clone()).with_language("yaml");
        Arc::new(Self { name: name.to_owned(), source, masked })
    }

    /// Returns whether the byte at `offset` of the text is shown masked.
    pub fn is_masked(&self, offset: usize) -> bool {
        self.masked.holds(offset)
    }
}

/// One mistake in a document. Renders with file, line, column, caret and help as a [`miette::Diagnostic`]; secrets near
/// the mistake are masked.
pub struct Problem(Box<Inner>);

struct Inner {
    message: String,
    help: Option<String>,
    labels: Vec<(Span, String)>,
    shown: Option<Arc<Shown>>,
    name: String,
    is_unreadable: bool,
}

impl Problem {
    /// A problem of the document as a whole: it could not be read.
    pub(crate) fn of_file(name: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            message: message.into(),
            help: None,
            labels: Vec::new(),
            shown: None,
            name: name.to_owned(),
            is_unreadable: false,
        }))
    }

    /// A problem at a place.
    pub(super) fn at(shown: &Arc<Shown>, span: Span, label: &str, message: &str) -> Self {
        Self(Box::new(Inner {
            message: mask(message),
            help: None,
            labels: vec![(span, label.to_owned())],
            shown: Some(Arc::clone(shown)),
            name: shown.name.clone(),
            is_unreadable: false,
        }))
    }

    /// Says that nothing is known of the document, because it could not be read at all.
    #[must_use]
    pub(super) fn unreadable(mut self) -> Self {
        self.0.is_unreadable = true;
        self
    }

    /// Returns whether the document could not be read at all, so that nothing is known of it.
    pub fn is_unreadable(&self) -> bool {
        self.0.is_unreadable
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds another place that has to do with it.
    #[must_use]
    pub fn also(mut self, span: Span, label: &str) -> Self {
        self.0.labels.push((span, label.to_owned()));
        self
    }

    /// Returns the name of the file.
    pub fn file(&self) -> &str {
        &self.0.name
    }

    /// Returns line and column, both from 1, where the problem has a place.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.0.labels.first().map(|(span, _)| (span.line, span.column))
    }

    /// Returns what is wrong.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what to do about it, where somebody wrote it down.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// One line: `shop.yaml:12:9: unknown key `rows_per_tabel``.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)?;
        if let Some((line, column)) = self.position() {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.0.message)?;
        match &self.0.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.shown.as_ref().map(|shown| &shown.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let shown = self.0.shown.as_ref()?;
        Some(Box::new(self.0.labels.iter().enumerate().map(|(place, (span, label))| {
            let start = shown.masked.offset(span.start);
            let end = shown.masked.offset(span.end);
            let (label, span) = (Some(label.clone()), (start, end.saturating_sub(start)));
            match place {
                // The first place is the mistake itself; its line stands in the head.
                0 => LabeledSpan::new_primary_with_span(label, span),
                _ => LabeledSpan::new_with_span(label, span),
            }
        })))
    }
}
