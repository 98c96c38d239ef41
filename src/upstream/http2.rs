//! HTTP/2 towards endpoints: connections that requests share, and a request's stream.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Outgoing;
use super::pool::MOST_STREAMS;
use crate::http2::{Limits, Peer, RequestHead, Role};
use crate::io::{Driver, Http2, Line, Session, Stream, Wire};
use crate::message::{Broken, Response, Size};

/// Silence after which an endpoint with requests in flight is asked whether it is there, and how long it may take to say so.
const SILENCE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(10);

/// What may come on a stream before its client has taken it, bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// What an endpoint may do; it opens no streams. Together they have room for what each may have under way: clients that take
/// nothing hold up nobody else on the connection.
const LIMITS: Limits = Limits {
    streams: 0,
    head: 64 * 1024,
    stream_window: STREAM_WINDOW,
    connection_window: MOST_STREAMS as u32 * STREAM_WINDOW,
};

/// An HTTP/2 connection. Once neither this nor a stream on it is left, it ends.
pub struct Multiplexed {
    session: Session,
    /// Streams in flight on it.
    pub streams: Rc<Cell<usize>>,
    line: Line,
}

impl Multiplexed {
    /// Begins to speak HTTP/2 on a connection; it is driven by a task of its own.
    pub fn begin(stream: Stream) -> Self {
        let (line, owner) = Line::of(stream.socket());
        let mut driver = Driver::new(Wire::new(stream), Role::Client, LIMITS, (SILENCE, PATIENCE));
        let session = driver.session().clone();
        tokio::task::spawn_local(async move {
            let _owner = owner;
            // An endpoint opens no streams: who tries ends the connection.
            poll_fn(|context| driver.poll(&mut |_, _| {}, context)).await;
        });
        Self { session, streams: Rc::default(), line }
    }

    /// Whether it takes further requests; not after an error or the endpoint's GOAWAY.
    pub fn is_open(&self) -> bool {
        self.session.look(|connection| connection.is_open())
    }

    /// What its endpoint has said it takes.
    pub fn peer(&self) -> Peer {
        self.session.look(|connection| connection.peer)
    }
}

/// A request's stream.
pub struct Http2Upstream {
    /// It, with its bodies.
    pub body: Http2,
    line: Line,
}

impl Http2Upstream {
    /// A stream that is to be opened.
    pub fn new(connection: &Multiplexed) -> Self {
        Self { body: Http2::unopened(connection.session.clone()), line: connection.line.clone() }
    }

    /// Waits until it is known whether the endpoint takes extended CONNECT.
    async fn takes_extended_connect(&mut self) -> bool {
        poll_fn(|context| {
            self.body.session().look(|connection| {
                if connection.is_open() && !connection.peer.told {
                    connection.wait(context);
                    return Poll::Pending;
                }
                Poll::Ready(connection.peer.extended_connect)
            })
        })
        .await
    }

    /// Opens the stream, once the endpoint lets us.
    ///
    /// # Errors
    ///
    /// Nothing was sent; [`Broken::Malformed`]: nor would it be taken.
    pub async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Broken> {
        if request.upgrade.is_some() && !self.takes_extended_connect().await && !self.is_leaving() {
            return Err(Broken::Malformed("the endpoint takes no extended CONNECT"));
        }
        let head = RequestHead {
            method: request.method,
            scheme: if request.secure { "https" } else { "http" },
            authority: request.host,
            path: request.path,
            protocol: request.upgrade,
            fields: request.fields,
            size: request.size,
        };
        let ended = request.size == Size::None && request.upgrade.is_none();
        poll_fn(|context| self.body.poll_open(&head, ended, context)).await
    }

    /// Waits for a head, which may be an informational one.
    ///
    /// # Errors
    ///
    /// The stream or its connection broke.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Response, Broken>> {
        self.body.poll_head(context)
    }

    /// Whether its connection takes no other stream.
    pub fn is_leaving(&self) -> bool {
        !self.body.session().look(|connection| connection.is_open())
    }

    /// Whether nobody is at the other end of its connection any more: see [`crate::io::is_dead`].
    pub fn is_dead(&self) -> bool {
        self.line.is_dead()
    }
}
