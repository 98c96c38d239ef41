//! What goes: heads, bodies and the ends of streams, written as far as there is room.

use std::task::{Context, Poll};

use super::Reason;
use super::connection::{Connection, MOST_WAITING, Role};
use super::frame::{self, LONGEST};
use super::head::{self, RequestHead};
use super::stream::{Answer, Cut, Key, Stream};
use crate::message::{Broken, Buffer, FieldSection, Response};

/// Most bytes that one call takes, so that streams take turns.
const PIECE: usize = 4 * LONGEST;

impl Connection {
    /// Opens a stream with a request; `last`: it has no body.
    ///
    /// # Errors
    ///
    /// Nothing is written: no stream can be opened.
    pub fn open(&mut self, request: &RequestHead<'_>, last: bool, out: &mut Vec<u8>) -> Result<Key, Broken> {
        if !self.is_open() {
            return Err(Broken::Refused);
        }
        let id = self.next_id;
        self.next_id += 2;
        let encoder = &mut self.encoder;
        frame::headers(out, id, last, |out| head::encode_request(encoder, request, out));
        let mut stream = Stream::new(id, self.peer.stream_window, self.limits.stream_window);
        stream.sends = !last;
        let to_head = *request.method == http::Method::HEAD;
        stream.answer = Some(Answer { to_head, ..Answer::default() });
        Ok(self.streams.insert(stream))
    }

    /// Sends the head of an answer, with a date where it lacks one.
    ///
    /// # Errors
    ///
    /// The stream has ended, or has its answer.
    pub fn answer(
        &mut self,
        key: Key,
        (response, date): (&Response, Option<&[u8]>),
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let stream = self.streams.get_mut(key).ok_or(Broken::Closed)?;
        if let Some(cut) = stream.cut {
            return Err(cut.into());
        }
        if stream.answered {
            return Err(Broken::Closed);
        }
        stream.sends = !last;
        stream.answered = !response.status.is_informational();
        if stream.answered {
            self.calm.pays();
        }
        let encoder = &mut self.encoder;
        frame::headers(out, key.id, last, |out| {
            head::encode_response(encoder, response, date, out);
        });
        Ok(())
    }

    /// Sends some of `data`; `last`: nothing follows it.
    pub fn poll_send(
        &mut self,
        key: Key,
        (data, last): (&[u8], bool),
        out: &mut Vec<u8>,
        context: &Context<'_>,
    ) -> Poll<Result<usize, Broken>> {
        let waiting = out.len();
        let shared = self.send_window.room().min(MOST_WAITING.saturating_sub(waiting));
        let Some(stream) = self.streams.get_mut(key) else { return Poll::Ready(Err(Broken::Closed)) };
        if let Some(cut) = stream.cut {
            return Poll::Ready(Err(cut.into()));
        }
        if !stream.sends {
            return Poll::Ready(Err(Broken::Closed));
        }
        let count = data.len().min(PIECE).min(stream.send_window.room()).min(shared);
        if count == 0 && !data.is_empty() {
            stream.wait(context);
            if shared == 0 && !stream.blocked {
                stream.blocked = true;
                self.blocked.push_back(key);
            }
            return Poll::Pending;
        }
        stream.send_window.take(count);
        self.send_window.take(count);
        let last = last && count == data.len();
        stream.sends = !last;
        let mut left = &data[..count];
        while left.len() > LONGEST {
            let (piece, rest) = left.split_at(LONGEST);
            frame::data(out, key.id, piece, false);
            left = rest;
        }
        frame::data(out, key.id, left, last);
        Poll::Ready(Ok(count))
    }

