//! A section of field lines: headers or trailers (RFC 9110 sections 6.3 and 6.5).

mod line;

use std::fmt;
use std::io::Write as _;

use http::HeaderName;

use super::room::Room;
use super::{Field, FieldSet};
use crate::head::Fields;
pub use line::{Line, Span};

/// A name to look for.
#[derive(Clone, Copy, Debug)]
pub struct Name<'n> {
    field: Field,
    text: &'n [u8],
}

impl From<Field> for Name<'static> {
    fn from(field: Field) -> Self {
        Self { field, text: field.name().as_bytes() }
    }
}

impl<'n> From<&'n HeaderName> for Name<'n> {
    fn from(name: &'n HeaderName) -> Self {
        name.as_str().into()
    }
}

impl<'n> From<&'n str> for Name<'n> {
    fn from(name: &'n str) -> Self {
        Self { field: Field::of(name.as_bytes()), text: name.as_bytes() }
    }
}

/// Field lines in their order.
///
/// Lines are kept as they came, or are written as they would be sent: `name: value` and CRLF, all in one buffer.
#[derive(Default)]
pub struct FieldSection {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    /// Which fields there are, or were.
    known: FieldSet,
}

/// How much of a section there was.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    lines: usize,
}

impl Mark {
    /// Bytes.
    pub fn bytes(self) -> usize {
        self.bytes
    }
}

/// Lines that are added to many sections as they are.
pub struct Block {
    bytes: Box<[u8]>,
    lines: Box<[Line]>,
    known: FieldSet,
}

impl Block {
    /// The number of lines.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The first value of a field.
    pub fn first(&self, field: Field) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.field == field).map(|line| &self.bytes[line.value.range()])
    }
}

impl From<&FieldSection> for Block {
    fn from(section: &FieldSection) -> Self {
        section.since(Mark { bytes: 0, lines: 0 })
    }
}

impl FieldSection {
    /// An empty section, with room from the thread's pool.
    pub fn new() -> Self {
        let Room { bytes, lines } = Room::take();
        Self { bytes, lines, known: FieldSet::default() }
    }

    /// A section of the bytes of a head, without lines so far.
    pub fn of_head(head: &[u8]) -> Self {
        let mut section = Self::new();
        section.keep(head);
        section
    }

    /// Keeps the bytes of the head that the lines taken in so far stand in.
    pub fn keep(&mut self, head: &[u8]) {
        self.bytes.extend_from_slice(head);
    }

    /// Takes in a line that stands in the bytes: its name, its value, and where the line after it begins. Gives its field.
    pub fn line_at(&mut self, name: Span, value: Span, end: usize) -> Field {
        let field = Field::of(self.bytes_at(name));
        self.line_of(field, name, value, end);
        field
    }

    /// The same for a line whose field is known.
    pub fn line_of(&mut self, field: Field, name: Span, value: Span, end: usize) {
        self.known.add(field);
        self.lines.push(Line { field, name, value, end: end as u32, sensitive: false });
    }

