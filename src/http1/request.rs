//! Heads of requests.

use std::mem::MaybeUninit;

use http::{Method, Version};

use super::head::{
    Framing, HeadError, MOST_FIELDS, end_of_head, ends_in_crlf, is_foreign, is_framed_in_crlf, span, take_in,
};
use super::plain;
use crate::message::{FieldSection, Request, Size, Span, Target};

/// Reads the head of a request that `bytes` begin with, and gives its length; none as long as it is not whole, as far as is
/// known. `seen`: how many of the bytes were looked at before. The request is made where it stays, since it is large.
pub fn next_request(bytes: &[u8], seen: usize, place: &mut Option<Request>) -> Option<(usize, Result<(), HeadError>)> {
    if bytes.is_empty() {
        return None;
    }
    // Most heads arrive whole, and need not be searched for their end before they are read.
    if seen == 0
        && let Some(length) = read_plain(bytes, place).or_else(|| read(bytes, place).ok().flatten())
    {
        return Some((length, Ok(())));
    }
    let end = end_of_head(bytes, seen.saturating_sub(3))?;
    Some((end, read_whole(&bytes[..end], place)))
}

/// Reads the head of a request, which `head` holds up to and with its empty line.
///
/// # Errors
///
/// See [`HeadError`]; where the next request begins is then in doubt.
pub fn request(head: &[u8]) -> Result<Request, HeadError> {
    let mut request = None;
    read_whole(head, &mut request)?;
    request.ok_or(UNENDED)
}

const UNENDED: HeadError = HeadError::Malformed("the head does not end where its empty line is");

/// Reads the head that `head` holds up to and with its empty line.
fn read_whole(head: &[u8], place: &mut Option<Request>) -> Result<(), HeadError> {
    if read(head, place)? == Some(head.len()) { Ok(()) } else { Err(UNENDED) }
}

/// Reads the head that `bytes` begin with, if they hold all of it and it is as it should be; gives its length.
fn read_plain(bytes: &[u8], place: &mut Option<Request>) -> Option<usize> {
    let line = plain::request_line(bytes)?;
    let mut fields = FieldSection::new();
    let (length, framing) = plain::fields(bytes, line.end, &mut fields)?;
    fields.keep(&bytes[..length]);
    *place = Some(assemble(line.method, line.target, line.minor, fields, framing).ok()?);
    Some(length)
}

/// Reads any head that `bytes` begin with, if they hold all of it; gives its length.
fn read(bytes: &[u8], place: &mut Option<Request>) -> Result<Option<usize>, HeadError> {
    let mut parsed = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut parsed) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::Version) if is_foreign(bytes) => return Err(HeadError::Version),
        Err(error) => return Err(error.into()),
    };
    let head = &bytes[..length];
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(HeadError::Malformed("the first line is not one of HTTP"));
    };
    let target = span(head, target.as_bytes());
    let begins = head.starts_with(method.as_bytes());
    if !(begins && ends_in_crlf(head, target.end() + " HTTP/1.1".len()) && head.ends_with(b"\r\n")) {
        is_framed_in_crlf(head)?;
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed("the method is no token"))?;
    let mut fields = FieldSection::of_head(head);
    let framing = take_in(head, request.headers, &mut fields)?;
    *place = Some(assemble(method, target, minor, fields, framing)?);
    Ok(Some(length))
}

/// Makes a request of the parts of its head.
#[inline(always)]
fn assemble(
    method: Method,
    place: Span,
    minor: u8,
    mut fields: FieldSection,
    framing: Framing,
) -> Result<Request, HeadError> {
    if framing.chunked && minor == 0 {
        return Err(HeadError::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let target = target(&method, place, &mut fields)?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    Ok(Request { method, version, target, protocol: None, size: framing.size(Size::None)?, fields })
}

/// Takes a target apart (RFC 9112 section 3.2).
fn target(method: &Method, place: Span, fields: &mut FieldSection) -> Result<Target, HeadError> {
    let text = fields.bytes_at(place);
    let mark = path_length(text);
    if !is_query(&text[mark..]) {
        return Err(HeadError::Malformed("the target has a character that is not allowed"));
    }
    let start = place.start();
    let query = (mark < text.len()).then(|| Span::new(start + mark + 1, place.end()));
    let before_query = Span::new(start, start + mark);
    if text.starts_with(b"/") && *method != Method::CONNECT {
        return Ok(Target { authority: None, path: before_query, query });
    }
    if *method == Method::CONNECT {
        return Ok(Target { authority: Some(place), ..Target::default() });
    }
    if text == b"*" && *method == Method::OPTIONS {
        return Ok(Target { path: place, ..Target::default() });
    }
    // Absolute-form: a scheme of ours and an authority.
    let is_scheme = |scheme: &&[u8]| text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    let Some(scheme) = [&b"http://"[..], b"https://"].into_iter().find(is_scheme) else {
        return Err(HeadError::Malformed("the target is none of HTTP"));
    };
    let begin = scheme.len();
    // What a scheme begins with has no mark.
    let slash = text[begin..mark].iter().position(|byte| *byte == b'/');
    let end = slash.map_or(mark, |slash| begin + slash);
    let authority = Some(Span::new(start + begin, start + end));
    let path = match slash {
        Some(_) => Span::new(start + end, start + mark),
        // Section 3.2.4: who passes on what is asked of the whole server sends `*`.
        None if *method == Method::OPTIONS && query.is_none() => fields.store(b"*"),
        None => fields.store(b"/"),
    };
    Ok(Target { authority, path, query })
}

/// Whether all characters of a target are allowed, whose query begins at `mark`.
pub fn is_target(text: &[u8], mark: usize) -> bool {
    path_length(text) == mark && is_query(&text[mark..])
}

/// How long the part of a target is that may stand before a query.
fn path_length(text: &[u8]) -> usize {
    text.iter().position(|byte| !PATH[usize::from(*byte)]).unwrap_or(text.len())
}

/// Whether it is nothing, or a mark and a query.
fn is_query(text: &[u8]) -> bool {
    text.first().is_none_or(|mark| *mark == b'?') && text.iter().all(|byte| is_allowed(*byte))
}

/// Characters of a target. More than RFC 3986 has, since browsers send them (URL standard, query percent-encode set) and
/// servers understand them alike; no fragment.
const fn is_allowed(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | b'#' | b'<' | b'>' | 0x7f..)
}

/// Those that may stand before a query.
const PATH: [bool; 256] = {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        known[byte] = is_allowed(byte as u8) && !matches!(byte as u8, b'?' | b'\\' | b'`');
        byte += 1;
    }
    known
};

#[cfg(test)]
mod tests;
