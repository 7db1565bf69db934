//! From YAML events to a tree, within bounds.
//!
//! Events and not a ready-made loader, because we want every position, the text of every scalar as it was written, and
//! our own limits on what aliases may multiply.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Tag};

use super::mask::{MASK, is_hidden_url, is_reference};
use super::node::{Content, Entry, Node, Span};
use super::telling::is_telling;

/// How deep lists and mappings may lie in each other. Our own files need eight levels.
pub const DEPTH_MAX: usize = 64;

/// How many values a document may have. Each use of an alias counts in full, and so does what an anchor keeps for later
/// uses: an alias bomb ends here, and so do anchors around anchors.
pub const VALUES_MAX: usize = 100_000;

/// Why a text is not a document of ours, and where.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The word at the caret.
    pub label: &'static str,
    /// The other place that has to do with it.
    pub other: Option<(Span, &'static str)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Trouble {
    fn new(span: Span, label: &'static str, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { message: message.into(), span, label, other: None, help: None })
    }

    fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }
}

/// Start and end of a part of the text, in bytes.
type Place = (usize, usize);

/// Reads the one document that `text` holds. Returns also the places of its secrets, as far as it could be read.
pub(super) fn tree(text: &str) -> (Result<Node, Box<Trouble>>, Vec<Place>) {
    let mut builder = Builder { text, ..Builder::default() };
    let read = builder.read().map_err(|trouble| builder.without_secret(trouble));
    let empty = || {
        let message = "the file is empty";
        Trouble::new(Span { line: 1, column: 1, ..Span::default() }, "nothing here", message)
    };
    (read.and_then(|()| builder.root.ok_or_else(empty)), builder.secrets)
}

fn unreadable(text: &str, error: &granit_parser::ScanError) -> Box<Trouble> {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let end = text[start..].chars().next().map_or(start, |first| start + first.len_utf8());
    let span = place(error.marker(), start, end);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(span);
    }
    let line = text[..start].rsplit('\n').next().unwrap_or_default();
    let trouble = Trouble::new(span, "here", format!("this is not YAML: {}", error.info()));
    if line.starts_with('\t') || text[start..].starts_with('\t') {
        return trouble.help("YAML is indented with spaces, not with tabs");
    }
    trouble
}

fn place(marker: &Marker, start: usize, end: usize) -> Span {
    Span { start, end, line: marker.line(), column: marker.col() + 1 }
}

/// A finished node with what an alias to it would cost.
#[derive(Clone)]
struct Built {
    node: Node,
    /// All of its text, of which the span is the first line only.
    whole: (usize, usize),
    values: usize,
    height: usize,
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    open: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    values: usize,
    root: Option<Node>,
    /// Where secrets stand.
    secrets: Vec<(usize, usize)>,
}

struct Frame {
    span: Span,
    anchor: usize,
    values: usize,
    height: usize,
    content: Content,
    /// The key whose value comes next.
    key: Option<(String, Span)>,
    seen: HashMap<String, Span>,
}

