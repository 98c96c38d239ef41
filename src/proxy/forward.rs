//! A message's head on its way through: hop-by-hop fields out, what the proxy knows in.

use std::cell::RefCell;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::Version;
use http::uri::{PathAndQuery, Scheme};

use crate::http1;
use crate::message::{Block, Field, FieldSection, FieldSet, Request, Span};
use crate::model::{Filter, PathRewrite, TrustedProxies};
use crate::split::Why;

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

/// Where proxies say that a request came from.
const SAID: FieldSet = FieldSet::of(&[
    Field::Forwarded,
    Field::XForwardedFor,
    Field::XForwardedHost,
    Field::XForwardedPort,
    Field::XForwardedProto,
]);

/// What each endpoint is told anew.
const ANEW: FieldSet = FieldSet::of(&[Field::Host, Field::Expect, Field::XWeirVersion, Field::XWeirWhy]);

/// What belongs to one connection, or says how the message on it is delimited.
const HOP_BY_HOP: FieldSet = FieldSet::of(&[
    Field::Connection,
    Field::KeepAlive,
    Field::ProxyConnection,
    Field::ProxyAuthorization,
    Field::ProxyAuthenticate,
    Field::Te,
    Field::TransferEncoding,
    Field::ContentLength,
    Field::Upgrade,
    Field::Http2Settings,
]);

/// Where a request came from.
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Port that the client knows this end by.
    pub port: u16,
    /// Scheme of the connection.
    pub scheme: &'a Scheme,
    /// The authority that the client asked for, in the bytes of the request.
    pub authority: Span,
    /// What the request before was told.
    pub told: &'a Told,
}

/// What requests on a connection are told about where they came from, kept for the next one with the same authority.
#[derive(Default)]
pub struct Told(RefCell<Kept>);

/// What is kept of that: nothing of the first request, since many connections have no other.
#[derive(Default)]
enum Kept {
    #[default]
    Nothing,
    First,
    Lines(u16, Block),
}

impl Kept {
    /// The lines, if they are those for this port and authority.
    fn of(&self, port: u16, authority: &[u8]) -> Option<&Block> {
        let Self::Lines(told, block) = self else { return None };
        (*told == port && block.first(Field::XForwardedHost).unwrap_or_default() == authority).then_some(block)
    }
}

