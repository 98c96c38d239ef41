//! A connection of HTTP/1.1 with the body that is read from it and the one that is written to it; the same on both sides of
//! the proxy.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::{Ready, Sink, Source, Wire};
use crate::http1::{self, Body, Step};
use crate::message::{Broken, FieldSection, LARGE, SMALL, Size};

/// The connection.
pub struct Http1 {
    /// Its bytes.
    pub wire: Wire,
    body: Body,
    /// Bytes at the front of the inbox that are data of the body.
    ready: usize,
    trailers: Option<FieldSection>,
    writing: Writing,
    /// More comes than fits a small buffer.
    busy: bool,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// As it is.
    Plain,
    /// In chunks, with so many bytes to come of the one that was begun.
    Chunks { left: u64 },
    /// The last chunk was written.
    Ended,
    /// As it is, and the end of it ends the direction.
    Tunnel,
}

impl Http1 {
    /// A connection between two messages.
    pub fn new(wire: Wire) -> Self {
        Self { wire, body: Body::Ended, ready: 0, trailers: None, writing: Writing::Plain, busy: false }
    }

    /// A body of that size follows the head that was read.
    pub fn expect(&mut self, size: Size, until_closed: bool) {
        self.body = match size {
            Size::None => Body::Ended,
            Size::Known(length) => Body::Length(length),
            Size::Unknown if until_closed => Body::UntilClosed,
            Size::Unknown => Body::CHUNKED,
        };
        self.trailers = None;
    }

    /// The body that is written is in chunks, or is not.
    pub fn write_chunks(&mut self, chunks: bool) {
        self.writing = if chunks { Writing::Chunks { left: 0 } } else { Writing::Plain };
    }

    /// What follows, both ways, is another protocol.
    pub fn become_tunnel(&mut self) {
        self.body = Body::UntilClosed;
        self.writing = Writing::Tunnel;
    }

    /// Whether the body that was read came to its end.
    pub fn has_read_all(&self) -> bool {
        self.body.is_ended()
    }

    /// How much of the body is still to come, if that is known.
    pub fn to_come(&self) -> Option<u64> {
        match self.body {
            Body::Ended => Some(0),
            Body::Length(left) => Some(left),
            Body::Chunked(_) | Body::UntilClosed => None,
        }
    }

    fn capacity(&self) -> usize {
        match self.body {
            Body::Length(left) if left > SMALL as u64 => LARGE,
            Body::Chunked(_) | Body::UntilClosed if self.busy => LARGE,
            _ => SMALL,
        }
    }
}

impl Source for Http1 {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        loop {
            if self.ready > 0 {
                return Poll::Ready(Ok(Ready::Data));
            }
            match self.body.step(self.wire.inbox.unread())? {
                Step::Data(length) => self.ready = length,
                Step::Skip(length) => self.wire.inbox.consume(length),
                Step::End(length, trailers) => {
                    self.wire.inbox.consume(length);
                    self.body = Body::Ended;
                    self.trailers = trailers.or(self.trailers.take());
                    return Poll::Ready(Ok(Ready::End));
                }
                Step::More => {
                    let capacity = self.capacity();
                    let filled = ready!(self.wire.poll_fill(capacity, context))?;
                    self.busy = filled >= SMALL;
                    match (filled, &self.body) {
                        (0, Body::UntilClosed) => self.body = Body::Ended,
                        (0, _) => return Poll::Ready(Err(Broken::Closed)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn data(&self) -> (&[u8], bool) {
        let unread = self.wire.inbox.unread();
        (&unread[..self.ready], self.body.ends_with(self.ready, unread))
    }

    fn consume(&mut self, count: usize) {
        self.wire.inbox.consume(count);
        self.body.used(count);
        self.ready -= count;
    }

    fn has_ended(&self) -> bool {
        matches!(self.body, Body::Length(0))
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.trailers.take()
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        match self.body {
            Body::Length(left) if self.wire.inbox.unread().is_empty() => Some((self.wire.stream.plain()?, left)),
            _ => None,
        }
    }

    fn bypassed(&mut self, count: usize) {
        self.body.used(count);
    }
}

impl Sink for Http1 {
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        debug_assert!(!data.is_empty(), "a chunk of nothing would be the last one");
        let Wire { stream, outbox, .. } = &mut self.wire;
        loop {
            let (piece, after): (&[u8], &[u8]) = match &mut self.writing {
                Writing::Plain | Writing::Tunnel => (data, &[]),
                Writing::Ended => return Poll::Ready(Err(Broken::Malformed("data after the last chunk"))),
                Writing::Chunks { left } => {
                    if *left == 0 {
                        *left = data.len() as u64;
                        http1::chunk_size(outbox.bytes(), *left);
                    }
                    let piece = &data[..data.len().min(usize::try_from(*left).unwrap_or(usize::MAX))];
                    match piece.len() as u64 == *left {
                        true if last && piece.len() == data.len() => (piece, b"\r\n0\r\n\r\n"),
                        true => (piece, b"\r\n"),
                        false => (piece, &[]),
                    }
                }
            };
            // What is short goes out with what follows it, or once nothing does for now: a call for each would cost more than it.
            let waits = !last && matches!(self.writing, Writing::Chunks { .. }) && outbox.keep([piece, after]);
            let sent = match waits {
                true => piece.len(),
                false => ready!(outbox.poll_write(stream, [piece, after], context))?,
            };
            if let Writing::Chunks { left } = &mut self.writing {
                *left -= sent as u64;
                if *left == 0 && last && sent == data.len() {
                    self.writing = Writing::Ended;
                }
            }
            if sent > 0 {
                return Poll::Ready(Ok(sent));
            }
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.wire.poll_flush(context).map_err(Broken::from)
    }

    fn poll_finish(
        &mut self,
        trailers: &mut Option<FieldSection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if let Writing::Chunks { .. } = self.writing {
            self.writing = Writing::Ended;
            let out = self.wire.outbox.bytes();
            match trailers.take().filter(|trailers| !trailers.is_empty()) {
                None => out.extend_from_slice(http1::LAST_CHUNK),
                Some(trailers) => {
                    out.extend_from_slice(b"0\r\n");
                    trailers.write_to(out);
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
        ready!(self.wire.poll_flush(context))?;
        if self.writing == Writing::Tunnel {
            ready!(Pin::new(&mut self.wire.stream).poll_shutdown(context))?;
        }
        Poll::Ready(Ok(()))
    }

    fn bare(&self) -> Option<&TcpStream> {
        let plain = self.writing == Writing::Plain && self.wire.outbox.is_empty();
        self.wire.stream.plain().filter(|_| plain)
    }
}

#[cfg(test)]
mod tests;
