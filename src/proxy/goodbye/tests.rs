use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::Waker;

use super::*;
use crate::io::{Pump, Sink, Stopped};
use crate::message::Field;

/// An endpoint whose pieces are given one after the other.
#[derive(Default)]
struct Endpoint {
    pieces: VecDeque<Vec<u8>>,
    data: Vec<u8>,
    ended: bool,
    broken: bool,
}

impl Source for Endpoint {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        while self.data.is_empty() {
            match self.pieces.pop_front() {
                Some(piece) => self.data = piece,
                None if self.broken => return Poll::Ready(Err(Broken::Closed)),
                None if self.ended => return Poll::Ready(Ok(Ready::End)),
                None => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(Ready::Data))
    }

    fn data(&self) -> (&[u8], bool) {
        (&self.data, false)
    }

    fn consume(&mut self, count: usize) {
        self.data.drain(..count);
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        None
    }
}

/// A client that takes at most so much at once.
struct Client {
    most: usize,
    got: RefCell<Vec<u8>>,
    trailers: Option<FieldSection>,
    ended: bool,
}

impl Sink for Client {
    fn poll_send(&mut self, data: &[u8], _: bool, _: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let count = data.len().min(self.most);
        if count == 0 {
            return Poll::Pending;
        }
        self.got.borrow_mut().extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, trailers: &mut Option<FieldSection>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.trailers = trailers.take();
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

struct World {
    endpoint: Endpoint,
    client: Client,
    parting: Parting,
    pump: Pump,
    parted: Cell<bool>,
}

impl World {
    fn new(parting: Parting) -> Self {
        let client = Client { most: usize::MAX, got: RefCell::default(), trailers: None, ended: false };
        Self { endpoint: Endpoint::default(), client, parting, pump: Pump::new(None), parted: Cell::new(false) }
    }

    fn gives(&mut self, piece: &[u8]) -> Poll<Result<(), Stopped>> {
        self.endpoint.pieces.push_back(piece.to_vec());
        self.goes_on()
    }

    fn goes_on(&mut self) -> Poll<Result<(), Stopped>> {
        let mut spoken = self.parting.speak(&mut self.endpoint, &self.parted);
        let context = &mut Context::from_waker(Waker::noop());
        self.pump.poll(&mut spoken, &mut self.client, &mut |_| {}, context)
    }

    fn got(&self) -> Vec<u8> {
        self.client.got.borrow().clone()
    }
}

const TEXT: &[u8] = b"\x81\x05hello";

#[test]
fn a_websocket_gets_its_close_frame_at_once_between_two_frames() {
    let mut world = World::new(Parting::websocket(1012));
    assert!(world.gives(TEXT).is_pending());
    world.parting.ask(None);
    assert!(world.goes_on().is_pending());
    assert_eq!(world.got(), [TEXT, &[0x88, 2, 0x03, 0xf4]].concat());
    assert!(world.parted.get() && world.parting.is_said());
}

#[test]
fn a_frame_that_was_begun_is_finished_first_and_nothing_follows_the_goodbye() {
    let mut world = World::new(Parting::websocket(1001));
    assert!(world.gives(&TEXT[..4]).is_pending());
    world.parting.ask(None);
    assert!(world.goes_on().is_pending());
    assert!(!world.parted.get());
    assert!(world.gives(&[&TEXT[4..], TEXT].concat()).is_pending());
    assert_eq!(world.got(), [TEXT, &[0x88, 2, 0x03, 0xe9]].concat());
    assert!(world.gives(TEXT).is_pending());
    world.endpoint.broken = true;
    assert!(matches!(world.goes_on(), Poll::Ready(Ok(()))));
    assert_eq!(world.got().len(), TEXT.len() + 4);
    assert!(world.client.ended);
}

#[test]
fn what_the_client_was_shown_goes_whole() {
    let mut world = World::new(Parting::events());
    world.client.most = 0;
    // The head of a chunk may be out for all of it.
    assert!(world.gives(b"data: a\n\ndata: b").is_pending());
    world.parting.ask(None);
    world.client.most = 3;
    assert!(world.goes_on().is_pending());
    assert_eq!(world.got(), b"data: a\n\ndata: b");
    assert!(matches!(world.gives(b"\n\ndata: c\n\n"), Poll::Ready(Ok(()))));
    assert_eq!(world.got(), b"data: a\n\ndata: b\n\n");
}

#[test]
fn a_stream_of_events_ends_after_the_event() {
    let mut world = World::new(Parting::events());
    assert!(world.gives(b"data: a\n").is_pending());
    world.parting.ask(None);
    assert!(world.goes_on().is_pending());
    assert!(matches!(world.gives(b"\ndata: b\n\n"), Poll::Ready(Ok(()))));
    assert_eq!(world.got(), b"data: a\n\n");
    assert!(world.client.ended && world.parted.get());
}

#[test]
fn a_grpc_stream_ends_after_the_message_with_unavailable() {
    let mut world = World::new(Parting::grpc());
    assert!(world.gives(&[0, 0, 0, 0, 2, b'a']).is_pending());
    world.parting.ask(None);
    assert!(world.goes_on().is_pending());
    assert!(matches!(world.gives(&[b'b', 0, 0, 0, 0, 9]), Poll::Ready(Ok(()))));
    assert_eq!(world.got(), [0, 0, 0, 0, 2, b'a', b'b']);
    let trailers = world.client.trailers.unwrap();
    assert_eq!(trailers.first(Field::GrpcStatus), Some(&b"14"[..]));
}

#[test]
fn who_is_not_asked_ends_as_the_endpoint_does() {
    let mut world = World::new(Parting::grpc());
    world.endpoint.ended = true;
    assert!(matches!(world.gives(&[0, 0, 0, 0, 1, b'a']), Poll::Ready(Ok(()))));
    assert!(!world.parted.get() && world.client.trailers.is_none());
}

#[test]
fn an_endpoint_that_has_closed_is_not_closed_again() {
    let mut world = World::new(Parting::websocket(1001));
    assert!(world.gives(&[0x88, 2, 0x03, 0xe8]).is_pending());
    world.parting.ask(None);
    assert!(matches!(world.goes_on(), Poll::Ready(Ok(()))));
    assert_eq!(world.got(), [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn a_protocol_that_is_not_known_is_left_alone() {
    let mut world = World::new(Parting::foreign());
    world.parting.ask(None);
    assert!(world.gives(b"whatever").is_pending());
    assert_eq!(world.got(), b"whatever");
}
