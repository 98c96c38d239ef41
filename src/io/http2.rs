//! A stream of HTTP/2 with the body that is read from it and the one that is written to it; the same on both sides of the
//! proxy.

mod session;

pub use session::{Driver, Session};

use std::task::{Context, Poll, ready};

use super::{Ready, Sink, Source};
use crate::http2::{Connection, Key, Reason, RequestHead};
use crate::message::{Broken, Buffer, FieldSection, Response};

/// Room for the head of a message, bytes; more is made if it is longer.
const ROOM_FOR_HEAD: usize = 1024;
/// Room for the headers of the frames of one piece of a body, bytes.
const ROOM_FOR_FRAMES: usize = 64;

/// The stream. Dropped before its end, it is given up.
pub struct Http2 {
    session: Session,
    /// Absent before it is opened.
    key: Option<Key>,
    data: Buffer,
    start: usize,
    /// Nothing follows `data`.
    last: bool,
    ended: bool,
    /// This side has sent all that it will.
    sent: bool,
}

impl Http2 {
    /// A stream that the other side has opened.
    pub fn new(session: Session, key: Key) -> Self {
        let mut stream = Self::unopened(session);
        stream.key = Some(key);
        stream
    }

    /// A stream that is to be opened.
    pub fn unopened(session: Session) -> Self {
        Self { session, key: None, data: Buffer::none(), start: 0, last: false, ended: false, sent: false }
    }

    /// The connection that it is on.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Opens the stream with a request, once the other side lets us; `last`: it has no body.
    ///
    /// # Errors
    ///
    /// Nothing was sent.
    pub fn poll_open(
        &mut self,
        request: &RequestHead<'_>,
        last: bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let key = ready!(self.session.with(ROOM_FOR_HEAD, |connection, out| {
            if connection.is_open() && !connection.has_room() {
                connection.wait(context);
                return Poll::Pending;
            }
            Poll::Ready(connection.open(request, last, out))
        }))?;
        (self.key, self.sent) = (Some(key), last);
        Poll::Ready(Ok(()))
    }

    /// Waits for the head of an answer, which may be an informational one.
    ///
    /// # Errors
    ///
    /// The stream or its connection broke.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Response, Broken>> {
        let Some(key) = self.key else { return Poll::Ready(Err(Broken::Closed)) };
        self.session.look(|connection| connection.poll_head(key, context))
    }

    /// Sends the head of an answer, with a date where it lacks one; `last`: there is no body.
    ///
    /// # Errors
    ///
    /// The stream has ended.
    pub fn answer(&mut self, response: &Response, date: Option<&[u8]>, last: bool) -> Result<(), Broken> {
        let Some(key) = self.key else { return Err(Broken::Closed) };
        self.session.with(ROOM_FOR_HEAD, |connection, out| connection.answer(key, (response, date), last, out))?;
        self.sent = last;
        Ok(())
    }

    /// Ready once the other side has given the stream up, or gone.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else { return Poll::Ready(()) };
        self.session.look(|connection| connection.poll_cut(key, context))
    }

    /// Whether nothing of the body is to come.
    pub fn has_read_all(&self) -> bool {
        let whole = |key| self.session.look(|connection| connection.has_read_all(key));
        self.ended || (self.data.is_empty() && self.key.is_none_or(whole))
    }

    /// Ends the stream before its end.
    pub fn reset(&mut self, reason: Reason) {
        if let Some(key) = self.key {
            self.session.with(0, |connection, out| connection.reset(key, reason, out));
        }
    }
}

impl Source for Http2 {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        if !self.data.is_empty() {
            return Poll::Ready(Ok(Ready::Data));
        }
        let Some(key) = self.key.filter(|_| !self.ended) else { return Poll::Ready(Ok(Ready::End)) };
        match ready!(self.session.look(|connection| connection.poll_data(key, context)))? {
            Some((data, last)) => {
                (self.data, self.last) = (data, last);
                Poll::Ready(Ok(Ready::Data))
            }
            None => {
                self.ended = true;
                Poll::Ready(Ok(Ready::End))
            }
        }
    }

    fn data(&self) -> (&[u8], bool) {
        (&self.data[self.start..], self.last)
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.data.len() {
            self.data = Buffer::none();
            self.start = 0;
        }
        if let Some(key) = self.key {
            self.session.with(0, |connection, out| connection.used(key, count, out));
        }
    }

    fn has_ended(&self) -> bool {
        self.ended || (self.last && self.data.is_empty())
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.session.look(|connection| connection.take_trailers(self.key?))
    }
}

impl Sink for Http2 {
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let Some(key) = self.key else { return Poll::Ready(Err(Broken::Closed)) };
        let room = data.len() + ROOM_FOR_FRAMES;
        let send =
            |connection: &mut Connection, out: &mut Vec<u8>| connection.poll_send(key, (data, last), out, context);
        let count = ready!(self.session.with(room, send))?;
        self.sent = last && count == data.len();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, trailers: &mut Option<FieldSection>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(key) = self.key.filter(|_| !self.sent) else { return Poll::Ready(Ok(())) };
        let trailers = trailers.take();
        self.sent = true;
        Poll::Ready(self.session.with(0, |connection, out| connection.finish(key, trailers.as_ref(), out)))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let unused = self.data.len() - self.start;
        self.session.with(0, |connection, out| {
            connection.used(key, unused, out);
            connection.release(key, out);
        });
    }
}

#[cfg(test)]
mod tests;