impl Builder<'_> {
    fn read(&mut self) -> Result<(), Box<Trouble>> {
        // The library's own limits on nesting (255) stay: they bound what it scans ahead of us.
        let options = granit_parser::options! { emit_comments: false };
        for item in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = item.map_err(|error| unreadable(self.text, &error))?;
            self.take(event, span)?;
        }
        Ok(())
    }

    /// Notes the value of a telling key that was never finished as a secret, and takes what it quotes out of the message.
    fn without_secret(&mut self, mut trouble: Box<Trouble>) -> Box<Trouble> {
        let keys = self.open.iter().filter_map(|frame| frame.key.as_ref());
        let Some((_, key)) = keys.into_iter().find(|(key, _)| is_telling(key)) else { return trouble };
        let start = self.text[key.end..].find(':').map_or(key.end, |colon| key.end + colon + 1);
        let end = trouble.span.end.max(start);
        let line_end = self.text[end..].find('\n').map_or(self.text.len(), |line| end + line);
        // Nobody knows where a quote ends that was not closed.
        let is_quoted = self.text[start..].trim_start().starts_with(['"', '\'']);
        self.secrets.push((start, if is_quoted { self.text.len() } else { line_end }));
        let parts = trouble.message.split('`').enumerate();
        let parts: Vec<_> = parts.map(|(place, part)| if place % 2 == 1 { MASK } else { part }).collect();
        trouble.message = parts.join("`");
        trouble
    }

    fn take(&mut self, event: Event<'_>, span: granit_parser::Span) -> Result<(), Box<Trouble>> {
        let here = self.span(span);
        let whole = self.whole(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text_tag(tag.as_deref(), here)?;
                // The library says `~` where nothing was written at all.
                let nothing = plain && here.start == here.end;
                let text = if nothing { String::new() } else { text.into_owned() };
                if is_hidden_url(&text, &self.text[whole.0..whole.1]) {
                    self.secrets.push(whole);
                }
                let node = Node { span: here, content: Content::Scalar { text, plain } };
                self.finish(Built { node, whole, values: 1, height: 0 }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(here, anchor, tag.as_deref(), Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(here, anchor, tag.as_deref(), Content::Mapping(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(whole.1),
            Event::Alias(id) => self.alias(id, here),
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "a file holds one document, but a second one starts here";
                Err(Trouble::new(here, "second document", message)
                    .help("put everything below one `experiments:`, or into a file of its own"))
            }
            // Stream and document marks carry no value; further events are only made for options we do not set.
            _ => Ok(()),
        }
    }

    fn whole(&self, span: granit_parser::Span) -> (usize, usize) {
        let range = span.byte_range().unwrap_or_default();
        match self.text.get(range.clone()) {
            Some(_) => (range.start, range.end),
            None => (self.text.len(), self.text.len()),
        }
    }

    /// Returns our own form of a place. The first line is enough to point at.
    fn span(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or_default();
        let start = range.start.min(self.text.len());
        let whole = self.text.get(start..range.end).unwrap_or_default();
        let first_line = whole.lines().next().unwrap_or_default().trim_end();
        place(&span.start, start, start + first_line.len())
    }

    fn open(
        &mut self,
        span: Span,
        anchor: usize,
        tag: Option<&Tag>,
        content: Content,
    ) -> Result<(), Box<Trouble>> {
        is_text_tag(tag, span)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        let line = self.text[span.start..].lines().next().unwrap_or_default().trim_end();
        let span = Span { end: span.start + line.len(), ..span };
        let frame = Frame { span, anchor, values: 1, height: 0, content, key: None, seen: HashMap::new() };
        self.open.push(frame);
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Box<Trouble>> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let whole = (frame.span.start, end.max(frame.span.end));
        let node = Node { span: frame.span, content: frame.content };
        // Counted when the parts were finished; the collection itself is one more.
        self.finish(Built { node, whole, values: frame.values, height: frame.height + 1 }, frame.anchor)
    }

    fn alias(&mut self, id: usize, here: Span) -> Result<(), Box<Trouble>> {
        let Some(built) = self.anchors.get(&id) else {
            return Err(Trouble::new(here, "inside what it names", "this alias refers to itself"));
        };
        if self.open.len() + built.height > DEPTH_MAX {
            return Err(too_deep(here));
        }
        self.values += built.values - 1;
        if self.values > VALUES_MAX {
            return Err(too_many(here));
        }
        let built = built.clone();
        self.finish(built, 0)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Box<Trouble>> {
        self.values += if anchor == 0 { 1 } else { 1 + built.values };
        if self.values > VALUES_MAX {
            return Err(too_many(built.node.span));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        match self.open.last_mut() {
            Some(frame) => {
                let may_be_shown = built.node.text().is_some_and(is_reference);
                if !may_be_shown && frame.key.as_ref().is_some_and(|(key, _)| is_telling(key)) {
                    self.secrets.push(built.whole);
                }
                frame.put(built)
            }
            None => {
                self.root = Some(built.node);
                Ok(())
            }
        }
    }
}

impl Frame {
    fn put(&mut self, built: Built) -> Result<(), Box<Trouble>> {
        self.values += built.values;
        self.height = self.height.max(built.height);
        match (&mut self.content, self.key.take()) {
            (Content::Sequence(items), _) => items.push(built.node),
            (Content::Mapping(entries), Some((key, key_span))) => {
                entries.push(Entry { key, key_span, value: built.node });
            }
            (Content::Mapping(_), None) => self.key = Some(self.new_key(built.node)?),
            (Content::Scalar { .. }, _) => unreachable!("only lists and mappings are opened"),
        }
        Ok(())
    }

    fn new_key(&mut self, node: Node) -> Result<(String, Span), Box<Trouble>> {
        let Content::Scalar { text, plain } = node.content else {
            return Err(Trouble::new(node.span, "not a word", "a key must be a single word or text"));
        };
        if plain && text == "<<" {
            return Err(Trouble::new(node.span, "merge key", "merge keys are not supported")
                .help("write the keys out; an alias `*name` as a value works"));
        }
        if let Some(first) = self.seen.get(&text) {
            let mut trouble =
                Trouble::new(node.span, "second time", format!("key `{text}` stands here twice"));
            trouble.other = Some((*first, "first time"));
            return Err(trouble);
        }
        self.seen.insert(text.clone(), node.span);
        Ok((text, node.span))
    }
}

fn too_deep(span: Span) -> Box<Trouble> {
    Trouble::new(span, "too deep", format!("more than {DEPTH_MAX} lists and mappings lie in each other"))
}

fn too_many(span: Span) -> Box<Trouble> {
    Trouble::new(span, "too many", format!("the file holds more than {VALUES_MAX} values, aliases counted"))
}

/// Returns whether a tag says that this is text; other tags than YAML's own are refused.
fn is_text_tag(tag: Option<&Tag>, span: Span) -> Result<bool, Box<Trouble>> {
    match tag {
        None => Ok(false),
        Some(tag) => match tag.core_suffix() {
            Some("str") => Ok(true),
            Some("int" | "float" | "bool" | "null" | "seq" | "map") => Ok(false),
            Some(_) | None => {
                let message = format!("tag `{}` means nothing here", tag.original());
                Err(Trouble::new(span, "has an unknown tag", message).help("remove the tag"))
            }
        },
    }
}