    /// Keeps bytes that belong to no line.
    pub fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::new(start, self.bytes.len())
    }

    /// The bytes of a place.
    pub fn bytes_at(&self, span: Span) -> &[u8] {
        self.bytes.get(span.range()).unwrap_or_default()
    }

    /// The text of a place; empty where it is none.
    pub fn text_at(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes_at(span)).unwrap_or_default()
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Every name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &[u8], &[u8])> {
        self.lines.iter().map(|line| (line.field, self.bytes_at(line.name), self.bytes_at(line.value)))
    }

    /// Every name and value, in order, and whether it must not be indexed by any hop (RFC 7541 section 7.1.3).
    pub fn entries(&self) -> impl Iterator<Item = (Field, &[u8], &[u8], bool)> {
        self.lines.iter().map(|line| (line.field, self.bytes_at(line.name), self.bytes_at(line.value), line.sensitive))
    }

    /// Every line, in order, as it stands in the bytes.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Every value of a field, in order.
    pub fn all<'s, 'n: 's>(&'s self, name: impl Into<Name<'n>>) -> impl Iterator<Item = &'s [u8]> {
        let name = name.into();
        let lines = if self.may_have(name) { &self.lines[..] } else { &[] };
        lines.iter().filter(move |line| self.is(line, name)).map(|line| self.bytes_at(line.value))
    }

    /// False: there is no such field.
    fn may_have(&self, name: Name<'_>) -> bool {
        self.known.contains(name.field)
    }

    /// False: there is none of these fields.
    pub fn may_have_any(&self, fields: FieldSet) -> bool {
        self.known.meets(fields)
    }

    /// The first value of a field.
    pub fn first<'n>(&self, name: impl Into<Name<'n>>) -> Option<&[u8]> {
        self.place_of(name).map(|place| self.bytes_at(place))
    }

    /// The place of the first value of a field.
    pub fn place_of<'n>(&self, name: impl Into<Name<'n>>) -> Option<Span> {
        let name = name.into();
        if !self.may_have(name) {
            return None;
        }
        self.lines.iter().find(|line| self.is(line, name)).map(|line| line.value)
    }

    /// Whether there is such a field.
    pub fn has<'n>(&self, name: impl Into<Name<'n>>) -> bool {
        self.first(name).is_some()
    }

    /// The elements of a field that is a list, over all its lines (RFC 9110 section 5.6.1).
    pub fn elements(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.all(field).flat_map(|line| line.split(|b| *b == b',')).map(<[u8]>::trim_ascii)
    }

    /// Removes every line of a field.
    pub fn remove<'n>(&mut self, name: impl Into<Name<'n>>) {
        let name = name.into();
        if self.may_have(name) {
            let bytes = &self.bytes;
            self.lines.retain(|line| !is(bytes, line, name));
            self.known.remove(FieldSet::of(&[name.field]));
        }
    }

    /// Removes every line of these fields; of the other names, those of which `other` says so.
    pub fn remove_all(&mut self, out: FieldSet, other: impl Fn(&[u8]) -> bool) {
        if self.known.meets(out.and(FieldSet::of(&[Field::Other]))) {
            let bytes = &self.bytes;
            self.lines.retain(|line| match line.field {
                Field::Other => !other(&bytes[line.name.range()]),
                field => !out.contains(field),
            });
            self.known.remove(out);
        }
    }

    /// Removes every line of which `out` says so.
    pub fn remove_if(&mut self, mut out: impl FnMut(Field, &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.lines.retain(|line| !out(line.field, &bytes[line.name.range()]));
    }

    /// Adds a line.
    pub fn append<'n>(&mut self, name: impl Into<Name<'n>>, value: &[u8]) {
        self.append_with(name, |bytes| bytes.extend_from_slice(value));
    }

    /// Adds a line whose value `write` appends to the bytes it is given.
    pub fn append_with<'n>(&mut self, name: impl Into<Name<'n>>, write: impl FnOnce(&mut Vec<u8>)) {
        let Name { field, text } = name.into();
        let bytes = &mut self.bytes;
        let start = bytes.len();
        match field {
            Field::Other => {
                bytes.extend_from_slice(text);
                bytes.extend_from_slice(b": ");
            }
            known => bytes.extend_from_slice(known.line_start()),
        }
        let value = bytes.len();
        write(bytes);
        let end = bytes.len();
        bytes.extend_from_slice(b"\r\n");
        self.line_of(field, Span::new(start, value - 2), Span::new(value, end), end + 2);
    }

    /// Adds a line of which is known what field it is; `name` is its name.
    pub fn append_entry(&mut self, field: Field, name: &[u8], value: &[u8], sensitive: bool) {
        let bytes = &mut self.bytes;
        let start = bytes.len();
        bytes.reserve(name.len() + value.len() + 4);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
        let (name, end) = (Span::new(start, start + name.len()), bytes.len());
        let value = Span::new(name.end() + 2, end - 2);
        self.known.add(field);
        self.lines.push(Line { field, name, value, end: end as u32, sensitive });
    }

    /// Adds the lines of a block.
    pub fn append_block(&mut self, block: &Block) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&block.bytes);
        self.known = self.known.and(block.known);
        self.lines.extend(block.lines.iter().map(|line| Line {
            name: line.name.after(start),
            value: line.value.after(start),
            end: line.end + start as u32,
            ..*line
        }));
    }

    /// How much there is.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), lines: self.lines.len() }
    }

    /// What was added since, lines and bytes that belong to none.
    pub fn since(&self, mark: Mark) -> Block {
        let Mark { bytes: start, lines } = mark;
        let lines = self.lines[lines..].iter().map(|line| Line {
            name: line.name.without(start),
            value: line.value.without(start),
            end: line.end - start as u32,
            ..*line
        });
        let lines: Box<[Line]> = lines.collect();
        let mut known = FieldSet::default();
        lines.iter().for_each(|line| known.add(line.field));
        Block { bytes: self.bytes[start..].into(), lines, known }
    }

    /// Adds a line whose value is formatted.
    pub fn append_display<'n>(&mut self, name: impl Into<Name<'n>>, value: impl fmt::Display) {
        // Writing to a vector cannot fail.
        self.append_with(name, |bytes| _ = write!(bytes, "{value}"));
    }

    /// Removes every line.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// Replaces every line of a field by one.
    pub fn set<'n>(&mut self, name: impl Into<Name<'n>>, value: &[u8]) {
        let name = name.into();
        self.remove(name);
        self.append(name, value);
    }

    /// Writes the lines to `out` as HTTP/1.1 has them, without the empty line after them. Neighbours are one copy.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut run = 0..0;
        for line in &self.lines {
            let (start, end) = (line.name.start as usize, line.end as usize);
            if start != run.end {
                out.extend_from_slice(&self.bytes[run]);
                run = start..start;
            }
            run.end = end;
        }
        out.extend_from_slice(&self.bytes[run]);
    }

    fn is(&self, line: &Line, name: Name<'_>) -> bool {
        is(&self.bytes, line, name)
    }
}

fn is(bytes: &[u8], line: &Line, name: Name<'_>) -> bool {
    match name.field {
        Field::Other => {
            line.field == Field::Other
                && line.name.len() == name.text.len()
                && bytes[line.name.range()].eq_ignore_ascii_case(name.text)
        }
        field => line.field == field,
    }
}

impl Drop for FieldSection {
    fn drop(&mut self) {
        Room { bytes: std::mem::take(&mut self.bytes), lines: std::mem::take(&mut self.lines) }.give_back();
    }
}

impl Clone for FieldSection {
    fn clone(&self) -> Self {
        let mut copy = Self::of_head(&self.bytes);
        copy.lines.extend_from_slice(&self.lines);
        copy.known = self.known;
        copy
    }
}

impl fmt::Debug for FieldSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_list().entries(self.iter().map(|(_, name, value)| (text(name), text(value)))).finish()
    }
}

impl Fields for FieldSection {
    fn nth(&self, name: &HeaderName, n: usize) -> Option<&[u8]> {
        let name = Name::from(name);
        if !self.may_have(name) {
            return None;
        }
        self.lines.iter().filter(|line| self.is(line, name)).nth(n).map(|line| self.bytes_at(line.value))
    }
}

#[cfg(test)]
mod tests;
