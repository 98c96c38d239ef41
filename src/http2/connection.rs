//! A connection: everything that its streams share. It is fed with the bytes that come and writes those that are to go.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use super::calm::Calm;
use super::hpack::{Decoder, Encoder, TABLE};
use super::runs::Runs;
use super::settings::{Limits, Peer};
use super::stream::{Cut, Key, Streams};
use super::window::{self, ReceiveWindow, SendWindow};
use super::{PREFACE, Reason, frame, receive};
use crate::message::{Buffer, LARGE, Request};

/// Bytes that may wait to be written before streams have to.
pub const MOST_WAITING: usize = LARGE;
/// Ids of streams that this side gave up and of which frames may still be under way: more than there are at a time.
const REMEMBERED: usize = 512;
/// The largest id of a stream.
const LAST_ID: u32 = (1 << 31) - 1;
/// What the PING says after which no request can be under way that has not heard of the GOAWAY (RFC 9113 section 6.8).
pub(super) const LEAVING: [u8; 8] = *b"weir bye";

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers.
    Server,
    /// It asks.
    Client,
}

/// What ends a connection (RFC 9113 section 5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the other side is told.
    pub reason: Reason,
    /// The same in words.
    pub message: &'static str,
}

impl Failure {
    pub(super) fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message }
    }
}

/// A request that has come.
pub struct Arrived {
    /// Its stream.
    pub key: Key,
    /// Its head; none: it is longer than is taken.
    pub request: Option<Request>,
}

/// A header block of which more comes in CONTINUATION frames.
pub(super) struct Block {
    pub stream: u32,
    pub last: bool,
    pub bytes: Buffer,
}

/// How far this side has got with leaving (section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// It has said that it will.
    Warned,
    /// What comes after this stream is not taken.
    After(u32),
}

/// A connection.
pub struct Connection {
    pub(super) role: Role,
    pub(super) limits: Limits,
    /// What the other side has said.
    pub peer: Peer,
    pub(super) streams: Streams,
    pub(super) decoder: Decoder,
    pub(super) runs: Runs,
    pub(super) encoder: Encoder,
    pub(super) send_window: SendWindow,
    pub(super) receive_window: ReceiveWindow,
    pub(super) block: Option<Block>,
    /// The last stream that the other side has opened.
    pub(super) last_seen: u32,
    /// The stream that this side opens next.
    pub(super) next_id: u32,
    /// Bytes of the preface that have come.
    preface: usize,
    pub(super) leaving: Leaving,
    /// The other side opens no more streams, or takes none.
    pub(super) is_left: bool,
    pub(super) calm: Calm,
    pub(super) given_up: VecDeque<u32>,
    /// Streams that wait for room that others take from, too.
    pub(super) blocked: VecDeque<Key>,
    /// Who waits for a stream to be free, or for the first settings.
    waiting: Vec<Waker>,
    pub(super) arrived: VecDeque<Arrived>,
    dead: bool,
    /// How the other side has broken the protocol.
    violated: Option<&'static str>,
}

impl Connection {
    /// A connection that begins: what this side says first is written to `out`.
    pub fn new(role: Role, limits: Limits, out: &mut Vec<u8>) -> Self {
        if role == Role::Client {
            out.extend_from_slice(PREFACE);
        }
        limits.write(role, out);
        Self {
            role,
            peer: Peer::default(),
            streams: Streams::default(),
            // As large a table as everybody may have without being told.
            decoder: Decoder::new(TABLE),
            runs: Runs::default(),
            encoder: Encoder::new(),
            send_window: SendWindow::new(window::AT_FIRST),
            receive_window: ReceiveWindow::new(limits.connection_window),
            limits,
            block: None,
            last_seen: 0,
            next_id: 1,
            preface: if role == Role::Server { 0 } else { PREFACE.len() },
            leaving: Leaving::No,
            is_left: false,
            calm: Calm::default(),
            given_up: VecDeque::new(),
            blocked: VecDeque::new(),
            waiting: Vec::new(),
            arrived: VecDeque::new(),
            dead: false,
            violated: None,
        }
    }

