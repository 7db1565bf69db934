//! From a node to a typed value, with errors at the right line.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::explain::{Explained, Kind, explain};
use super::node::{Content, Entry, Node, Segment, value_at_mut};
use super::{Document, Problem, Span};

/// What a typed parse says when it fails: where inside the value, and why.
pub type PathError = serde_path_to_error::Error<serde_json::Error>;

/// How many problems of one value are reported at once. More would scroll the first one off the screen.
const PROBLEMS_MAX: usize = 20;

/// How many unquoted numbers are given to fields that want text. Each one costs another parse.
const TEXTS_MAX: usize = 200;

impl Document {
    /// Reads `node` as a `T`. A field that wants text gets it as it was written, quotes or not.
    ///
    /// # Errors
    /// Every problem that could be found at once.
    pub fn read<T: DeserializeOwned>(&self, node: &Node) -> Result<T, Vec<Problem>> {
        self.settle(node, |value| serde_path_to_error::deserialize(value.clone())).map(|(typed, _)| typed)
    }

    /// Lets `check` judge `node` as JSON, and returns that JSON. Where `check` wants text and finds a number or a boolean,
    /// the text as it was written takes its place.
    ///
    /// # Errors
    /// Every problem that could be found at once.
    pub fn check(
        &self,
        node: &Node,
        check: impl Fn(&Value) -> Result<(), PathError>,
    ) -> Result<Value, Vec<Problem>> {
        self.settle(node, check).map(|((), value)| value)
    }

    /// Returns the entries of `node`, or the problem that it is no mapping. Needed where a struct is read, because serde
    /// would also take its fields from a list.
    ///
    /// # Errors
    /// When `node` is something else.
    pub fn entries<'n>(&self, node: &'n Node, span: Span) -> Result<&'n [Entry], Problem> {
        let found = match &node.content {
            Content::Mapping(entries) => return Ok(entries),
            Content::Sequence(_) => "found a list".to_owned(),
            Content::Scalar { text, plain: true } if text.is_empty() => "nothing is written here".to_owned(),
            Content::Scalar { text, .. } => format!("found `{text}`"),
        };
        let message = format!("expected keys and values, {found}");
        // What is pointed at may be the key.
        Err(self.problem(span, "here", self.without_secret(&message, node.span)))
    }

    // JSON has lost whether `012` was text, and only the type knows what it wants. So we ask the type, and where it
    // refuses a number for want of text, we give it the text and ask again. An unknown key is noted, taken out and the
    // rest asked again, so that all misspelt keys are told at once.
    fn settle<T>(
        &self,
        node: &Node,
        parse: impl Fn(&Value) -> Result<T, PathError>,
    ) -> Result<(T, Value), Vec<Problem>> {
        let mut value = node.to_value();
        let mut problems = Vec::new();
        let mut texts = 0;
        while problems.len() < PROBLEMS_MAX {
            let error = match parse(&value) {
                Ok(typed) if problems.is_empty() => return Ok((typed, value)),
                Ok(_) => break,
                Err(error) => error,
            };
            let mut path = segments(error.path());
            let found = node.at(&path);
            let said = error.inner().to_string();
            let said = as_written(&parse, &value, found, &path, &said).unwrap_or(said);
            let explained = explain(&said, found.text());
            if explained.kind == Kind::WantsText && texts < TEXTS_MAX && put_text(&mut value, found, &path) {
                texts += 1;
                continue;
            }
            let unknown = self.describe(node, &mut path, explained, &mut problems);
            if !unknown || !remove(&mut value, &path) {
                break;
            }
        }
        Err(problems)
    }

    /// Notes the problem at `path`. Returns whether it was an unknown key, which `path` then leads to.
    fn describe(
        &self,
        node: &Node,
        path: &mut Vec<Segment>,
        explained: Explained,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let (span, label, unknown) = match &explained.kind {
            Kind::UnknownKey(key) => (key_span(node, path, key), "not known here", true),
            Kind::MissingKey => (node.at(path).span, "in here", false),
            Kind::WantsText | Kind::Value => (node.span_at(path), "here", false),
        };
        let mut problem = self.problem(span, label, &explained.message);
        let is_reference = node.at(path).text().is_some_and(|text| text.contains("${"));
        if is_reference && !unknown {
            problem = problem.help("`${…}` works only where any text is valid");
        } else if let Some(help) = explained.help {
            problem = problem.help(help);
        }
        problems.push(problem);
        unknown
    }
}

/// Returns what is `said` of a number, said of it as it was written: JSON has rounded it.
fn as_written<T>(
    parse: impl Fn(&Value) -> Result<T, PathError>,
    value: &Value,
    found: &Node,
    path: &[Segment],
    said: &str,
) -> Option<String> {
    // That another type was wanted is told with what was written in any case.
    if said.starts_with("invalid ") {
        return None;
    }
    let mut value = value.clone();
    if !put_text(&mut value, found, path) {
        return None;
    }
    let error = parse(&value).err().filter(|error| segments(error.path()) == path)?;
    let said = error.inner().to_string();
    (!said.starts_with("invalid ")).then_some(said)
}

/// Returns where the unknown `key` stands, and makes `path` lead to it.
fn key_span(node: &Node, path: &mut Vec<Segment>, key: &str) -> Span {
    // Depending on who deserialises, the path ends at the key or at the mapping around it.
    let ends_at_key = matches!(path.last(), Some(Segment::Key(last)) if last == key);
    let at_mapping = node.at(path).entry(key).is_some();
    if ends_at_key && !at_mapping {
        path.pop();
    }
    let span = node.at(path).entry(key).map_or(node.at(path).span, |entry| entry.key_span);
    path.push(Segment::Key(key.to_owned()));
    span
}

fn put_text(value: &mut Value, written: &Node, path: &[Segment]) -> bool {
    match (&written.content, value_at_mut(value, path)) {
        // Nothing written is no text.
        (Content::Scalar { text, plain: true }, Some(place @ (Value::Number(_) | Value::Bool(_)))) => {
            *place = Value::String(text.clone());
            true
        }
        _ => false,
    }
}

fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some((Segment::Key(key), parents)) = path.split_last() else { return false };
    let mapping = value_at_mut(value, parents).and_then(Value::as_object_mut);
    mapping.is_some_and(|mapping| mapping.shift_remove(key).is_some())
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Segment> {
    use serde_path_to_error::Segment as Theirs;
    let segments = path.iter().map(|segment| match segment {
        Theirs::Seq { index } => Some(Segment::Index(*index)),
        Theirs::Map { key } => Some(Segment::Key(key.clone())),
        // An enum that holds something is written as its variant's name and the value.
        Theirs::Enum { variant } => Some(Segment::Key(variant.clone())),
        Theirs::Unknown => None,
    });
    segments.map_while(|segment| segment).collect()
}
