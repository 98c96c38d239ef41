//! Clients on HTTP/1.0 and 1.1: one request after the other, until one side wants no more.

mod waiting;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Method, StatusCode, Version};
use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::super::carrier::{Errand, carry};
use super::super::exchange::ConnectionInfo;
use super::super::worker::Worker;
use super::{Client, refuse};
use crate::drain::Visiting;
use crate::http1;
use crate::io::{self, Alarm, Http1, Outbox, Ready, Source, Wire};
use crate::message::{Broken, Field, Request, Response, SMALL, Size};

pub use waiting::{CLIENT_IDLE, HEAD_TIMEOUT};
use waiting::{Next, Waiting};

/// What of an unwanted body is read to keep the connection, bytes, and how long that may take.
const DRAINED: u64 = 64 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// What is read ahead of a request that waits, bytes.
const AHEAD: usize = SMALL / 2;
/// How much a client may still send after the last answer before its connection is cut, bytes, and for how long. Closed
/// at once, it could lose the answer (RFC 9112 section 9.6).
const LINGERED: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// A client's connection.
pub struct Http1Client {
    /// Its bytes and bodies.
    pub body: Http1,
    /// A request that was read, and that nobody carries yet.
    pub request: Option<Request>,
    version: Version,
    /// The answer is to be a head alone.
    pub head_request: bool,
    /// Both sides want another request on it.
    persistent: bool,
    /// The client waits to be asked for its body.
    expects: bool,
    answer: Answered,
    /// Its deadlines, also while its requests are carried.
    pub alarm: Alarm,
}

/// How far the answer has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Nothing,
    Begun,
    Whole,
}

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, info: Rc<ConnectionInfo>, wire: Wire, visiting: Visiting) {
    let mut client = Box::new(Http1Client::new(wire));
    let mut waiting = Waiting::new(visiting);
    loop {
        match poll_fn(|context| waiting.poll(&mut client, context)).await {
            Next::Request => {
                waiting.visiting.idles(false);
                if waiting.visiting.is_asked() {
                    client.close();
                }
                let (worker, info) = (Rc::clone(&worker), Rc::clone(&info));
                client = carry(Errand { worker, info, client }).await;
            }
            // Boxed, since it is rare.
            Next::Refused(fault) => {
                client.begins(Version::HTTP_11, Size::None);
                Box::pin(refuse(&worker, &info, &mut Client::Http1(&mut client), fault)).await;
            }
            Next::End => return,
        }
        if !client.is_free().await {
            return client.end().await;
        }
    }
}

impl Http1Client {
    fn new(wire: Wire) -> Self {
        let body = Http1::new(wire);
        let (version, answer, alarm) = (Version::HTTP_11, Answered::Nothing, Alarm::default());
        Self { body, request: None, version, head_request: false, persistent: false, expects: false, answer, alarm }
    }

    /// A request was read.
    fn takes(&mut self) {
        let Some(Request { method, version, size, fields, .. }) = &self.request else { return };
        let (version, size, head_request) = (*version, *size, *method == Method::HEAD);
        let says = |option: &[u8]| fields.elements(Field::Connection).any(|o| o.eq_ignore_ascii_case(option));
        // `close` counts whatever stands beside it (RFC 9112 section 9.3).
        let persistent = !says(b"close") && (version == Version::HTTP_11 || says(b"keep-alive"));
        let expects = size != Size::None && fields.has(Field::Expect);
        self.begins(version, size);
        (self.head_request, self.persistent, self.expects) = (head_request, persistent, expects);
    }

    fn begins(&mut self, version: Version, size: Size) {
        self.version = version;
        self.head_request = false;
        self.persistent = false;
        self.expects = false;
        self.answer = Answered::Nothing;
        self.body.expect(size, false);
    }

    /// Makes the head of the answer ready to go out with what follows it.
    pub fn begin(&mut self, response: &Response, bodiless: bool) {
        self.answer = Answered::Begun;
        // A client that was not asked for its body may send it or not: nobody could tell it from the next request.
        self.persistent &= !self.expects;
        let chunks = !bodiless && response.size == Size::Unknown && self.version == Version::HTTP_11;
        self.persistent &= bodiless || chunks || response.size != Size::Unknown;
        self.body.write_chunks(chunks);
        if self.body.wire.outbox.is_empty() {
            self.body.wire.outbox.forget();
        }
        let out = self.body.wire.outbox.bytes();
        http1::status_line(out, response.status);
        response.fields.write_to(out);
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return out.extend_from_slice(b"\r\n");
        }
        match response.size {
            Size::Known(length) => http1::size_line(out, length),
            Size::None if !bodiless => http1::size_line(out, 0),
            Size::Unknown if chunks => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Size::None | Size::Unknown => {}
        }
        // RFC 9110 section 6.6.1: who passes an answer on adds the date that it lacks.
        if !response.fields.has(Field::Date) {
            out.extend_from_slice(b"date: ");
            out.extend_from_slice(&io::date());
            out.extend_from_slice(b"\r\n");
        }
        if !self.persistent {
            out.extend_from_slice(b"connection: close\r\n");
        } else if self.version != Version::HTTP_11 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Writes an informational answer, for clients that know of them.
    pub fn inform(&mut self, response: &Response) {
        if self.version != Version::HTTP_11 || self.answer != Answered::Nothing {
            return;
        }
        let out = self.body.wire.outbox.bytes();
        http1::status_line(out, response.status);
        response.fields.write_to(out);
        out.extend_from_slice(b"\r\n");
        // What does not go out at once goes with what follows.
        let _ = self.body.wire.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
    }

