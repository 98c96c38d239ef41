//! From field lines to a block.
//!
//! A value that repeats is one byte, found by what its field was last; one that does not repeat is a literal. Literals
//! are plain, since coding them costs more time than their bytes do, but for those that go into the table: they are sent
//! once, in the Huffman code.

mod sequence;

use super::table::{FIRST, OVERHEAD, STATIC, Slot, Table};
use super::{Key, Pseudo, TABLE, huffman};
use crate::message::{Field, FieldSection};
use sequence::Sequence;

/// Part of the table that one entry may fill.
const SHARE: usize = 4;
/// Longest `:path` that is looked up.
const LONGEST_PATH: usize = 64;
/// Memos: one for each field, one for each pseudo-header field, then those that names and paths share by their hash.
const PSEUDO: usize = Field::ALL.len();
const PATHS: usize = PSEUDO + Pseudo::ALL.len();
const OTHERS: usize = PATHS + 8;
const MEMOS: usize = OTHERS + 16;

/// How the values of a field are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// The same in many messages.
    Repeats,
    /// Hardly ever the same.
    Varies,
    /// Not to be guessed from what a table holds (RFC 7541 section 7.1).
    Secret,
}

/// What is known of a name.
#[derive(Clone, Copy)]
struct Known {
    /// Its index in the static table, or 0.
    index: u8,
    habit: Habit,
}

const FIELDS: [Known; Field::ALL.len()] = fields();
const PSEUDOS: [u8; Pseudo::ALL.len()] = pseudos();

const fn fields() -> [Known; Field::ALL.len()] {
    let mut known = [Known { index: 0, habit: Habit::Repeats }; Field::ALL.len()];
    let mut at = 0;
    while at < known.len() {
        known[at].habit = habit(Field::ALL[at]);
        at += 1;
    }
    let mut index = STATIC.len();
    while index > 0 {
        let key = STATIC[index - 1].key;
        if key.pseudo.is_none() && !matches!(key.field, Field::Other) {
            known[key.field as usize].index = index as u8;
        }
        index -= 1;
    }
    known
}

const fn pseudos() -> [u8; Pseudo::ALL.len()] {
    let mut known = [0; Pseudo::ALL.len()];
    let mut index = STATIC.len();
    while index > 0 {
        if let Some(pseudo) = STATIC[index - 1].key.pseudo {
            known[pseudo as usize] = index as u8;
        }
        index -= 1;
    }
    known
}

const fn habit(field: Field) -> Habit {
    match field {
        Field::Authorization | Field::ProxyAuthorization | Field::Cookie | Field::SetCookie => Habit::Secret,
        Field::Age
        | Field::ContentLength
        | Field::Etag
        | Field::GrpcMessage
        | Field::GrpcTimeout
        | Field::IfNoneMatch
        | Field::LastModified
        | Field::Location
        | Field::Referer
        | Field::SecWebsocketAccept
        | Field::SecWebsocketKey
        | Field::Traceparent
        | Field::Tracestate
        | Field::XRequestId => Habit::Varies,
        _ => Habit::Repeats,
    }
}

/// Where values of a name were put. All of it are hints: what stands there is compared.
#[derive(Clone, Copy, Default)]
struct Memo {
    /// Numbers of the last two entries, modulo 256; a table has at most 128.
    entries: [u8; 2],
    /// Hash of the last value that was not found; 0: there was none.
    missed: u8,
}

/// A line on its way.
#[derive(Clone, Copy)]
struct Line<'l> {
    key: Key,
    /// Its name's index in the static table, or 0.
    index: u8,
    name: &'l [u8],
    value: &'l [u8],
    memo: usize,
    /// Whether the first value that is seen is taken to repeat.
    at_once: bool,
}

/// Encodes the header blocks of a connection, in their order.
pub struct Encoder {
    table: Table,
    memos: [Memo; MEMOS],
    /// The number of the newest entry: how many there ever were.
    newest: u64,
    sequence: Sequence,
    /// The size to come, and the lowest one since the last block.
    next: usize,
    lowest: usize,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder with a table of [`TABLE`] bytes, as the protocol begins.
    pub fn new() -> Self {
        let memos = [Memo::default(); MEMOS];
        let sequence = Sequence::default();
        Self { table: Table::new(TABLE), memos, newest: 0, sequence, next: TABLE, lowest: TABLE }
    }

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE: the table has that size, or [`TABLE`] bytes if it is more, from the next
    /// block on, which says so (RFC 7541 section 4.2).
    pub fn resize(&mut self, most: usize) {
        self.next = most.min(TABLE);
        self.lowest = self.lowest.min(self.next);
    }

