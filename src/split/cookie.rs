//! The sticky cookie: `id[.mac]` for mode share, `id.revision[.endpoint][.mac]` for mode pin.
//!
//! The id says nothing about the client and is drawn at random. The MAC is HMAC-SHA-256 over all that stands before it,
//! cut to 128 bits; a cookie whose MAC does not fit any key counts as none.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

use crate::model::{ClientId, CookieAttributes, SameSite, Sticky, StickyMode};

/// Characters of a revision that stand for themselves in a cookie; `.` separates its parts.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

const MAC_BYTES: usize = 16;

/// A sticky cookie that a client brought and that is genuine.
#[derive(Debug, PartialEq, Eq)]
pub struct StickyCookie<'a> {
    /// Who the client is.
    pub id: &'a [u8],
    /// What it is pinned to.
    pin: Option<&'a str>,
    /// The token of its endpoint.
    pub endpoint: Option<u64>,
}

impl<'a> StickyCookie<'a> {
    /// Takes a cookie's value apart; none if it is not of this form, or not signed by one of `keys` where there are any.
    pub fn parse(value: &'a [u8], mode: StickyMode, keys: &[Arc<[u8]>]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let signed = if keys.is_empty() { text } else { verified(text, keys)? };
        let (id, pin) = match (mode, signed.split_once('.')) {
            (StickyMode::Share, None) => (signed, None),
            (StickyMode::Pin, Some((id, pin))) => (id, Some(pin)),
            _ => return None,
        };
        let (pin, endpoint) = match pin.and_then(|pin| pin.split_once('.')) {
            Some((pin, token)) => (Some(pin), Some(endpoint_token(token)?)),
            None => (pin, None),
        };
        (id.len() == super::rendezvous::ID_LENGTH).then_some(Self { id: id.as_bytes(), pin, endpoint })
    }

    /// Whether the client is pinned to this revision.
    pub fn pins(&self, revision: &str) -> bool {
        self.pin.is_some_and(|pin| percent_encoding::percent_decode_str(pin).eq(revision.bytes()))
    }
}

/// 16 digits: a MAC has more, so that the one is never taken for the other.
fn endpoint_token(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn verified<'a>(text: &'a str, keys: &[Arc<[u8]>]) -> Option<&'a str> {
    let (signed, mac) = text.rsplit_once('.')?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    let genuine = |key: &Arc<[u8]>| aws_lc_rs::constant_time::verify_slices_are_equal(&sign(key, signed), &mac).is_ok();
    keys.iter().any(genuine).then_some(signed)
}

fn sign(key: &[u8], text: &str) -> [u8; MAC_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(&tag.as_ref()[..MAC_BYTES]);
    mac
}

/// A cookie to be set, but for what the connection adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    name: Arc<str>,
    value: String,
    max_age: Option<std::time::Duration>,
    attributes: Arc<CookieAttributes>,
}

impl SetCookie {
    /// The cookie for a client; none if clients are not told apart by a cookie.
    pub fn new(sticky: &Sticky, id: &[u8], pin: &str, endpoint: Option<u64>) -> Option<Self> {
        let ClientId::Cookie { name, ttl, keys, attributes } = &sticky.client else { return None };
        let mut value = String::from_utf8_lossy(id).into_owned();
        if sticky.mode == StickyMode::Pin {
            value.push('.');
            value.extend(utf8_percent_encode(pin, PLAIN));
            if let Some(token) = endpoint {
                value.push_str(&format!(".{token:016x}"));
            }
        }
        if let Some(key) = keys.first() {
            let mac = sign(key, &value);
            value.push('.');
            URL_SAFE_NO_PAD.encode_string(mac, &mut value);
        }
        Some(Self { name: Arc::clone(name), value, max_age: *ttl, attributes: Arc::clone(attributes) })
    }

    /// The `Set-Cookie` value (RFC 6265 section 4.1): out of reach of scripts, and `Secure` on TLS.
    pub fn header(&self, secure: bool) -> Option<HeaderValue> {
        let attributes = &self.attributes;
        let mut cookie = cookie::Cookie::build((&*self.name, self.value.as_str()))
            .path(&*attributes.path)
            .http_only(true)
            .secure(secure || attributes.secure);
        if let Some(domain) = attributes.domain.as_deref() {
            cookie = cookie.domain(domain);
        }
        if let Some(same_site) = attributes.same_site {
            cookie = cookie.same_site(match same_site {
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::None => cookie::SameSite::None,
            });
        }
        if let Some(age) = self.max_age {
            cookie = cookie.max_age(seconds(age));
        }
        if let Some(time) = attributes.expires {
            cookie = cookie.expires(cookie::time::OffsetDateTime::now_utc().saturating_add(seconds(time)));
        }
        HeaderValue::try_from(cookie.build().to_string()).ok()
    }
}

fn seconds(time: std::time::Duration) -> cookie::time::Duration {
    cookie::time::Duration::seconds(time.as_secs() as i64)
}

#[cfg(test)]
mod tests;
