//! Heads of requests.

use std::mem::MaybeUninit;

use http::{Method, Version};

use super::head::{HeadError, MOST_FIELDS, end_of_head, ends_in_crlf, is_foreign, is_framed_in_crlf, span, take_in};
use crate::message::{FieldSection, Request, Size, Span, Target};

/// The head of a request that `bytes` begin with, and its length; none as long as it is not whole, as far as is known.
/// `seen`: how many of the bytes were looked at before.
pub fn next_request(bytes: &[u8], seen: usize) -> Option<(usize, Result<Request, HeadError>)> {
    // Most heads arrive whole, and need not be searched for their end before they are read.
    if seen == 0
        && !bytes.is_empty()
        && let Ok(Some((length, request))) = read(bytes)
    {
        return Some((length, Ok(request)));
    }
    let end = end_of_head(bytes, seen.saturating_sub(3))?;
    Some((end, request(&bytes[..end])))
}

/// Reads the head of a request, which `head` holds up to and with its empty line.
///
/// # Errors
///
/// See [`HeadError`]; where the next request begins is then in doubt.
pub fn request(head: &[u8]) -> Result<Request, HeadError> {
    match read(head)? {
        Some((length, request)) if length == head.len() => Ok(request),
        _ => Err(HeadError::Malformed("the head does not end where its empty line is")),
    }
}

/// Reads the head that `bytes` begin with, if they hold all of it; also gives its length.
fn read(bytes: &[u8]) -> Result<Option<(usize, Request)>, HeadError> {
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
    let place = span(head, target.as_bytes());
    let begins = head.starts_with(method.as_bytes());
    if !(begins && ends_in_crlf(head, place.end() + " HTTP/1.1".len()) && head.ends_with(b"\r\n")) {
        is_framed_in_crlf(head)?;
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed("the method is no token"))?;
    let mut fields = FieldSection::of_head(head);
    let framing = take_in(head, request.headers, &mut fields)?;
    if framing.chunked && minor == 0 {
        return Err(HeadError::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let target = self::target(&method, place, target, &mut fields)?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let request = Request { method, version, target, protocol: None, size: framing.size(Size::None)?, fields };
    Ok(Some((length, request)))
}

/// Takes a target apart (RFC 9112 section 3.2).
fn target(method: &Method, place: Span, text: &str, fields: &mut FieldSection) -> Result<Target, HeadError> {
    let mark = memchr::memchr(b'?', text.as_bytes()).unwrap_or(text.len());
    if !is_target(text.as_bytes(), mark) {
        return Err(HeadError::Malformed("the target has a character that is not allowed"));
    }
    if *method == Method::CONNECT {
        return Ok(Target { authority: Some(place), ..Target::default() });
    }
    let start = place.start();
    let at = |from: usize, to: usize| Span::new(start + from, start + to);
    if text == "*" && *method == Method::OPTIONS {
        return Ok(Target { path: place, ..Target::default() });
    }
    if text.starts_with('/') {
        let (path, query) = path_and_query(text, 0);
        return Ok(Target { authority: None, path: at(path.0, path.1), query: query.map(|(from, to)| at(from, to)) });
    }
    // Absolute-form: a scheme of ours and an authority.
    let scheme =
        ["http://", "https://"].iter().find(|s| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)));
    let Some(scheme) = scheme else { return Err(HeadError::Malformed("the target is none of HTTP")) };
    let rest = &text[scheme.len()..];
    let end = scheme.len() + rest.find(['/', '?']).unwrap_or(rest.len());
    let ((from, to), query) = path_and_query(text, end);
    let path = match from == to {
        // Section 3.2.4: who passes on what is asked of the whole server sends `*`.
        true if *method == Method::OPTIONS && query.is_none() => fields.store(b"*"),
        true => fields.store(b"/"),
        false => at(from, to),
    };
    Ok(Target { authority: Some(at(scheme.len(), end)), path, query: query.map(|(from, to)| at(from, to)) })
}

type Place = (usize, usize);

/// The places of path and query in a text, from `from` on.
fn path_and_query(text: &str, from: usize) -> (Place, Option<Place>) {
    match memchr::memchr(b'?', &text.as_bytes()[from..]) {
        Some(mark) => ((from, from + mark), Some((from + mark + 1, text.len()))),
        None => ((from, text.len()), None),
    }
}

/// Whether all characters of a target are allowed, whose query begins at `mark`.
pub fn is_target(text: &[u8], mark: usize) -> bool {
    let (path, query) = text.split_at(mark);
    path.iter().all(|byte| is_allowed(*byte) && *byte != b'\\' && *byte != b'`')
        && query.iter().all(|byte| is_allowed(*byte))
}

/// Characters of a target. More than RFC 3986 has, since browsers send them (URL standard, query percent-encode set) and
/// servers understand them alike; no fragment.
fn is_allowed(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | b'#' | b'<' | b'>' | 0x7f..)
}

#[cfg(test)]
mod tests;
