//! HTTP/2 as bytes (RFC 9113): frames are read and written, streams and their windows kept, without a socket.
//!
//! A [`Connection`] is one end of a connection, of either side. It is fed with what comes, and writes to a buffer what is to go:
//! heads as they are encoded, bodies as far as the windows of the other side and the buffer have room. Who waits for
//! something on a stream leaves a waker with it. What breaks the protocol ends the stream or the connection as the RFC
//! says; what only costs is counted, and ends the connection once it is too much.

mod calm;
mod connection;
mod frame;
mod head;
pub mod hpack;
mod reason;
mod receive;
mod runs;
mod send;
mod settings;
mod stream;
mod window;

pub use connection::{Arrived, Connection, Failure, MOST_WAITING, Role};
pub use head::RequestHead;
pub use reason::Reason;
pub use settings::{Limits, Peer};
pub use stream::Key;

/// What a client says first (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests;
