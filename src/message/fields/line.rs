//! A field line, as places in the bytes of its section.

use crate::message::Field;

/// A place in a section's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// Bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same place where `by` bytes stand before it.
    pub fn after(self, by: usize) -> Self {
        Self { start: self.start + by as u32, end: self.end + by as u32 }
    }

    /// The same place where the first `by` bytes are left out.
    pub fn without(self, by: usize) -> Self {
        Self { start: self.start - by as u32, end: self.end - by as u32 }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One line, its end of line included.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub(super) field: Field,
    pub(super) name: Span,
    pub(super) value: Span,
    pub(super) end: u32,
    /// Never indexed by who sent it (RFC 7541 section 7.1.3).
    pub(super) sensitive: bool,
}

impl Line {
    /// Its field.
    #[inline]
    pub fn field(&self) -> Field {
        self.field
    }

    /// The place of its name, with which it begins.
    #[inline]
    pub fn name(&self) -> Span {
        self.name
    }

    /// The place of its value.
    #[inline]
    pub fn value(&self) -> Span {
        self.value
    }

    /// The place of all of it.
    #[inline]
    pub fn whole(&self) -> Span {
        Span { start: self.name.start, end: self.end }
    }

    /// Its field, its mark and its places, these by so many bytes further on in the front: equal for lines that are laid out
    /// alike, with the same field and mark.
    #[inline]
    pub fn places_before(&self, by: u64) -> [u64; 3] {
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let twice = by.wrapping_mul(1 << 32 | 1);
        let kind = self.field as u32 | u32::from(self.sensitive) << 8;
        [
            both(self.name.start, self.name.end).wrapping_sub(twice),
            both(self.value.start, self.value.end).wrapping_sub(twice),
            both(self.end, kind).wrapping_sub(by),
        ]
    }

    /// Whether it must not be indexed by any hop (RFC 7541 section 7.1.3).
    #[inline]
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}
