//! From field lines to a block.
//!
//! A value that repeats is one byte, found by what its field was last; one that does not repeat is a literal. Literals
//! are plain, since coding them costs more time than their bytes do, but for those that go into the table: they are sent
//! once, in the Huffman code.

use super::table::{FIRST, OVERHEAD, STATIC, Slot, Table};
use super::{Key, Pseudo, TABLE, huffman};
use crate::message::Field;

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
    /// The number of the newest entry, modulo 256.
    newest: u8,
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
        Self { table: Table::new(TABLE), memos, newest: 0, next: TABLE, lowest: TABLE }
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
        let line = Line { key, index, name: name.name().as_bytes(), value, memo, at_once: !is_path };
        if is_path && (value.len() > LONGEST_PATH || value.contains(&b'?')) {
            return line.write(0, None, out);
        }
        self.repeating(line, out);
    }

    /// Adds a field line; its name is written in lower case. A `sensitive` one is never indexed, here and by any hop (section
    /// 7.1.3); nor are credentials and cookies.
    pub fn field(&mut self, field: Field, name: &[u8], value: &[u8], sensitive: bool, out: &mut Vec<u8>) {
        let Known { index, habit } = FIELDS[field as usize];
        let (key, memo) = (Key::field(field), field as usize);
        let name = if field == Field::Other { name } else { field.name().as_bytes() };
        let mut line = Line { key, index, name, value, memo, at_once: true };
        if sensitive || habit == Habit::Secret {
            return line.write(0x10, None, out);
        }
        if habit == Habit::Varies {
            return line.write(0, None, out);
        }
        if field == Field::Other {
            line.memo = OTHERS + hash(name) % (MEMOS - OTHERS);
        }
        self.repeating(line, out);
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Adds a line whose value may be in the table.
    fn repeating(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        let mut named = None;
        for number in self.memos[line.memo].entries {
            let age = usize::from(self.newest.wrapping_sub(number));
            if let Some(slot) = self.table.get(age).filter(|slot| slot.key == line.key) {
                let (name, value) = self.table.both(slot);
                if line.key.is_known() || name.eq_ignore_ascii_case(line.name) {
                    if value == line.value {
                        return integer(0x80, 0x7f, FIRST + age, out);
                    }
                    named = Some((age, *slot));
                }
            }
        }
        self.missed(line, named, out);
    }

    /// Adds a line whose value is not in the table; `named`: an entry of the same name. It goes into the table if it is the
    /// first one, or came twice.
    fn missed(&mut self, line: Line<'_>, named: Option<(usize, Slot)>, out: &mut Vec<u8>) {
        if line.key.field == Field::AcceptEncoding && line.value == STATIC[usize::from(line.index) - 1].value.as_bytes()
        {
            return out.push(0x80 | line.index);
        }
        let memo = &mut self.memos[line.memo];
        let hash = (hash(line.value) as u8).max(1);
        let repeats = memo.missed == hash || (line.at_once && memo.missed == 0);
        memo.missed = hash;
        if !repeats || line.name.len() + line.value.len() + OVERHEAD > self.table.limit() / SHARE {
            return line.write(0, named.map(|(age, _)| age), out);
        }
        let start = out.len();
        line.write(0x40, named.map(|(age, _)| age), out);
        match named {
            Some((_, slot)) if line.index == 0 => self.table.insert_like(slot, line.value),
            _ if line.key.is_known() => self.table.insert(line.key, line.name, line.value),
            // The name that was written, in lower case, after the first byte and its length.
            _ => {
                let name = start + 1 + integer_len(0x7f, line.name.len());
                self.table.insert(line.key, &out[name..name + line.name.len()], line.value);
            }
        }
        self.newest = self.newest.wrapping_add(1);
        let memo = &mut self.memos[line.memo];
        memo.entries = [self.newest, memo.entries[0]];
    }
}

impl Line<'_> {
    /// Writes a literal (section 6.2): `kind` is 0x40 for one that goes into the table, 0 for one that does not, 0x10 for one
    /// that never may; `named` is the age of an entry of its name.
    fn write(&self, kind: u8, named: Option<usize>, out: &mut Vec<u8>) {
        let mask = if kind == 0x40 { 0x3f } else { 0x0f };
        let index = if self.index == 0 { named.map_or(0, |age| FIRST + age) } else { usize::from(self.index) };
        integer(kind, mask, index, out);
        if index == 0 {
            integer(0, 0x7f, self.name.len(), out);
            let start = out.len();
            out.extend_from_slice(self.name);
            out[start..].make_ascii_lowercase();
        }
        if kind == 0x40 {
            let coded = huffman::coded_len(self.value);
            if coded < self.value.len() {
                integer(0x80, 0x7f, coded, out);
                return huffman::encode(self.value, out);
            }
        }
        integer(0, 0x7f, self.value.len(), out);
        out.extend_from_slice(self.value);
    }
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

/// Bytes of an integer.
fn integer_len(mask: u8, value: usize) -> usize {
    match value.checked_sub(usize::from(mask)) {
        None => 1,
        Some(rest) => 2 + rest.checked_ilog2().unwrap_or(0) as usize / 7,
    }
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
