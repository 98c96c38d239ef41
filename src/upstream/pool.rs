//! Connections of one worker by endpoint. An endpoint that moves to another version keeps its connections.
//!
//! HTTP/1.1 connections are taken out for one request and put back at its end, the last one used first, so that as few
//! as possible stay warm. HTTP/2 connections are shared.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::{http1, http2};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::{ConnectError, Demand, Peer, connect};
use crate::endpoint::{Endpoint, EndpointId};
use crate::model::UpstreamProtocol;

/// How long a connection may idle. Shorter than the keep-alive timeouts of most servers, to lose few races against them.
const IDLE: Duration = Duration::from_secs(50);
/// How long the rest of a request may take that was answered early.
const REST: Duration = Duration::from_secs(1);
/// Idle HTTP/1.1 connections kept per endpoint.
const MOST_IDLE: usize = 512;
/// Streams on an HTTP/2 connection before another is opened, if its peer allows more.
const MOST_STREAMS: usize = 100;

/// A connection that requests can be sent on.
pub enum Connection<B> {
    /// HTTP/1.1.
    H1(http1::SendRequest<B>),
    /// HTTP/2.
    H2(Multiplexed<B>),
}

/// An HTTP/2 connection, one of many handles to it.
pub struct Multiplexed<B> {
    /// Sends requests.
    pub sender: http2::SendRequest<B>,
    /// What its endpoint takes.
    pub peer: watch::Receiver<Peer>,
}

impl<B> Clone for Multiplexed<B> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), peer: self.peer.clone() }
    }
}

/// The connections of a worker.
pub struct Pool<B> {
    endpoints: RefCell<HashMap<EndpointId, Rc<Shelf<B>>>>,
}

struct Shelf<B> {
    idle: RefCell<Vec<Idle<B>>>,
    shared: RefCell<Vec<Shared<B>>>,
    /// Held while an HTTP/2 connection is being made, so that a burst makes one and not a hundred.
    connecting: tokio::sync::Mutex<()>,
}

struct Idle<B> {
    sender: http1::SendRequest<B>,
    since: Instant,
}

struct Shared<B> {
    connection: Multiplexed<B>,
    streams: Rc<Cell<usize>>,
    since: Rc<Cell<Instant>>,
}

/// A connection for one request.
pub struct Lease<B> {
    /// The connection.
    pub connection: Connection<B>,
    /// Whether it has carried requests before, so that it may have died unseen.
    pub reused: bool,
    place: Option<Place<B>>,
}

/// Where a connection belongs.
enum Place<B> {
    Idle(Rc<Shelf<B>>),
    Shared { streams: Rc<Cell<usize>>, since: Rc<Cell<Instant>> },
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self { endpoints: RefCell::default() }
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A connection to `endpoint`: a pooled one, or a new one within `timeout`.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn lease(
        &self,
        endpoint: &Arc<Endpoint>,
        demand: Demand,
        timeout: Duration,
    ) -> Result<Lease<B>, ConnectError> {
        let shelf = Rc::clone(self.endpoints.borrow_mut().entry(endpoint.id).or_default());
        if demand == Demand::Any
            && let Some(lease) = pooled(&shelf)
        {
            return Ok(lease);
        }
        let speaks_h2 = endpoint.transport.protocol == UpstreamProtocol::Http2;
        if speaks_h2 {
            let _alone = shelf.connecting.lock().await;
            match shelf.shared() {
                Some(lease) => return Ok(lease),
                None => return Ok(place(&shelf, connect(endpoint, demand, timeout).await?)),
            }
        }
        Ok(place(&shelf, connect(endpoint, demand, timeout).await?))
    }

