//! The text of a family while it is written and until it is sent: neighbouring lines begin alike for most of their length, so of each
//! only the end is kept that the one before it does not have.

use std::fmt::{self, Write as _};

use bytes::Bytes;

/// Longest piece of a text, bytes, but for a line that is longer by itself.
pub(super) const PIECE: usize = 64 * 1024;

/// Lines that are sent together, each as the number of bytes (16 bits) that it has in common with the one before, and the rest.
pub(super) struct Piece {
    coded: Box<[u8]>,
    /// Length of the lines, bytes.
    pub(super) len: usize,
}

impl Piece {
    /// The lines.
    pub(super) fn text(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.len);
        let (mut coded, mut before) = (&*self.coded, 0);
        while let Some((&common, rest)) = coded.split_first_chunk() {
            let begin = text.len();
            text.extend_from_within(before..before + usize::from(u16::from_le_bytes(common)));
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
            text.extend_from_slice(&rest[..end]);
            (coded, before) = (&rest[end..], begin);
        }
        text.into()
    }
}

#[cfg(test)]
impl Piece {
    /// What it takes, bytes.
    pub(super) fn kept(&self) -> usize {
        self.coded.len()
    }
}

/// Lines while they are written.
#[derive(Default)]
pub(in crate::record) struct Text {
    full: Vec<Piece>,
    coded: Vec<u8>,
    /// Length of the lines that are coded there, bytes.
    len: usize,
    before: String,
    line: String,
}

impl Text {
    /// Adds a line, which is given without its end.
    pub(in crate::record) fn line(&mut self, line: fmt::Arguments<'_>) {
        self.line.clear();
        // A string takes everything.
        let _ = self.line.write_fmt(line);
        let len = self.line.len() + 1;
        if self.len + len > PIECE {
            self.end_piece();
        }
        let common = common(self.before.as_bytes(), self.line.as_bytes());
        let common = u16::try_from(common).unwrap_or(u16::MAX);
        self.coded.extend_from_slice(&common.to_le_bytes());
        self.coded.extend_from_slice(&self.line.as_bytes()[usize::from(common)..]);
        self.coded.push(b'\n');
        self.len += len;
        std::mem::swap(&mut self.before, &mut self.line);
    }

    fn end_piece(&mut self) {
        if self.len > 0 {
            self.full.push(Piece { coded: self.coded.as_slice().into(), len: self.len });
        }
        self.coded.clear();
        self.len = 0;
        self.before.clear();
    }

    pub(super) fn finish(mut self) -> Vec<Piece> {
        self.end_piece();
        self.full
    }
}

/// How many bytes two lines have in common at their beginning: first by words, then by bytes.
fn common(one: &[u8], other: &[u8]) -> usize {
    const WORD: usize = 16;
    let words = one.chunks_exact(WORD).zip(other.chunks_exact(WORD)).take_while(|(one, other)| one == other).count();
    let begin = words * WORD;
    begin + one[begin..].iter().zip(&other[begin..]).take_while(|(one, other)| one == other).count()
}
