//! Takes the secrets of a value out of what is said about it.

use super::mask::{MASK, is_hidden_url, is_reference};
use super::node::{Content, Entry, Node, Span};
use super::telling::is_telling;

/// How short a secret may be and still be taken out wherever it stands. A shorter one is taken out where it is quoted as a
/// whole: it would be found in half the words there are.
const ANYWHERE_MIN: usize = 4;

/// Returns `message`, a problem at `span`, without the secrets that are written there. This looks at the whole document; a
/// caller asks only where something is masked.
pub(super) fn without(message: &str, root: &Node, span: Span) -> String {
    let mut texts = Vec::new();
    collect(root, span, &mut texts);
    // The longest one first: a shorter one may be a part of it.
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.iter().fold(message.to_owned(), |message, text| {
        let message = message.replace(&format!("`{text}`"), &format!("`{MASK}`"));
        if text.len() < ANYWHERE_MIN { message } else { message.replace(text.as_str(), MASK) }
    })
}

/// Finds the secrets of which something stands at `span`.
fn collect(node: &Node, span: Span, texts: &mut Vec<String>) {
    match &node.content {
        Content::Scalar { text, .. } if node.span == span && is_hidden_url(text, "") => push(text, texts),
        Content::Scalar { .. } => {}
        Content::Sequence(items) => items.iter().for_each(|item| collect(item, span, texts)),
        Content::Mapping(entries) => entries.iter().for_each(|entry| collect_entry(entry, span, texts)),
    }
}

fn collect_entry(Entry { key, value, .. }: &Entry, span: Span, texts: &mut Vec<String>) {
    if !is_telling(key) {
        return collect(value, span, texts);
    }
    if stands_in(value, span) {
        push_all(value, texts);
    }
}

fn stands_in(node: &Node, span: Span) -> bool {
    node.span == span
        || match &node.content {
            Content::Scalar { .. } => false,
            Content::Sequence(items) => items.iter().any(|item| stands_in(item, span)),
            Content::Mapping(entries) => {
                entries.iter().any(|entry| entry.key_span == span || stands_in(&entry.value, span))
            }
        }
}

fn push_all(node: &Node, texts: &mut Vec<String>) {
    match &node.content {
        Content::Scalar { text, .. } => push(text, texts),
        Content::Sequence(items) => items.iter().for_each(|item| push_all(item, texts)),
        Content::Mapping(entries) => entries.iter().for_each(|entry| {
            push(&entry.key, texts);
            push_all(&entry.value, texts);
        }),
    }
}

/// A text, and the form in which Rust quotes it.
fn push(text: &str, texts: &mut Vec<String>) {
    if text.is_empty() || is_reference(text) {
        return;
    }
    texts.push(text.to_owned());
    texts.push(text.escape_debug().to_string());
}
