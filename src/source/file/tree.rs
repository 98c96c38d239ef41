//! YAML (and so JSON) to a JSON value in which every node knows its line and column.
//!
//! Scalars follow the YAML 1.2 core schema. Keys are unique, aliases are expanded where they stand, and what a
//! small text can expand to is bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

use super::problem::Pointer;

/// Nodes after the expansion of aliases: far above any configuration, far below what hurts.
const MAX_NODES: usize = 1_000_000;
/// Levels of nesting; the parse is recursive.
const MAX_DEPTH: usize = 64;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl Place {
    /// Where a file begins.
    pub const START: Place = Place { line: 1, column: 1 };
}

impl From<&saphyr_parser::Marker> for Place {
    fn from(marker: &saphyr_parser::Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// Text that is no tree.
#[derive(Debug, PartialEq, Eq)]
pub struct TreeError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl TreeError {
    fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

impl From<ScanError> for TreeError {
    fn from(error: ScanError) -> Self {
        Self::new(error.marker().into(), format!("this is no YAML: {}", error.info()))
    }
}

/// What is known about the text of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    place: Place,
    key: Option<Place>,
    /// The scalar as written, when its type is not text.
    text: Option<String>,
}

/// A document with the places of its nodes.
#[derive(Debug)]
pub struct Tree {
    /// The document.
    pub value: Value,
    sources: HashMap<String, Source>,
}

impl Tree {
    /// Parses one document. Gives all duplicate keys, or the first error of syntax.
    pub fn parse(text: &str) -> Result<Self, Vec<TreeError>> {
        let mut reader = Reader::new(text);
        let node = reader.document().map_err(|error| vec![error])?;
        if !reader.duplicates.is_empty() {
            return Err(reader.duplicates);
        }
        let mut sources = HashMap::new();
        let value = node.flatten(&Pointer::root(), None, &mut sources);
        Ok(Self { value, sources })
    }

    /// The values of all documents of a text, those that are empty left out. Gives all duplicate keys, or the first error of
    /// syntax.
    pub fn documents(text: &str) -> Result<Vec<Value>, Vec<TreeError>> {
        let mut reader = Reader::new(text);
        let nodes = reader.documents().map_err(|error| vec![error])?;
        if !reader.duplicates.is_empty() {
            return Err(reader.duplicates);
        }
        let values = nodes.into_iter().map(|node| node.flatten(&Pointer::root(), None, &mut HashMap::new()));
        Ok(values.filter(|value| !value.is_null()).collect())
    }

    /// Where the value at `at` is, or the closest thing around it that was written.
    pub fn place(&self, at: &Pointer, on_key: bool) -> Place {
        match self.sources.get(at.as_str()) {
            Some(source) if on_key => source.key.unwrap_or(source.place),
            Some(source) => source.place,
            None => at.parent().map_or(Place::START, |parent| self.place(&parent, false)),
        }
    }

    /// The number, truth value or null at `at`, as written.
    pub fn text(&self, at: &Pointer) -> Option<&str> {
        self.sources.get(at.as_str())?.text.as_deref()
    }
}

#[derive(Clone, Debug)]
struct Node {
    place: Place,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar { value: Value, text: String },
    List(Vec<Node>),
    Map(Vec<(String, Place, Node)>),
}

impl Node {
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Node::size).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, _, node)| node.size()).sum(),
        }
    }

    fn flatten(self, at: &Pointer, key: Option<Place>, sources: &mut HashMap<String, Source>) -> Value {
        let mut source = Source { place: self.place, key, text: None };
        let value = match self.kind {
            Kind::Scalar { value, text } => {
                source.text = (!value.is_string()).then_some(text);
                value
            }
            Kind::List(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(items.map(|(i, node)| node.flatten(&at.index(i), None, sources)).collect())
            }
            Kind::Map(entries) => {
                let entries = entries.into_iter();
                Value::Object(
                    entries
                        .map(|(key, place, node)| {
                            let value = node.flatten(&at.key(&key), Some(place), sources);
                            (key, value)
                        })
                        .collect::<Map<_, _>>(),
                )
            }
        };
        sources.insert(at.as_str().to_owned(), source);
        value
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    duplicates: Vec<TreeError>,
    nodes: usize,
    /// Where the text ends, as far as events told.
    last: Place,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            duplicates: Vec::new(),
            nodes: 0,
            last: Place::START,
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Place), TreeError> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => {
                self.last = (&start).into();
                Ok((event, self.last))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(TreeError::new(self.last, "the text ends too early")),
        }
    }

    fn document(&mut self) -> Result<Node, TreeError> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, place) => {
                    return root
                        .ok_or_else(|| TreeError::new(place, "the file is empty: give at least listeners and splits"));
                }
                (Event::DocumentStart(_), place) if root.is_some() => {
                    return Err(TreeError::new(place, "a second document begins here: keep one document per file"));
                }
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, place) => root = Some(self.node(event, place, 0)?),
            }
        }
    }

    fn documents(&mut self) -> Result<Vec<Node>, TreeError> {
        let mut roots = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(roots),
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, place) => roots.push(self.node(event, place, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<Node, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::new(place, format!("nested too deep: at most {MAX_DEPTH} levels")));
        }
        self.count(1, place)?;
        let (kind, anchor) = match event {
            Event::Alias(id) => return self.alias(id, place),
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), place)?, anchor),
            Event::SequenceStart(anchor, tag) => {
                refuse(tag.as_ref(), place)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse(tag.as_ref(), place)?;
                (self.map(depth)?, anchor)
            }
            _ => return Err(TreeError::new(place, "a value is missing here")),
        };
        let node = Node { place, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<Node, TreeError> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(TreeError::new(place, "an alias cannot stand inside what it names"));
        };
        let size = node.size();
        let node = Node { place, kind: node.kind.clone() };
        self.count(size, place)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, place: Place) -> Result<(), TreeError> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(TreeError::new(place, format!("more than {MAX_NODES} values: split the configuration")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Kind, TreeError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, TreeError> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, place) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Kind::Map(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(TreeError::new(place, "a key must be plain text")),
            };
            let (event, value_place) = self.next()?;
            let node = self.node(event, value_place, depth + 1)?;
            if let Some(first) = seen.get(&key) {
                let message =
                    format!("key \"{key}\" is here twice: keep one; the first is at {}:{}", first.line, first.column);
                self.duplicates.push(TreeError::new(place, message));
                continue;
            }
            seen.insert(key.clone(), place);
            entries.push((key, place, node));
        }
    }
}

