//! From the parser's events to nodes: anchors, aliases and bounds.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::mapping::{Key, MappingBuilder};
use super::number::float_key;
use super::scalar::{self, Tag};
use super::{MAX_DEPTH, Node, Value, YamlError, advice, number};
use crate::problem::Position;

/// Most nodes that aliases may add to a document.
const MAX_COPIED_NODES: usize = 100_000;
/// Most bytes of text that aliases may add to a document.
const MAX_COPIED_BYTES: usize = 8 << 20;

/// The documents of `source` that are not empty.
pub(super) fn documents(source: &str) -> Result<Vec<Node>, Vec<YamlError>> {
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let parser = Parser::new_from_str_with_options(source, options);
    let mut builder =
        Builder { source, parser, anchors: HashMap::new(), budget: Budget::default(), errors: Vec::new() };
    let documents = builder.stream();
    let mut errors = builder.errors;
    match documents {
        Ok(documents) if errors.is_empty() => return Ok(documents),
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    errors.sort();
    errors.dedup();
    Err(errors)
}

/// Where a mark of the parser is.
pub(super) fn position(mark: &Marker) -> Position {
    Position { line: number(mark.line().max(1)), column: number(mark.col() + 1) }
}

/// What may still be copied in this document.
struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: MAX_COPIED_NODES, bytes: MAX_COPIED_BYTES }
    }
}

pub(super) struct Builder<'s> {
    source: &'s str,
    parser: Parser<'s, StrInput<'s>>,
    anchors: HashMap<usize, Node>,
    budget: Budget,
    /// Mistakes that do not end the reading.
    errors: Vec<YamlError>,
}

type Next<'s> = (Event<'s>, Span);

