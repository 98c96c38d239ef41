//! From a block to field lines.

use super::table::{FIRST, STATIC, Slot, Table};
use super::{Entry, HpackError, Key, TABLE, huffman};
use crate::message::Buffer;

/// Most bytes of an integer after its prefix.
const LONGEST_INTEGER: usize = 4;

/// Decodes the header blocks of a connection, in their order.
pub struct Decoder {
    table: Table,
    most: usize,
    changes: u64,
}

/// What is left of a block that is being decoded.
pub struct Rest<'b> {
    block: Block<'b>,
    /// Where strings are decoded to.
    scratch: Buffer,
}

impl<'b> Rest<'b> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.block.0.is_empty()
    }

    /// The field lines that come next and are each one byte, an index: what they mean depends on the table alone.
    pub fn run(&self) -> &'b [u8] {
        let block = self.block.0;
        let length = block.iter().position(|byte| !(0x81..0xff).contains(byte)).unwrap_or(block.len());
        &block[..length]
    }

    /// Passes over the first `count` bytes of a run.
    pub fn skip(&mut self, count: usize) {
        self.block.0 = self.block.0.get(count..).unwrap_or_default();
    }
}

impl Decoder {
    /// A decoder whose peer may have a table of up to `most` bytes: our SETTINGS_HEADER_TABLE_SIZE. The table begins with
    /// [`TABLE`] bytes, as the protocol has it.
    pub fn new(most: usize) -> Self {
        Self { table: Table::new(TABLE), most, changes: 0 }
    }

    /// How often the table has changed: while it has not, an index means what it meant.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Decodes one whole header block: `each` is called with every field line, in order.
    #[cfg(test)]
    pub(super) fn decode(&mut self, block: &[u8], each: &mut impl FnMut(Entry<'_>)) -> Result<(), HpackError> {
        let mut rest = self.begin(block)?;
        while !rest.is_empty() {
            self.next(&mut rest, each)?;
        }
        Ok(())
    }

    /// Begins to decode a block: takes its table size updates.
    ///
    /// # Errors
    ///
    /// The block is not one, and no other one can be decoded: a connection error of type COMPRESSION_ERROR (RFC 9113
    /// section 4.3).
    pub fn begin<'b>(&mut self, block: &'b [u8]) -> Result<Rest<'b>, HpackError> {
        let mut block = Block(block);
        while let Some(first @ 0x20..0x40) = block.peek() {
            self.resize(block.integer(first, 0x1f)?)?;
        }
        Ok(Rest { block, scratch: Buffer::none() })
    }

    /// Decodes the next field line, if there is one, and gives it to `each`. What a few indices stand for may be much longer than
    /// the block: to count it is up to `each`.
    ///
    /// # Errors
    ///
    /// As for [`Self::begin`].
    #[inline]
    pub fn next(&mut self, rest: &mut Rest<'_>, each: &mut impl FnMut(Entry<'_>)) -> Result<(), HpackError> {
        let Rest { block, scratch } = rest;
        let Some(first) = block.peek() else { return Ok(()) };
        if first < 0x80 {
            return self.literal(first, block, scratch, each);
        }
        let index = block.integer(first, 0x7f)?;
        let (_, entry) = self.entry(index).ok_or(HpackError::Index)?;
        each(entry);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// A table size update (section 6.3).
    fn resize(&mut self, size: usize) -> Result<(), HpackError> {
        if size > self.most {
            return Err(HpackError::Resize);
        }
        self.table.resize(size);
        self.changes += 1;
        Ok(())
    }

    /// The entry of an index, and the slot of a dynamic one.
    #[inline]
    fn entry(&self, index: usize) -> Option<(Option<Slot>, Entry<'_>)> {
        if let Some(entry) = STATIC.get(index.wrapping_sub(1)) {
            let Key { field, pseudo } = entry.key;
            let (name, value) = (entry.name.as_bytes(), entry.value.as_bytes());
            return Some((None, Entry { field, pseudo, name, value, sensitive: false }));
        }
        let slot = self.table.get(index.wrapping_sub(FIRST))?;
        let (name, value) = self.table.both(slot);
        let Key { field, pseudo } = slot.key;
        Some((Some(*slot), Entry { field, pseudo, name, value, sensitive: false }))
    }

    /// A literal field line (section 6.2).
    fn literal(
        &mut self,
        first: u8,
        block: &mut Block<'_>,
        scratch: &mut Buffer,
        each: &mut impl FnMut(Entry<'_>),
    ) -> Result<(), HpackError> {
        if first & 0xe0 == 0x20 {
            return Err(HpackError::Resize);
        }
        let kept = first >= 0x40;
        self.changes += u64::from(kept);
        scratch.clear();
        let index = block.integer(first, if kept { 0x3f } else { 0x0f })?;
        let name = if index == 0 { Some(block.text(scratch)?) } else { None };
        let value = block.text(scratch)?;
        let value = value.of(scratch);
        let (like, mut entry) = match name {
            Some(name) => {
                let name = name.of(scratch);
                let Key { field, pseudo } = Key::of(name);
                (None, Entry { field, pseudo, name, value, sensitive: false })
            }
            None => self.entry(index).ok_or(HpackError::Index)?,
        };
        entry.value = value;
        entry.sensitive = first & 0xf0 == 0x10;
        each(entry);
        if kept {
            let key = Key { field: entry.field, pseudo: entry.pseudo };
            match (like, name) {
                (Some(slot), _) => self.table.insert_like(slot, value),
                (None, Some(name)) => self.table.insert(key, name.of(scratch), value),
                (None, None) => {
                    let name = STATIC.get(index - 1).map_or("", |entry| entry.name);
                    self.table.insert(key, name.as_bytes(), value);
                }
            }
        }
        Ok(())
    }
}

/// What is left of a block.
struct Block<'b>(&'b [u8]);

