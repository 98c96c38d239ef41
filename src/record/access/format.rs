//! Entries as lines.

use std::io::Write as _;
use std::time::Duration;

use http::Version;
use jiff::Timestamp;

use super::Entry;
use crate::model::AccessLogFormat;

/// Appends the line of an entry.
pub fn line(format: AccessLogFormat, entry: &Entry, out: &mut Vec<u8>) {
    match format {
        AccessLogFormat::Json => json(entry, out),
        AccessLogFormat::Text => text(entry, out),
    }
    out.push(b'\n');
}

/// An object of JSON (RFC 8259). What is not known has no member.
fn json(entry: &Entry, out: &mut Vec<u8>) {
    let mut object = Object { out, empty: true };
    object.out.push(b'{');
    object.display("time", format_args!("{:.3}", time(entry)));
    object.display("client", format_args!("{}", entry.client));
    if let Some(method) = &entry.method {
        object.text("method", method.as_str().as_bytes());
        object.text("host", entry.host());
        object.text("path", entry.path());
    }
    object.text("protocol", protocol(entry.version).as_bytes());
    if let Some(ending) = entry.ending {
        object.number("status", u64::from(ending.code));
        ending.grpc_status.into_iter().for_each(|status| object.number("grpcStatus", u64::from(status)));
    }
    entry.bytes.into_iter().for_each(|bytes| object.number("bytes", bytes));
    if let Some(route) = &entry.route {
        object.display("route", format_args!("{route}"));
    }
    if let Some((version, revision)) = &entry.served_by {
        object.text("version", version.as_bytes());
        object.text("revision", revision.as_bytes());
    }
    entry.why.into_iter().for_each(|why| object.text("why", why.as_str().as_bytes()));
    entry.endpoint.into_iter().for_each(|endpoint| object.display("endpoint", format_args!("{endpoint}")));
    object.number("tries", u64::from(entry.tries));
    entry.connect.into_iter().for_each(|time| object.seconds("connect", time));
    entry.first_byte.into_iter().for_each(|time| object.seconds("firstByte", time));
    object.seconds("total", entry.total);
    entry.stream.into_iter().for_each(|stream| object.text("stream", stream.as_str().as_bytes()));
    if let Some(ending) = entry.ending {
        object.text("classification", ending.classification.as_str().as_bytes());
        object.text("reason", ending.reason.as_str().as_bytes());
    }
    entry.trace.into_iter().for_each(|trace| object.text("trace", &trace));
    object.out.push(b'}');
}

/// An object on its way.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl Object<'_> {
    fn member(&mut self, name: &str) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        self.member(name);
        self.out.push(b'"');
        escape_json(value, self.out);
        self.out.push(b'"');
    }

    fn number(&mut self, name: &str, value: u64) {
        self.member(name);
        // Writing to memory does not fail.
        let _ = write!(self.out, "{value}");
    }

    fn seconds(&mut self, name: &str, value: Duration) {
        self.member(name);
        let _ = write!(self.out, "{:.6}", value.as_secs_f64());
    }

    /// A value whose text needs no escapes but those of JSON in names of routes.
    fn display(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.text(name, value.to_string().as_bytes());
    }
}

/// Makes any bytes the inside of a string of JSON; what is not UTF-8 becomes U+FFFD.
fn escape_json(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                0..0x20 | 0x7f => {
                    let _ = write!(out, "\\u{byte:04x}");
                }
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// The Common Log Format, so that what reads that can read this, then what it has no place for.
fn text(entry: &Entry, out: &mut Vec<u8>) {
    let clock = time(entry).strftime("%d/%b/%Y:%H:%M:%S +0000");
    let _ = write!(out, "{} - - [{clock}] \"", entry.client);
    match &entry.method {
        Some(method) => {
            escape_text(method.as_str().as_bytes(), out);
            out.push(b' ');
            escape_text(entry.path(), out);
            let _ = write!(out, " {}", protocol(entry.version));
        }
        None => out.push(b'-'),
    }
    let code = entry.ending.map_or(0, |ending| ending.code);
    let _ = write!(out, "\" {code} ");
    let _ = match entry.bytes {
        Some(bytes) => write!(out, "{bytes}"),
        None => write!(out, "-"),
    };
    out.extend_from_slice(b" host=\"");
    escape_text(entry.host(), out);
    out.push(b'"');
    if let Some(route) = &entry.route {
        let _ = write!(out, " route={route}");
    }
    if let Some((version, revision)) = &entry.served_by {
        let _ = write!(out, " version={version} revision=");
        escape_word(revision.as_bytes(), out);
    }
    entry.why.into_iter().for_each(|why| _ = write!(out, " why={}", why.as_str()));
    entry.endpoint.into_iter().for_each(|endpoint| _ = write!(out, " endpoint={endpoint}"));
    let _ = write!(out, " tries={}", entry.tries);
    entry.connect.into_iter().for_each(|time| _ = write!(out, " connect={:.6}", time.as_secs_f64()));
    entry.first_byte.into_iter().for_each(|time| _ = write!(out, " first={:.6}", time.as_secs_f64()));
    let _ = write!(out, " total={:.6}", entry.total.as_secs_f64());
    entry.stream.into_iter().for_each(|stream| _ = write!(out, " stream={}", stream.as_str()));
    if let Some(ending) = entry.ending {
        ending.grpc_status.into_iter().for_each(|status| _ = write!(out, " grpc={status}"));
        let _ = write!(out, " {} reason={}", ending.classification.as_str(), ending.reason.as_str());
    }
    if let Some(trace) = &entry.trace {
        out.extend_from_slice(b" trace=");
        escape_text(trace, out);
    }
}

/// Makes any bytes one word, in quotes where it would be more than one.
fn escape_word(bytes: &[u8], out: &mut Vec<u8>) {
    let plain = bytes.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if plain {
        return out.extend_from_slice(bytes);
    }
    out.push(b'"');
    escape_text(bytes, out);
    out.push(b'"');
}

/// Makes any bytes the inside of a quoted field: what is not printable ASCII is written as `\xNN`.
fn escape_text(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            _ => _ = write!(out, "\\x{byte:02x}"),
        }
    }
}

/// A clock that is set beyond the year 9999 logs its epoch.
fn time(entry: &Entry) -> Timestamp {
    Timestamp::try_from(entry.time).unwrap_or_default()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
