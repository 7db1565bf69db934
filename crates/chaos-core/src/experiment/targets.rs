//! The targets of an experiment: one, or several with names.

use serde_json::Value;

use super::TargetSpec;
use super::shape::{NamedTargetShape, TargetShape};
use super::validate::{PARTS_MAX, Problems, Reader};
use crate::document::reference::check_syntax;
use crate::document::{Content, Entry, Node, Problem, Span, suggest};
use crate::erased::Catalog;

/// Kinds of target that other versions of this file know.
const KNOWN_ELSEWHERE: [&str; 1] = ["kubernetes"];

/// Short words for kinds of target.
const SHORT: [(&str, &str); 3] = [("db", "database"), ("k8s", "kubernetes"), ("srv", "server")];

/// What a word after `target:` or `--target` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetWord {
    /// This kind of target.
    Kind(String),
    /// A kind of target that this version cannot act on. Message and hint.
    NotSupported(String, String),
    /// No kind of target at all. Message and hint.
    Unknown(String, String),
}

/// Says what `word` means as a kind of target; short words are taken too.
pub fn target_word(word: &str, catalog: &Catalog) -> TargetWord {
    let lower = word.to_lowercase();
    let kind = SHORT.iter().find(|(short, _)| *short == lower).map_or(&*lower, |(_, kind)| kind);
    let kinds = || catalog.connectors.iter().map(|connector| connector.kind());
    if catalog.connector(kind).is_some() {
        return TargetWord::Kind(kind.to_owned());
    }
    if KNOWN_ELSEWHERE.contains(&kind) {
        let message = format!("target `{kind}` is not supported by this version");
        let list = kinds().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        return TargetWord::NotSupported(message, format!("supported targets: {list}"));
    }
    TargetWord::Unknown(format!("unknown target `{word}`"), suggest(word, kinds(), "targets"))
}

/// The targets of one experiment, as far as they could be read.
pub(super) struct Places {
    /// The targets, in the order of the file.
    pub(super) list: Vec<Place>,
    /// Whether they stand below `targets:`, so that faults say `on`.
    is_named: bool,
}

/// One target, as far as it could be read.
pub(super) struct Place {
    name: String,
    pub(super) kind: Option<String>,
    config: Option<Value>,
}

impl Place {
    /// Returns how an error calls it.
    pub(super) fn title(&self) -> String {
        if self.name.is_empty() { "the target".to_owned() } else { format!("target `{}`", self.name) }
    }

    pub(super) fn into_spec(self) -> Option<TargetSpec> {
        Some(TargetSpec { name: self.name, kind: self.kind?, config: self.config? })
    }
}