    /// A new connection to `endpoint`, for a request that met a dead pooled one.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn fresh(
        &self,
        endpoint: &Arc<Endpoint>,
        demand: Demand,
        timeout: Duration,
    ) -> Result<Lease<B>, ConnectError> {
        let shelf = Rc::clone(self.endpoints.borrow_mut().entry(endpoint.id).or_default());
        Ok(place(&shelf, connect(endpoint, demand, timeout).await?))
    }

    /// Closes what has idled too long, and everything of endpoints that `keep` does not name.
    pub fn sweep(&self, keep: impl Fn(EndpointId) -> bool) {
        self.endpoints.borrow_mut().retain(|id, shelf| {
            shelf.idle.borrow_mut().retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < IDLE);
            shelf.shared.borrow_mut().retain(|shared| {
                !shared.connection.sender.is_closed()
                    && (shared.streams.get() > 0 || shared.since.get().elapsed() < IDLE)
            });
            keep(*id)
        });
    }

    /// Idle connections, for tests and status.
    pub fn idle(&self) -> usize {
        self.endpoints.borrow().values().map(|shelf| shelf.idle.borrow().len()).sum()
    }
}

impl<B> Default for Shelf<B> {
    fn default() -> Self {
        Self { idle: RefCell::default(), shared: RefCell::default(), connecting: tokio::sync::Mutex::new(()) }
    }
}

impl<B> Shelf<B> {
    fn keep(&self, sender: http1::SendRequest<B>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    fn shared(&self) -> Option<Lease<B>> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|s| !s.connection.sender.is_closed());
        let most = |s: &Shared<B>| match s.connection.peer.borrow().streams {
            // It has not said yet; what is too much waits in line.
            0 => MOST_STREAMS,
            streams => streams.min(MOST_STREAMS),
        };
        let free = |s: &&Shared<B>| s.streams.get() < most(s);
        shared.iter().find(free).map(|found| {
            found.streams.set(found.streams.get() + 1);
            let place = Place::Shared { streams: Rc::clone(&found.streams), since: Rc::clone(&found.since) };
            Lease { connection: Connection::H2(found.connection.clone()), reused: true, place: Some(place) }
        })
    }
}

/// A connection that is there and alive.
fn pooled<B>(shelf: &Rc<Shelf<B>>) -> Option<Lease<B>> {
    if let Some(lease) = shelf.shared() {
        return Some(lease);
    }
    loop {
        let Idle { sender, .. } = shelf.idle.borrow_mut().pop()?;
        if sender.is_ready() {
            let place = Some(Place::Idle(Rc::clone(shelf)));
            return Some(Lease { connection: Connection::H1(sender), reused: true, place });
        }
    }
}

/// Makes a lease of a new connection, and shares it if it can be shared.
fn place<B>(shelf: &Rc<Shelf<B>>, connection: Connection<B>) -> Lease<B> {
    let place = match &connection {
        Connection::H1(_) => Place::Idle(Rc::clone(shelf)),
        Connection::H2(connection) => {
            let streams = Rc::new(Cell::new(1));
            let since = Rc::new(Cell::new(Instant::now()));
            let shared =
                Shared { connection: connection.clone(), streams: Rc::clone(&streams), since: Rc::clone(&since) };
            shelf.shared.borrow_mut().push(shared);
            Place::Shared { streams, since }
        }
    };
    Lease { connection, reused: false, place: Some(place) }
}

impl<B: 'static> Lease<B> {
    /// Gives the connection back after an answer that was read to its end.
    ///
    /// It can be used again once the request has been sent to its end, too: nearly always at once. A client that still
    /// sends although it has its answer gets a moment, then its connection is not used again.
    pub fn give_back(self) {
        if let (Some(Place::Idle(shelf)), Connection::H1(mut sender)) = (&self.place, self.connection) {
            let shelf = Rc::clone(shelf);
            if sender.is_ready() {
                return shelf.keep(sender);
            }
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(REST, sender.ready()).await {
                    shelf.keep(sender);
                }
            });
        }
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        if let Self::Shared { streams, since } = self {
            streams.set(streams.get().saturating_sub(1));
            since.set(Instant::now());
        }
    }
}