    /// Ready once the client has gone. One that ends its side after its request is taken as gone, too.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.body.has_read_all() || !self.body.wire.inbox.unread().is_empty() {
            return Poll::Pending;
        }
        match ready!(self.body.wire.poll_fill(SMALL, context)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            // Its next request.
            Ok(_) => Poll::Pending,
        }
    }

    /// Ready once the client has gone, whose body nobody reads yet: a part of that is read ahead, since the end of the
    /// connection lies behind it.
    pub fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.body.wire.inbox.unread().len() < AHEAD {
            match ready!(self.body.wire.poll_fill(SMALL, context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// The body of the request, which the client may want to be asked for (RFC 9110 section 10.1.1).
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        if std::mem::take(&mut self.expects) && self.answer == Answered::Nothing && !self.has_begun() {
            self.body.wire.outbox.bytes().extend_from_slice(http1::CONTINUE);
        }
        if self.answer == Answered::Nothing && !self.body.wire.outbox.is_empty() {
            ready!(self.body.wire.poll_flush(context))?;
        }
        self.body.poll_ready(context)
    }

    /// Whether the client waits to be asked for its body.
    pub fn expects(&self) -> bool {
        self.expects
    }

    /// Whether bytes of the body have come without being asked for.
    fn has_begun(&self) -> bool {
        !self.body.wire.inbox.unread().is_empty()
    }

    /// The answer came to its end.
    pub fn complete(&mut self) {
        self.answer = Answered::Whole;
    }

    /// Takes the answer back, if nothing of it has been written. What may have waited before it, for which there was no room,
    /// goes too.
    pub fn take_back_answer(&mut self) -> bool {
        let untold = self.answer == Answered::Begun && !self.body.wire.outbox.has_written();
        if untold {
            self.body.wire.outbox = Outbox::default();
            self.answer = Answered::Nothing;
        }
        untold
    }

    /// The connection is not used again.
    pub fn close(&mut self) {
        self.persistent = false;
    }

    /// The rest of the request is not wanted; a connection on which much of it would still come is closed.
    pub fn abandon(&mut self) {
        self.persistent &= self.body.to_come().is_some_and(|left| left <= DRAINED);
    }

    /// What follows, both ways, is another protocol.
    pub fn become_tunnel(&mut self) {
        self.persistent = false;
        self.answer = Answered::Whole;
        self.body.become_tunnel();
    }

    /// Whether the connection is free for the next request, after what is left of the last one.
    async fn is_free(&mut self) -> bool {
        if !self.persistent || self.answer != Answered::Whole {
            return false;
        }
        if self.body.has_read_all() {
            return true;
        }
        let mut left = DRAINED;
        let since = Instant::now();
        poll_fn(|context| {
            loop {
                match self.body.poll_ready(context) {
                    Poll::Ready(Ok(Ready::End)) => return Poll::Ready(true),
                    Poll::Ready(Ok(Ready::Data)) => {
                        let length = self.body.data().0.len();
                        self.body.consume(length);
                        match left.checked_sub(length as u64) {
                            Some(rest) => left = rest,
                            None => return Poll::Ready(false),
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return self.alarm.poll(since + DRAIN_TIMEOUT, context).map(|()| false),
                }
            }
        })
        .await
    }

    /// Ends the connection so that a client that still sends gets its answer.
    async fn end(&mut self) {
        let tls = self.body.wire.stream.plain().is_none();
        if self.answer != Answered::Whole {
            // Cut without a word: the client must not take what it has got for whole. On HTTP/1.0 the end of the connection may be
            // that of the answer, which a reset is not; TLS tells the two apart.
            if let Some(socket) = self.body.wire.stream.plain().filter(|_| self.version != Version::HTTP_11) {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            return;
        }
        if !tls && self.body.has_read_all() && self.body.wire.inbox.unread().is_empty() {
            return;
        }
        let (wire, alarm) = (&mut self.body.wire, &mut self.alarm);
        let since = Instant::now();
        let (mut told, mut left) = (false, LINGERED);
        poll_fn(|context| {
            loop {
                if !told {
                    told = Pin::new(&mut wire.stream).poll_shutdown(context).is_ready();
                }
                let unread = wire.inbox.unread().len();
                wire.inbox.consume(unread);
                left = left.saturating_sub(unread);
                match wire.poll_fill(SMALL, context) {
                    Poll::Ready(Ok(count)) if count > 0 && left > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending if told && tls => return Poll::Ready(()),
                    Poll::Pending => return alarm.poll(since + LINGER, context),
                }
            }
        })
        .await;
    }
}
