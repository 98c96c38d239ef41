//! A stream (RFC 9113 section 5), and all that there are on a connection.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Waker};

use slab::Slab;

use super::Reason;
use super::head::{self, Head};
use super::window::{ReceiveWindow, SendWindow};
use crate::message::{Broken, Buffer, FieldSection, Response, Size};

/// A stream as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) place: usize,
    pub(super) id: u32,
}

/// How a stream ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By the other side, or by this one for what the other did.
    Reset(Reason),
    /// The other side says that it did not begin with it (section 8.7).
    Refused,
    /// With its connection.
    Closed,
    /// With its connection, on which came what is not the protocol.
    Violated(&'static str),
    /// What came on it was not the protocol.
    Malformed(&'static str),
}

impl From<Cut> for Broken {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Reset(reason) => Self::Reset(reason.to_string().into()),
            Cut::Refused => Self::Refused,
            Cut::Closed => Self::Closed,
            Cut::Violated(message) => Self::Violated(message),
            Cut::Malformed(message) => Self::Malformed(message),
        }
    }
}

/// A stream.
pub struct Stream {
    pub id: u32,
    /// Whether the other side sends on it.
    pub receives: bool,
    /// Whether this side sends on it.
    pub sends: bool,
    /// The head of the answer was sent.
    pub answered: bool,
    /// It ended before its end.
    pub cut: Option<Cut>,
    pub send_window: SendWindow,
    pub receive_window: ReceiveWindow,
    /// Bytes of the body that were not taken yet.
    pub data: Buffer,
    /// Bytes that its Content-Length announces and that have not come (section 8.1.1); none of an answer that has no body.
    pub announced: Option<u64>,
    pub trailers: Option<FieldSection>,
    /// What a client waits for.
    pub answer: Option<Answer>,
    /// It waits for room that others take from, too.
    pub blocked: bool,
    waker: Option<Waker>,
}

/// Informational answers that wait to be taken, at most: few bytes may stand for long ones.
const MOST_INFORMATIONAL: usize = 16;

/// The heads of an answer, as far as they were not taken.
#[derive(Default)]
pub struct Answer {
    pub informational: VecDeque<Response>,
    pub last: Option<Response>,
    /// The last one has come.
    pub whole: bool,
    /// No body follows, whatever its head says: it is the answer to HEAD.
    pub to_head: bool,
}

impl Answer {
    /// The next head.
    pub fn next(&mut self) -> Option<Response> {
        self.informational.pop_front().or_else(|| self.last.take())
    }
}

impl Stream {
    /// A stream of which nothing has come.
    pub fn new(id: u32, send_window: u32, receive_window: u32) -> Self {
        Self {
            id,
            receives: true,
            sends: true,
            answered: false,
            cut: None,
            send_window: SendWindow::new(send_window),
            receive_window: ReceiveWindow::new(receive_window),
            data: Buffer::none(),
            announced: None,
            trailers: None,
            answer: None,
            blocked: false,
            waker: None,
        }
    }

    /// Whether nothing goes over it any more.
    pub fn is_over(&self) -> bool {
        self.cut.is_some() || !(self.receives || self.sends)
    }

    /// Ends it before its end.
    pub fn cut(&mut self, cut: Cut) {
        self.cut.get_or_insert(cut);
        self.sends = false;
        self.wake();
    }

    /// The calling task is woken once something has changed.
    pub fn wait(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) if waker.will_wake(context.waker()) => {}
            waker => *waker = Some(context.waker().clone()),
        }
    }

    /// Something has changed.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// What is wrong with what came on a stream, for the other side and in words.
