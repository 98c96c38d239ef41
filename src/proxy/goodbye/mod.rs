//! Asking a long-lived connection to end, in the tongue of its protocol: a Close frame between two messages, the end of a stream
//! of events after a blank line, a gRPC status between two messages.
//!
//! A [`Parting`] follows what goes to the client, so that it knows where a message ends; once it is asked, it stands between
//! the endpoint and the client: what was begun is let through, then comes the goodbye, and nothing of the endpoint after it.

mod events;
mod grpc;
mod prefixed;
mod websocket;

use std::cell::Cell;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use crate::io::{Ready, Source};
use crate::message::{Broken, FieldSection};
use events::Events;
pub use grpc::{Followed, Messages, push_back};
use websocket::Frames;

/// What is spoken, and where it stands.
#[derive(Clone, Copy, Debug)]
enum Tongue {
    /// With the code that the client is told.
    WebSocket(Frames, u16),
    Events(Events),
    Grpc(Messages),
    /// One that nobody here knows: it ends when it is cut.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// All goes through.
    Open,
    /// What was begun goes through.
    Asked,
    /// So many bytes of the goodbye have gone.
    Saying(usize),
    /// The goodbye has gone. What the endpoint still sends is dropped.
    Said,
    /// The endpoint is not waited for.
    Over,
}

/// The goodbye of one connection.
#[derive(Clone, Debug)]
pub struct Parting {
    tongue: Tongue,
    stage: Stage,
    goodbye: [u8; 4],
    /// Bytes that the client's side has been shown: it may have announced them as one chunk, so they go whatever ends there.
    shown: Cell<usize>,
}

impl Parting {
    /// Of a WebSocket, which is told `code` (RFC 6455 section 7.4).
    pub fn websocket(code: u16) -> Self {
        Self::new(Tongue::WebSocket(Frames::default(), code))
    }

    /// Of a stream of events.
    pub fn events() -> Self {
        Self::new(Tongue::Events(Events::default()))
    }

    /// Of a gRPC stream.
    pub fn grpc() -> Self {
        Self::new(Tongue::Grpc(Messages::default()))
    }

    /// Of what nobody here can speak.
    pub fn foreign() -> Self {
        Self::new(Tongue::Foreign)
    }

    fn new(tongue: Tongue) -> Self {
        Self { tongue, stage: Stage::Open, goodbye: [0; 4], shown: Cell::new(0) }
    }

    /// The connection is to end; a WebSocket is told `code` instead of its own, if there is one.
    pub fn ask(&mut self, code: Option<u16>) {
        if let (Tongue::WebSocket(_, own), Some(code)) = (&mut self.tongue, code) {
            *own = code;
        }
        if self.stage == Stage::Open && !matches!(self.tongue, Tongue::Foreign) {
            self.stage = Stage::Asked;
        }
    }

    /// Whether it waits for the end of what was begun.
    pub fn waits(&self) -> bool {
        self.stage == Stage::Asked
    }

    /// The rest of a WebSocket's message is not waited for any longer, but for that of its frame.
    pub fn hurry(&mut self) {
        if let Tongue::WebSocket(frames, _) = &mut self.tongue {
            frames.hurry();
        }
    }

    /// The endpoint is not waited for any longer.
    pub fn finish(&mut self) {
        self.stage = Stage::Over;
    }

    /// Whether the goodbye has gone.
    pub fn is_said(&self) -> bool {
        matches!(self.stage, Stage::Said | Stage::Over)
    }

    /// Whether it is gRPC.
    pub fn is_grpc(&self) -> bool {
        matches!(self.tongue, Tongue::Grpc(_))
    }

    /// Messages of gRPC that have gone.
    pub fn messages(&self) -> u32 {
        if let Tongue::Grpc(messages) = &self.tongue { messages.count() } else { 0 }
    }

    /// Whether this direction of a WebSocket has had its Close frame.
    pub fn is_closed(&self) -> bool {
        matches!(&self.tongue, Tongue::WebSocket(frames, _) if frames.is_closed())
    }

