//! HTTP/2 towards endpoints, on the crate `h2`: connections that requests share, and a request's stream.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use tokio::sync::watch;

use super::Outgoing;
use crate::http1;
use crate::io::{Coalesced, Drain, Http2, KeepAlive, Line, LineOwner, Stream, broken};
use crate::message::{Broken, Field, FieldSection, Response, Size};

/// Silence after which an endpoint with requests in flight is asked whether it is there, and how long it may take to say so.
const SILENCE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(10);

/// What an HTTP/2 endpoint has said it takes (RFC 9113 section 6.5.2, RFC 8441 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// It has said so.
    pub told: bool,
    /// Streams that it lets us open; 0: not known yet.
    pub streams: usize,
    /// Whether it takes extended CONNECT.
    pub extended_connect: bool,
}

/// An HTTP/2 connection, one of many handles to it.
#[derive(Clone)]
pub struct Multiplexed {
    sender: SendRequest<Bytes>,
    /// What its endpoint takes.
    pub peer: watch::Receiver<Peer>,
    /// Streams in flight on it.
    pub streams: Rc<Cell<usize>>,
    line: Line,
}

impl Multiplexed {
    /// Whether it takes further requests; not after an error or the endpoint's GOAWAY.
    pub fn is_open(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        !matches!(self.sender.poll_ready(&mut context), Poll::Ready(Err(_)))
    }
}

/// Begins to speak HTTP/2 on a connection; it is driven by a task of its own.
///
/// # Errors
///
/// The connection broke.
pub async fn handshake(stream: Stream) -> Result<Multiplexed, h2::Error> {
    let heard = Rc::new(Cell::new(false));
    let (line, owner) = Line::of(stream.socket());
    let (gathered, drain) = Coalesced::new(stream, Bytes::new(), Rc::clone(&heard));
    let (sender, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(64 * 1024)
        .max_send_buffer_size(256 * 1024)
        .handshake(gathered)
        .await?;
    let alive = KeepAlive::new(connection.ping_pong(), Rc::clone(&heard), SILENCE, PATIENCE);
    let (tell, peer) = watch::channel(Peer::default());
    let streams = Rc::new(Cell::new(0));
    let (counted, telling) = (Rc::clone(&streams), Some(sender.clone()));
    let driver = Driver { connection, drain, alive, heard, streams: counted, sender: telling, tell, _owner: owner };
    tokio::task::spawn_local(driver.run());
    Ok(Multiplexed { sender, peer, streams, line })
}

/// What drives a connection to its end. Its errors reach the requests that are on it.
struct Driver {
    connection: Connection<Coalesced<Stream>, Bytes>,
    drain: Drain<Stream>,
    alive: KeepAlive,
    heard: Rc<Cell<bool>>,
    streams: Rc<Cell<usize>>,
    /// Until the endpoint's settings have come; a handle more would keep the connection open for ever.
    sender: Option<SendRequest<Bytes>>,
    tell: watch::Sender<Peer>,
    _owner: LineOwner,
}

impl Driver {
    async fn run(mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if Pin::new(&mut self.connection).poll(context).is_ready() {
                return Poll::Ready(());
            }
            self.listen();
            let full = match self.drain.poll(context) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(full)) => full,
                Poll::Pending => false,
            };
            if self.alive.poll(self.streams.get() > 0, context).is_ready() {
                return Poll::Ready(());
            }
            if !full {
                return Poll::Pending;
            }
        }
    }

    /// Settings are the first that an endpoint says.
    fn listen(&mut self) {
        if !self.heard.get() {
            return;
        }
        if let Some(sender) = self.sender.take() {
            let streams = self.connection.max_concurrent_send_streams();
            let extended_connect = sender.is_extended_connect_protocol_enabled();
            self.tell.send_replace(Peer { told: true, streams, extended_connect });
        }
    }
}

/// A request's stream.
pub struct Http2Upstream {
    connection: Multiplexed,
    response: Option<ResponseFuture>,
    /// Its bodies.
    pub body: Http2,
}

impl Http2Upstream {
    /// A stream that is to be opened.
    pub fn new(connection: Multiplexed) -> Self {
        Self { connection, response: None, body: Http2::new(None, None) }
    }

    /// Waits until it is known whether the endpoint takes extended CONNECT.
    pub async fn takes_extended_connect(&mut self) -> bool {
        self.connection.peer.wait_for(|peer| peer.told).await.is_ok_and(|peer| peer.extended_connect)
    }

    /// Opens the stream, once the endpoint lets us.
    ///
    /// # Errors
    ///
    /// Nothing was sent.
    pub async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Broken> {
        poll_fn(|context| self.connection.sender.poll_ready(context)).await.map_err(broken)?;
        let head = head(request).ok_or(Broken::Malformed("the request cannot be put into HTTP/2"))?;
        let ended = request.size == Size::None && request.upgrade.is_none();
        let (response, send) = self.connection.sender.send_request(head, ended).map_err(broken)?;
        self.response = Some(response);
        self.body = Http2::new((!ended).then_some(send), None);
        Ok(())
    }

    /// Waits for a head, which may be an informational one.
    ///
    /// # Errors
    ///
    /// The stream or its connection broke.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<Response, Broken>> {
        let Some(response) = &mut self.response else { return Poll::Ready(Err(Broken::Closed)) };
        if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(context) {
            let (parts, ()) = interim.into_parts();
            return Poll::Ready(Ok(received(parts, Size::None)));
        }
        let (parts, recv) = ready!(Pin::new(response).poll(context)).map_err(broken)?.into_parts();
        self.response = None;
        let length =
            parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let size = match length {
            Some(length) => Size::Known(length),
            None if recv.is_end_stream() => Size::None,
            None => Size::Unknown,
        };
        self.body.recv = Some(recv);
        Poll::Ready(Ok(received(parts, size)))
    }

    /// Whether nobody is at the other end of its connection any more: see [`crate::io::is_dead`].
    pub fn is_dead(&self) -> bool {
        self.connection.line.is_dead()
    }

    /// Whether its connection takes no other stream.
    pub fn is_leaving(&mut self) -> bool {
        !self.connection.is_open()
    }

    /// Gives the stream up, if it has not ended.
    pub fn reset(&mut self) {
        self.body.reset(Reason::CANCEL);
    }
}

fn received(parts: http::response::Parts, size: Size) -> Response {
    let mut fields = FieldSection::new();
    fields.append_all(&parts.headers);
    Response { status: parts.status, fields, size }
}

/// The head as HTTP/2 has it (RFC 9113 section 8.3.1).
fn head(request: &Outgoing<'_>) -> Option<Request<()>> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if request.secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(request.host).ok()?);
    uri.path_and_query = Some(PathAndQuery::try_from(request.path).ok()?);
    let mut head = Request::new(());
    *head.uri_mut() = Uri::from_parts(uri).ok()?;
    *head.method_mut() = request.method.clone();
    *head.version_mut() = http::Version::HTTP_2;
    let mut added = FieldSection::default();
    if let Size::Known(length) = request.size {
        added = FieldSection::new();
        added.append_with(Field::ContentLength, |out| http1::decimal(out, length));
    }
    FieldSection::to_map(&[request.fields, &added], head.headers_mut());
    if let Some(protocol) = request.upgrade {
        *head.method_mut() = Method::CONNECT;
        head.headers_mut().remove(Field::SecWebsocketKey.name());
        head.extensions_mut().insert(h2::ext::Protocol::from(std::str::from_utf8(protocol).ok()?));
    }
    Some(head)
}
