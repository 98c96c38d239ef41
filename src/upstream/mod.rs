//! Towards the endpoints: which one, and over which connection.

pub mod balance;
mod connect;
mod http1;
mod http2;
mod pool;

pub use connect::{ConnectError, Demand};
pub use pool::{Lease, Pool, SWEEP};

use std::task::{Context, Poll};

use http::{Method, Version};
use tokio::net::TcpStream;

use crate::io::{Ready, Sink, Source, is_dead};
use crate::message::{Broken, Field, FieldSection, Response, Size};
use http1::Http1Upstream;
use http2::Http2Upstream;

/// A request as it is sent.
pub struct Outgoing<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path and query.
    pub path: &'a [u8],
    /// Authority.
    pub host: &'a [u8],
    /// Whether the endpoint is spoken to over TLS.
    pub secure: bool,
    /// Fields, but those that frame the message or belong to the connection, and `Host`.
    pub fields: &'a FieldSection,
    /// How long its body is.
    pub size: Size,
    /// The protocol that it asks for instead of an answer.
    pub upgrade: Option<&'a [u8]>,
}

/// A connection while it carries one request. Boxed, since it passes through many hands.
pub enum Upstream {
    /// HTTP/1.1.
    Http1(Box<Http1Upstream>),
    /// A stream of HTTP/2.
    Http2(Box<Http2Upstream>),
}

impl Upstream {
    /// Sends the head; over HTTP/1.1 it goes out with what follows it.
    ///
    /// # Errors
    ///
    /// Nothing was sent.
    pub async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Broken> {
        match self {
            Self::Http1(http1) => {
                http1.send(request);
                Ok(())
            }
            Self::Http2(http2) => http2.send(request).await,
        }
    }

    /// Waits for a head, which may be an informational one.
    ///
    /// # Errors
    ///
    /// No answer will come.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Response, Broken>> {
        match self {
            Self::Http1(http1) => http1.poll_head(context),
            Self::Http2(http2) => http2.poll_head(context),
        }
    }

    /// The version of HTTP that it speaks.
    pub fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(_) => Version::HTTP_2,
        }
    }

    /// Whether the endpoint's socket took any of the request.
    pub fn has_sent(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.body.wire.outbox.has_written(),
            Self::Http2(_) => true,
        }
    }

    /// Whether nobody is at the other end any more: see [`crate::io::is_dead`].
    pub fn is_dead(&self) -> bool {
        match self {
            Self::Http1(http1) => is_dead(http1.body.wire.stream.socket()),
            Self::Http2(http2) => http2.is_dead(),
        }
    }

    /// Whether the endpoint closes the connection after this answer.
    pub fn is_leaving(&mut self, response: &Response) -> bool {
        match self {
            Self::Http1(_) => {
                response.fields.elements(Field::Connection).any(|option| option.eq_ignore_ascii_case(b"close"))
            }
            Self::Http2(http2) => http2.is_leaving(),
        }
    }

    /// Whether the answer's body came to its end.
    pub fn has_read_all(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.body.has_read_all(),
            Self::Http2(http2) => http2.body.has_read_all(),
        }
    }

    /// What follows, both ways, is another protocol.
    pub fn become_tunnel(&mut self) {
        match self {
            Self::Http1(http1) => http1.body.become_tunnel(),
            // A stream of HTTP/2 is one already.
            Self::Http2(_) => {}
        }
    }
}

impl Source for Upstream {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        match self {
            Self::Http1(http1) => http1.body.poll_ready(context),
            Self::Http2(http2) => http2.body.poll_ready(context),
        }
    }

    fn data(&self) -> (&[u8], bool) {
        match self {
            Self::Http1(http1) => http1.body.data(),
            Self::Http2(http2) => http2.body.data(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Http1(http1) => http1.body.consume(count),
            Self::Http2(http2) => http2.body.consume(count),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.body.has_ended(),
            Self::Http2(http2) => http2.body.has_ended(),
        }
    }

    fn trailers(&mut self) -> Option<FieldSection> {
        match self {
            Self::Http1(http1) => http1.body.trailers(),
            Self::Http2(http2) => http2.body.trailers(),
        }
    }

    fn bare(&self) -> Option<(&TcpStream, u64)> {
        match self {
            Self::Http1(http1) => Source::bare(&http1.body),
            Self::Http2(_) => None,
        }
    }

    fn bypassed(&mut self, count: usize) {
        if let Self::Http1(http1) = self {
            http1.body.bypassed(count);
        }
    }
}

impl Sink for Upstream {
    fn poll_send(&mut self, data: &[u8], last: bool, context: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        match self {
            Self::Http1(http1) => http1.body.poll_send(data, last, context),
            Self::Http2(http2) => http2.body.poll_send(data, last, context),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self {
            Self::Http1(http1) => http1.body.poll_flush(context),
            Self::Http2(http2) => http2.body.poll_flush(context),
        }
    }

    fn poll_finish(
        &mut self,
        trailers: &mut Option<FieldSection>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        match self {
            Self::Http1(http1) => http1.body.poll_finish(trailers, context),
            Self::Http2(http2) => http2.body.poll_finish(trailers, context),
        }
    }

    fn bare(&self) -> Option<&TcpStream> {
        match self {
            Self::Http1(http1) => Sink::bare(&http1.body),
            Self::Http2(_) => None,
        }
    }
}