    /// What the endpoint sends, with the goodbye where it belongs. `parted` is set once it is the goodbye that ends it.
    pub fn speak<'p, S>(&'p mut self, from: &'p mut S, parted: &'p Cell<bool>) -> Spoken<'p, S> {
        Spoken { from, parting: self, parted }
    }

    fn is_between(&self) -> bool {
        self.shown.get() == 0 && self.tongue.to_boundary(&[]) == Some(0)
    }

    /// What of `data` goes before the goodbye.
    fn before<'d>(&self, data: &'d [u8]) -> &'d [u8] {
        let shown = self.shown.get();
        let mut tongue = self.tongue;
        tongue.advance(&data[..shown]);
        tongue.to_boundary(&data[shown..]).map_or(data, |length| &data[..shown + length])
    }
}

impl Tongue {
    /// How many bytes of `data` go until the last message has gone whole; none: more than there are.
    fn to_boundary(self, data: &[u8]) -> Option<usize> {
        match self {
            Self::WebSocket(frames, _) => frames.to_boundary(data),
            Self::Events(events) => events.to_boundary(data),
            Self::Grpc(messages) => messages.to_boundary(data),
            Self::Foreign => None,
        }
    }

    fn advance(&mut self, data: &[u8]) {
        match self {
            Self::WebSocket(frames, _) => frames.advance(data),
            Self::Events(events) => events.advance(data),
            Self::Grpc(messages) => messages.advance(data),
            Self::Foreign => {}
        }
    }
}

/// What an endpoint sends to a client, with the goodbye.
pub struct Spoken<'p, S> {
    from: &'p mut S,
    parting: &'p mut Parting,
    parted: &'p Cell<bool>,
}

impl<S: Source> Spoken<'_, S> {
    /// Begins the goodbye.
    fn part(&mut self) -> Ready {
        self.parted.set(true);
        match self.parting.tongue {
            // The endpoint has said goodbye itself.
            Tongue::WebSocket(frames, _) if frames.is_closed() => {
                self.parting.stage = Stage::Over;
                Ready::End
            }
            Tongue::WebSocket(_, code) => {
                self.parting.goodbye = websocket::close(code);
                self.parting.stage = Stage::Saying(0);
                Ready::Data
            }
            Tongue::Events(_) | Tongue::Grpc(_) | Tongue::Foreign => {
                self.parting.stage = Stage::Over;
                Ready::End
            }
        }
    }
}

impl<S: Source> Source for Spoken<'_, S> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        match self.parting.stage {
            Stage::Asked if self.parting.is_between() => Poll::Ready(Ok(self.part())),
            Stage::Open | Stage::Asked => self.from.poll_ready(context),
            Stage::Saying(_) => Poll::Ready(Ok(Ready::Data)),
            Stage::Said => loop {
                match ready!(self.from.poll_ready(context)) {
                    Ok(Ready::Data) => {
                        let length = self.from.data().0.len();
                        self.from.consume(length);
                    }
                    // However it ends, the client has been told.
                    Ok(Ready::End) | Err(_) => return Poll::Ready(Ok(Ready::End)),
                }
            },
            Stage::Over => Poll::Ready(Ok(Ready::End)),
        }
    }

    fn data(&self) -> (&[u8], bool) {
        match self.parting.stage {
            Stage::Open | Stage::Asked => {
                let (all, last) = self.from.data();
                let data = if self.parting.stage == Stage::Open { all } else { self.parting.before(all) };
                self.parting.shown.set(data.len());
                (data, last && data.len() == all.len())
            }
            Stage::Saying(sent) => (&self.parting.goodbye[sent..], false),
            Stage::Said | Stage::Over => (&[], false),
        }
    }

    fn consume(&mut self, count: usize) {
        match self.parting.stage {
            Stage::Saying(sent) if sent + count >= self.parting.goodbye.len() => self.parting.stage = Stage::Said,
            Stage::Saying(sent) => self.parting.stage = Stage::Saying(sent + count),
            _ => {
                self.parting.tongue.advance(&self.from.data().0[..count]);
                self.parting.shown.set(self.parting.shown.get().saturating_sub(count));
                self.from.consume(count);
            }
        }
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        match (self.parting.stage, &self.parting.tongue) {
            (Stage::Over, Tongue::Grpc(_)) => Some(grpc::trailers(&mut fastrand::Rng::new())),
            (Stage::Said | Stage::Over, _) => None,
            _ => self.from.trailers(),
        }
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        match self.parting.tongue {
            Tongue::Foreign => self.from.bare(),
            // Every byte is looked at.
            _ => None,
        }
    }

    fn bypassed(&mut self, count: usize) {
        self.from.bypassed(count);
    }
}

#[cfg(test)]
mod tests;
