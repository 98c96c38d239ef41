//! Heads of responses.

use std::mem::MaybeUninit;

use http::StatusCode;

use super::head::{Framing, HeadError, MOST_FIELDS, end_of_head, ends_in_crlf, is_framed_in_crlf, span, take_in};
use super::plain;
use crate::message::{FieldSection, Response, Size};

/// A head, and whether the sender takes another request on the connection.
type Read = (Response, bool);

/// The head of a response that `bytes` begin with, and its length; none as long as it is not whole, as far as is known.
/// `seen`: how many of the bytes were looked at before.
pub fn next_response(bytes: &[u8], seen: usize, to_head: bool) -> Option<(usize, Result<Read, HeadError>)> {
    if bytes.is_empty() {
        return None;
    }
    // Most heads arrive whole, and need not be searched for their end before they are read.
    if seen == 0
        && let Some((length, response)) = read_plain(bytes, to_head).or_else(|| read(bytes, to_head).ok().flatten())
    {
        return Some((length, Ok(response)));
    }
    let end = end_of_head(bytes, seen.saturating_sub(3))?;
    Some((end, response(&bytes[..end], to_head)))
}

/// Reads the head of a response, which `head` holds up to and with its empty line. The second value: whether the sender
/// takes another request on the connection as far as its version goes; HTTP/1.0 does not unless it says so.
///
/// # Errors
///
/// See [`HeadError`]; nothing that follows can be trusted.
pub fn response(head: &[u8], to_head: bool) -> Result<Read, HeadError> {
    match read(head, to_head)? {
        Some((length, response)) if length == head.len() => Ok(response),
        _ => Err(HeadError::Malformed("the head does not end where its empty line is")),
    }
}

/// Reads the head that `bytes` begin with, if they hold all of it and it is as it should be; also gives its length.
fn read_plain(bytes: &[u8], to_head: bool) -> Option<(usize, Read)> {
    let (status, begin) = plain::status_line(bytes)?;
    let mut fields = FieldSection::new();
    let (length, framing) = plain::fields(bytes, begin, &mut fields)?;
    fields.keep(&bytes[..length]);
    Some((length, assemble(status, true, (fields, framing), to_head).ok()?))
}

/// Reads any head that `bytes` begin with, if they hold all of it; also gives its length.
fn read(bytes: &[u8], to_head: bool) -> Result<Option<(usize, Read)>, HeadError> {
    let mut parsed = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut response, bytes, &mut parsed)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let head = &bytes[..length];
    let reason = response.reason.filter(|reason| !reason.is_empty());
    let end = reason.map(|reason| span(head, reason.as_bytes()).end());
    if !(end.is_some_and(|end| ends_in_crlf(head, end)) && head.ends_with(b"\r\n")) {
        is_framed_in_crlf(head)?;
    }
    if !head.starts_with(b"HTTP/") {
        return Err(HeadError::Malformed("the answer does not begin with its status line"));
    }
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| HeadError::Malformed("the status is below 100"))?;
    let mut fields = FieldSection::of_head(head);
    let framing = take_in(head, response.headers, &mut fields)?;
    let answer = assemble(status, response.version == Some(1), (fields, framing), to_head)?;
    Ok(Some((length, answer)))
}

/// Makes a response of the parts of its head. `modern`: it is of HTTP/1.1.
fn assemble(
    status: StatusCode,
    modern: bool,
    (fields, framing): (FieldSection, Framing),
    to_head: bool,
) -> Result<Read, HeadError> {
    if framing.chunked && !modern {
        return Err(HeadError::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let size = match framing.size(Size::Unknown)? {
        // What a 1xx or 204 says about a body it cannot have is nothing that may be passed on (RFC 9110 section 8.6).
        _ if status.is_informational() || status == StatusCode::NO_CONTENT => Size::None,
        Size::Unknown if Response::is_bodiless(status, to_head) => Size::None,
        size => size,
    };
    let delimited = framing.chunked || framing.length.is_some() || size == Size::None;
    Ok((Response { status, fields, size }, delimited && modern))
}

#[cfg(test)]
mod tests;
