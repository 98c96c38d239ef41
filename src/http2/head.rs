//! Heads as HTTP/2 has them (RFC 9113 section 8.2 and 8.3), and ours.

use http::{Method, StatusCode, Version};

use super::Reason;
use super::hpack::{Decoder, Encoder, Entry, HpackError, Pseudo};
use super::runs::Runs;
use crate::http1::{self, MOST_FIELDS};
use crate::message::{Block, Field, FieldSection, Mark, Request, Response, Size, Span, Target};

/// What the length of a body says that is not the one announced (section 8.1.1).
pub const MISMEASURED: (Reason, &str) = (Reason::PROTOCOL_ERROR, "a body of another length than announced");

/// What a field costs beside its bytes in the size of a list (section 6.5.2).
const OVERHEAD: usize = 32;

/// Longest lines that are kept for other heads, bytes with what they cost beside.
const MOST_REMEMBERED: usize = 2048;

/// A head that has come: fields, and what is wrong with them.
pub struct Head {
    fields: FieldSection,
    pseudo: Pseudos,
    /// Pseudo-fields may not follow others.
    past_pseudo: bool,
    size: usize,
    most: usize,
    ill: Option<&'static str>,
}

/// Where the values of pseudo-fields are, by [`Pseudo`].
#[derive(Clone, Copy, Default)]
struct Pseudos([Option<Span>; 6]);

impl Pseudos {
    fn get(&self, pseudo: Pseudo) -> Option<Span> {
        self.0[pseudo as usize]
    }
}

/// Lines that a head had, for another one.
pub struct Lines {
    block: Block,
    pseudo: Pseudos,
    size: usize,
}

/// A head as far as it has come.
pub struct Point {
    fields: Mark,
    pseudo: Pseudos,
    size: usize,
}

impl Head {
    /// A head of which nothing has come; of one that is longer than `most` bytes the rest is not kept.
    pub fn new(most: usize) -> Self {
        let fields = FieldSection::new();
        Self { fields, pseudo: Pseudos::default(), past_pseudo: false, size: 0, most, ill: None }
    }

    /// Decodes its block.
    ///
    /// # Errors
    ///
    /// It cannot be decoded, nor can any other on the connection.
    pub fn decode(&mut self, decoder: &mut Decoder, runs: &mut Runs, block: &[u8]) -> Result<(), HpackError> {
        let mut rest = decoder.begin(block)?;
        while !rest.is_empty() {
            let run = rest.run();
            if runs.recall(run, decoder.changes(), self) {
                rest.skip(run.len());
                continue;
            }
            let point = self.point();
            for _ in run {
                decoder.next(&mut rest, &mut |entry| self.take(&entry))?;
            }
            runs.learn(run, decoder.changes(), || self.since(&point));
            decoder.next(&mut rest, &mut |entry| self.take(&entry))?;
        }
        Ok(())
    }

    fn point(&self) -> Point {
        Point { fields: self.fields.mark(), pseudo: self.pseudo, size: self.size }
    }

    /// The lines since then, if another head may have them as they are.
    fn since(&self, point: &Point) -> Option<Lines> {
        let long = self.size - point.size > MOST_REMEMBERED;
        if self.ill.is_some() || long || self.is_too_large() {
            return None;
        }
        let start = point.fields.bytes();
        let mut pseudo = Pseudos::default();
        for ((new, now), before) in pseudo.0.iter_mut().zip(self.pseudo.0).zip(point.pseudo.0) {
            *new = now.filter(|_| before.is_none()).map(|span| span.without(start));
        }
        Some(Lines { block: self.fields.since(point.fields), pseudo, size: self.size - point.size })
    }

    /// Takes lines that another head had; false where they do not fit in here, and nothing is taken.
    pub fn add(&mut self, lines: &Lines) -> bool {
        let Lines { block, pseudo, size } = lines;
        let collides =
            |(here, there): (&Option<Span>, &Option<Span>)| there.is_some() && (self.past_pseudo || here.is_some());
        let too_large = self.size + size > self.most || self.fields.len() + block.lines() > MOST_FIELDS;
        if too_large || self.pseudo.0.iter().zip(&pseudo.0).any(collides) {
            return false;
        }
        let start = self.fields.mark().bytes();
        self.fields.append_block(block);
        for (here, there) in self.pseudo.0.iter_mut().zip(pseudo.0) {
            *here = there.map(|span| span.after(start)).or(*here);
        }
        self.past_pseudo |= block.lines() > 0;
        self.size += size;
        true
    }

    /// Whether it is longer than is taken.
    pub fn is_too_large(&self) -> bool {
        self.size > self.most || self.fields.len() > MOST_FIELDS
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.fields.len()
    }

    fn take(&mut self, entry: &Entry<'_>) {
        self.size += entry.name.len() + entry.value.len() + OVERHEAD;
        if self.is_too_large() {
            return;
        }
        let taken = if entry.name.first() == Some(&b':') { self.take_pseudo(entry) } else { self.take_field(entry) };
        if let Err(ill) = taken {
            self.ill.get_or_insert(ill);
        }
    }

