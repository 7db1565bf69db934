//! Documents that people write: YAML with positions, read strictly, and mistakes shown where they are.
//!
//! The only place that knows the YAML library. [`Document::load`] reads a file and nothing else in this crate does I/O
//! (but for `file:` references in [`reference`]): a document and its bounds belong together, and a caller that has the
//! text already uses [`Document::parse`].

mod explain;
mod mask;
mod node;
mod parse;
mod problem;
mod read;
pub mod reference;
mod secrets;
mod telling;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

pub use explain::{closest, suggest};
pub use mask::mask;
pub use node::{Content, Entry, Node, Segment, Span, path_text};
pub use parse::{DEPTH_MAX, VALUES_MAX};
pub use problem::Problem;
use problem::Shown;
pub use reference::{ReferenceError, resolve};

/// How large a file may be. The largest file of ours that makes sense has some hundred kilobytes.
pub const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// What a person writes in place of a file to mean standard input.
pub const STDIN: &str = "-";

/// A YAML document, with its name and text for errors.
#[derive(Clone)]
pub struct Document {
    root: Node,
    shown: Arc<Shown>,
}

impl Document {
    /// Reads a file, a pipe, or with `-` standard input. A regular file that is too large is refused before it is read.
    ///
    /// # Errors
    /// When it cannot be read, is larger than [`SIZE_MAX`], or is not one YAML document.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let is_stdin = path == Path::new(STDIN);
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let read = if is_stdin { take(std::io::stdin().lock()) } else { read_bounded(path) };
        match read {
            Ok(Some(bytes)) => Self::parse_bytes(&name, bytes),
            Ok(None) => Err(Problem::of_file(&name, too_large())),
            Err(error) => {
                Err(Problem::of_file(&name, format!("the file cannot be read: {error}")).unreadable())
            }
        }
    }

    /// Reads text; `name` is what errors call it.
    ///
    /// # Errors
    /// When it is too large or not one YAML document.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        if text.len() as u64 > SIZE_MAX {
            return Err(Problem::of_file(name, too_large()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(place) =
            text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))
        {
            return Err(Problem::of_file(name, not_text(text.as_bytes(), place)));
        }
        let (tree, secrets) = parse::tree(text);
        let shown = Shown::new(name, text, &secrets);
        let root = tree.map_err(|trouble| {
            let mut problem = Problem::at(&shown, trouble.span, trouble.label, &trouble.message);
            if let Some((span, label)) = trouble.other {
                problem = problem.also(span, label);
            }
            match trouble.help {
                Some(help) => problem.help(help),
                None => problem,
            }
        })?;
        Ok(Self { root, shown })
    }

    fn parse_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Problem> {
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(name, &text),
            Err(error) => {
                let place = error.utf8_error().valid_up_to();
                let message = match error.as_bytes() {
                    [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16, but must be UTF-8".to_owned(),
                    bytes => not_text(bytes, place),
                };
                Err(Problem::of_file(name, message))
            }
        }
    }

    /// Returns the value that the document is.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Returns the name of the file.
    pub fn name(&self) -> &str {
        &self.shown.name
    }

    /// Makes a problem at a place of this document; `label` is the word at the caret.
    pub fn problem(&self, span: Span, label: &str, message: impl AsRef<str>) -> Problem {
        Problem::at(&self.shown, span, label, &self.without_secret(message.as_ref(), span))
    }

    /// Returns what is said about the value at `span` without what is secret there.
    fn without_secret(&self, message: &str, span: Span) -> String {
        match self.shown.is_masked(span.start) {
            true => secrets::without(message, &self.root, span),
            false => message.to_owned(),
        }
    }
}

impl std::fmt::Debug for Document {
    // Without the tree, which holds secrets as they were written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("name", &self.shown.name).finish_non_exhaustive()
    }
}

/// Reads a file; nothing when it is too large.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a directory, not a file"));
    }
    if metadata.len() > SIZE_MAX { Ok(None) } else { take(file) }
}

/// A pipe or a growing file has no length to trust, so the reading itself is bounded too.
fn take(file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= SIZE_MAX).then_some(bytes))
}

fn too_large() -> String {
    format!("the file is larger than {} MiB", SIZE_MAX / 1024 / 1024)
}

fn not_text(bytes: &[u8], place: usize) -> String {
    let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("this is not a text file: line {line} holds the byte 0x{:02x}", bytes[place])
}

#[cfg(test)]
mod tests;
