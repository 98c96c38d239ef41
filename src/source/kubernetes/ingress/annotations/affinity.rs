//! `affinity`, `session-cookie-*`: a client keeps its version and its endpoint.

use std::sync::Arc;

use super::reader::Reader;
use super::{Affinity, Severity};
use crate::model::{ClientId, CookieAttributes, HostPattern, SameSite, Sticky, StickyMode, StickyTo};

/// The cookie's name unless another is given.
const COOKIE: &str = "INGRESSCOOKIE";

/// Session affinity, if it is asked for.
///
/// The cookie names the revision that a version runs, not its Service as in ingress-nginx: there, those who bore the last
/// canary would be sent to the next one, also while it has no weight yet.
pub fn affinity(reader: &mut Reader<'_>) -> Option<Affinity> {
    reader.word("affinity", &[("cookie", ())])?;
    if reader.word("affinity-mode", &[("balanced", true), ("persistent", false)]) == Some(true) {
        let message = "treated as persistent: a client moves only when its endpoint has gone";
        reader.tell("affinity-mode", Severity::Info, message);
    }
    let path = reader.parsed("session-cookie-path", "a path, like /shop", |text| {
        (text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b';')).then(|| Arc::from(text))
    });
    let client = ClientId::Cookie {
        name: reader.parsed("session-cookie-name", "a cookie name", cookie_name).unwrap_or_else(|| COOKIE.into()),
        ttl: reader.seconds("session-cookie-max-age", 1),
        keys: Vec::new(),
        attributes: Arc::new(attributes(reader)),
    };
    let to = StickyTo::Endpoint { move_on_failure: reader.flag("session-cookie-change-on-failure", false) };
    Some(Affinity { sticky: Sticky { client, mode: StickyMode::Pin, to, forgets: Vec::new() }, path })
}

/// `affinity-canary-behavior: legacy`.
pub fn is_legacy(reader: &mut Reader<'_>) -> bool {
    reader.word("affinity-canary-behavior", &[("sticky", false), ("legacy", true)]).unwrap_or(false)
}

fn attributes(reader: &mut Reader<'_>) -> CookieAttributes {
    let domain = reader.parsed("session-cookie-domain", "a host name", |text| {
        HostPattern::parse(text.trim_start_matches('.')).ok().map(|_| Arc::from(text))
    });
    let sites = [("None", SameSite::None), ("Lax", SameSite::Lax), ("Strict", SameSite::Strict)];
    if reader.flag("session-cookie-conditional-samesite-none", false) {
        let message = "SameSite=None is sent to every browser: those of 2018 that reject it are not looked for";
        reader.tell("session-cookie-conditional-samesite-none", Severity::Info, message);
    }
    CookieAttributes {
        path: "/".into(),
        domain,
        same_site: reader.word("session-cookie-samesite", &sites),
        secure: reader.flag("session-cookie-secure", false),
        expires: reader.seconds("session-cookie-expires", 1),
    }
}

/// A cookie's name (RFC 6265 section 4.1.1).
pub fn cookie_name(text: &str) -> Option<Arc<str>> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    text.bytes().all(token).then(|| text.into())
}
