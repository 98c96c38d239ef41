//! The body of a request, kept as far as it has come, so that the request can go once more to another endpoint.
//!
//! It is kept up to `retry.bodyLimit`, and only until the head of an answer is passed on; a worker keeps a bounded number of
//! bytes of all bodies together. A body that outgrows either is kept no longer, and its request can then be repeated no
//! more.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

use crate::io::{Ready, Source};
use crate::message::{Broken, Buffer, FieldSection};

/// What a worker keeps of bodies, bytes.
const MOST: usize = 16 * 1024 * 1024;

/// Bytes of bodies that a worker keeps.
pub type Room = Rc<Cell<usize>>;

/// What has come of one body.
pub struct Replay {
    kept: Buffer,
    /// Bytes of it that the endpoint which is tried now has got.
    used: usize,
    /// Bytes of it that had come before that.
    before: usize,
    limit: usize,
    trailers: Option<FieldSection>,
    room: Room,
}

impl Replay {
    /// A body of which nothing has come; at most `limit` bytes of it are kept.
    pub fn new(limit: u64, room: &Room) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { kept: Buffer::none(), used: 0, before: 0, limit, trailers: None, room: Rc::clone(room) }
    }

    /// Goes from its beginning.
    pub fn restart(&mut self) {
        (self.used, self.before) = (0, self.kept.len());
    }

    /// Whether nothing has come since it began to go once more.
    pub fn repeats(&self) -> bool {
        self.before > 0 && self.before == self.kept.len()
    }

    fn is_behind(&self) -> bool {
        self.used < self.kept.len()
    }

    /// Keeps what has come now; false if that is too much.
    fn keep(&mut self, data: &[u8]) -> bool {
        let length = self.kept.len() + data.len();
        if length > self.limit || !self.makes_room(length) {
            return false;
        }
        self.kept.extend_from_slice(data);
        self.used = length;
        true
    }

    fn makes_room(&mut self, length: usize) -> bool {
        let before = self.kept.capacity();
        if length <= before {
            return true;
        }
        if self.room.get() + length > MOST {
            return false;
        }
        // Twice as much, so that a body that comes in small pieces is not copied for each.
        let wanted = length.max((2 * before).min(self.limit));
        let mut larger = Buffer::fitting(wanted);
        larger.reserve_exact(wanted);
        larger.extend_from_slice(&self.kept);
        self.kept = larger;
        self.room.set(self.room.get() + self.kept.capacity() - before);
        true
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.room.set(self.room.get() - self.kept.capacity());
    }
}

/// A body that goes once more: what was kept of it first, then what is still to come, which is kept, too.
pub struct Replayed<'a, S> {
    /// What was kept; none: nothing is.
    pub kept: &'a mut Option<Replay>,
    /// What is still to come.
    pub rest: S,
}

impl<S: Source> Source for Replayed<'_, S> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        match self.kept {
            Some(kept) if kept.is_behind() => Poll::Ready(Ok(Ready::Data)),
            _ => self.rest.poll_ready(context),
        }
    }

    fn data(&self) -> (&[u8], bool) {
        match &*self.kept {
            // Its end is told when there is nothing left of it.
            Some(kept) if kept.is_behind() => (&kept.kept[kept.used..], false),
            _ => self.rest.data(),
        }
    }

    fn consume(&mut self, count: usize) {
        if let Some(kept) = &mut *self.kept {
            if kept.is_behind() {
                kept.used += count;
                return;
            }
            if !kept.keep(&self.rest.data().0[..count]) {
                *self.kept = None;
            }
        }
        self.rest.consume(count);
    }

    fn has_ended(&self) -> bool {
        !self.kept.as_ref().is_some_and(Replay::is_behind) && self.rest.has_ended()
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        let come = self.rest.trailers();
        let Some(kept) = self.kept else { return come };
        kept.trailers = come.or(kept.trailers.take());
        kept.trailers.clone()
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        // What is kept has to be seen.
        if self.kept.is_some() { None } else { self.rest.bare() }
    }

    fn bypassed(&mut self, count: usize) {
        self.rest.bypassed(count);
    }
}

#[cfg(test)]
mod tests;
