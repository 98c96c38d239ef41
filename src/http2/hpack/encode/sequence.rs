//! Lines that follow one another in every head of a connection: an earlier section is remembered with the entries that its
//! lines have in the table, and lines that stand side by side in both are compared, and written, at once.

use super::{FIRST, integer};
use crate::message::{FieldSection, Line, Span};

/// Lines and bytes that are remembered at most.
const LINES: usize = 32;
const BYTES: usize = 2048;
/// Surprising sections that go by, at most, before another one is remembered in place of one that did not come again.
const MOST_PATIENCE: u8 = 64;

/// The section.
#[derive(Default)]
pub(super) struct Sequence {
    bytes: Vec<u8>,
    lines: Vec<Known>,
    /// The number of the oldest entry among those of the lines.
    oldest: u64,
    /// The indices of the lines, one byte each, when `coded` was the newest entry; none where one takes more.
    codes: Vec<u8>,
    coded: u64,
    /// Surprising sections to go by until the next one is remembered, and how many it was the last time.
    patience: u8,
    last: u8,
    /// The next section is remembered.
    learns: bool,
}

/// A line that has an entry.
struct Known {
    /// The line as its section had it.
    places: [u64; 3],
    start: usize,
    end: usize,
    /// It begins where the line before it, here and in its section, ended.
    joined: bool,
    /// Where it is in the bytes.
    at: usize,
    /// The number of the entry.
    number: u64,
}

/// How far a section has been followed.
pub(super) struct Place {
    /// The line that is expected, and the first of those that were found last.
    next: usize,
    found: usize,
    /// A line was not expected.
    surprised: bool,
}

#[cfg(test)]
impl Sequence {
    /// Lines that it knows.
    pub(super) fn knows(&self) -> usize {
        self.lines.len()
    }

    /// Whether the next section is remembered.
    pub(super) fn is_about_to_learn(&self) -> bool {
        self.learns
    }
}

impl Sequence {
    /// A section begins.
    pub(super) fn begin(&mut self) -> Place {
        if self.learns {
            self.lines.clear();
            self.bytes.clear();
            self.codes.clear();
            (self.oldest, self.coded) = (u64::MAX, 0);
        }
        Place { next: 0, found: 0, surprised: false }
    }

    /// How many lines of a section, from one on, are those that are expected and still have their entries; one may be left out
    /// before them. Entries up to the number `gone` were evicted.
    #[inline]
    pub(super) fn follow(&self, place: &mut Place, (fields, at): (&FieldSection, usize), gone: u64) -> usize {
        if self.learns || self.oldest <= gone {
            return 0;
        }
        for from in place.next..place.next + 2 {
            let count = self.equal(from, (fields, at));
            if count > 0 {
                (place.found, place.next) = (from, from + count);
                return count;
            }
        }
        0
    }

    /// How many lines of a section are those that are remembered from a place on.
    #[inline]
    fn equal(&self, from: usize, (fields, at): (&FieldSection, usize)) -> usize {
        let (known, lines) = (self.lines.get(from..).unwrap_or_default(), &fields.lines()[at..]);
        let Some((first, line)) = known.first().zip(lines.first()) else { return 0 };
        let start = line.name().start();
        // All places of lines that stand side by side are as much further on.
        let by = (start as u64).wrapping_sub(first.start as u64);
        let mut count = 0;
        for (line, known) in lines.iter().zip(known) {
            if (count > 0 && !known.joined) || line.places_before(by) != known.places {
                break;
            }
            count += 1;
        }
        let same = |count: usize| {
            let length = known[count - 1].end - first.start;
            fields.bytes_at(Span::new(start, start + length)) == &self.bytes[first.at..first.at + length]
        };
        match count {
            0 => 0,
            count if same(count) => count,
            count => usize::from(count > 1 && same(1)),
        }
    }

    /// Writes the indices of the lines that were found last.
    #[inline]
    pub(super) fn write(&mut self, place: &Place, count: usize, newest: u64, out: &mut Vec<u8>) {
        if self.coded != newest {
            self.code(newest);
        }
        let found = place.found..place.found + count;
        if let Some(codes) = self.codes.get(found.clone()) {
            return out.extend_from_slice(codes);
        }
        for known in &self.lines[found] {
            integer(0x80, 0x7f, FIRST + (newest - known.number) as usize, out);
        }
    }

    fn code(&mut self, newest: u64) {
        self.coded = newest;
        self.codes.clear();
        if FIRST as u64 + newest - self.oldest < 0x7f {
            let codes = self.lines.iter().map(|known| 0x80 | (FIRST as u64 + newest - known.number) as u8);
            self.codes.extend(codes);
        }
    }

    /// A line that was not expected has an entry.
    pub(super) fn surprise(&mut self, place: &mut Place, (fields, line): (&FieldSection, &Line), number: u64) {
        place.surprised = true;
        let bytes = fields.bytes_at(line.whole());
        if !self.learns || self.lines.len() == LINES || self.bytes.len() + bytes.len() > BYTES {
            return;
        }
        let (start, end) = (line.name().start(), line.whole().end());
        let joined = self.lines.last().is_some_and(|last| last.end == start);
        self.oldest = self.oldest.min(number);
        self.lines.push(Known { places: line.places_before(0), start, end, joined, at: self.bytes.len(), number });
        self.bytes.extend_from_slice(bytes);
    }

    /// A section has ended.
    pub(super) fn end(&mut self, place: &Place) {
        if self.learns {
            // What does not come again is not replaced at once.
            self.last = (2 * self.last).clamp(1, MOST_PATIENCE);
            (self.learns, self.patience) = (false, self.last);
        } else if !place.surprised {
            (self.last, self.patience) = (0, 0);
        } else if self.patience > 0 {
            self.patience -= 1;
        } else {
            self.learns = true;
        }
    }
}