    /// Ends what this side sends, if it has not ended, with trailers if there are any.
    ///
    /// # Errors
    ///
    /// The stream was cut.
    pub fn finish(&mut self, key: Key, trailers: Option<&FieldSection>, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.sends || stream.cut.is_some()) else {
            return Ok(());
        };
        if let Some(cut) = stream.cut {
            return Err(cut.into());
        }
        stream.sends = false;
        match trailers.filter(|trailers| !trailers.is_empty()) {
            None => frame::data(out, key.id, &[], true),
            Some(trailers) => {
                let encoder = &mut self.encoder;
                frame::headers(out, key.id, true, |out| {
                    encoder.begin(out);
                    head::encode_fields(encoder, trailers.entries(), out);
                });
            }
        }
        Ok(())
    }

    /// Gives a stream up, if it has not ended.
    pub fn reset(&mut self, key: Key, reason: Reason, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| !stream.is_over()) else { return };
        stream.cut(Cut::Reset(reason));
        frame::reset(out, key.id, reason);
        self.remember(key.id);
    }

    /// Nobody holds the stream any more.
    pub fn release(&mut self, key: Key, out: &mut Vec<u8>) {
        let answered = self.streams.get(key).is_some_and(|stream| !stream.sends);
        // Section 8.1: the rest of a request that has its answer is not needed.
        let whole = self.role == Role::Server && answered;
        self.reset(key, if whole { Reason::NO_ERROR } else { Reason::CANCEL }, out);
        if let Some(stream) = self.streams.remove(key) {
            if stream.blocked {
                self.blocked.retain(|other| *other != key);
            }
            self.receive_window.release(stream.data.len(), 0, out);
            self.wake_waiting();
        }
    }

    /// Waits for more of a body: its bytes, and whether they are the end of it. None: the end.
    ///
    /// # Errors
    ///
    /// The body will not come to its end.
    pub fn poll_data(&mut self, key: Key, context: &Context<'_>) -> Poll<Result<Option<(Buffer, bool)>, Broken>> {
        let Some(stream) = self.streams.get_mut(key) else { return Poll::Ready(Err(Broken::Closed)) };
        if !stream.data.is_empty() {
            let ends = !stream.receives && stream.trailers.is_none();
            return Poll::Ready(Ok(Some((std::mem::take(&mut stream.data), ends))));
        }
        if !stream.receives {
            return Poll::Ready(Ok(None));
        }
        if let Some(cut) = stream.cut {
            return Poll::Ready(Err(cut.into()));
        }
        stream.wait(context);
        Poll::Pending
    }

    /// The trailers that have come.
    pub fn take_trailers(&mut self, key: Key) -> Option<FieldSection> {
        self.streams.get_mut(key)?.trailers.take()
    }

    /// So many bytes of a body were used: as many more may come.
    pub fn used(&mut self, key: Key, count: usize, out: &mut Vec<u8>) {
        self.receive_window.release(count, 0, out);
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.receives && stream.cut.is_none()) {
            stream.receive_window.release(count, key.id, out);
        }
    }

    /// Whether a stream has all that is to come, and it was taken.
    pub fn has_read_all(&self, key: Key) -> bool {
        self.streams
            .get(key)
            .is_none_or(|stream| !stream.receives && stream.data.is_empty() && stream.trailers.is_none())
    }

    /// Waits for the head of an answer.
    pub fn poll_head(&mut self, key: Key, context: &Context<'_>) -> Poll<Result<Response, Broken>> {
        let Some(stream) = self.streams.get_mut(key) else { return Poll::Ready(Err(Broken::Closed)) };
        if let Some(response) = stream.answer.as_mut().and_then(Answer::next) {
            return Poll::Ready(Ok(response));
        }
        if let Some(cut) = stream.cut {
            return Poll::Ready(Err(cut.into()));
        }
        stream.wait(context);
        Poll::Pending
    }

    /// Ready once the other side has cut the stream.
    pub fn poll_cut(&mut self, key: Key, context: &Context<'_>) -> Poll<()> {
        match self.streams.get_mut(key) {
            Some(stream) if stream.cut.is_none() => {
                stream.wait(context);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}
