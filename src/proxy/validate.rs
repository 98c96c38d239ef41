//! What a request must be before anything else looks at it. A message that two implementations
//! could read differently is refused (RFC 9112 section 11.2), and so the connection is closed where framing is in doubt.

use http::{Method, Version};
use thiserror::Error;

use super::fault::Fault;
use crate::message::{Field, Request, Span};

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

/// The places of an authority, and of the host in it, without port and final dot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Authority {
    /// All of it.
    pub whole: Span,
    /// The host, as it was written.
    pub host: Span,
}

/// Checks a request and gives its authority: what its target and Host agree on, empty only for HTTP/1.0.
///
/// # Errors
///
/// See [`HeadError`].
pub fn authority(request: &Request) -> Result<Authority, HeadError> {
    let connect = request.method == Method::CONNECT && request.protocol.is_none();
    if connect || request.method == Method::TRACE {
        return Err(HeadError::closing(Fault::MethodNotAllowed));
    }
    let length = request.target.path.len() + request.target.query.map_or(0, |query| query.len() + 1);
    if length > LONGEST_TARGET {
        return Err(HeadError::closing(Fault::UriTooLong));
    }
    if request.fields.all(Field::Expect).any(|expected| !expected.eq_ignore_ascii_case(b"100-continue")) {
        return Err(HeadError::closing(Fault::Expectation));
    }
    framing(request)?;
    agreed_authority(request)
}

/// What says how a message is delimited in HTTP/1.1 says it once, also where another version delimits it (RFC 9110 section
/// 8.6, RFC 9112 section 6.3): it would be passed on.
fn framing(request: &Request) -> Result<(), HeadError> {
    let bad = Err(HeadError::closing(Fault::BadRequest));
    let mut lengths = request.fields.all(Field::ContentLength);
    if let Some(length) = lengths.next() {
        let number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
        if !number || lengths.next().is_some() || request.fields.has(Field::TransferEncoding) {
            return bad;
        }
    }
    if request.version != Version::HTTP_11 && request.fields.has(Field::TransferEncoding) {
        return bad;
    }
    Ok(())
}

/// Exactly one Host with HTTP/1.1 (RFC 9112 section 3.2); where the target has an authority, too, they must be the same,
/// so that nobody routes by the one and answers for the other.
fn agreed_authority(request: &Request) -> Result<Authority, HeadError> {
    let bad = HeadError::closing(Fault::BadRequest);
    if request.fields.all(Field::Host).nth(1).is_some() {
        return Err(bad);
    }
    let old = request.version <= Version::HTTP_10;
    let host = request.fields.place_of(Field::Host);
    let bytes = |span: Span| request.fields.bytes_at(span);
    let printable = |host: &[u8]| host.iter().all(|byte| (b' '..=b'~').contains(byte));
    let named = host.and_then(|host| host_length(bytes(host)));
    if named.is_none() && host.is_some_and(|host| !printable(bytes(host))) {
        return Err(bad);
    }
    let whole = match (request.target.authority, host) {
        (Some(target), Some(host)) if !bytes(target).eq_ignore_ascii_case(bytes(host)) => return Err(bad),
        (Some(target), _) => target,
        (None, Some(host)) => host,
        (None, None) if old => Span::default(),
        (None, None) => return Err(bad),
    };
    let named = if request.target.authority.is_some() { host_length(bytes(whole)) } else { named };
    match named {
        Some(length) => {
            let host = &bytes(whole)[..length];
            let length = host.strip_suffix(b".").unwrap_or(host).len();
            Ok(Authority { whole, host: Span::new(whole.start(), whole.start() + length) })
        }
        None if whole.is_empty() && old => Ok(Authority { whole, host: whole }),
        None => Err(HeadError::keeping(Fault::BadRequest)),
    }
}

/// How long the host is, if there is one, perhaps with a port, and nothing else. Of the characters of a registered name (RFC
/// 3986 section 3.2.2) only those of host names: servers disagree about the others, such as `,` and `%`.
fn host_length(authority: &[u8]) -> Option<usize> {
    if authority.first() == Some(&b'[') {
        return literal_length(authority);
    }
    let length = authority.iter().position(|byte| !HOST[usize::from(*byte)]).unwrap_or(authority.len());
    (length > 0 && is_port(&authority[length..])).then_some(length)
}

/// Characters of host names.
const HOST: [bool; 256] = {
    let mut known = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        known[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    known
};

/// How long an IPv6 address is in its brackets, if it is one, perhaps with a port.
fn literal_length(authority: &[u8]) -> Option<usize> {
    let (address, port) = std::str::from_utf8(authority).ok()?.strip_prefix('[')?.split_once(']')?;
    let good = address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port.as_bytes());
    good.then_some(address.len() + 2)
}

/// Nothing, or a colon and a port, which may be left out.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None | Some((b':', [])) => true,
        Some((b':', digits)) => {
            let number = digits.iter().try_fold(0u32, |number, digit| {
                let digit = (*digit as char).to_digit(10)?;
                Some(number * 10 + digit).filter(|number| *number <= u32::from(u16::MAX))
            });
            number.is_some()
        }
        Some(_) => false,
    }
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