    fn take_pseudo(&mut self, entry: &Entry<'_>) -> Result<(), &'static str> {
        let Some(pseudo) = entry.pseudo else { return Err("a pseudo-field that is not known") };
        if self.past_pseudo || self.pseudo.get(pseudo).is_some() {
            return Err("a pseudo-field twice, or after other fields");
        }
        self.pseudo.0[pseudo as usize] = Some(self.fields.store(entry.value));
        Ok(())
    }

    fn take_field(&mut self, entry: &Entry<'_>) -> Result<(), &'static str> {
        self.past_pseudo = true;
        // The name of a known one is right.
        if entry.field == Field::Other && !is_name(entry.name) {
            return Err("a field name that is none, or not in lower case");
        }
        if !is_value(entry.value) {
            return Err("a field value that is none");
        }
        match entry.field {
            Field::Connection
            | Field::KeepAlive
            | Field::ProxyConnection
            | Field::TransferEncoding
            | Field::Upgrade => {
                return Err("a field that belongs to a connection");
            }
            Field::Te if !entry.value.eq_ignore_ascii_case(b"trailers") => {
                return Err("a TE other than trailers");
            }
            _ => {}
        }
        self.fields.append_entry(entry.field, entry.name, entry.value, entry.sensitive);
        Ok(())
    }

    /// The size of the body, where `last` says that there is none.
    fn size(&self, last: bool) -> Result<Size, &'static str> {
        let mut lengths = self.fields.all(Field::ContentLength);
        let Some(text) = lengths.next() else { return Ok(if last { Size::None } else { Size::Unknown }) };
        if lengths.next().is_some() {
            return Err("a Content-Length twice");
        }
        let number = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|text| text.parse().ok()).map(Size::Known).ok_or("a Content-Length that is no number")
    }

    /// As a request; `last`: without a body. None: it is longer than is taken.
    ///
    /// # Errors
    ///
    /// It is malformed (section 8.1.1).
    #[inline]
    pub fn into_request(self, last: bool) -> Result<Option<Request>, &'static str> {
        if self.is_too_large() {
            return Ok(None);
        }
        if let Some(ill) = self.ill {
            return Err(ill);
        }
        let size = self.size(last)?;
        if last && matches!(size, Size::Known(length) if length > 0) {
            return Err(MISMEASURED.1);
        }
        let Self { fields, pseudo, .. } = self;
        if pseudo.get(Pseudo::Status).is_some() {
            return Err("a request with a status");
        }
        let method = pseudo.get(Pseudo::Method).map(|method| Method::from_bytes(fields.bytes_at(method)));
        let Some(Ok(method)) = method else { return Err("a request without a method") };
        let target = target(&fields, &pseudo, &method)?;
        let protocol = pseudo.get(Pseudo::Protocol);
        if protocol.is_some_and(|protocol| !is_protocol(fields.bytes_at(protocol))) {
            return Err("a protocol that is no name of one");
        }
        Ok(Some(Request { method, version: Version::HTTP_2, target, protocol, fields, size }))
    }

    /// As the head of an answer; `last`: without a body.
    ///
    /// # Errors
    ///
    /// It is malformed.
    pub fn into_response(self, last: bool) -> Result<Response, &'static str> {
        if self.is_too_large() {
            return Err("a head that is longer than is taken");
        }
        if let Some(ill) = self.ill {
            return Err(ill);
        }
        let others = self.pseudo.0.iter().flatten().count() > 1;
        let status = self.pseudo.get(Pseudo::Status);
        let status = status.map(|status| StatusCode::from_bytes(self.fields.bytes_at(status)));
        let Some(Ok(status)) = status.filter(|_| !others) else { return Err("an answer without a status") };
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err("101, which HTTP/2 does not have");
        }
        let size = match self.size(last)? {
            // What a 1xx or 204 says about a body it cannot have is nothing that may be passed on (RFC 9110 section 8.6).
            _ if status.is_informational() || status == StatusCode::NO_CONTENT => Size::None,
            size => size,
        };
        Ok(Response { status, size, fields: self.fields })
    }

    /// As trailers (section 8.1).
    ///
    /// # Errors
    ///
    /// They are malformed.
    pub fn into_trailers(self) -> Result<FieldSection, &'static str> {
        if self.is_too_large() {
            return Err("trailers that are longer than are taken");
        }
        if let Some(ill) = self.ill {
            return Err(ill);
        }
        if self.pseudo.0.iter().any(Option::is_some) {
            return Err("trailers with a pseudo-field");
        }
        Ok(self.fields)
    }
}

