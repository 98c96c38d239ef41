//! Heads of requests.

use std::mem::MaybeUninit;

use http::{Method, Version};

use super::head::{HeadError, MOST_FIELDS, is_foreign, is_framed_in_crlf, span, take_in};
use crate::message::{FieldSection, Request, Size, Span, Target};

/// Reads the head of a request, which `head` holds up to and with its empty line.
///
/// # Errors
///
/// See [`HeadError`]; where the next request begins is then in doubt.
pub fn request(head: &[u8]) -> Result<Request, HeadError> {
    let mut parsed = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut parsed) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(HeadError::Malformed("the head does not end where its empty line is")),
        Err(httparse::Error::Version) if is_foreign(head) => return Err(HeadError::Version),
        Err(error) => return Err(error.into()),
    }
    is_framed_in_crlf(head)?;
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(HeadError::Malformed("the first line is not one of HTTP"));
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::Malformed("the method is no token"))?;
    let mut fields = FieldSection::of_head(head);
    let framing = take_in(head, request.headers, &mut fields)?;
    if framing.chunked && minor == 0 {
        return Err(HeadError::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let target = self::target(&method, span(head, target.as_bytes()), target, &mut fields)?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    Ok(Request { method, version, target, protocol: None, size: framing.size(Size::None)?, fields })
}

/// Takes a target apart (RFC 9112 section 3.2).
fn target(method: &Method, place: Span, text: &str, fields: &mut FieldSection) -> Result<Target, HeadError> {
    let mark = memchr::memchr(b'?', text.as_bytes()).unwrap_or(text.len());
    if !text[..mark].bytes().all(|byte| is_allowed(byte) && byte != b'\\' && byte != b'`')
        || !text[mark..].bytes().all(is_allowed)
    {
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

/// Characters of a target. More than RFC 3986 has, since browsers send them (URL standard, query percent-encode set) and
/// servers understand them alike; no fragment.
fn is_allowed(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | b'#' | b'<' | b'>' | 0x7f..)
}

#[cfg(test)]
mod tests;
