//! Heads of responses.

use std::mem::MaybeUninit;

use http::StatusCode;

use super::head::{HeadError, MOST_FIELDS, is_framed_in_crlf, take_in};
use crate::message::{FieldSection, Response, Size};

/// Reads the head of a response, which `head` holds up to and with its empty line. The second value: whether the sender
/// takes another request on the connection as far as its version goes; HTTP/1.0 does not unless it says so.
///
/// # Errors
///
/// See [`HeadError`]; nothing that follows can be trusted.
pub fn response(head: &[u8], to_head: bool) -> Result<(Response, bool), HeadError> {
    let mut parsed = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, head, &mut parsed)? {
        httparse::Status::Complete(length) if length == head.len() => {}
        _ => return Err(HeadError::Malformed("the head does not end where its empty line is")),
    }
    is_framed_in_crlf(head)?;
    if !head.starts_with(b"HTTP/") {
        return Err(HeadError::Malformed("the answer does not begin with its status line"));
    }
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| HeadError::Malformed("the status is below 100"))?;
    let mut fields = FieldSection::of_head(head);
    let framing = take_in(head, response.headers, &mut fields)?;
    if framing.chunked && response.version != Some(1) {
        return Err(HeadError::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let size = framing.size(Size::Unknown)?;
    let size = match size {
        // What a 1xx or 204 says about a body it cannot have is nothing that may be passed on (RFC 9110 section 8.6).
        _ if status.is_informational() || status == StatusCode::NO_CONTENT => Size::None,
        Size::Unknown if Response::is_bodiless(status, to_head) => Size::None,
        size => size,
    };
    Ok((Response { status, fields, size }, framing.chunked || framing.length.is_some() || size == Size::None))
        .map(|(head, delimited)| (head, delimited && response.version == Some(1)))
}

#[cfg(test)]
mod tests;