/// What a request asks for (section 8.3.1, RFC 8441 section 4).
fn target(fields: &FieldSection, pseudo: &Pseudos, method: &Method) -> Result<Target, &'static str> {
    let authority = pseudo.get(Pseudo::Authority);
    let connect = *method == Method::CONNECT;
    if connect && pseudo.get(Pseudo::Protocol).is_none() {
        if pseudo.get(Pseudo::Scheme).is_some() || pseudo.get(Pseudo::Path).is_some() || authority.is_none() {
            return Err("CONNECT with more than an authority");
        }
        return Ok(Target { authority, ..Target::default() });
    }
    if !connect && pseudo.get(Pseudo::Protocol).is_some() {
        return Err("a protocol without CONNECT");
    }
    let (Some(place), Some(_)) = (pseudo.get(Pseudo::Path), pseudo.get(Pseudo::Scheme)) else {
        return Err("a request without path or scheme");
    };
    let text = fields.bytes_at(place);
    let whole = text == b"*" && *method == Method::OPTIONS;
    if !whole && text.first() != Some(&b'/') {
        return Err("a path that does not begin with /");
    }
    let mark = memchr::memchr(b'?', text).unwrap_or(text.len());
    if !http1::is_target(text, mark) {
        return Err("a path with a character that is not allowed");
    }
    let start = place.start();
    let query = (mark < text.len()).then(|| Span::new(start + mark + 1, place.end()));
    Ok(Target { authority, path: Span::new(start, start + mark), query })
}

/// Whether it is the name of a protocol, perhaps with a version (RFC 9110 section 7.8): it may become a line of a head.
fn is_protocol(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |byte| *byte == b'/');
    parts.all(|part| !part.is_empty() && part.iter().all(|byte| http1::is_token(*byte)))
}

/// Whether it is a field's name as HTTP/2 has it: a token in lower case (section 8.2.1, RFC 9110 section 5.6.2).
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| http1::is_token(*byte) && !byte.is_ascii_uppercase())
}

/// Whether it is a field's value: no control characters, no white space around it (section 8.2.1).
fn is_value(value: &[u8]) -> bool {
    // Without a branch, so that many bytes are looked at at once.
    let ill = value.iter().fold(false, |ill, &byte| ill | (byte < b' ' && byte != b'\t') | (byte == 0x7f));
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !ill && !blank(value.first()) && !blank(value.last())
}

/// A request as it is sent.
pub struct RequestHead<'r> {
    /// Method.
    pub method: &'r Method,
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Authority.
    pub authority: &'r [u8],
    /// Path and query; empty for CONNECT without a protocol.
    pub path: &'r [u8],
    /// The protocol of an extended CONNECT.
    pub protocol: Option<&'r [u8]>,
    /// Fields.
    pub fields: &'r FieldSection,
    /// How long its body is.
    pub size: Size,
}

/// Encodes the head of a request. The key of a WebSocket is of HTTP/1.1 only (RFC 8441 section 5).
pub fn encode_request(encoder: &mut Encoder, request: &RequestHead<'_>, out: &mut Vec<u8>) {
    encoder.begin(out);
    let method = if request.protocol.is_some() { &Method::CONNECT } else { request.method };
    encoder.pseudo(Pseudo::Method, method.as_str().as_bytes(), out);
    encoder.pseudo(Pseudo::Scheme, request.scheme.as_bytes(), out);
    if !request.authority.is_empty() {
        encoder.pseudo(Pseudo::Authority, request.authority, out);
    }
    encoder.pseudo(Pseudo::Path, request.path, out);
    if let Some(protocol) = request.protocol {
        encoder.pseudo(Pseudo::Protocol, protocol, out);
    }
    if request.protocol.is_none() {
        encoder.section(request.fields, out);
    } else {
        let kept = request.fields.entries().filter(|(field, ..)| *field != Field::SecWebsocketKey);
        encode_fields(encoder, kept, out);
    }
    if let Size::Known(length) = request.size {
        encode_length(encoder, length, out);
    }
}

/// Encodes the head of an answer, with a date where it lacks one.
pub fn encode_response(encoder: &mut Encoder, response: &Response, date: Option<&[u8]>, out: &mut Vec<u8>) {
    encoder.begin(out);
    encoder.pseudo(Pseudo::Status, response.status.as_str().as_bytes(), out);
    encoder.section(&response.fields, out);
    if let Size::Known(length) = response.size {
        encode_length(encoder, length, out);
    }
    if let Some(date) = date {
        encoder.field(Field::Date, Field::Date.name().as_bytes(), date, false, out);
    }
}

/// Encodes fields: what [`FieldSection::entries`] has of each.
pub fn encode_fields<'f>(
    encoder: &mut Encoder,
    fields: impl Iterator<Item = (Field, &'f [u8], &'f [u8], bool)>,
    out: &mut Vec<u8>,
) {
    for (field, name, value, sensitive) in fields {
        encoder.field(field, name, value, sensitive, out);
    }
}

/// Encodes Content-Length.
fn encode_length(encoder: &mut Encoder, length: u64, out: &mut Vec<u8>) {
    let field = Field::ContentLength;
    encoder.field(field, field.name().as_bytes(), http1::digits(length, &mut [0; 20]), false, out);
}
