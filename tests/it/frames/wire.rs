//! Frames as bytes, written and read without the proxy's own codec.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::within;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;
/// A whole head without a body.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_FRAME_SIZE: u16 = 5;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub id: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, id: u32, payload: impl AsRef<[u8]>) -> Frame {
    Frame { kind, flags, id, payload: payload.as_ref().to_vec() }
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Four bytes of the payload as a number.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// Field lines as a block: literals without indexing, plain.
pub fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            // Lengths of up to 127 + 127.
            match text.len() {
                short @ 0..127 => block.push(short as u8),
                long @ 127..254 => block.extend([127, (long - 127) as u8]),
                longer => panic!("{longer} bytes"),
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// What every request begins with.
pub fn plain_get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "shop.example")])
}

pub fn plain_post(path: &str) -> Vec<u8> {
    block(&[(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "shop.example")])
}

pub fn settings(values: &[(u16, u32)]) -> Frame {
    let payload: Vec<u8> =
        values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, payload)
}

pub fn window_update(id: u32, more: u32) -> Frame {
    frame(WINDOW_UPDATE, 0, id, more.to_be_bytes())
}

pub fn reset(id: u32, code: u32) -> Frame {
    frame(RST_STREAM, 0, id, code.to_be_bytes())
}

/// How a stream, or its connection, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An answer with that status, to its end.
    Answer(u16),
    Reset(u32),
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// A connection.
pub struct Wire {
    pub stream: TcpStream,
    fields: fluke_hpack::Decoder<'static>,
    /// Lines of the last head that came.
    pub lines: Vec<(String, String)>,
    bytes: Vec<u8>,
}

impl Wire {
    /// A client that has said its preface and these settings.
    pub async fn open_with(address: SocketAddr, values: &[(u16, u32)]) -> Self {
        let mut wire = Self::open_without_settings(address).await;
        wire.send(settings(values)).await;
        wire
    }

    /// A client that has said the first part of its preface alone.
    pub async fn open_without_settings(address: SocketAddr) -> Self {
        let mut wire = Self::over(within(TcpStream::connect(address)).await.unwrap());
        wire.write(PREFACE).await;
        wire
    }

    pub async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, &[]).await
    }

    /// A server that has read the preface, and has said these settings.
    pub async fn serve(stream: TcpStream, values: &[(u16, u32)]) -> Self {
        let mut wire = Self::over(stream);
        while wire.bytes.len() < PREFACE.len() {
            assert!(wire.read().await, "closed before the preface");
        }
        assert!(wire.bytes.starts_with(PREFACE));
        wire.bytes.drain(..PREFACE.len());
        wire.send(settings(values)).await;
        wire
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, fields: fluke_hpack::Decoder::new(), lines: Vec::new(), bytes: Vec::new() }
    }

    /// Writes bytes; that the other side does not want them shows when it is read from.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = within(self.stream.write_all(bytes)).await;
    }

    pub async fn send(&mut self, frame: Frame) {
        self.write(&frame.bytes()).await;
    }

    pub async fn send_all(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.bytes()).collect();
        self.write(&bytes).await;
    }

    async fn read(&mut self) -> bool {
        within(self.stream.read_buf(&mut self.bytes)).await.is_ok_and(|count| count > 0)
    }

    /// The next frame; none at the end.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.bytes.split_at_checked(9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let id = u32::from_be_bytes(head[5..9].try_into().unwrap());
                    let frame = frame(head[3], head[4], id, &rest[..length]);
                    self.bytes.drain(..9 + length);
                    self.keep_lines(&frame);
                    return Some(frame);
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// The next frame of that kind; others are passed over.
    pub async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("closed before a frame of kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Every head is decoded, since later ones may refer to it.
    fn keep_lines(&mut self, frame: &Frame) {
        if frame.kind == HEADERS {
            assert!(frame.has(END_HEADERS), "a head in several frames");
            let lines = self.fields.decode(&frame.payload).unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            self.lines = lines.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        }
    }

    /// The status and the body of a stream's answer. Panics if it is reset.
    pub async fn answer(&mut self, id: u32) -> (u16, Vec<u8>) {
        match self.end_with_body(id).await {
            (End::Answer(status), body) => (status, body),
            (other, _) => panic!("stream {id}: {other:?}"),
        }
    }

    /// How a stream ends.
    pub async fn end(&mut self, id: u32) -> End {
        self.end_with_body(id).await.0
    }

    async fn end_with_body(&mut self, id: u32) -> (End, Vec<u8>) {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let Some(frame) = self.next().await else { return (End::Closed, body) };
            match frame.kind {
                GOAWAY if frame.number(4) != NO_ERROR => return (End::GoAway(frame.number(4)), body),
                RST_STREAM if frame.id == id => return (End::Reset(frame.number(0)), body),
                HEADERS if frame.id == id => {
                    let said = self.lines.iter().find(|(name, _)| name == ":status");
                    status = said.map_or(status, |(_, value)| value.parse().unwrap());
                }
                DATA if frame.id == id => body.extend(&frame.payload),
                _ => continue,
            }
            if frame.id == id && frame.has(END_STREAM) {
                return (End::Answer(status), body);
            }
        }
    }

    /// The code that the connection is ended with, after which nothing may come.
    pub async fn goaway(&mut self) -> u32 {
        let mut code = loop {
            match self.next().await {
                Some(frame) if frame.kind == GOAWAY => break frame.number(4),
                Some(_) => {}
                None => panic!("closed without GOAWAY"),
            }
        };
        // A first one may say only that no more is taken (section 6.8).
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = frame.number(4);
            }
        }
        code
    }

    /// Whether the connection works.
    pub async fn works(&mut self, id: u32) {
        self.send(frame(HEADERS, WHOLE, id, plain_get("/works"))).await;
        assert_eq!(self.answer(id).await.0, 200);
    }
}
