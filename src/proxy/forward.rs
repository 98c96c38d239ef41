//! A message's head on its way through: hop-by-hop fields out, what the proxy knows in.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, Entry, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Version};

use super::filter::{self, Original};
use crate::model::{Filter, TrustedProxies};
use crate::split::Why;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// The version that a request goes to, told to upstreams.
pub static X_WEIR_VERSION: HeaderName = HeaderName::from_static("x-weir-version");
/// Why it goes there.
pub static X_WEIR_WHY: HeaderName = HeaderName::from_static("x-weir-why");
/// Why the proxy answered itself, told to clients.
pub static X_WEIR_REASON: HeaderName = HeaderName::from_static("x-weir-reason");

/// Names that are the proxy's to say. A server that folds `_` into `-` would take `x_forwarded_for` for one of them.
const OWN: [&str; 9] = [
    "content-length",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
    "x-weir-version",
    "x-weir-why",
];

/// Where a request came from.
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Port that the client knows this end by.
    pub port: u16,
    /// Scheme of the connection.
    pub scheme: &'a Scheme,
    /// The authority that the client asked for.
    pub authority: &'a str,
}

/// The client's address: the peer's, or what a chain of trusted proxies says it is (the right-most that is not trusted).
pub fn client_address(peer: IpAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> IpAddr {
    if trusted.0.is_empty() || !trusted.contains(peer) {
        return peer.to_canonical();
    }
    let mut client = peer.to_canonical();
    let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev().map(HeaderValue::as_bytes);
    for hop in lines.flat_map(|line| line.rsplit(|b| *b == b',')) {
        let Some(address) = address_in(hop) else { break };
        client = address.to_canonical();
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// Whether the client speaks TLS: on this connection, or as a trusted proxy says that it did.
pub fn is_secure(scheme: &Scheme, trusted: bool, headers: &HeaderMap) -> bool {
    let said = || headers.get(&X_FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    *scheme == Scheme::HTTPS || (trusted && said())
}

/// An address with or without brackets and port.
fn address_in(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// Removes what belongs to one connection (RFC 9110 section 7.6.1), what `Connection` names included.
/// `TE: trailers` stays, since trailers are passed on (section 10.1.4).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let trailers = elements(headers, header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    let named: Vec<HeaderName> =
        elements(headers, header::CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        &header::CONNECTION,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
        &header::PROXY_AUTHORIZATION,
        &header::PROXY_AUTHENTICATE,
        &header::TE,
        &header::TRANSFER_ENCODING,
        &header::UPGRADE,
        &HTTP2_SETTINGS,
    ] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// The elements of a header that is a list, over all its lines (RFC 9110 section 5.6.1).
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}

/// Prepares a request's headers for any endpoint: everything but the version and its `Host`.
pub fn prepare(headers: &mut HeaderMap, arrival: &Arrival<'_>, trusted: &TrustedProxies, rng: &mut fastrand::Rng) {
    strip_hop_by_hop(headers);
    headers.remove(header::EXPECT);
    headers.remove(&X_WEIR_VERSION);
    headers.remove(&X_WEIR_WHY);
    remove_twins(headers);
    join_cookies(headers);
    forwarded(headers, arrival, trusted.contains(arrival.peer));
    identify(headers, rng);
}

/// Removes names that differ from the proxy's own only by `_` for `-`.
fn remove_twins(headers: &mut HeaderMap) {
    let folded = |name: &str, own: &str| {
        name.len() == own.len() && name.bytes().zip(own.bytes()).all(|(a, b)| a == b || (a, b) == (b'_', b'-'))
    };
    let is_twin = |name: &&HeaderName| name.as_str().contains('_') && OWN.iter().any(|own| folded(name.as_str(), own));
    let twins: Vec<HeaderName> = headers.keys().filter(is_twin).cloned().collect();
    for twin in twins {
        headers.remove(twin);
    }
}

/// HTTP/2 may split cookies over several lines; HTTP/1.1 wants one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let joined = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::try_from(joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Says where the request came from (RFC 7239 and its de-facto predecessors). What an untrusted peer says about that is
/// replaced; what a trusted one says is kept and added to.
fn forwarded(headers: &mut HeaderMap, arrival: &Arrival<'_>, trusted: bool) {
    let peer = arrival.peer.to_canonical();
    let element = {
        let node = if peer.is_ipv6() { format!("\"[{peer}]\"") } else { peer.to_string() };
        let host = arrival.authority;
        let host = if host.contains([':', '[']) { format!("\"{host}\"") } else { host.to_owned() };
        let host = if host.is_empty() { host } else { format!(";host={host}") };
        format!("for={node}{host};proto={}", arrival.scheme)
    };
    add(headers, header::FORWARDED, element, trusted);
    add(headers, X_FORWARDED_FOR.clone(), peer.to_string(), trusted);
    let say = |headers: &mut HeaderMap, name: &HeaderName, value: String| {
        if !trusted || !headers.contains_key(name) {
            match HeaderValue::try_from(value) {
                Ok(value) if !value.is_empty() => _ = headers.insert(name, value),
                _ => _ = headers.remove(name),
            }
        }
    };
    say(headers, &X_FORWARDED_PROTO, arrival.scheme.to_string());
    say(headers, &X_FORWARDED_HOST, arrival.authority.to_owned());
    say(headers, &X_FORWARDED_PORT, arrival.port.to_string());
}

/// Appends to a list that is believed, or begins it anew.
fn add(headers: &mut HeaderMap, name: HeaderName, element: String, believed: bool) {
    let before: Vec<&[u8]> = if believed {
        headers.get_all(&name).iter().map(HeaderValue::as_bytes).filter(|line| !line.is_empty()).collect()
    } else {
        Vec::new()
    };
    let list = [before, vec![element.as_bytes()]].concat().join(&b", "[..]);
    if let Ok(value) = HeaderValue::try_from(list) {
        headers.insert(name, value);
    }
}

/// A request id and a trace context (W3C Trace Context, section 3.2): the client's where they are well-formed, else new.
fn identify(headers: &mut HeaderMap, rng: &mut fastrand::Rng) {
    let known = headers.get(&X_REQUEST_ID).is_some_and(|id| (1..=128).contains(&id.len()));
    if !known && let Ok(id) = HeaderValue::try_from(format!("{:032x}", rng.u128(..))) {
        headers.insert(&X_REQUEST_ID, id);
    }
    if !headers.get(&TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes())) {
        headers.remove(&TRACESTATE);
        let (trace, span) = (rng.u128(1..), rng.u64(1..));
        if let Ok(value) = HeaderValue::try_from(format!("00-{trace:032x}-{span:016x}-01")) {
            headers.insert(&TRACEPARENT, value);
        }
    }
}

fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    let mut parts = value.split(|b| *b == b'-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(version), Some(trace), Some(span), Some(flags)) => {
            version.len() == 2
                && trace.len() == 32
                && span.len() == 16
                && flags.len() == 2
                && [version, trace, span, flags].iter().all(|part| hex(part))
                && version != b"ff"
                && !zero(trace)
                && !zero(span)
                && (parts.next().is_none() || version != b"00")
        }
        _ => false,
    }
}

/// Tells the endpoint which version it is and why, so that feature flags and logs can follow the decision.
pub fn tell_decision(headers: &mut HeaderMap, version: &str, why: Why) {
    if let Ok(version) = HeaderValue::try_from(version) {
        headers.insert(&X_WEIR_VERSION, version);
    }
    headers.insert(&X_WEIR_WHY, HeaderValue::from_static(why.as_str()));
}

/// What an endpoint is asked for: the path after rewrites, and the `Host`.
pub struct Target {
    /// Path and query.
    pub path: PathAndQuery,
    /// Authority.
    pub host: HeaderValue,
}

impl Target {
    /// The target after a rule's filters; none if a rewrite makes no valid path.
    pub fn rewritten(filters: &[Filter], original: &Original<'_>, authority: &str) -> Option<Self> {
        let mut host = HeaderValue::try_from(authority).ok()?;
        let mut path = original.path.to_owned();
        for filter in filters {
            match filter {
                Filter::RewriteHost(name) => host = name.clone(),
                Filter::RewritePath(rewrite) => path = filter::rewritten(rewrite, original),
                _ => {}
            }
        }
        if let Some(query) = original.query {
            path.push('?');
            path.push_str(query);
        }
        Some(Self { path: PathAndQuery::try_from(path).ok()?, host })
    }

    /// Puts a request into the form of HTTP/1.1: origin-form and `Host` (RFC 9112 section 3.2.1).
    pub fn http1(&self, parts: &mut Parts) {
        parts.version = Version::HTTP_11;
        parts.uri = Uri::from(self.path.clone());
        parts.headers.insert(header::HOST, self.host.clone());
        if parts.headers.contains_key(header::TE) {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }

    /// Puts a request into the form of HTTP/2: the authority belongs to the target (RFC 9113 section 8.3.1).
    pub fn http2(&self, parts: &mut Parts, scheme: Scheme) {
        parts.version = Version::HTTP_2;
        parts.headers.remove(header::HOST);
        parts.headers.remove(header::CONNECTION);
        let uri = Uri::builder().scheme(scheme).authority(self.host.as_bytes()).path_and_query(self.path.clone());
        parts.uri = uri.build().unwrap_or_else(|_| Uri::from(self.path.clone()));
    }
}

/// Adds this proxy to `Via` (RFC 9110 section 7.6.3).
pub fn via(headers: &mut HeaderMap, version: Version) {
    let hop = match version {
        Version::HTTP_10 => "1.0 weir",
        Version::HTTP_2 => "2 weir",
        _ => "1.1 weir",
    };
    match headers.entry(header::VIA) {
        Entry::Occupied(mut known) => known.append(HeaderValue::from_static(hop)),
        Entry::Vacant(none) => _ = none.insert(HeaderValue::from_static(hop)),
    }
}

#[cfg(test)]
mod tests;
