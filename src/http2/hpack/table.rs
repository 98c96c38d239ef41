//! The tables that indices point into (RFC 7541 section 2.3).

use std::collections::VecDeque;

use super::{Key, Pseudo};
use crate::message::Field;

/// What an entry counts beyond its name and value, bytes (section 4.1).
pub(super) const OVERHEAD: usize = 32;
/// Least room for the bytes of a table that has an entry.
const LEAST: usize = 256;

/// An entry of the static table.
pub(super) struct Static {
    pub(super) key: Key,
    pub(super) name: &'static str,
    pub(super) value: &'static str,
}

const fn pseudo(pseudo: Pseudo, value: &'static str) -> Static {
    Static { key: Key::pseudo(pseudo), name: pseudo.name(), value }
}

const fn known(field: Field) -> Static {
    Static { key: Key::field(field), name: field.name(), value: "" }
}

const fn other(name: &'static str) -> Static {
    Static { key: Key::field(Field::Other), name, value: "" }
}

/// The static table (appendix A); index 1 is the first.
pub(super) const STATIC: [Static; 61] = [
    pseudo(Pseudo::Authority, ""),
    pseudo(Pseudo::Method, "GET"),
    pseudo(Pseudo::Method, "POST"),
    pseudo(Pseudo::Path, "/"),
    pseudo(Pseudo::Path, "/index.html"),
    pseudo(Pseudo::Scheme, "http"),
    pseudo(Pseudo::Scheme, "https"),
    pseudo(Pseudo::Status, "200"),
    pseudo(Pseudo::Status, "204"),
    pseudo(Pseudo::Status, "206"),
    pseudo(Pseudo::Status, "304"),
    pseudo(Pseudo::Status, "400"),
    pseudo(Pseudo::Status, "404"),
    pseudo(Pseudo::Status, "500"),
    other("accept-charset"),
    Static { value: "gzip, deflate", ..known(Field::AcceptEncoding) },
    known(Field::AcceptLanguage),
    known(Field::AcceptRanges),
    known(Field::Accept),
    known(Field::AccessControlAllowOrigin),
    known(Field::Age),
    other("allow"),
    known(Field::Authorization),
    known(Field::CacheControl),
    other("content-disposition"),
    known(Field::ContentEncoding),
    other("content-language"),
    known(Field::ContentLength),
    other("content-location"),
    other("content-range"),
    known(Field::ContentType),
    known(Field::Cookie),
    known(Field::Date),
    known(Field::Etag),
    known(Field::Expect),
    known(Field::Expires),
    other("from"),
    known(Field::Host),
    other("if-match"),
    other("if-modified-since"),
    known(Field::IfNoneMatch),
    other("if-range"),
    other("if-unmodified-since"),
    known(Field::LastModified),
    other("link"),
    known(Field::Location),
    known(Field::MaxForwards),
    known(Field::ProxyAuthenticate),
    known(Field::ProxyAuthorization),
    other("range"),
    known(Field::Referer),
    other("refresh"),
    other("retry-after"),
    known(Field::Server),
    known(Field::SetCookie),
    known(Field::StrictTransportSecurity),
    known(Field::TransferEncoding),
    known(Field::UserAgent),
    known(Field::Vary),
    known(Field::Via),
    other("www-authenticate"),
];

/// Index of the first entry of the dynamic table.
pub(super) const FIRST: usize = STATIC.len() + 1;

/// An entry of a dynamic table.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) key: Key,
    /// Where its name begins, counted from the table's first byte ever, modulo 2^32. Its value follows.
    start: u32,
    name: u32,
    value: u32,
}

impl Slot {
    /// Bytes of its name and value.
    fn len(&self) -> usize {
        (self.name + self.value) as usize
    }

    /// Bytes that it counts (section 4.1).
    fn size(&self) -> usize {
        self.len() + OVERHEAD
    }
}

/// A dynamic table (section 2.3.2).
///
/// Names and values stand one behind the other in the order of their insertion. What was evicted stays in front until its
/// room is needed, so that every entry is in one piece and is moved once at most for each time that the table is filled.
pub(super) struct Table {
    bytes: Vec<u8>,
    /// Bytes in front that belong to no entry.
    dead: usize,
    /// Which byte ever the first one of `bytes` is, modulo 2^32.
    base: u32,
    /// The newest entry is the first.
    slots: VecDeque<Slot>,
    size: usize,
    limit: usize,
}