/// The client's address: the peer's, or what a chain of trusted proxies says it is (the right-most that is not trusted).
pub fn client_address(peer: IpAddr, trusted: &TrustedProxies, fields: &FieldSection) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.0.is_empty() || !trusted.contains(peer) {
        return client;
    }
    let lines: Vec<&[u8]> = fields.all(Field::XForwardedFor).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b',')) {
        let Some(address) = address_in(hop) else { break };
        client = address.to_canonical();
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// Whether the client speaks TLS: on this connection, or as a trusted proxy says that it did.
pub fn is_secure(scheme: &Scheme, trusted: bool, fields: &FieldSection) -> bool {
    let said = || fields.first(Field::XForwardedProto).is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"));
    *scheme == Scheme::HTTPS || (trusted && said())
}

/// An address with or without brackets and port.
fn address_in(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// Removes what belongs to one connection (RFC 9110 section 7.6.1), what `Connection` names included, what says how the
/// message is delimited. `TE: trailers` stays, since trailers are passed on (section 10.1.4).
pub fn strip(fields: &mut FieldSection) {
    strip_with(fields, FieldSet::default(), |_| false);
}

/// The same, and other fields: those of a set, and those of other names of which `other` says so.
fn strip_with(fields: &mut FieldSection, also: FieldSet, other: impl Fn(&[u8]) -> bool) {
    let te = fields.has(Field::Te);
    let trailers = te && fields.elements(Field::Te).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    if fields.has(Field::Connection) {
        let named = nominated(fields);
        fields.remove_if(|_, name| named.iter().any(|named| named.eq_ignore_ascii_case(name)));
    }
    fields.remove_all(HOP_BY_HOP.and(also), other);
    if trailers {
        fields.append(Field::Te, b"trailers");
    }
}

/// The fields that `Connection` names, but those that go no further anyway.
fn nominated(fields: &FieldSection) -> Vec<Vec<u8>> {
    let named = fields.elements(Field::Connection);
    let known = |name: &[u8]| name.eq_ignore_ascii_case(b"close") || HOP_BY_HOP.contains(Field::of(name));
    named.filter(|name| !known(name)).map(<[u8]>::to_vec).collect()
}

/// Takes out of trailers what frames or routes a message (RFC 9110 section 6.5.1); HTTP/2 would not send the rest of it.
pub fn strip_trailers(trailers: &mut FieldSection) {
    strip_with(trailers, FieldSet::of(&[Field::Host, Field::Trailer]), |_| false);
    trailers.remove(Field::Te);
}

/// Prepares a request's fields for any endpoint: everything but the version and its `Host`.
pub fn prepare(fields: &mut FieldSection, arrival: &Arrival<'_>, trusted: &TrustedProxies, rng: &mut fastrand::Rng) {
    let trusted = trusted.contains(arrival.peer);
    strip_with(fields, if trusted { ANEW } else { ANEW.and(SAID) }, is_twin);
    join_cookies(fields);
    forwarded(fields, arrival);
    identify(fields, rng);
}

/// Whether a name differs from one of the proxy's own only by `_` for `-`.
fn is_twin(name: &[u8]) -> bool {
    let folds = |own: &str| {
        let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        name.len() == own.len() && name.iter().zip(own.bytes()).all(|(a, b)| fold(*a) == b)
    };
    name.contains(&b'_') && OWN.into_iter().any(folds)
}

/// HTTP/2 may split cookies over several lines; HTTP/1.1 wants one (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut FieldSection) {
    if fields.all(Field::Cookie).nth(1).is_some() {
        let joined = fields.all(Field::Cookie).collect::<Vec<_>>().join(&b"; "[..]);
        fields.set(Field::Cookie, &joined);
    }
}

/// Says where the request came from (RFC 7239 and its de-facto predecessors). What a trusted peer says about that is kept
/// and added to; what an untrusted one says has been taken out.
fn forwarded(fields: &mut FieldSection, arrival: &Arrival<'_>) {
    if fields.may_have_any(SAID) {
        let host = fields.bytes_at(arrival.authority).to_vec();
        return tell(fields, arrival, &host);
    }
    let told = &mut *arrival.told.0.borrow_mut();
    if let Some(block) = told.of(arrival.port, fields.bytes_at(arrival.authority)) {
        return fields.append_block(block);
    }
    let host = fields.bytes_at(arrival.authority).to_vec();
    let mark = fields.mark();
    tell(fields, arrival, &host);
    *told = match told {
        Kept::Nothing => Kept::First,
        Kept::First | Kept::Lines(..) => Kept::Lines(arrival.port, fields.since(mark)),
    };
}

fn tell(fields: &mut FieldSection, arrival: &Arrival<'_>, host: &[u8]) {
    let peer = arrival.peer.to_canonical();
    add(fields, Field::Forwarded, |out| {
        let [open, close]: [&[u8]; 2] = if peer.is_ipv6() { [b"for=\"[", b"]\""] } else { [b"for=", b""] };
        out.extend_from_slice(open);
        write_address(out, peer);
        out.extend_from_slice(close);
        if !host.is_empty() {
            let quote: &[u8] = if host.contains(&b':') || host.contains(&b'[') { b"\"" } else { b"" };
            [b";host=", quote, host, quote].into_iter().for_each(|part| out.extend_from_slice(part));
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(arrival.scheme.as_str().as_bytes());
    });
    add(fields, Field::XForwardedFor, |out| write_address(out, peer));
    if !fields.has(Field::XForwardedProto) {
        fields.append(Field::XForwardedProto, arrival.scheme.as_str().as_bytes());
    }
    if !fields.has(Field::XForwardedHost) && !host.is_empty() {
        fields.append(Field::XForwardedHost, host);
    }
    if !fields.has(Field::XForwardedPort) {
        fields.append_with(Field::XForwardedPort, |out| http1::decimal(out, arrival.port.into()));
    }
}

/// Writes an address. One of IPv4 by its numbers, since what formats anything takes several times as long for every connection.
fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, number) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                http1::decimal(out, number.into());
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(address) => _ = write!(out, "{address}"),
    }
}

