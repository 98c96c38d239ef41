//! Moving a body from where it comes from to where it goes, whatever the codecs on both sides.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::splice::{LEAST, Pipe};
use crate::message::{Broken, FieldSection};

/// What a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Bytes, in [`Source::data`].
    Data,
    /// The end, perhaps with trailers.
    End,
}

/// Where a body comes from.
pub trait Source {
    /// Waits until there are bytes, or the end.
    ///
    /// # Errors
    ///
    /// The body will not come to its end.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>>;

    /// The bytes that are there, and whether nothing follows them, as far as is known.
    fn data(&self) -> (&[u8], bool);

    /// The first `count` of them were used.
    fn consume(&mut self, count: usize);

    /// Whether all that there was has been used, and no trailers can follow; false where that takes a look.
    fn has_ended(&self) -> bool {
        false
    }

    /// Trailers, once the end has come.
    fn trailers(&mut self) -> Option<FieldSection>;

    /// The socket on which so many bytes of data follow and nothing else, if nothing has been read ahead.
    fn bare(&self) -> Option<(&TcpStream, u64)> {
        None
    }

    /// So many bytes were taken from the bare socket.
    fn bypassed(&mut self, count: usize) {
        let _ = count;
    }
}

/// Where a body goes.
pub trait Sink {
    /// Takes some of `data`; `last`: nothing follows it.
    ///
    /// # Errors
    ///
    /// The other side takes nothing more.
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>>;

    /// Sends what it holds, because nothing more comes for now.
    ///
    /// # Errors
    ///
    /// As for `poll_send`.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>>;

    /// Ends the body, if the last data did not.
    ///
    /// # Errors
    ///
    /// As for `poll_send`.
    fn poll_finish(
        &mut self,
        trailers: &mut Option<FieldSection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>>;

    /// The socket on which data goes out as it is, if nothing waits to go before it.
    fn bare(&self) -> Option<&TcpStream> {
        None
    }
}

/// The side that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the body comes from.
    Source,
    /// Where it goes.
    Sink,
    /// It is longer than allowed.
    Limit,
}

/// A body that did not get to its end.
#[derive(Debug)]
pub struct Stopped {
    /// The side that failed.
    pub side: Side,
    /// How.
    pub error: Broken,
}

/// The movement of one body.
#[derive(Debug)]
pub struct Pump {
    /// Bytes that may still come; none: any number.
    left: Option<u64>,
    moved: u64,
    /// Bytes moved when the clock was last looked at.
    noticed: u64,
    trailers: Option<FieldSection>,
    state: State,
    /// The end was told.
    announced: bool,
    /// Trailers have gone.
    trailed: bool,
    /// Whether it is the source that is waited for.
    starved: bool,
    /// What a long body goes through.
    pipe: Option<Box<Pipe>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Moving,
    Finishing,
    Done,
}

impl Pump {
    /// A body of at most `limit` bytes.
    pub fn new(limit: Option<u64>) -> Self {
        let state = State::Moving;
        Self {
            left: limit,
            moved: 0,
            noticed: 0,
            trailers: None,
            state,
            announced: false,
            trailed: false,
            starved: false,
            pipe: None,
        }
    }

