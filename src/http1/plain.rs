//! Heads that are as they should be, read in one pass. What is not is left to the parser that says what is wrong with it, so
//! nothing is taken here that it would not take, or would understand otherwise.

use http::{Method, StatusCode};

use super::head::{Framing, MOST_FIELDS};
use crate::message::{Field, FieldSection, Span};

/// A first line, and where the lines after it begin.
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) target: Span,
    pub(super) minor: u8,
    pub(super) end: usize,
}

/// Reads the first line of a request.
pub(super) fn request_line(bytes: &[u8]) -> Option<RequestLine> {
    let method = token(bytes, 0);
    let target = Span::new(method + 1, method + 1 + memchr::memchr(b' ', bytes.get(method + 1..)?)?);
    let minor = match bytes.get(target.end()..)?.first_chunk()? {
        b" HTTP/1.1\r\n" => 1,
        b" HTTP/1.0\r\n" => 0,
        _ => return None,
    };
    if bytes[method] != b' ' || target.is_empty() {
        return None;
    }
    let method = Method::from_bytes(&bytes[..method]).ok()?;
    Some(RequestLine { method, target, minor, end: target.end() + b" HTTP/1.1\r\n".len() })
}

/// Reads the first line of a response of HTTP/1.1: its status, and where the lines after it begin.
pub(super) fn status_line(bytes: &[u8]) -> Option<(StatusCode, usize)> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', code @ .., b' '] = bytes.first_chunk::<13>()? else {
        return None;
    };
    let status = StatusCode::from_bytes(code).ok()?;
    let end = text_end(bytes, 13);
    bytes[end..].starts_with(b"\r\n").then_some((status, end + 2))
}

/// Takes in the lines of fields that begin at `at`, up to and with the empty line; gives where the head ends, and what they
/// say about its body.
pub(super) fn fields(bytes: &[u8], mut at: usize, section: &mut FieldSection) -> Option<(usize, Framing)> {
    let mut framing = Framing::default();
    for _ in 0..=MOST_FIELDS {
        if bytes.get(at..)?.starts_with(b"\r\n") {
            return Some((at + 2, framing));
        }
        let colon = colon(bytes, at)?;
        let field = Field::of(&bytes[at..colon]);
        // Known names are tokens.
        if field == Field::Other && (colon == at || token(bytes, at) != colon) {
            return None;
        }
        let (mut begin, stop) = (colon + 1, text_end(bytes, colon + 1));
        if !bytes[stop..].starts_with(b"\r\n") {
            return None;
        }
        let mut end = stop;
        while begin < end && is_blank(bytes[begin]) {
            begin += 1;
        }
        while begin < end && is_blank(bytes[end - 1]) {
            end -= 1;
        }
        framing.see(field, &bytes[begin..end]).ok()?;
        section.line_of(field, Span::new(at, colon), Span::new(begin, end), stop + 2);
        at = stop + 2;
    }
    None
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Where the token ends that begins at `at`.
fn token(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().position(|byte| !is_token(*byte)).unwrap_or(bytes.len() - at)
}

/// Whether it is a character of tokens (RFC 9110 section 5.6.2).
#[inline]
pub fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

const TOKEN: [bool; 256] = {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        known[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        known[others[at] as usize] = true;
        at += 1;
    }
    known
};

const ONES: u64 = 0x0101_0101_0101_0101;

/// Where the next colon is, from `at` on. Eight bytes are looked at at once.
fn colon(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = bytes[at..].first_chunk() {
        let colons = zeros(u64::from_le_bytes(*word) ^ (u64::from(b':') * ONES));
        if colons != 0 {
            return Some(at + first(colons));
        }
        at += 8;
    }
    Some(at + bytes[at..].iter().position(|byte| *byte == b':')?)
}

/// Where the text ends that begins at `at`: at a control character other than a tab (RFC 9110 section 5.5).
fn text_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes[at..].first_chunk() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls == 0 {
            at += 8;
            continue;
        }
        at += first(controls);
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    at + bytes[at..].iter().position(|byte| byte.is_ascii_control() && *byte != b'\t').unwrap_or(bytes.len() - at)
}

/// Marks the control characters of a word by the highest bit of their byte; above the first of them it may mark others, too.
fn controls(word: u64) -> u64 {
    below(word, b' ') | zeros(word ^ (0x7f * ONES))
}

/// The same for bytes that are zero.
fn zeros(word: u64) -> u64 {
    below(word, 1)
}

/// The same for bytes below a limit, which is at most 128.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(u64::from(limit) * ONES) & !word & (0x80 * ONES)
}

/// The first byte that is marked.
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests;
