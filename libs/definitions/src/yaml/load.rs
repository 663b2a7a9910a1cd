//! From text to the tree.

use std::{collections::HashMap, rc::Rc};

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{Entry, Kind, Node, Origin, Scalar, origin};
use crate::problem::{Position, Problems, shortened};

/// Most nodes and bytes of text, counted with all aliases expanded.
pub(super) const MAX_WEIGHT: usize = 4_000_000;

/// Deepest nesting of lists and mappings of each notation.
const MAX_DEPTH: usize = 64;

/// The one document of `source`, which lies in the file at `origin`; nothing where it has none. Problems go to `problems`.
pub(crate) fn load(source: &str, origin: Origin, path: &str, problems: &Problems) -> Option<Rc<Node>> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut loader = Loader {
        parser: Parser::new_from_str_with_options(source, options),
        source,
        origin,
        anchors: HashMap::new(),
        merged: 0,
    };
    match loader.document() {
        Ok(node) => node,
        Err(Refusal { at, message }) => {
            problems.add(Some(origin.place(at)), path, message);
            None
        }
    }
}

/// The first thing that is wrong; nothing is read behind it.
struct Refusal {
    /// Place in the source.
    at: Position,
    message: String,
}

fn refuse<T>(at: Position, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { at, message: message.into() })
}

type Source<'s> = Parser<'s, granit_parser::StrInput<'s>>;

struct Loader<'s> {
    parser: Source<'s>,
    source: &'s str,
    origin: Origin,
    anchors: HashMap<usize, Rc<Node>>,
    /// Weight of all that merge keys named so far: it does not show in the tree, but costs time.
    merged: usize,
}

pub(super) fn position(marker: &Marker) -> Position {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX - 1);
    Position { line: small(marker.line()).max(1), column: small(marker.col()) + 1 }
}

impl<'s> Loader<'s> {
    fn next(&mut self) -> Result<(Event<'s>, Span), Refusal> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => refuse(position(error.marker()), format!("not YAML: {}", error.info())),
            None => refuse(Position::default(), "not YAML: the document ends early"),
        }
    }

    fn document(&mut self) -> Result<Option<Rc<Node>>, Refusal> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    return refuse(
                        position(&span.start),
                        "a second document begins; the file must have only one",
                    );
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span)?),
            }
        }
    }

    fn node(&mut self, event: Event<'s>, span: &Span) -> Result<Rc<Node>, Refusal> {
        let at = position(&span.start);
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text_at = origin::of_scalar(self.source, span, style, &text);
                let plain = style == ScalarStyle::Plain && !is_text(tag.as_deref(), at)?;
                let scalar = Scalar { text: text.into_owned(), plain, origin: self.origin.then(text_at) };
                (anchor, Kind::Scalar(scalar))
            }
            Event::SequenceStart(_, anchor, tag) => {
                is_text(tag.as_deref(), at)?;
                (anchor, Kind::List(self.list()?))
            }
            Event::MappingStart(_, anchor, tag) => {
                is_text(tag.as_deref(), at)?;
                (anchor, Kind::Map(self.map()?))
            }
            Event::Alias(anchor) => {
                return self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .map_or_else(|| refuse(at, "an alias cannot be inside of what it stands for"), Ok);
            }
            _ => return refuse(at, "not YAML: a value is missing"),
        };
        let weight = weight(&kind);
        if weight > MAX_WEIGHT {
            return refuse(at, "too large with all its aliases expanded");
        }
        let node = Rc::new(Node { at: self.origin.place(at), kind, weight });
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Vec<Rc<Node>>, Refusal> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<Entry>, Refusal> {
        let mut entries = Vec::new();
        let mut keys: HashMap<Rc<str>, Position> = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let at = position(&span.start);
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event, &span)?;
            let Kind::Scalar(Scalar { text, .. }) = &key.kind else {
                return refuse(at, "a key of a mapping must be a text");
            };
            let key: Rc<str> = text.as_str().into();
            let (event, span) = self.next()?;
            let value = self.node(event, &span)?;
            let entry = Entry { key: key.clone(), at: self.origin.place(at), value };
            if let Some(before) = keys.insert(key.clone(), entry.at) {
                let key = shortened(key.to_string(), 100);
                return refuse(at, format!("key {key:?} is already set at line {}", before.line));
            }
            if is_merge {
                merged.push((at, entry.value));
            } else {
                entries.push(entry);
            }
        }
        for (at, value) in merged {
            self.merged = self.merged.saturating_add(value.weight);
            if self.merged > MAX_WEIGHT {
                return refuse(at, "too large with all its merge keys expanded");
            }
            let Some(sources) = merge_sources(&value) else {
                return refuse(at, "the value of a merge key (<<) must be a mapping or a list of mappings");
            };
            for entry in sources.into_iter().flatten() {
                if !keys.contains_key(&entry.key) {
                    keys.insert(entry.key.clone(), entry.at);
                    entries.push(entry.clone());
                }
            }
        }
        Ok(entries)
    }
}

/// The mappings whose entries a merge key brings, the most important first.
fn merge_sources(value: &Node) -> Option<Vec<&[Entry]>> {
    fn entries(node: &Rc<Node>) -> Option<&[Entry]> {
        if let Kind::Map(entries) = &node.kind { Some(entries) } else { None }
    }
    match &value.kind {
        Kind::Map(entries) => Some(vec![entries]),
        Kind::List(items) => items.iter().map(entries).collect(),
        Kind::Scalar(_) => None,
    }
}

fn weight(kind: &Kind) -> usize {
    let children: usize = match kind {
        Kind::Scalar(scalar) => scalar.text.len(),
        Kind::List(items) => items.iter().map(|item| item.weight).fold(0, usize::saturating_add),
        Kind::Map(entries) => entries
            .iter()
            .map(|entry| entry.key.len().saturating_add(entry.value.weight))
            .fold(0, usize::saturating_add),
    };
    children.saturating_add(1)
}

/// Whether a tag makes a text of a scalar. The other tags of YAML itself change nothing; those that a program would have to
/// know are refused.
fn is_text(tag: Option<&Tag>, at: Position) -> Result<bool, Refusal> {
    let Some(tag) = tag else { return Ok(false) };
    match tag.core_suffix() {
        Some("str") => Ok(true),
        Some("int" | "float" | "bool" | "null" | "seq" | "map" | "timestamp") => Ok(false),
        _ if tag.original() == "!" => Ok(true),
        _ => refuse(at, format!("the tag {} is not supported", shortened(tag.original(), 100))),
    }
}
