//! The codec of HTTP/2 (RFC 9113), without a socket.

pub mod hpack;