impl Reader<'_> {
    /// Reads the targets of an experiment; what is wrong with them goes to `problems`.
    pub(super) fn places(&self, node: &Node, problems: &mut Problems) -> Places {
        let one = node.entry("target").or_else(|| node.entry("target_config"));
        match (one, node.entry("targets")) {
            (_, None) => {
                let missing = ["target", "target_config"].into_iter().find(|key| node.entry(key).is_none());
                if let Some(key) = missing {
                    let problem =
                        self.document.problem(node.span, "in here", format!("key `{key}` is missing"));
                    problems.0.push(problem);
                }
                Places { list: vec![self.place(String::new(), node, problems)], is_named: false }
            }
            (None, Some(entry)) => Places { list: self.named(entry, problems), is_named: true },
            (Some(one), Some(many)) => {
                let message = format!("`{}` and `targets` exclude each other", one.key);
                let help = "write one `target` with its `target_config`, or several `targets`";
                problems.0.push(self.problem(many.key_span, &message, help).also(one.key_span, "and here"));
                Places { list: Vec::new(), is_named: true }
            }
        }
    }

    fn named(&self, entry: &Entry, problems: &mut Problems) -> Vec<Place> {
        let count = match &entry.value.content {
            Content::Mapping(entries) => entries.len(),
            Content::Sequence(items) => items.len(),
            Content::Scalar { .. } => {
                let message = "expected a name for each target, and below it `target` and `target_config`";
                problems.0.push(self.document.problem(entry.key_span, "here", message));
                return Vec::new();
            }
        };
        if !(1..=PARTS_MAX).contains(&count) {
            let message = format!("`targets` has {count} entries, but 1 to {PARTS_MAX} make sense");
            problems.0.push(self.document.problem(entry.key_span, "here", message));
            return Vec::new();
        }
        match &entry.value.content {
            Content::Mapping(entries) => {
                entries.iter().map(|one| self.below_its_name(one, problems)).collect()
            }
            Content::Sequence(items) => self.listed(items, problems),
            Content::Scalar { .. } => Vec::new(),
        }
    }

    fn below_its_name(&self, entry: &Entry, problems: &mut Problems) -> Place {
        problems.keep_one(self.check_name(&entry.key, entry.key_span));
        if let Err(problem) = self.document.entries(&entry.value, entry.key_span) {
            problems.0.push(problem);
            return Place { name: entry.key.clone(), kind: None, config: None };
        }
        problems.keep(self.document.read::<TargetShape>(&entry.value));
        self.place(entry.key.clone(), &entry.value, problems)
    }

    fn listed(&self, items: &[Node], problems: &mut Problems) -> Vec<Place> {
        let mut seen: Vec<(String, Span)> = Vec::new();
        let mut places = Vec::new();
        for item in items {
            if let Err(problem) = self.document.entries(item, item.span) {
                problems.0.push(problem);
                continue;
            }
            problems.keep(self.document.read::<NamedTargetShape>(item));
            problems.keep_one(self.name(item));
            let (name, span) = match item.get("name") {
                Some(node) => (node.text().unwrap_or_default().to_owned(), node.span),
                None => (String::new(), item.span),
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name && !name.is_empty()) {
                let message = format!("two targets are called `{name}`");
                problems.0.push(self.document.problem(span, "second", message).also(*first, "first"));
            }
            seen.push((name.clone(), span));
            places.push(self.place(name, item, problems));
        }
        places
    }

    /// Reads `target` and `target_config` of a node. That they are missing is told by others.
    fn place(&self, name: String, node: &Node, problems: &mut Problems) -> Place {
        let kind = problems.keep_one(self.kind(node)).flatten();
        let config = kind.as_ref().and_then(|kind| problems.keep(self.target_config(node, kind)).flatten());
        Place { name, kind, config }
    }

    fn kind(&self, node: &Node) -> Result<Option<String>, Problem> {
        let Some((word, span)) = node.get("target").and_then(|node| Some((node.text()?, node.span))) else {
            return Ok(None);
        };
        if span.start == span.end {
            // Nothing is written; the shape says so.
            return Ok(None);
        }
        match target_word(word, self.catalog) {
            TargetWord::Kind(kind) => Ok(Some(kind)),
            TargetWord::NotSupported(message, hint) | TargetWord::Unknown(message, hint) => {
                Err(self.problem(span, &message, &hint))
            }
        }
    }

    fn target_config(&self, node: &Node, kind: &str) -> Result<Option<Value>, Vec<Problem>> {
        let (Some(entry), Some(connector)) = (node.entry("target_config"), self.catalog.connector(kind))
        else {
            return Ok(None);
        };
        self.document.entries(&entry.value, entry.key_span).map_err(|problem| vec![problem])?;
        // A reference that is written wrongly would be taken for a part of the URL.
        check_syntax(&entry.value.to_value())
            .map_err(|error| vec![self.document.reference_problem(&entry.value, &error)])?;
        self.document.check(&entry.value, |config| connector.check_config(config)).map(Some)
    }

    /// Returns the place of the target that a fault acts on; `None` where the targets could not be read.
    pub(super) fn on(&self, node: &Node, places: &Places) -> Result<Option<usize>, Problem> {
        if places.list.is_empty() {
            return Ok(None);
        }
        let names = || places.list.iter().map(|place| place.name.as_str());
        match node.entry("on") {
            Some(entry) if !places.is_named => {
                let message = "`on` chooses among several `targets`, but here is one `target`";
                Err(self.problem(entry.key_span, message, "leave it out"))
            }
            Some(entry) => {
                // What is no text, or nothing at all, is told by the shape.
                let Some(name) = entry.value.text().filter(|name| !name.is_empty()) else { return Ok(None) };
                names().position(|other| other == name).map(Some).ok_or_else(|| {
                    let message = format!("no target is called `{name}`");
                    self.problem(entry.value.span, &message, &suggest(name, names(), "targets"))
                })
            }
            None if places.list.len() == 1 => Ok(Some(0)),
            None => {
                let help =
                    format!("it says which target the fault acts on; {}", suggest("", names(), "targets"));
                Err(self.problem(node.span, "key `on` is missing", &help))
            }
        }
    }
}