impl Table {
    /// An empty table of so many bytes (section 4.1) at most.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), dead: 0, base: 0, slots: VecDeque::new(), size: 0, limit }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes that its entries count (section 4.1).
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Room for bytes and for entries.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> (usize, usize) {
        (self.bytes.capacity(), self.slots.capacity())
    }

    /// Most bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The entry that was inserted so many entries before the newest.
    #[inline]
    pub(super) fn get(&self, age: usize) -> Option<&Slot> {
        self.slots.get(age)
    }

    /// Its name.
    #[inline]
    pub(super) fn name(&self, slot: &Slot) -> &[u8] {
        let start = self.place(slot);
        self.bytes.get(start..start + slot.name as usize).unwrap_or_default()
    }

    /// Its value.
    #[inline]
    pub(super) fn value(&self, slot: &Slot) -> &[u8] {
        let start = self.place(slot) + slot.name as usize;
        self.bytes.get(start..start + slot.value as usize).unwrap_or_default()
    }

    /// Its name and value.
    #[inline]
    pub(super) fn both(&self, slot: &Slot) -> (&[u8], &[u8]) {
        let start = self.place(slot);
        let bytes = self.bytes.get(start..start + slot.len()).unwrap_or_default();
        bytes.split_at_checked(slot.name as usize).unwrap_or_default()
    }

    #[inline]
    fn place(&self, slot: &Slot) -> usize {
        slot.start.wrapping_sub(self.base) as usize
    }

    /// Sets the size; evicts what is too much (section 4.3).
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict(limit);
        if self.slots.is_empty() {
            *self = Self::new(limit);
        }
    }

    /// Adds an entry and evicts what is too much for it; one that is larger than the table empties it (section 4.4).
    pub(super) fn insert(&mut self, key: Key, name: &[u8], value: &[u8]) {
        if self.make_room(name.len() + value.len()) {
            let start = self.end();
            self.bytes.extend_from_slice(name);
            self.bytes.extend_from_slice(value);
            self.push(Slot { key, start, name: name.len() as u32, value: value.len() as u32 });
        }
    }

    /// Adds an entry that has the name of another one, which may be evicted for it.
    pub(super) fn insert_like(&mut self, slot: Slot, value: &[u8]) {
        if self.make_room(slot.name as usize + value.len()) {
            let (start, name) = (self.end(), self.place(&slot));
            self.bytes.extend_from_within(name..name + slot.name as usize);
            self.bytes.extend_from_slice(value);
            self.push(Slot { start, value: value.len() as u32, ..slot });
        }
    }

    fn end(&self) -> u32 {
        self.base.wrapping_add(self.bytes.len() as u32)
    }

    fn push(&mut self, slot: Slot) {
        self.size += slot.size();
        self.slots.push_front(slot);
    }

    /// Makes room for an entry; false: it is larger than the table. What is evicted keeps its place until the next time.
    fn make_room(&mut self, length: usize) -> bool {
        let Some(left) = self.limit.checked_sub(length + OVERHEAD) else {
            self.evict(0);
            return false;
        };
        if self.bytes.len() + length > self.bytes.capacity() {
            self.slide(length);
        }
        self.evict(left);
        true
    }

    /// Drops what is dead, and grows if more than half is alive.
    fn slide(&mut self, length: usize) {
        self.bytes.drain(..self.dead);
        self.base = self.base.wrapping_add(self.dead as u32);
        self.dead = 0;
        let wanted = (2 * (self.bytes.len() + length)).next_power_of_two().clamp(LEAST, LEAST.max(2 * self.limit));
        if wanted > self.bytes.capacity() {
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
    }

    /// Evicts the oldest entries until so many bytes are left at most.
    fn evict(&mut self, left: usize) {
        while self.size > left
            && let Some(oldest) = self.slots.pop_back()
        {
            self.size -= oldest.size();
            self.dead = self.place(&oldest) + oldest.len();
        }
    }
}
