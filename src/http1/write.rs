//! What is written around the fields and data of a message.

use std::io::Write as _;

use http::{Method, StatusCode};

/// The answer to `Expect: 100-continue` (RFC 9110 section 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// `METHOD target HTTP/1.1`.
pub fn request_line(out: &mut Vec<u8>, method: &Method, path: &[u8]) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(path);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// `HTTP/1.1 status reason`.
pub fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `content-length`.
pub fn size_line(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"content-length: ");
    decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// A number in decimal digits.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(digits(number, &mut [0; 20]));
}

/// The digits of a number, in room for them.
pub fn digits(number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    let mut left = number;
    while left > 0 || at == room.len() {
        at -= 1;
        room[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    &room[at..]
}

/// The line before the data of a chunk.
pub fn chunk_size(out: &mut Vec<u8>, size: u64) {
    // Writing to a vector cannot fail.
    _ = write!(out, "{size:x}\r\n");
}
