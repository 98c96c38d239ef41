//! A stream of HTTP/2 with the body that is read from it and the one that is written to it; the same on both sides of the
//! proxy.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};

use super::{Ready, Sink, Source};
use crate::message::{Broken, FieldSection};

/// Most bytes that one call hands to the codec.
const PIECE: usize = 64 * 1024;

/// The stream.
pub struct Http2 {
    /// Absent before the head was sent, and where it was the end.
    pub send: Option<SendStream<Bytes>>,
    /// Absent before the head has come.
    pub recv: Option<RecvStream>,
    data: Bytes,
    trailers: Option<FieldSection>,
    ended: bool,
}

impl Http2 {
    /// A stream of which some halves are there.
    pub fn new(send: Option<SendStream<Bytes>>, recv: Option<RecvStream>) -> Self {
        Self { send, recv, data: Bytes::new(), trailers: None, ended: false }
    }

    /// Whether nothing of the body is to come.
    pub fn has_read_all(&self) -> bool {
        self.ended || (self.data.is_empty() && self.recv.as_ref().is_none_or(RecvStream::is_end_stream))
    }

    /// Ends the stream before its end.
    pub fn reset(&mut self, reason: Reason) {
        if let Some(send) = &mut self.send {
            send.send_reset(reason);
        }
    }
}

/// What an error of a stream says.
pub fn broken(error: h2::Error) -> Broken {
    // Not begun: REFUSED_STREAM, or beyond the last id of a GOAWAY (RFC 9113 section 8.7).
    let refused = error.reason() == Some(Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR));
    if refused { Broken::Refused } else { Broken::Http2(error) }
}

impl Source for Http2 {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        while self.data.is_empty() {
            let Some(recv) = self.recv.as_mut().filter(|_| !self.ended) else { return Poll::Ready(Ok(Ready::End)) };
            match ready!(recv.poll_data(context)) {
                Some(Ok(data)) => self.data = data,
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => {
                    let trailers = ready!(recv.poll_trailers(context)).map_err(broken)?;
                    self.trailers = trailers.map(|map| {
                        let mut section = FieldSection::new();
                        section.append_all(&map);
                        section
                    });
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(Ready::Data))
    }

    fn data(&self) -> (&[u8], bool) {
        (&self.data, self.recv.as_ref().is_some_and(RecvStream::is_end_stream))
    }

    fn consume(&mut self, count: usize) {
        self.data.advance(count);
        if let Some(recv) = &mut self.recv {
            // It fails for a stream that has ended, whose window nobody needs.
            let _ = recv.flow_control().release_capacity(count);
        }
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.trailers.take()
    }
}

impl Sink for Http2 {
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Err(Broken::Closed)) };
        send.reserve_capacity(data.len().min(PIECE));
        while send.capacity() == 0 {
            if ready!(send.poll_capacity(context)).transpose().map_err(broken)?.is_none() {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
        let count = send.capacity().min(data.len()).min(PIECE);
        let last = last && count == data.len();
        send.send_data(Bytes::copy_from_slice(&data[..count]), last).map_err(broken)?;
        if last {
            self.send = None;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, trailers: &mut Option<FieldSection>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(mut send) = self.send.take() else { return Poll::Ready(Ok(())) };
        let ended = match trailers.take().filter(|trailers| !trailers.is_empty()) {
            None => send.send_data(Bytes::new(), true),
            Some(section) => {
                let mut map = http::HeaderMap::new();
                FieldSection::to_map(&[&section], &mut map);
                send.send_trailers(map)
            }
        };
        Poll::Ready(ended.map_err(broken))
    }
}