    /// Takes in what has come; gives how many of the bytes were used. The rest is the beginning of a frame.
    ///
    /// # Errors
    ///
    /// The other side has broken the protocol, and the connection is to be closed; `out` ends with what it is told.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Failure> {
        let received = self.take_frames(bytes, out);
        if let Err(failure) = &received {
            frame::go_away(out, self.last_seen, failure.reason);
            self.violated = Some(failure.message);
        }
        received
    }

    fn take_frames(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Failure> {
        let mut used = self.take_preface(bytes)?;
        while let Some((header, rest)) = frame::Header::read(&bytes[used..]) {
            if header.length > frame::LONGEST {
                return Err(Failure::new(Reason::FRAME_SIZE_ERROR, "a frame that is longer than is taken"));
            }
            let Some(payload) = rest.get(..header.length) else { break };
            receive::frame(self, header, payload, out)?;
            used += frame::HEADER + header.length;
        }
        Ok(used)
    }

    fn take_preface(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let missing = &PREFACE[self.preface..];
        let count = missing.len().min(bytes.len());
        if bytes[..count] != missing[..count] {
            return Err(Failure::new(Reason::PROTOCOL_ERROR, "the connection does not begin with the preface"));
        }
        self.preface += count;
        Ok(count)
    }

    /// Requests that have come, and not been taken.
    pub fn arrived_count(&self) -> usize {
        self.arrived.len()
    }

    /// The next request that has come.
    pub fn next_arrived(&mut self) -> Option<Arrived> {
        self.arrived.pop_front()
    }

    /// Streams that somebody holds.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether this side can open streams.
    pub fn is_open(&self) -> bool {
        !self.dead && !self.is_left && self.leaving == Leaving::No && self.next_id < LAST_ID
    }

    /// Whether another stream may be opened now: only one before the other side has said how many it takes, since servers refuse
    /// those that are too many in ways that do not say that they had not begun.
    pub fn has_room(&self) -> bool {
        let most = if self.peer.told { self.peer.streams } else { Some(1) };
        most.is_none_or(|most| self.streams.len() < most as usize)
    }

    /// The calling task is woken once a stream is free, or the first settings have come.
    pub fn wait(&mut self, context: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
    }

    pub(super) fn wake_waiting(&mut self) {
        if !self.waiting.is_empty() {
            self.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Lets no more streams begin: says so, and a round trip later which one was the last (RFC 9113 section 6.8).
    pub fn leave(&mut self, out: &mut Vec<u8>) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Warned;
            frame::go_away(out, LAST_ID, Reason::NO_ERROR);
            frame::ping(out, LEAVING, false);
        }
    }

    /// Whether it has left, and nothing is under way.
    pub fn has_left(&self) -> bool {
        matches!(self.leaving, Leaving::After(_)) && self.streams.is_empty()
    }

    /// Asks whether the other side is there.
    pub fn ask(&mut self, out: &mut Vec<u8>) {
        frame::ping(out, *b"weir hey", false);
    }

    /// Time has gone by, in which it may do again what only costs.
    pub fn forgive(&mut self) {
        self.calm.forgives();
    }

    /// Wakes some of those that wait for room, if there is any beside the `taken` bytes of the buffer; true if others still wait.
    pub fn wake_blocked(&mut self, taken: usize) -> bool {
        const AT_ONCE: usize = 8;
        if taken >= MOST_WAITING || self.send_window.room() == 0 {
            return false;
        }
        for _ in 0..AT_ONCE {
            let Some(key) = self.blocked.pop_front() else { return false };
            if let Some(stream) = self.streams.get_mut(key) {
                stream.blocked = false;
                stream.wake();
            }
        }
        !self.blocked.is_empty()
    }

    /// It has ended: so have its streams, but for what of them has come whole.
    pub fn end(&mut self) {
        self.dead = true;
        let cut = self.violated.map_or(Cut::Closed, Cut::Violated);
        self.streams.iter_mut().for_each(|stream| stream.cut(cut));
        self.wake_waiting();
    }

    pub(super) fn remember(&mut self, id: u32) {
        if self.given_up.len() == REMEMBERED {
            self.given_up.pop_front();
        }
        self.given_up.push_back(id);
    }
}
