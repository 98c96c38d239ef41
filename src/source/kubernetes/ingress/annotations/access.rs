//! Who may ask: source ranges, and the refusal to be open where other protection is asked for.

use std::net::IpAddr;

use super::Severity;
use super::reader::Reader;
use super::table::{Protects, TABLE};
use crate::model::Access;

/// Directives of nginx that decide who may ask.
const DIRECTIVES: [&str; 9] =
    ["deny", "allow", "auth_basic", "auth_request", "auth_jwt", "satisfy", "limit_except", "internal", "return"];

/// Who may ask. What protects in a way that is refused closes the paths; so does a range that cannot be read, as in
/// ingress-nginx.
pub fn access(reader: &mut Reader<'_>) -> Option<Access> {
    if is_fastcgi(reader) | is_unprotected(reader) {
        return Some(Access::Closed);
    }
    let named = |name: &str| reader.text(name).is_some();
    let list = if named("allowlist-source-range") { "allowlist-source-range" } else { "whitelist-source-range" };
    match (ranges(reader, list), ranges(reader, "denylist-source-range")) {
        (Ok(allow), Ok(deny)) if allow.is_empty() && deny.is_empty() => None,
        (Ok(allow), Ok(deny)) => Some(Access::Addresses { allow, deny }),
        _ => Some(Access::Closed),
    }
}

/// FastCGI is no HTTP: an endpoint that expects it would misread whatever it is sent.
fn is_fastcgi(reader: &mut Reader<'_>) -> bool {
    let fastcgi = reader.text("backend-protocol").is_some_and(|text| text.eq_ignore_ascii_case("FCGI"));
    if fastcgi {
        let message = "FastCGI is not spoken, and the paths answer 503: put an HTTP server in front of the backend";
        reader.tell("backend-protocol", Severity::Error, message);
    }
    fastcgi
}

fn is_unprotected(reader: &mut Reader<'_>) -> bool {
    let mut unprotected = false;
    for entry in TABLE.iter().filter(|entry| entry.protects != Protects::Nothing) {
        let Some(text) = reader.text(entry.name) else { continue };
        let protects = match entry.protects {
            Protects::Nothing => false,
            Protects::Always => true,
            Protects::UnlessOff => reader.asks(entry.name),
            Protects::IfDirectives => controls_access(text),
        };
        if protects {
            let message = "the paths of this Ingress answer 503 until the annotation is removed";
            reader.tell(entry.name, Severity::Error, message);
        }
        unprotected |= protects;
    }
    unprotected
}

/// Whether a snippet decides who may ask. A `return` may be a redirect or a refusal: who reads it must decide.
fn controls_access(snippet: &str) -> bool {
    let code = snippet.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = code.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    words
        .into_iter()
        .any(|word| DIRECTIVES.contains(&word) || word.starts_with("modsecurity") || word.ends_with("_by_lua_block"))
}

fn ranges(reader: &mut Reader<'_>, name: &str) -> Result<Vec<(IpAddr, u8)>, ()> {
    let Some(text) = reader.text(name) else { return Ok(Vec::new()) };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut ranges = Vec::new();
    for part in parts {
        let Some(range) = range(part) else {
            let message = format!(
                "\"{part}\" is no address or network, so the paths answer 503: write one like 10.0.0.0/8 or 192.0.2.7"
            );
            reader.tell(name, Severity::Error, message);
            return Err(());
        };
        ranges.push(range);
    }
    Ok(ranges)
}

fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| *bits <= width))?;
    Some((address, bits))
}
