//! What the heads of requests and responses have in common.

use std::mem::MaybeUninit;

use thiserror::Error;

use crate::message::{Field, FieldSection, Size, Span};

/// Most fields in a head, or in trailers.
pub const MOST_FIELDS: usize = 100;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// It breaks the grammar, or says how its body is delimited twice or in doubt.
    #[error("{0}")]
    Malformed(&'static str),
    /// More fields than are taken.
    #[error("more than {MOST_FIELDS} fields")]
    TooManyFields,
    /// Another transfer coding than `chunked` (RFC 9112 section 6.1).
    #[error("a transfer coding other than chunked")]
    UnknownCoding,
    /// Another major version of HTTP (RFC 9110 section 15.6.6).
    #[error("another version of HTTP")]
    Version,
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::HeaderName => Self::Malformed("a field name has a character that is not allowed"),
            httparse::Error::HeaderValue => Self::Malformed("a field value has a character that is not allowed"),
            httparse::Error::NewLine => Self::Malformed("a line does not end in CRLF"),
            httparse::Error::Status => Self::Malformed("the status is not three digits"),
            httparse::Error::Token => Self::Malformed("the first line is not one of HTTP"),
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::Version => Self::Malformed("the version is not one of HTTP"),
        }
    }
}

/// Where a head ends: after an empty line, however its lines end. Looks from `from` on.
pub fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at + 1).find_map(|end| match &bytes[end..] {
        [b'\n', ..] => Some(end + 1),
        [b'\r', b'\n', ..] => Some(end + 2),
        _ => None,
    })
}

/// Whether a head that has begun can be refused before it has ended.
pub fn starts_wrong(bytes: &[u8]) -> bool {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    httparse::Request::new(&mut []).parse_with_uninit_headers(bytes, &mut fields).is_err_and(|error| {
        // That there are too many is told with its own status once the head has ended.
        error != httparse::Error::TooManyHeaders && !may_be_foreign(bytes)
    })
}

/// Whether the first line may still become one of another major version of HTTP.
fn may_be_foreign(bytes: &[u8]) -> bool {
    if bytes.contains(&b'\n') {
        return is_foreign(bytes);
    }
    let mut words = bytes.split(|b| *b == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (Some(version), None) = (words.next(), words.next()) else { return false };
    if method.is_empty() || target.is_empty() {
        return false;
    }
    let digit = |at: usize| version.get(at).is_none_or(u8::is_ascii_digit);
    b"HTTP/".starts_with(&version[..version.len().min(5)])
        && digit(5)
        && version.get(6).is_none_or(|dot| *dot == b'.')
        && digit(7)
        && matches!(version.get(8..), None | Some([] | b"\r"))
}

/// Whether the first line is one of another major version of HTTP.
pub(super) fn is_foreign(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|b| *b == b' ').next().and_then(|word| word.strip_prefix(b"HTTP/"));
    matches!(version, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() && *major != b'1')
}

/// Whether a line that says so much ends in CRLF there.
pub(super) fn ends_in_crlf(head: &[u8], line: usize) -> bool {
    head.get(line..line + 2) == Some(b"\r\n")
}

/// Refuses a first line and an end that are not in CRLF; the parser forgives them, also for the lines of fields, which
/// [`take_in`] looks at.
pub(super) fn is_framed_in_crlf(head: &[u8]) -> Result<(), HeadError> {
    // Empty lines before a request line are ignored (RFC 9112 section 2.2).
    let mut line = head;
    while let Some(rest) = line.strip_prefix(b"\r\n") {
        line = rest;
    }
    let first = memchr::memchr(b'\n', line).is_some_and(|at| line[..at].ends_with(b"\r"));
    if first && head.ends_with(b"\r\n") { Ok(()) } else { Err(BARE) }
}

const BARE: HeadError = HeadError::Malformed("a line does not end in CRLF");

/// The place of a part of `whole`.
pub(super) fn span(whole: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    Span::new(start, start + part.len())
}

/// Takes in the fields of a head; gives what they say about its body's length.
///
/// # Errors
///
/// Every way to say it twice, or in a way that is not known (RFC 9112 section 6.3).
pub(super) fn take_in(
    head: &[u8],
    parsed: &[httparse::Header<'_>],
    section: &mut FieldSection,
) -> Result<Framing, HeadError> {
    let mut framing = Framing::default();
    for field in parsed {
        let value = span(head, field.value);
        let kind = section.line_at(span(head, field.name.as_bytes()), value, end_of_line(head, value.end())?);
        framing.see(kind, field.value)?;
    }
    Ok(framing)
}

/// Where the line ends whose value ends there: after optional white space and CRLF.
fn end_of_line(head: &[u8], value: usize) -> Result<usize, HeadError> {
    let rest = &head[value..];
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if rest[blank..].starts_with(b"\r\n") { Ok(value + blank + 2) } else { Err(BARE) }
}

/// What the fields of a head say about the body after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
}

impl Framing {
    pub(super) fn see(&mut self, field: Field, value: &[u8]) -> Result<(), HeadError> {
        match field {
            Field::ContentLength if self.length.is_some() => {
                Err(HeadError::Malformed("Content-Length is there more than once"))
            }
            Field::ContentLength => {
                self.length = Some(number(value).ok_or(HeadError::Malformed("Content-Length is not a number"))?);
                Ok(())
            }
            Field::TransferEncoding if self.chunked || !value.eq_ignore_ascii_case(b"chunked") => {
                Err(HeadError::UnknownCoding)
            }
            Field::TransferEncoding => {
                self.chunked = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// As a size; `silent`: what it is if nothing is said.
    pub(super) fn size(self, silent: Size) -> Result<Size, HeadError> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadError::Malformed("Content-Length is there beside Transfer-Encoding")),
            (Some(length), false) => Ok(Size::Known(length)),
            (None, true) => Ok(Size::Unknown),
            (None, false) => Ok(silent),
        }
    }
}

/// Digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// Reads the trailers that `section` holds, up to and with their empty line.
///
/// # Errors
///
/// As for the fields of a head.
pub fn trailers(section: &[u8]) -> Result<FieldSection, HeadError> {
    if !memchr::memchr_iter(b'\n', section).all(|at| section[..at].ends_with(b"\r")) {
        return Err(BARE);
    }
    let mut parsed = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let fields = match httparse::parse_headers(section, &mut parsed)? {
        httparse::Status::Complete((_, fields)) => fields,
        httparse::Status::Partial => return Err(HeadError::Malformed("the trailers end too early")),
    };
    let mut trailers = FieldSection::of_head(section);
    take_in(section, fields, &mut trailers)?;
    Ok(trailers)
}