    /// Whether the end has got through.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes that have gone.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether nothing of the body has been taken, so that all of it can go elsewhere.
    pub fn is_untouched(&self) -> bool {
        self.moved == 0 && !self.trailed && self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0)
    }

    /// Whether bytes have gone since the last call.
    pub fn has_moved(&mut self) -> bool {
        std::mem::replace(&mut self.noticed, self.moved) != self.moved
    }

    /// Whether it is the source that is waited for, and not the sink.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Goes to another sink from its beginning, with a source that has all of it still.
    pub fn restart(&mut self) {
        self.state = State::Moving;
        self.announced = false;
        self.left = self.left.map(|left| left + self.moved);
        self.moved = 0;
        self.noticed = 0;
    }

    /// Nothing is to be moved: only the end is left.
    pub fn ends(&mut self) {
        if self.state == State::Moving {
            self.announced = true;
            self.state = State::Finishing;
        }
    }

    /// Moves nothing more.
    pub fn stop(&mut self) {
        self.state = State::Done;
    }

    /// Moves what can be moved. `ends` is told once that the end is there, before its last bytes go, and may change the
    /// trailers.
    ///
    /// # Errors
    ///
    /// See [`Stopped`].
    pub fn poll(
        &mut self,
        source: &mut impl Source,
        sink: &mut impl Sink,
        ends: &mut impl FnMut(Option<&mut FieldSection>),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        let at = |side| move |error| Stopped { side, error };
        self.starved = false;
        while self.state == State::Moving {
            if ready!(self.poll_bypass(source, sink, ends, context))? {
                continue;
            }
            let ready = match source.poll_ready(context) {
                Poll::Ready(ready) => ready.map_err(at(Side::Source))?,
                Poll::Pending => {
                    self.starved = sink.poll_flush(context).map_err(at(Side::Sink))?.is_ready();
                    return Poll::Pending;
                }
            };
            if ready == Ready::End {
                self.trailers = source.trailers();
                self.trailed |= self.trailers.is_some();
                if !std::mem::replace(&mut self.announced, true) {
                    ends(self.trailers.as_mut());
                }
                self.state = State::Finishing;
                break;
            }
            let (data, last) = source.data();
            if self.left.is_some_and(|left| data.len() as u64 > left) {
                let error = Broken::Malformed("the body is longer than allowed");
                return Poll::Ready(Err(Stopped { side: Side::Limit, error }));
            }
            if last && !std::mem::replace(&mut self.announced, true) {
                ends(None);
            }
            let sent = ready!(sink.poll_send(data, last, context)).map_err(at(Side::Sink))?;
            let whole = last && sent == data.len();
            source.consume(sent);
            if whole && source.has_ended() {
                self.state = State::Finishing;
            }
            self.moved += sent as u64;
            self.left = self.left.map(|left| left - sent as u64);
        }
        if self.state == State::Finishing {
            ready!(sink.poll_finish(&mut self.trailers, context)).map_err(at(Side::Sink))?;
            self.state = State::Done;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves a piece of a long body from socket to socket, past the program; false where that is not possible, or does not
    /// pay.
    fn poll_bypass(
        &mut self,
        source: &mut impl Source,
        sink: &mut impl Sink,
        ends: &mut impl FnMut(Option<&mut FieldSection>),
        context: &mut Context<'_>,
    ) -> Poll<Result<bool, Stopped>> {
        let at = |side| move |error: io::Error| Stopped { side, error: error.into() };
        if let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
            let Some(to) = sink.bare() else { return Poll::Ready(Ok(false)) };
            let held = pipe.held();
            let emptied = pipe.poll_empty(to, context).map_err(at(Side::Sink))?;
            let gone = (held - pipe.held()) as u64;
            self.moved += gone;
            self.left = self.left.map(|left| left.saturating_sub(gone));
            return emptied.map(|()| Ok(true));
        }
        let Some((from, left)) = source.bare() else { return Poll::Ready(Ok(false)) };
        let pays = self.pipe.is_some() || left >= LEAST;
        if !pays || left == 0 || self.left.is_some_and(|most| left > most) || sink.bare().is_none() {
            return Poll::Ready(Ok(false));
        }
        if self.pipe.is_none() {
            // Without file descriptors it goes the other way.
            let Ok(pipe) = Pipe::new() else { return Poll::Ready(Ok(false)) };
            self.pipe = Some(Box::new(pipe));
        }
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(false)) };
        let filled = pipe.poll_fill(from, left, context).map_err(at(Side::Source))?;
        self.starved = filled.is_pending();
        let count = ready!(filled);
        if count == 0 {
            return Poll::Ready(Err(Stopped { side: Side::Source, error: Broken::Closed }));
        }
        source.bypassed(count);
        if left == count as u64 && !std::mem::replace(&mut self.announced, true) {
            ends(None);
        }
        Poll::Ready(Ok(true))
    }
}

#[cfg(test)]
mod tests;
