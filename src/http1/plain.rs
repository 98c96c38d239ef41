//! Heads that are as they should be, read in one pass. What is not is left to the parser that says what is wrong with it, so
//! nothing is taken here that it would not take, or would understand otherwise.

use http::{Method, StatusCode};

use super::head::{Framing, MOST_FIELDS, span};
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
    let end = 13 + text_end(&bytes[13..]);
    bytes[end..].starts_with(b"\r\n").then_some((status, end + 2))
}

/// Takes in the lines of fields that begin at `at`, up to and with the empty line; gives where the head ends, and what they
/// say about its body.
pub(super) fn fields(bytes: &[u8], mut at: usize, section: &mut FieldSection) -> Option<(usize, Framing)> {
    let mut framing = Framing::default();
    for _ in 0..=MOST_FIELDS {
        let rest = bytes.get(at..)?;
        if rest.first_chunk() == Some(b"\r\n") {
            return Some((at + 2, framing));
        }
        let (name, after) = rest.split_at_checked(colon(rest)?)?;
        let field = Field::of(name);
        // Known names are tokens.
        if field == Field::Other && (name.is_empty() || token(name, 0) != name.len()) {
            return None;
        }
        // After the colon.
        let after = after.get(1..)?;
        let (text, next) = after.split_at_checked(text_end(after))?;
        if next.first_chunk() != Some(b"\r\n") {
            return None;
        }
        let value = trim(text);
        framing.see(field, value).ok()?;
        let end = at + name.len() + 1 + text.len() + 2;
        section.line_of(field, span(bytes, name), span(bytes, value), end);
        at = end;
    }
    None
}

/// A value without the white space around it; nearly always that is one space before it.
fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = text.strip_prefix(b" ").unwrap_or(text);
    match value {
        [first, .., last] if !blank(first) && !blank(last) => value,
        _ => {
            let begin = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
            let end = value.iter().rposition(|byte| !blank(byte)).map_or(begin, |last| last + 1);
            &value[begin..end]
        }
    }
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

/// Where the first colon is. Eight bytes are looked at at once.
fn colon(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let colons = zeros(u64::from_le_bytes(*word) ^ (u64::from(b':') * ONES));
        if colons != 0 {
            return Some(8 * number + first(colons));
        }
    }
    Some(8 * words.len() + rest.iter().position(|byte| *byte == b':')?)
}

/// Where the text ends that they begin with: at a control character other than a tab (RFC 9110 section 5.5).
fn text_end(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls != 0 {
            let at = 8 * number + first(controls);
            return if bytes[at] == b'\t' { slow_end(bytes, at) } else { at };
        }
    }
    slow_end(bytes, 8 * words.len())
}

/// The same where nothing before `at` ends it.
#[cold]
fn slow_end(bytes: &[u8], at: usize) -> usize {
    let end = bytes[at..].iter().position(|byte| byte.is_ascii_control() && *byte != b'\t');
    end.map_or(bytes.len(), |end| at + end)
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