    /// Begins a block: writes the table size updates that are due (section 6.3).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        for size in [self.lowest, self.next] {
            if size != self.table.limit() {
                self.table.resize(size);
                integer(0x20, 0x1f, size, out);
            }
        }
        self.lowest = self.next;
    }

    /// Adds a pseudo-header field.
    pub fn pseudo(&mut self, name: Pseudo, value: &[u8], out: &mut Vec<u8>) {
        let indexed = match (name, value) {
            (Pseudo::Method, b"GET") => 2,
            (Pseudo::Method, b"POST") => 3,
            (Pseudo::Path, b"/") => 4,
            (Pseudo::Path, b"/index.html") => 5,
            (Pseudo::Scheme, b"http") => 6,
            (Pseudo::Scheme, b"https") => 7,
            (Pseudo::Status, b"200") => 8,
            (Pseudo::Status, b"204") => 9,
            (Pseudo::Status, b"206") => 10,
            (Pseudo::Status, b"304") => 11,
            (Pseudo::Status, b"400") => 12,
            (Pseudo::Status, b"404") => 13,
            (Pseudo::Status, b"500") => 14,
            _ => 0,
        };
        if indexed != 0 {
            return out.push(0x80 | indexed);
        }
        let (key, index) = (Key::pseudo(name), PSEUDOS[name as usize]);
        let is_path = name == Pseudo::Path;
        let memo = if is_path { PATHS + hash(value) % (OTHERS - PATHS) } else { PSEUDO + name as usize };
        if is_path && (value.len() > LONGEST_PATH || value.contains(&b'?')) {
            return literal(0, usize::from(index), &[], value, out);
        }
        if let Some(age) = self.find(memo, key, &[], value) {
            return integer(0x80, 0x7f, FIRST + age, out);
        }
        self.missed(&Line { key, index, name: name.name().as_bytes(), value, memo, at_once: !is_path }, out);
    }

    /// Adds the lines of a section; those that follow one another as in an earlier one are not looked up.
    pub fn section(&mut self, fields: &FieldSection, out: &mut Vec<u8>) {
        let lines = fields.lines();
        let mut place = self.sequence.begin();
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let gone = self.newest - self.table.len() as u64;
            let known = self.sequence.follow(&mut place, (fields, at), gone);
            if known > 0 {
                self.sequence.write(&place, known, self.newest, out);
                at += known;
                continue;
            }
            let (name, value) = (fields.bytes_at(line.name()), fields.bytes_at(line.value()));
            if let Some(number) = self.line(line.field(), name, value, line.is_sensitive(), out) {
                self.sequence.surprise(&mut place, (fields, line), number);
            }
            at += 1;
        }
        self.sequence.end(&place);
    }

    /// Adds a field line; its name is written in lower case. A `sensitive` one is never indexed, here and by any hop (section
    /// 7.1.3); nor are credentials and cookies.
    pub fn field(&mut self, field: Field, name: &[u8], value: &[u8], sensitive: bool, out: &mut Vec<u8>) {
        self.line(field, name, value, sensitive, out);
    }

    /// Adds a field line; gives the number of its entry, if it has one.
    fn line(&mut self, field: Field, name: &[u8], value: &[u8], sensitive: bool, out: &mut Vec<u8>) -> Option<u64> {
        let Known { index, habit } = FIELDS[field as usize];
        let name = if field == Field::Other { name } else { field.name().as_bytes() };
        if sensitive || habit != Habit::Repeats {
            let kind = if sensitive || habit == Habit::Secret { 0x10 } else { 0 };
            literal(kind, usize::from(index), name, value, out);
            return None;
        }
        let key = Key::field(field);
        let memo = if field == Field::Other { OTHERS + hash(name) % (MEMOS - OTHERS) } else { field as usize };
        if let Some(age) = self.find(memo, key, name, value) {
            integer(0x80, 0x7f, FIRST + age, out);
            return Some(self.newest - age as u64);
        }
        self.missed(&Line { key, index, name, value, memo, at_once: true }, out).then_some(self.newest)
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The age of the entry that a memo leads to, if it is this line.
    #[inline]
    fn find(&self, memo: usize, key: Key, name: &[u8], value: &[u8]) -> Option<usize> {
        self.memos[memo].entries.into_iter().find_map(|number| {
            let age = usize::from((self.newest as u8).wrapping_sub(number));
            let slot = self.table.get(age)?;
            let same = slot.key == key
                && self.table.value(slot) == value
                && (key.is_known() || self.table.name(slot).eq_ignore_ascii_case(name));
            same.then_some(age)
        })
    }

    /// The age of an entry of that name.
    fn named(&self, line: &Line<'_>) -> Option<usize> {
        let ages = self.memos[line.memo].entries.map(|number| usize::from((self.newest as u8).wrapping_sub(number)));
        ages.into_iter().find(|age| {
            self.table.get(*age).is_some_and(|slot| {
                slot.key == line.key && (line.key.is_known() || self.table.name(slot).eq_ignore_ascii_case(line.name))
            })
        })
    }

    /// Adds a line whose value is not in the table. It goes there if it is the first one, or came twice; true: it did.
    #[inline(never)]
    fn missed(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let named = if line.index == 0 { self.named(line) } else { None };
        let index = named.map_or(usize::from(line.index), |age| FIRST + age);
        let memo = &mut self.memos[line.memo];
        let hash = (hash(line.value) as u8).max(1);
        let repeats = memo.missed == hash || (line.at_once && memo.missed == 0);
        memo.missed = hash;
        if line.key.field == Field::AcceptEncoding && line.value == STATIC[index - 1].value.as_bytes() {
            out.push(0x80 | line.index);
            return false;
        }
        if !repeats || line.name.len() + line.value.len() + OVERHEAD > self.table.limit() / SHARE {
            literal(0, index, line.name, line.value, out);
            return false;
        }
        self.insert(line, index, named.and_then(|age| self.table.get(age).copied()), out);
        true
    }

    /// Adds a line that goes into the table; `like`: an entry that has its name.
    fn insert(&mut self, line: &Line<'_>, index: usize, like: Option<Slot>, out: &mut Vec<u8>) {
        integer(0x40, 0x3f, index, out);
        if index == 0 {
            text(line.name, out);
            let start = out.len() - line.name.len();
            out[start..].make_ascii_lowercase();
        }
        match like {
            Some(slot) => self.table.insert_like(slot, line.value),
            None if line.key.is_known() => self.table.insert(line.key, line.name, line.value),
            // The name that was written, in lower case.
            None => self.table.insert(line.key, &out[out.len() - line.name.len()..], line.value),
        }
        let coded = huffman::coded_len(line.value);
        if coded < line.value.len() {
            integer(0x80, 0x7f, coded, out);
            huffman::encode(line.value, out);
        } else {
            text(line.value, out);
        }
        self.newest += 1;
        let memo = &mut self.memos[line.memo];
        memo.entries = [self.newest as u8, memo.entries[0]];
    }
}

