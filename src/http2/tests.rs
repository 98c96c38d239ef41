//! Two ends of a connection, and one end against frames that are written by hand.

mod abuse;
mod any;
mod bodies;
mod frames;
mod heads;
mod leaving;
mod runs;

use std::task::{Context, Poll, Waker};

use http::{Method, StatusCode};

use super::frame::{self, Header};
use super::{Arrived, Connection, Failure, Key, Limits, PREFACE, Reason, RequestHead, Role};
use crate::message::{Broken, FieldSection, Response, Size};

const LIMITS: Limits = Limits { streams: 10, head: 8 * 1024, stream_window: 100_000, connection_window: 300_000 };

/// Bytes of a body, and whether they are its end; none after it.
type Data = Option<(Vec<u8>, bool)>;

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn fields(lines: &[(&str, &str)]) -> FieldSection {
    let mut fields = FieldSection::new();
    for (name, value) in lines {
        fields.append(*name, value.as_bytes());
    }
    fields
}

/// What is sent to a path.
fn get<'r>(path: &'r str, fields: &'r FieldSection) -> RequestHead<'r> {
    RequestHead {
        method: &Method::GET,
        scheme: "http",
        authority: b"shop.example",
        path: path.as_bytes(),
        protocol: None,
        fields,
        size: Size::None,
    }
}

/// One end, and what it has written.
struct End {
    connection: Connection,
    out: Vec<u8>,
}

impl End {
    fn new(role: Role) -> Self {
        let mut out = Vec::new();
        Self { connection: Connection::new(role, LIMITS, &mut out), out }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let used = self.connection.receive(bytes, &mut self.out)?;
        assert_eq!(used, bytes.len(), "a frame was not whole");
        Ok(())
    }

    fn data(&mut self, key: Key) -> Poll<Result<Data, Broken>> {
        let polled = self.connection.poll_data(key, &context());
        polled.map_ok(|data| data.map(|(data, last)| (data.to_vec(), last)))
    }

    fn send(&mut self, key: Key, data: &[u8], last: bool) -> Poll<Result<usize, Broken>> {
        self.connection.poll_send(key, (data, last), &mut self.out, &context())
    }

    /// Answers 200; `last`: without a body.
    fn answer(&mut self, key: Key, last: bool) {
        let response = Response::new(StatusCode::OK, Size::Unknown);
        self.connection.answer(key, (&response, None), last, &mut self.out).unwrap();
    }

    /// The frames that it has written since.
    fn frames(&mut self) -> Vec<(Header, Vec<u8>)> {
        let written = std::mem::take(&mut self.out);
        let mut left = &written[..];
        let mut frames = Vec::new();
        while let Some((header, rest)) = Header::read(left) {
            let (payload, rest) = rest.split_at(header.length);
            frames.push((header, payload.to_vec()));
            left = rest;
        }
        assert!(left.is_empty());
        frames
    }
}

/// Both ends.
struct Pair {
    client: End,
    server: End,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self { client: End::new(Role::Client), server: End::new(Role::Server) };
        pair.exchange();
        pair
    }

    /// Lets what was written arrive, until nothing is.
    fn exchange(&mut self) {
        while !(self.client.out.is_empty() && self.server.out.is_empty()) {
            let (up, down) = (std::mem::take(&mut self.client.out), std::mem::take(&mut self.server.out));
            self.server.take(&up).unwrap();
            self.client.take(&down).unwrap();
        }
    }

    /// A request that has arrived, as the client and as the server know it.
    fn open(&mut self, request: &RequestHead<'_>, last: bool) -> (Key, Arrived) {
        let key = self.client.connection.open(request, last, &mut self.client.out).unwrap();
        self.exchange();
        (key, self.server.connection.next_arrived().unwrap())
    }

    fn ask(&mut self) -> (Key, Key) {
        let (key, arrived) = self.open(&get("/", &fields(&[])), true);
        (key, arrived.key)
    }
}

/// A server that has been greeted, and what it has said so far taken away.
fn server() -> End {
    let mut server = End::new(Role::Server);
    let mut greeting = PREFACE.to_vec();
    frame::settings(&mut greeting, &[]);
    server.take(&greeting).unwrap();
    server.out.clear();
    server
}

/// A frame by hand.
fn raw([kind, flags]: [u8; 2], stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Header { length: payload.len(), kind, flags, stream }.bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// HEADERS of a GET, as literals that nobody remembers.
fn headers(stream: u32, last: bool, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "shop.example")];
    let flags = frame::END_HEADERS | if last { frame::END_STREAM } else { 0 };
    raw([frame::HEADERS, flags], stream, &block(&[&pseudo[..], more].concat()))
}

fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The only stream that the frame ended before its end, and why.
fn reset_by(server: &mut End, frame: &[u8]) -> (u32, Reason) {
    server.take(frame).unwrap();
    let frames = server.frames();
    let resets: Vec<_> = frames.iter().filter(|(header, _)| header.kind == frame::RST_STREAM).collect();
    let [(header, payload)] = resets[..] else { panic!("{frames:?}") };
    (header.stream, Reason(frame::number(payload[..].try_into().unwrap())))
}

/// What ends the connection.
fn failure(server: &mut End, frame: &[u8]) -> Reason {
    let failure = server.take(frame).unwrap_err();
    let (last, payload) = server.frames().pop().unwrap();
    assert_eq!(last.kind, frame::GOAWAY);
    assert_eq!(payload[4..8], failure.reason.0.to_be_bytes());
    failure.reason
}
