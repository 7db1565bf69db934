//! A YAML document as a tree that remembers where everything stood.

use serde_json::{Map, Number, Value};

/// A place in the text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One value of a document: a scalar, a list or a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands. Of a list or mapping, its first line.
    pub span: Span,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A single value, as it was written.
    Scalar {
        /// The text, without quotes and with escapes resolved.
        text: String,
        /// Whether it was written without quotes, so that it may also be a number, a boolean or nothing.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the file.
    Mapping(Vec<Entry>),
}

/// One key of a mapping, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// One step on the way from a node to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The value of this key.
    Key(String),
    /// The item at this place of a list, from 0.
    Index(usize),
}

impl Node {
    /// Returns the entry of this key, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            Content::Scalar { .. } | Content::Sequence(_) => None,
        }
    }

    /// Returns the value of this key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the items, if this is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.content {
            Content::Sequence(items) => Some(items),
            Content::Scalar { .. } | Content::Mapping(_) => None,
        }
    }

    /// Returns the text as it was written, if this is a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// Returns the node at the end of `path`, or where the path leaves the document, the last one on the way.
    pub fn at(&self, path: &[Segment]) -> &Node {
        let mut node = self;
        for segment in path {
            let next = match segment {
                Segment::Key(key) => node.get(key),
                Segment::Index(index) => node.items().and_then(|items| items.get(*index)),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// Returns the best place to point at for the node at the end of `path`: the value, or where there is nothing written
    /// (`key:` and no more), its key.
    pub fn span_at(&self, path: &[Segment]) -> Span {
        let node = self.at(path);
        if node.span.start < node.span.end {
            return node.span;
        }
        match path.split_last() {
            Some((Segment::Key(key), parents)) => {
                self.at(parents).entry(key).map_or(node.span, |entry| entry.key_span)
            }
            Some((Segment::Index(_), _)) | None => node.span,
        }
    }

    /// Returns the node as JSON. Only what is a number, a boolean or null beyond doubt becomes one: `012`, `no`, `1_000` and
    /// everything in quotes stay text.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar { text, plain: true } => plain_value(text),
            Content::Scalar { text, plain: false } => Value::String(text.clone()),
            Content::Sequence(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Content::Mapping(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

pub(super) fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // JSON's grammar for numbers is YAML's without the surprises: no octal, no hexadecimal, no underscores.
        _ => match serde_json::from_str::<Number>(text) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}

/// Returns the place in `value` at the end of `path`, if it is there.
pub(super) fn value_at_mut<'a>(value: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}

/// Returns `path` as people read it: `skills[0].params`.
pub fn path_text(path: &[Segment]) -> String {
    path.iter().fold(String::new(), |mut text, segment| {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_number_or_boolean_beyond_doubt_becomes_one() {
        for text in ["012", "no", "yes", "on", "1_000", "0x10", "+5", ".5", "1.", ".inf", "-", "5m", "1e400"]
        {
            assert_eq!(plain_value(text), Value::String(text.to_owned()), "{text}");
        }
        assert_eq!(plain_value("-12"), serde_json::json!(-12));
        assert_eq!(plain_value("1.5"), serde_json::json!(1.5));
        assert_eq!(plain_value("true"), serde_json::json!(true));
        assert_eq!(plain_value("~"), Value::Null);
    }
}