fn refuse(tag: Option<&Cow<'_, Tag>>, place: Place) -> Result<(), TreeError> {
    match tag {
        Some(tag) => Err(TreeError::new(place, format!("tag {tag} has no meaning here: remove it"))),
        None => Ok(()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Kind, TreeError> {
    let string = match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => true,
        Some(tag) => return Err(TreeError::new(place, format!("tag {tag} has no meaning here: remove it"))),
        None => style != ScalarStyle::Plain,
    };
    let value = if string { Value::from(text) } else { plain(text) };
    Ok(Kind::Scalar { value, text: text.to_owned() })
}

/// The core schema's resolution of a plain scalar (YAML 1.2.2 section 10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let integer = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => i64::from_str_radix(hex, 16).ok(),
        (_, Some(octal)) => i64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    };
    if let Some(integer) = integer {
        return Value::from(integer);
    }
    // Rust also reads words (inf, nan, infinity) as numbers; YAML does not.
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let float = text.parse::<f64>().ok().filter(|f| digits && f.is_finite());
    match float {
        // 5.0 is the integer 5 in JSON Schema, so it must be one for serde too.
        Some(f) if f.fract() == 0.0 && f.abs() < 1e15 => Value::from(f as i64),
        Some(f) => Number::from_f64(f).map_or(Value::Null, Value::Number),
        None => Value::from(text),
    }
}

#[cfg(test)]
mod tests;
