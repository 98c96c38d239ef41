//! Frames (RFC 9113 sections 4 and 6): their headers, and those that are short.

use super::Reason;

/// Bytes of a frame's header.
pub const HEADER: usize = 9;
/// Longest payload that is taken and sent, bytes: what every endpoint takes (section 4.2).
pub const LONGEST: usize = 16_384;

/// Types of frames.
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

/// Flags.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const WITH_PRIORITY: u8 = 0x20;

/// The header of a frame (section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of its payload.
    pub length: usize,
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0: the connection.
    pub stream: u32,
}

impl Header {
    /// The header that `bytes` begin with, and what follows it.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[a, b, c, kind, flags, d, e, f, g], rest) = bytes.split_first_chunk::<HEADER>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([d, e, f, g]) & !(1 << 31);
        Some((Self { length, kind, flags, stream }, rest))
    }

    /// As bytes.
    pub fn bytes(self) -> [u8; HEADER] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    /// Whether it has a flag.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A big-endian number of four bytes.
pub fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes)
}

/// Takes padding off a payload (section 6.1); none where there is more of it than there are bytes.
pub fn without_padding(header: Header, payload: &[u8]) -> Option<&[u8]> {
    if !header.has(PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

fn write(out: &mut Vec<u8>, [kind, flags]: [u8; 2], stream: u32, payload: &[u8]) {
    out.extend_from_slice(&Header { length: payload.len(), kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

/// DATA of at most [`LONGEST`] bytes.
pub fn data(out: &mut Vec<u8>, stream: u32, payload: &[u8], last: bool) {
    write(out, [DATA, if last { END_STREAM } else { 0 }], stream, payload);
}

/// RST_STREAM.
pub fn reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    write(out, [RST_STREAM, 0], stream, &reason.0.to_be_bytes());
}

/// WINDOW_UPDATE.
pub fn window_update(out: &mut Vec<u8>, stream: u32, more: u32) {
    write(out, [WINDOW_UPDATE, 0], stream, &more.to_be_bytes());
}

/// PING, or the answer to one.
pub fn ping(out: &mut Vec<u8>, opaque: [u8; 8], answer: bool) {
    write(out, [PING, if answer { ACK } else { 0 }], 0, &opaque);
}

/// GOAWAY, without debug data.
pub fn go_away(out: &mut Vec<u8>, last: u32, reason: Reason) {
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&last.to_be_bytes());
    payload[4..].copy_from_slice(&reason.0.to_be_bytes());
    write(out, [GOAWAY, 0], 0, &payload);
}

/// SETTINGS of these pairs.
pub fn settings(out: &mut Vec<u8>, pairs: &[(u16, u32)]) {
    let header = Header { length: pairs.len() * 6, kind: SETTINGS, flags: 0, stream: 0 };
    out.extend_from_slice(&header.bytes());
    for (id, value) in pairs {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// The answer to SETTINGS.
pub fn settings_taken(out: &mut Vec<u8>) {
    write(out, [SETTINGS, ACK], 0, &[]);
}

/// HEADERS with a block that `encode` writes, and CONTINUATION frames where it is too long for one.
pub fn headers(out: &mut Vec<u8>, stream: u32, last: bool, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    encode(out);
    let length = out.len() - start - HEADER;
    let ends = if last { END_STREAM } else { 0 };
    if length <= LONGEST {
        let header = Header { length, kind: HEADERS, flags: ends | END_HEADERS, stream };
        out[start..start + HEADER].copy_from_slice(&header.bytes());
        return;
    }
    let block = out.split_off(start + HEADER);
    out.truncate(start);
    let pieces = block.len().div_ceil(LONGEST);
    for (n, piece) in block.chunks(LONGEST).enumerate() {
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        let flags = if n == 0 { ends } else { 0 } | if n + 1 == pieces { END_HEADERS } else { 0 };
        write(out, [kind, flags], stream, piece);
    }
}