/// Appends a literal that does not go into the table (section 6.2): `kind` is 0, or 0x10 for one that never may; `index` is
/// the name's, or 0.
fn literal(kind: u8, index: usize, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 16);
    integer(kind, 0x0f, index, out);
    if index == 0 {
        text(name, out);
        let start = out.len() - name.len();
        out[start..].make_ascii_lowercase();
    }
    text(value, out);
}

/// Appends a plain string (section 5.2).
#[inline]
fn text(text: &[u8], out: &mut Vec<u8>) {
    integer(0, 0x7f, text.len(), out);
    out.extend_from_slice(text);
}

/// Appends an integer (section 5.1): the first byte has `kind` beside the bits of `mask`.
#[inline]
pub(super) fn integer(kind: u8, mask: u8, value: usize, out: &mut Vec<u8>) {
    if value < usize::from(mask) {
        return out.push(kind | value as u8);
    }
    out.push(kind | mask);
    let mut rest = value - usize::from(mask);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A hash of a text's ends, ignoring case: eight bits.
fn hash(text: &[u8]) -> usize {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes) | CASE;
    let ends = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => word(first) ^ word(last).rotate_left(29),
        _ => text.iter().fold(0, |word, byte| word << 8 | u64::from(byte | 0x20)),
    };
    let mixed = ends ^ ends >> 32 ^ text.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

#[cfg(test)]
mod tests;
