//! HTTP/1.1 as bytes (RFC 9112): heads are read and written, bodies told apart, without a socket.
//!
//! Stricter than common servers, since what one of them forgives and the next understands differently is how requests are
//! smuggled (section 11.2): lines end in CRLF, a length is said once, a transfer coding is `chunked` or nothing.

mod body;
mod head;
mod plain;
mod request;
mod response;
mod write;

pub use body::{Body, Step};
pub use head::{HeadError, MOST_FIELDS, end_of_head, starts_wrong, trailers};
pub use plain::is_token;
pub use request::{is_target, next_request, request};
pub use response::{next_response, response};
pub use write::{CONTINUE, LAST_CHUNK, chunk_size, decimal, digits, request_line, size_line, status_line};
