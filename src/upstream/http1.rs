//! A request over HTTP/1.1 towards an endpoint.

use std::task::{Context, Poll, ready};

use http::{Method, StatusCode};

use super::Outgoing;
use crate::http1;
use crate::io::{Http1, Ready, Source as _, Wire};
use crate::message::{Broken, Field, LARGE, Response, Size};

/// Longest head of an answer, bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// Room for a head and what comes with it, bytes: most answers come whole in one read, and go out in one write.
const ROOM: usize = LARGE;

/// The connection while it carries one request.
pub struct Http1Upstream {
    /// Its bytes and bodies.
    pub body: Http1,
    to_head: bool,
    upgrade: bool,
    /// The endpoint takes another request on it.
    persistent: bool,
    /// Bytes of the head that were looked at.
    seen: usize,
}

impl Http1Upstream {
    /// A connection that carries nothing.
    pub fn new(wire: Wire) -> Self {
        Self { body: Http1::new(wire), to_head: false, upgrade: false, persistent: false, seen: 0 }
    }

    /// Makes the head ready to go out with what follows it.
    pub fn send(&mut self, request: &Outgoing<'_>) {
        self.to_head = *request.method == Method::HEAD;
        self.upgrade = request.upgrade.is_some();
        self.body.wire.outbox.forget();
        write_head(self.body.wire.outbox.bytes(), request);
        self.body.write_chunks(request.size == Size::Unknown);
    }

    /// Waits for a head, which may be an informational one; 101 only where an upgrade was asked for.
    ///
    /// # Errors
    ///
    /// The connection broke, or what came is no answer.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Response, Broken>> {
        loop {
            let unread = self.body.wire.inbox.unread();
            if !unread.is_empty()
                && let Some((length, response)) = http1::next_response(unread, self.seen, self.to_head)
            {
                self.seen = 0;
                let (response, persistent) = response.map_err(|error| malformed(&error))?;
                self.body.wire.inbox.consume(length);
                return Poll::Ready(self.take(response, persistent));
            }
            self.seen = unread.len();
            if self.seen > LONGEST_HEAD {
                return Poll::Ready(Err(Broken::Malformed("the head of the answer is too long")));
            }
            if ready!(self.body.wire.poll_fill(ROOM, context))? == 0 {
                let begun = !self.body.wire.inbox.unread().is_empty();
                let error = if begun { Broken::Malformed("the head of the answer broke off") } else { Broken::Closed };
                return Poll::Ready(Err(error));
            }
        }
    }

    fn take(&mut self, response: Response, persistent: bool) -> Result<Response, Broken> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for another protocol, so the client must not believe that there is one.
            let unasked = Broken::Malformed("the endpoint switched protocols without being asked");
            return if self.upgrade { Ok(response) } else { Err(unasked) };
        }
        if response.status.is_informational() {
            return Ok(response);
        }
        let closes = response.fields.elements(Field::Connection).any(|option| option.eq_ignore_ascii_case(b"close"));
        self.persistent = persistent && !closes;
        let bodiless = Response::is_bodiless(response.status, self.to_head);
        let until_closed = !response.fields.has(Field::TransferEncoding);
        self.body.expect(if bodiless { Size::None } else { response.size }, until_closed);
        Ok(response)
    }

    /// Whether another request can follow: the answer came to its end, and nothing after it.
    pub fn is_reusable(&mut self) -> bool {
        // The end of a body in chunks may be there and not have been looked at.
        let mut context = Context::from_waker(std::task::Waker::noop());
        let ended =
            self.body.has_read_all() || matches!(self.body.poll_ready(&mut context), Poll::Ready(Ok(Ready::End)));
        let wire = &self.body.wire;
        ended && self.persistent && wire.inbox.unread().is_empty() && wire.outbox.is_empty()
    }
}

fn malformed(error: &http1::HeadError) -> Broken {
    match error {
        http1::HeadError::Malformed(text) => Broken::Malformed(text),
        http1::HeadError::TooManyFields => Broken::Malformed("the answer has too many fields"),
        http1::HeadError::UnknownCoding => Broken::Malformed("the answer has a transfer coding other than chunked"),
        http1::HeadError::Version => Broken::Malformed("the answer is of another version of HTTP"),
    }
}

/// Writes a head in origin-form (RFC 9112 section 3.2.1).
fn write_head(out: &mut Vec<u8>, request: &Outgoing<'_>) {
    let method = if request.upgrade.is_some() { &Method::GET } else { request.method };
    http1::request_line(out, method, request.path);
    out.extend_from_slice(b"host: ");
    out.extend_from_slice(request.host);
    out.extend_from_slice(b"\r\n");
    request.fields.write_to(out);
    match request.size {
        Size::None => {}
        Size::Known(length) => http1::size_line(out, length),
        Size::Unknown => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if let Some(protocol) = request.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    } else if request.fields.has(Field::Te) {
        out.extend_from_slice(b"connection: te\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