/// A string of a block.
#[derive(Clone, Copy)]
enum Text<'b> {
    /// As it stands there.
    Plain(&'b [u8]),
    /// Decoded, from there to there in the scratch.
    Coded(usize, usize),
}

impl<'b> Text<'b> {
    fn of<'s>(self, scratch: &'s [u8]) -> &'s [u8]
    where
        'b: 's,
    {
        match self {
            Self::Plain(text) => text,
            Self::Coded(start, end) => scratch.get(start..end).unwrap_or_default(),
        }
    }
}

impl<'b> Block<'b> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes an integer that begins in `first`, the next byte, with the bits of `mask` (section 5.1).
    #[inline]
    fn integer(&mut self, first: u8, mask: u8) -> Result<usize, HpackError> {
        self.0 = self.0.get(1..).unwrap_or_default();
        let prefix = first & mask;
        if prefix < mask { Ok(usize::from(prefix)) } else { self.long_integer(usize::from(mask)) }
    }

    fn long_integer(&mut self, mut value: usize) -> Result<usize, HpackError> {
        for at in 0..LONGEST_INTEGER {
            let byte = *self.0.get(at).ok_or(HpackError::Truncated)?;
            value += usize::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(HpackError::Integer)
    }

    /// Takes a string (section 5.2); one in the Huffman code is decoded to the end of `scratch`.
    fn text(&mut self, scratch: &mut Buffer) -> Result<Text<'b>, HpackError> {
        let first = self.peek().ok_or(HpackError::Truncated)?;
        let length = self.integer(first, 0x7f)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(HpackError::Truncated)?;
        self.0 = rest;
        if first < 0x80 {
            return Ok(Text::Plain(text));
        }
        if scratch.is_none() {
            *scratch = Buffer::head();
        }
        let start = scratch.len();
        huffman::decode(text, scratch)?;
        Ok(Text::Coded(start, scratch.len()))
    }
}

#[cfg(test)]
mod tests;