impl<'s> Builder<'s> {
    fn next(&mut self) -> Result<Next<'s>, YamlError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> YamlError {
        advice::explain(self.source, position(error.marker()), error)
    }

    pub(super) fn complain(&mut self, position: Position, message: impl Into<String>) {
        self.errors.push(YamlError::new(position, message));
    }

    fn stream(&mut self) -> Result<Vec<Node>, YamlError> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(documents),
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::DocumentStart(..), _) => {
                    self.anchors.clear();
                    self.budget = Budget::default();
                }
                next => {
                    let root = self.node(next, 1)?;
                    if root.value != Value::Null {
                        documents.push(root);
                    }
                }
            }
        }
    }

    /// The node that begins with `next`, itself on level `depth`.
    fn node(&mut self, (event, span): Next<'s>, depth: usize) -> Result<Node, YamlError> {
        let at = position(&span.start);
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let (node, anchor) = match event {
            Event::Alias(id) => return self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| Tag::named(&[tag.handle(), tag.suffix()].concat()));
                self.anchor_name(anchor)?;
                (self.scalar(&text, style, tag, at), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.anchor_name(anchor)?;
                (Node { position: at, plain: false, value: self.sequence(depth)? }, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.anchor_name(anchor)?;
                (Node { position: at, plain: false, value: self.mapping(depth)? }, anchor)
            }
            _ => return Err(YamlError::new(at, "a value is missing here")),
        };
        if anchor != 0 {
            let kept = self.copy(&node, at, 1)?;
            self.anchors.insert(anchor, kept);
        }
        Ok(node)
    }

    /// Reads the event that names an anchor. The names are those `kubectl` takes.
    fn anchor_name(&mut self, anchor: usize) -> Result<(), YamlError> {
        if anchor == 0 {
            return Ok(());
        }
        let (event, span) = self.next()?;
        let Event::Anchor(_, name) = event else {
            return Err(YamlError::new(position(&span.start), "an anchor without a name"));
        };
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Ok(());
        }
        let message = "the name of an anchor can only have letters, digits, `-` and `_`";
        Err(YamlError::new(position(&span.start), message))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<Tag>, at: Position) -> Node {
        let meaning = match (style, tag) {
            (ScalarStyle::Plain, None) => scalar::untagged(text).into_value(),
            (_, None) => Ok(Value::String(text.to_owned())),
            (_, Some(tag)) => scalar::resolve(text, tag).and_then(scalar::Scalar::into_value),
        };
        let value = meaning.unwrap_or_else(|message| {
            self.complain(at, message);
            // Not null: a document that is null would pass for an empty one.
            Value::String(text.to_owned())
        });
        Node { position: at, plain: style == ScalarStyle::Plain && tag.is_none(), value }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                next => items.push(self.node(next, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut mapping = MappingBuilder::default();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(mapping.finish()),
                next => self.key(next, depth + 1)?,
            };
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            if let Err(error) = mapping.add(key, value) {
                self.errors.push(error);
            }
        }
    }

    fn key(&mut self, next: Next<'s>, depth: usize) -> Result<Key, YamlError> {
        let at = position(&next.1.start);
        let merge = match &next.0 {
            Event::Scalar(text, style, _, tag) if text == "<<" => match tag {
                None => *style == ScalarStyle::Plain,
                Some(tag) => [tag.handle(), tag.suffix()].concat() == "tag:yaml.org,2002:merge",
            },
            _ => false,
        };
        // A scalar key is resolved here and not as a value: `.inf` is a key, but no value.
        let name = if let Event::Scalar(text, style, anchor @ 0, tag) = next.0 {
            self.anchor_name(anchor)?;
            let tag = tag.map(|tag| Tag::named(&[tag.handle(), tag.suffix()].concat()));
            match (style, tag) {
                (ScalarStyle::Plain, None) => scalar::untagged(&text).into_key(),
                (_, None) => Ok(text.into_owned()),
                (_, Some(tag)) => scalar::resolve(&text, tag).and_then(scalar::Scalar::into_key),
            }
        } else {
            key_of(self.node(next, depth)?)
        };
        Ok(match name {
            Ok(_) if merge => Key::Merge(at),
            Ok(name) => Key::Named(at, name),
            Err(message) => {
                self.complain(at, message);
                Key::Wrong
            }
        })
    }

    fn alias(&mut self, id: usize, at: Position, depth: usize) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.remove(&id) else {
            return Err(YamlError::new(at, "the value of an anchor cannot contain itself"));
        };
        let copy = self.copy(&node, at, depth);
        self.anchors.insert(id, node);
        copy
    }

    /// A copy of `node` for the place `at` on level `depth`, as long as there is room.
    fn copy(&mut self, node: &Node, at: Position, depth: usize) -> Result<Node, YamlError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.spend(1, 0, at)?;
        let value = match &node.value {
            Value::String(text) => {
                self.spend(0, text.len(), at)?;
                node.value.clone()
            }
            Value::Sequence(items) => {
                Value::Sequence(items.iter().map(|item| self.copy(item, at, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Mapping(entries) => {
                let copy = |entry: &super::Entry| {
                    self.spend(1, entry.key.len(), at)?;
                    let value = self.copy(&entry.value, at, depth + 1)?;
                    Ok(super::Entry { key: entry.key.clone(), position: entry.position, value })
                };
                Value::Mapping(entries.iter().map(copy).collect::<Result<_, _>>()?)
            }
            scalar => scalar.clone(),
        };
        Ok(Node { position: node.position, plain: node.plain, value })
    }

    fn spend(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), YamlError> {
        match (self.budget.nodes.checked_sub(nodes), self.budget.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                self.budget = Budget { nodes, bytes };
                Ok(())
            }
            _ => Err(YamlError::new(at, "the anchors and aliases of this document grow too large")
                .help("write the values out, or use fewer aliases of aliases")),
        }
    }
}

fn too_deep(at: Position) -> YamlError {
    YamlError::new(at, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn key_of(node: Node) -> Result<String, String> {
    match node.value {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Int(value) => Ok(value.to_string()),
        Value::Float(value) => Ok(float_key(value)),
        Value::Null => Err("null cannot be a key".to_owned()),
        Value::Sequence(_) | Value::Mapping(_) => Err("a list or a mapping cannot be a key".to_owned()),
    }
}