/// Appends to a list, or begins it.
fn add(fields: &mut FieldSection, field: Field, element: impl FnOnce(&mut Vec<u8>)) {
    if !fields.has(field) {
        return fields.append_with(field, element);
    }
    let mut list = fields.all(field).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b", "[..]);
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    element(&mut list);
    fields.set(field, &list);
}

/// A request id and a trace context (W3C Trace Context, section 3.2): the client's where they are well-formed, else new.
fn identify(fields: &mut FieldSection, rng: &mut fastrand::Rng) {
    let named = fields.first(Field::XRequestId).is_some_and(|id| (1..=128).contains(&id.len()));
    let traced = fields.first(Field::Traceparent).is_some_and(is_traceparent);
    if named && traced {
        return;
    }
    let mut drawn = [0; 40];
    rng.fill(&mut drawn);
    // Ids of nothing but zeros are invalid.
    drawn[16] |= u8::from(drawn[16..32] == [0; 16]);
    drawn[32] |= u8::from(drawn[32..] == [0; 8]);
    let digits = hex(drawn);
    let (id, trace) = digits.as_flattened().split_at(32);
    if !named {
        fields.remove(Field::XRequestId);
        fields.append(Field::XRequestId, id);
    }
    if !traced {
        fields.remove(Field::Traceparent);
        fields.remove(Field::Tracestate);
        let mut context = *b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
        context[3..35].copy_from_slice(&trace[..32]);
        context[36..52].copy_from_slice(&trace[32..]);
        fields.append(Field::Traceparent, &context);
    }
}

/// Bytes in hexadecimal digits, lower case. Written so that many are made at once.
fn hex<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    let mut digits = [[0; 2]; N];
    for (digits, byte) in digits.iter_mut().zip(bytes) {
        *digits = [byte >> 4, byte & 15];
    }
    for digit in digits.as_flattened_mut() {
        *digit += if *digit > 9 { b'a' - 10 } else { b'0' };
    }
    digits
}

/// The id of the trace that a `traceparent` belongs to.
pub fn trace_id(value: &[u8]) -> Option<[u8; 32]> {
    value.split(|b| *b == b'-').nth(1)?.try_into().ok()
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

/// Tells which version it is and why, so that feature flags and logs can follow the decision.
pub fn tell_decision(fields: &mut FieldSection, version: &str, why: Why) {
    fields.set(Field::XWeirVersion, version.as_bytes());
    fields.set(Field::XWeirWhy, why.as_str().as_bytes());
}

/// What an endpoint is asked for, as places in the bytes of the request: path and query after rewrites, and the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path and query.
    pub path: Span,
    /// Authority.
    pub host: Span,
}

impl Target {
    /// The target after a rule's filters; none if a rewrite makes no valid path. `rewrite` gives the path of the request
    /// after one; `received`: the place of the path that goes on where none is rewritten.
    pub fn rewritten(
        filters: &[Filter],
        rewrite: impl Fn(&PathRewrite, &Request) -> String,
        [authority, received]: [Span; 2],
        request: &mut Request,
    ) -> Option<Self> {
        let mut target = Self { path: as_received(request, received), host: authority };
        for filter in filters {
            match filter {
                Filter::RewriteHost(name) => target.host = request.fields.store(name.as_bytes()),
                Filter::RewritePath(to) => {
                    let mut path = rewrite(to, request);
                    if let Some(query) = request.query() {
                        path.push('?');
                        path.push_str(query);
                    }
                    let path = PathAndQuery::try_from(path).ok()?;
                    target.path = request.fields.store(path.as_str().as_bytes());
                }
                _ => {}
            }
        }
        Some(target)
    }
}

/// Path and query as they came; nearly always they stand side by side.
fn as_received(request: &mut Request, path: Span) -> Span {
    let Some(query) = request.target.query else { return path };
    if path.end() + 1 == query.start() {
        return Span::new(path.start(), query.end());
    }
    let both = [path, query].map(|place| request.fields.bytes_at(place)).join(&b"?"[..]);
    request.fields.store(&both)
}

/// Adds this proxy to `Via` (RFC 9110 section 7.6.3).
pub fn via(fields: &mut FieldSection, version: Version) {
    let hop: &[u8] = match version {
        Version::HTTP_10 => b"1.0 weir",
        Version::HTTP_2 => b"2 weir",
        _ => b"1.1 weir",
    };
    fields.append(Field::Via, hop);
}

#[cfg(test)]
mod tests;
