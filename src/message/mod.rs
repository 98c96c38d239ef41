//! Messages as every codec reads and writes them: what the exchange works on, whatever carried them.
//!
//! A head is kept as it came, in one buffer with the places of its lines, so that passing it on is copying ranges. Field
//! names are compared ignoring case (RFC 9110 section 5.1).

mod buffer;
mod field;
mod fields;
mod room;

pub use buffer::{Buffer, LARGE, SMALL, halve};
pub use field::{Field, FieldSet};
pub use fields::{Block, FieldSection, Line, Mark, Name, Span};

use http::{Method, StatusCode, Version};
use thiserror::Error;

/// Lets half of the room go that the calling thread keeps for messages to come.
pub fn trim() {
    buffer::trim();
    room::trim();
}

/// The head of a request (RFC 9110 section 6).
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Version that the client spoke.
    pub version: Version,
    /// What is asked for.
    pub target: Target,
    /// The protocol that an extended CONNECT asks for (RFC 8441 section 4).
    pub protocol: Option<Span>,
    /// Fields; they also hold the bytes of `target` and `protocol`.
    pub fields: FieldSection,
    /// How its body is delimited, or how long it says to be.
    pub size: Size,
}

/// A request target (RFC 9112 section 3.2), as places in the bytes of the request's fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// The authority, where the target has one.
    pub authority: Option<Span>,
    /// Path, or `*`; empty for CONNECT without a protocol.
    pub path: Span,
    /// Query without `?`.
    pub query: Option<Span>,
}

/// The head of a response.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub fields: FieldSection,
    /// How long its body is.
    pub size: Size,
}

/// What a head says about the body after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// There is none, and nothing is said about it.
    None,
    /// So many bytes.
    Known(u64),
    /// It ends where it ends.
    Unknown,
}

/// Why a message cannot be read or written to its end.
#[derive(Debug, Error)]
pub enum Broken {
    /// The other side ended it too early.
    #[error("the connection was closed before the end")]
    Closed,
    /// What came is not the protocol.
    #[error("{0}")]
    Malformed(&'static str),
    /// What came with others on its connection is not the protocol: it may have been well itself.
    #[error("the other side broke the protocol: {0}")]
    Violated(&'static str),
    /// Not begun, says the other side (RFC 9113 section 8.7).
    #[error("the other side refused to begin")]
    Refused,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A stream of HTTP/2 was reset, for this reason (RFC 9113 section 7).
    #[error("the stream was reset: {0}")]
    Reset(Box<str>),
}

impl Response {
    /// A response without fields.
    pub fn new(status: StatusCode, size: Size) -> Self {
        Self { status, fields: FieldSection::new(), size }
    }

    /// Whether a response of this status, or to this method, has no body whatever its fields say (RFC 9110 section 6.4.1).
    pub fn is_bodiless(status: StatusCode, to_head: bool) -> bool {
        to_head || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

impl Request {
    /// It will not be sent again. The room of its fields, which has not been looked at for a while, goes back before that of
    /// its answer, so that the next answer gets one that is still in the processor's cache.
    pub fn is_settled(&mut self) {
        self.fields = FieldSection::default();
    }

    /// The authority of the target.
    pub fn authority(&self) -> Option<&[u8]> {
        self.target.authority.map(|authority| self.fields.bytes_at(authority))
    }

    /// The path of the target.
    pub fn path(&self) -> &str {
        self.fields.text_at(self.target.path)
    }

    /// The query of the target.
    pub fn query(&self) -> Option<&str> {
        self.target.query.map(|query| self.fields.text_at(query))
    }

    /// The protocol that an extended CONNECT asks for.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.protocol.map(|protocol| self.fields.bytes_at(protocol))
    }
}
