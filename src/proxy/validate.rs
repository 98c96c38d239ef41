//! What a request must be before anything else looks at it. Stricter than the codec: a message that two implementations
//! could read differently is refused (RFC 9112 section 11.2), and so the connection is closed where framing is in doubt.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Version};
use thiserror::Error;

use super::fault::Fault;

/// Longest request target, bytes (RFC 9112 section 3 asks for 8000 at least).
const LONGEST_TARGET: usize = 8192;

/// A request that is refused, and whether its connection can still be trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{fault:?}")]
pub struct HeadError {
    /// What is wrong.
    pub fault: Fault,
    /// Where the next request begins is in doubt.
    pub close: bool,
}

impl HeadError {
    fn closing(fault: Fault) -> Self {
        Self { fault, close: true }
    }

    fn keeping(fault: Fault) -> Self {
        Self { fault, close: false }
    }
}

/// Checks a request and returns its authority: what its target and Host agree on, empty only for HTTP/1.0.
///
/// `protocol`: the request is an extended CONNECT (RFC 8441).
///
/// # Errors
///
/// See [`HeadError`].
pub fn authority(parts: &Parts, protocol: bool) -> Result<String, HeadError> {
    framing(&parts.headers, parts.version)?;
    if matches!(parts.method, Method::TRACE) || (parts.method == Method::CONNECT && !protocol) {
        return Err(HeadError::closing(Fault::MethodNotAllowed));
    }
    if parts.uri.path_and_query().map_or(0, |target| target.as_str().len()) > LONGEST_TARGET {
        return Err(HeadError::closing(Fault::UriTooLong));
    }
    if parts.headers.get_all(EXPECT).iter().any(|e| !e.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(HeadError::closing(Fault::Expectation));
    }
    agreed_authority(parts)
}

/// Transfer-Encoding is `chunked` or nothing, and never beside a Content-Length, of which there is one number at most
/// (RFC 9112 section 6.3, RFC 9110 section 8.6).
fn framing(headers: &HeaderMap, version: Version) -> Result<(), HeadError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(coding) = codings.next() {
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
            return Err(HeadError::closing(Fault::UnknownCoding));
        }
        if version != Version::HTTP_11 || lengths.next().is_some() {
            return Err(HeadError::closing(Fault::BadRequest));
        }
    }
    if let Some(length) = lengths.next() {
        let digits = length.as_bytes();
        let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !number || lengths.next().is_some() {
            return Err(HeadError::closing(Fault::BadRequest));
        }
    }
    Ok(())
}

/// Exactly one Host with HTTP/1.1 (RFC 9112 section 3.2); where the target has an authority, too, they must be the same,
/// so that nobody routes by the one and answers for the other.
fn agreed_authority(parts: &Parts) -> Result<String, HeadError> {
    let bad = HeadError::closing(Fault::BadRequest);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().map_err(|_| bad)).transpose()?;
    if hosts.next().is_some() {
        return Err(bad);
    }
    let target = parts.uri.authority().map(Authority::as_str);
    let authority = match (target, host) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => return Err(bad),
        (Some(target), _) => target,
        (None, Some(host)) => host,
        (None, None) if parts.version <= Version::HTTP_10 => "",
        (None, None) => return Err(bad),
    };
    let absent = authority.is_empty() && parts.version <= Version::HTTP_10;
    if absent || is_plain(authority) { Ok(authority.to_owned()) } else { Err(HeadError::keeping(Fault::BadRequest)) }
}

/// Whether it is a host, perhaps with a port, and nothing else. Of the characters of a registered name (RFC 3986 section
/// 3.2.2) only those of host names: servers disagree about the others, such as `,` and `%`.
fn is_plain(authority: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b);
    let Ok(parsed) = authority.parse::<Authority>() else { return false };
    let port = authority.strip_prefix(parsed.host()).unwrap_or_default();
    let fits = matches!(port, "" | ":") || parsed.port_u16().is_some();
    fits && !parsed.host().is_empty() && authority.bytes().all(known)
}

/// The host of an authority, as routes compare it: lower case, without port and final dot.
pub fn host_of(authority: &str) -> String {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