pub type Ill = (Reason, &'static str);

impl Stream {
    /// Takes in DATA; `whole` bytes with its padding.
    pub fn take_data(&mut self, data: &[u8], whole: usize, last: bool) -> Result<(), Ill> {
        if !self.receives {
            return Err((Reason::STREAM_CLOSED, "DATA after the end"));
        }
        if self.answer.as_ref().is_some_and(|answer| !answer.whole) {
            return Err((Reason::PROTOCOL_ERROR, "DATA before the head"));
        }
        if !self.receive_window.take(whole) {
            return Err((Reason::FLOW_CONTROL_ERROR, "more DATA than the stream has room for"));
        }
        if let Some(announced) = &mut self.announced {
            *announced = announced.checked_sub(data.len() as u64).ok_or(head::MISMEASURED)?;
        }
        if last {
            // Nothing is kept of what is refused.
            self.ends()?;
        }
        self.data.append(data);
        self.wake();
        Ok(())
    }

    /// Nothing more comes.
    fn ends(&mut self) -> Result<(), Ill> {
        if self.announced.is_some_and(|left| left > 0) {
            return Err(head::MISMEASURED);
        }
        self.receives = false;
        Ok(())
    }

    /// Takes in the fields that end a body.
    pub fn take_trailers(&mut self, head: Head, last: bool) -> Result<(), Ill> {
        if !self.receives {
            return Err((Reason::STREAM_CLOSED, "HEADERS after the end"));
        }
        if !last {
            return Err((Reason::PROTOCOL_ERROR, "trailers that are not the end"));
        }
        self.wake();
        self.trailers = Some(head.into_trailers().map_err(|message| (Reason::PROTOCOL_ERROR, message))?);
        self.ends()
    }

    /// Takes in the head of an answer.
    pub fn take_answer(&mut self, head: Head, last: bool) -> Result<(), Ill> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        let mut response = head.into_response(last).map_err(|message| (Reason::PROTOCOL_ERROR, message))?;
        if response.status.is_informational() {
            if last {
                return Err((Reason::PROTOCOL_ERROR, "an informational answer that is the end"));
            }
            if answer.informational.len() == MOST_INFORMATIONAL {
                return Err((Reason::ENHANCE_YOUR_CALM, "more informational answers than are taken"));
            }
            answer.informational.push_back(response);
        } else {
            answer.whole = true;
            let bodiless = Response::is_bodiless(response.status, answer.to_head);
            self.announced = match response.size {
                // What follows it all the same would be taken for the next answer where HTTP/1.1 has its place.
                _ if bodiless => Some(0),
                Size::Known(length) => Some(length),
                Size::None | Size::Unknown => None,
            };
            // Trailers may follow, and an answer of no bytes would be passed on without them.
            if !last && !bodiless && response.size == Size::Known(0) {
                response.size = Size::Unknown;
            }
            answer.last = Some(response);
        }
        self.wake();
        if last { self.ends() } else { Ok(()) }
    }
}

/// Places of streams by their ids. Those that are open at a time have ids close to one another, so that nearly all are found
/// where the last bits of the id say.
#[derive(Default)]
struct Places {
    /// Id and place; [`NOBODY`]: there is none.
    near: Vec<(u32, u32)>,
    others: HashMap<u32, u32, foldhash::fast::RandomState>,
}

/// Streams that have a place by their ids.
const NEAR: usize = 256;
/// No stream's id: those have 31 bits (RFC 9113 section 5.1.1).
const NOBODY: u32 = u32::MAX;

impl Places {
    fn index(id: u32) -> usize {
        (id >> 1) as usize % NEAR
    }

    fn insert(&mut self, id: u32, place: usize) {
        if self.near.is_empty() {
            self.near = vec![(NOBODY, 0); NEAR];
        }
        let near = &mut self.near[Self::index(id)];
        if near.0 == NOBODY {
            *near = (id, place as u32);
        } else {
            self.others.insert(id, place as u32);
        }
    }

    fn get(&self, id: u32) -> Option<usize> {
        match self.near.get(Self::index(id)) {
            Some((known, place)) if *known == id => Some(*place as usize),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&id).map(|place| *place as usize),
        }
    }

    fn remove(&mut self, id: u32) {
        match self.near.get_mut(Self::index(id)) {
            Some(near) if near.0 == id => *near = (NOBODY, 0),
            _ => _ = self.others.remove(&id),
        }
    }
}

/// The streams that somebody holds.
#[derive(Default)]
pub struct Streams {
    slots: Slab<Stream>,
    places: Places,
}

impl Streams {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes one in.
    pub fn insert(&mut self, stream: Stream) -> Key {
        let id = stream.id;
        let place = self.slots.insert(stream);
        self.places.insert(id, place);
        Key { place, id }
    }

    /// The one of that id.
    pub fn find(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.places.get(id)?;
        self.slots.get_mut(place)
    }

    /// The one of that key.
    pub fn get(&self, key: Key) -> Option<&Stream> {
        self.slots.get(key.place).filter(|stream| stream.id == key.id)
    }

    /// The one of that key.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Stream> {
        self.slots.get_mut(key.place).filter(|stream| stream.id == key.id)
    }

    /// Lets one go.
    pub fn remove(&mut self, key: Key) -> Option<Stream> {
        self.get(key)?;
        self.places.remove(key.id);
        self.slots.try_remove(key.place)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().map(|(_, stream)| stream)
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().map(|(_, stream)| stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_their_ids_however_far_these_are_apart() {
        let mut streams = Streams::default();
        let ids: Vec<u32> = (0..2000).map(|n| 2 * n + 1).chain([1 << 30, (1 << 31) - 1]).collect();
        // One stays while many come and go.
        let first = streams.insert(Stream::new(ids[0], 0, 0));
        for held in ids[1..].chunks(300) {
            let keys: Vec<Key> = held.iter().map(|id| streams.insert(Stream::new(*id, 0, 0))).collect();
            for id in &ids {
                let found = streams.find(*id).map(|stream| stream.id);
                assert_eq!(found, (held.contains(id) || *id == ids[0]).then_some(*id));
            }
            keys.into_iter().for_each(|key| assert!(streams.remove(key).is_some_and(|stream| stream.id == key.id)));
        }
        assert!(streams.remove(first).is_some() && streams.is_empty());
        assert!(streams.find(0).is_none() && streams.find(1).is_none());
    }
}
