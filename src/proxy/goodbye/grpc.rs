//! gRPC: a status of its own between two messages (gRPC over HTTP/2, Length-Prefixed-Message and Trailers). UNAVAILABLE says
//! that the call may be made again, and the pushback when (gRFC A6).

use std::task::{Context, Poll};

use tokio::net::TcpStream;

use super::prefixed::{Form, Prefixed};
use crate::io::{Ready, Source};
use crate::message::{Broken, Field, FieldSection};

/// Where the messages of one direction stand.
pub type Messages = Prefixed<Message>;

/// A message: whether it is compressed, and its length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message {
    count: u32,
}

/// UNAVAILABLE.
const STATUS: u8 = 14;
/// A client waits up to so long before it calls again, milliseconds: clients that leave together do not come together.
const PUSHBACK: u32 = 1_000;

impl Form for Message {
    fn head_length(_: &[u8]) -> usize {
        5
    }

    fn payload(head: &[u8]) -> u64 {
        u64::from(u32::from_be_bytes([head[1], head[2], head[3], head[4]]))
    }

    fn ended(&mut self) {
        self.count = self.count.saturating_add(1);
    }
}

impl Messages {
    /// Messages that have gone.
    pub fn count(&self) -> u32 {
        self.form.count
    }
}

/// The trailers of a stream that was asked to end.
pub fn trailers(rng: &mut fastrand::Rng) -> FieldSection {
    let mut trailers = FieldSection::default();
    trailers.append_display(Field::GrpcStatus, STATUS);
    trailers.append("grpc-message", b"drained");
    push_back(&mut trailers, rng);
    trailers
}

/// Says when the call may be made again.
pub fn push_back(fields: &mut FieldSection, rng: &mut fastrand::Rng) {
    fields.append_display("grpc-retry-pushback-ms", rng.u32(0..PUSHBACK));
}

/// The body of a call, whose messages are followed as they go.
pub struct Followed<'a, S> {
    /// Where they stand; none: it is no call.
    pub messages: &'a mut Option<Messages>,
    /// The body.
    pub rest: S,
}

impl<S: Source> Source for Followed<'_, S> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        self.rest.poll_ready(context)
    }

    fn data(&self) -> (&[u8], bool) {
        self.rest.data()
    }

    fn consume(&mut self, count: usize) {
        if let Some(messages) = self.messages {
            messages.advance(&self.rest.data().0[..count]);
        }
        self.rest.consume(count);
    }

    fn has_ended(&self) -> bool {
        self.rest.has_ended()
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        self.rest.trailers()
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        // Every byte is looked at.
        if self.messages.is_some() { None } else { self.rest.bare() }
    }

    fn bypassed(&mut self, count: usize) {
        self.rest.bypassed(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(length.to_be_bytes());
        message.extend(std::iter::repeat_n(0, length as usize));
        message
    }

    #[test]
    fn the_end_of_a_message_is_found_however_the_bytes_come() {
        for length in [0, 1, 5, 300, 70_000] {
            let bytes = [message(length), message(7)].concat();
            let first = 5 + length as usize;
            for cut in 1..first.min(8) {
                let mut messages = Messages::default();
                assert_eq!(messages.to_boundary(&bytes), Some(0));
                messages.advance(&bytes[..cut]);
                assert_eq!(messages.to_boundary(&bytes[cut..]), Some(first - cut), "{length} {cut}");
                messages.advance(&bytes[cut..first - 1]);
                assert_eq!(messages.is_between(), first - 1 == 0);
                messages.advance(&bytes[first - 1..first]);
                assert!(messages.is_between());
            }
        }
    }

    #[test]
    fn the_status_says_that_the_call_may_be_made_again() {
        let trailers = trailers(&mut fastrand::Rng::with_seed(1));
        assert_eq!(trailers.first(Field::GrpcStatus), Some(&b"14"[..]));
        let mut text = Vec::new();
        trailers.write_to(&mut text);
        assert!(String::from_utf8(text).unwrap().contains("grpc-retry-pushback-ms: "));
    }
}
