//! Connections of one worker by endpoint. An endpoint that moves to another version keeps its connections.
//!
//! HTTP/1.1 connections are taken out for one request and put back at its end, the last one used first, so that as few
//! as possible stay warm. HTTP/2 connections are shared.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Upstream;
use super::connect::{ConnectError, Connected, Demand, connect};
use super::http1::Http1Upstream;
use super::http2::{Http2Upstream, Multiplexed};
use crate::endpoint::{Endpoint, EndpointId};
use crate::model::UpstreamProtocol;

/// Sweeps that a connection may idle: 50 s. Shorter than the keep-alive timeouts of most servers, to lose few races against
/// them.
const IDLE: u32 = 10;
/// Idle HTTP/1.1 connections that a worker keeps per endpoint. Answers come together: as many as were in use at once soon will
/// be again, and making one costs more than a request.
const MOST_IDLE: usize = 4096;
/// Streams on an HTTP/2 connection before another is opened, if its peer allows more.
pub(super) const MOST_STREAMS: usize = 100;

/// The connections of a worker.
#[derive(Default)]
pub struct Pool {
    /// By the number of the endpoint.
    shelves: RefCell<Vec<Option<Rc<Shelf>>>>,
    /// Sweeps so far: the clock of what idles.
    sweeps: Rc<Cell<u32>>,
}

/// How often [`Pool::sweep`] is to be called.
pub const SWEEP: Duration = Duration::from_secs(5);

struct Shelf {
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Shared>>,
    /// How HTTP/2 connections are made.
    sharing: Sharing,
    sweeps: Rc<Cell<u32>>,
    /// Nothing idles here any more: who still has a connection of it gives it back to nobody.
    left: Cell<bool>,
}

/// The making of connections that are shared: one at a time, so that a burst makes one and not a hundred.
#[derive(Default)]
struct Sharing {
    /// Held while one is being made.
    alone: tokio::sync::Mutex<()>,
    /// Attempts that have failed, and how the last one did.
    failures: Cell<u64>,
    last: RefCell<Option<ConnectError>>,
}

struct Idle {
    connection: Box<Http1Upstream>,
    since: u32,
}

struct Shared {
    connection: Multiplexed,
    since: Rc<Cell<u32>>,
}

/// A connection for one request.
pub struct Lease {
    /// The connection.
    pub upstream: Upstream,
    /// Whether it has carried requests before, so that it may have died unseen.
    pub reused: bool,
    place: Place,
}

/// Where a connection belongs.
enum Place {
    Idle(Rc<Shelf>),
    Shared { _counted: InFlight },
}

/// One stream on a shared connection.
struct InFlight {
    streams: Rc<Cell<usize>>,
    since: Rc<Cell<u32>>,
    sweeps: Rc<Cell<u32>>,
}

impl Pool {
    /// A pooled connection to `endpoint`, if there is one.
    pub fn ready(&self, endpoint: &Endpoint) -> Option<Lease> {
        pooled(&self.shelf(endpoint.id))
    }

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
    ) -> Result<Lease, ConnectError> {
        let shelf = self.shelf(endpoint.id);
        if demand == Demand::Any
            && let Some(lease) = pooled(&shelf)
        {
            return Ok(lease);
        }
        if endpoint.transport.protocol == UpstreamProtocol::Http2 {
            return shelf.join(endpoint, demand, timeout).await;
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
    ) -> Result<Lease, ConnectError> {
        Ok(place(&self.shelf(endpoint.id), connect(endpoint, demand, timeout).await?))
    }

    /// Opens `count` connections to `endpoint`; one, where requests share it. What fails is left to the requests to find out.
    pub async fn warm(&self, endpoint: &Arc<Endpoint>, count: usize, timeout: Duration) {
        let shelf = self.shelf(endpoint.id);
        let missing = count.saturating_sub(shelf.idle.borrow().len());
        if missing == 0 || !shelf.shared.borrow().is_empty() {
            return;
        }
        if endpoint.transport.protocol == UpstreamProtocol::Http2 {
            // The stream is not opened; the connection stays.
            let _ = self.lease(endpoint, Demand::Any, timeout).await;
            return;
        }
        let made = (0..missing).map(|_| connect(endpoint, Demand::Any, timeout));
        for connected in futures_util::future::join_all(made).await.into_iter().flatten() {
            match connected {
                Connected::Http1(wire) => shelf.keep(Box::new(Http1Upstream::new(wire))),
                connected @ Connected::Http2(_) => _ = place(&shelf, connected),
            }
        }
    }

    fn shelf(&self, endpoint: EndpointId) -> Rc<Shelf> {
        let index = endpoint.0 as usize;
        let mut shelves = self.shelves.borrow_mut();
        if shelves.len() <= index {
            shelves.resize_with(index + 1, || None);
        }
        Rc::clone(shelves[index].get_or_insert_with(|| Rc::new(Shelf::new(Rc::clone(&self.sweeps)))))
    }

    /// Closes what has idled too long or was closed by its endpoint, and everything of endpoints that `keep` does not name.
    pub fn sweep(&self, keep: impl Fn(EndpointId) -> bool) {
        let now = self.sweeps.get().wrapping_add(1);
        self.sweeps.set(now);
        let young = |since: u32| now.wrapping_sub(since) <= IDLE;
        for (index, place) in self.shelves.borrow_mut().iter_mut().enumerate() {
            let Some(shelf) = place else { continue };
            shelf.idle.borrow_mut().retain_mut(|idle| young(idle.since) && idle.connection.body.wire.is_quiet());
            shelf.shared.borrow_mut().retain(|shared| {
                shared.connection.is_open() && (shared.connection.streams.get() > 0 || young(shared.since.get()))
            });
            if !keep(EndpointId(index as u32))
                && let Some(shelf) = place.take()
            {
                shelf.leave();
            }
        }
    }

    /// Closes what idles towards an endpoint, and lets shared connections go after the streams that they have; gives how many
    /// idled.
    pub fn evict(&self, endpoint: EndpointId) -> usize {
        let mut shelves = self.shelves.borrow_mut();
        shelves.get_mut(endpoint.0 as usize).and_then(Option::take).map_or(0, |shelf| shelf.leave())
    }

    /// Idle connections, for tests and status.
    pub fn idle(&self) -> usize {
        self.shelves.borrow().iter().flatten().map(|shelf| shelf.idle.borrow().len()).sum()
    }
}

impl Shelf {
    fn new(sweeps: Rc<Cell<u32>>) -> Self {
        let (idle, shared) = (RefCell::default(), RefCell::default());
        Self { idle, shared, sharing: Sharing::default(), sweeps, left: Cell::new(false) }
    }

    /// Closes what idles, whoever has other connections of it, and lets shared ones go; gives how many idled.
    fn leave(&self) -> usize {
        self.left.set(true);
        let (idle, shared) = (self.idle.take(), self.shared.take());
        idle.len() + shared.iter().filter(|shared| shared.connection.streams.get() == 0).count()
    }

    fn keep(&self, connection: Box<Http1Upstream>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE && !self.left.get() {
            idle.push(Idle { connection, since: self.sweeps.get() });
        }
    }

    /// A stream on a shared connection: on one that is there or is being made, else on a new one; within `timeout`, whoever
    /// makes it. Those who waited for an attempt share its failure, unless it had less time than they have.
    async fn join(
        self: &Rc<Self>,
        endpoint: &Endpoint,
        demand: Demand,
        timeout: Duration,
    ) -> Result<Lease, ConnectError> {
        let end = Instant::now() + timeout;
        let Sharing { alone, failures, last } = &self.sharing;
        loop {
            let failed = failures.get();
            let Ok(_alone) = tokio::time::timeout_at(end, alone.lock()).await else {
                return Err(ConnectError::Timeout(timeout));
            };
            if let Some(lease) = self.shared() {
                return Ok(lease);
            }
            if failures.get() == failed {
                let left = end.saturating_duration_since(Instant::now());
                let made = connect(endpoint, demand, left).await;
                return made.map(|connected| place(self, connected)).map_err(|error| {
                    failures.set(failed + 1);
                    last.replace(Some(error.clone()));
                    if matches!(error, ConnectError::Timeout(_)) { ConnectError::Timeout(timeout) } else { error }
                });
            }
            match last.borrow().as_ref() {
                Some(ConnectError::Timeout(time)) if *time < timeout => {}
                Some(error) => return Err(error.clone()),
                None => {}
            }
        }
    }

    /// A shared connection with room for a stream.
    fn shared(&self) -> Option<Lease> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| shared.connection.is_open());
        // What is too much, as it may turn out once it has said so, waits in line.
        let most =
            |s: &Shared| s.connection.peer().streams.map_or(MOST_STREAMS, |most| MOST_STREAMS.min(most as usize));
        let found = shared.iter().find(|s| s.connection.streams.get() < most(s))?;
        Some(Lease { reused: true, ..on(&found.connection, &found.since, &self.sweeps) })
    }
}

/// A stream on a shared connection.
fn on(connection: &Multiplexed, since: &Rc<Cell<u32>>, sweeps: &Rc<Cell<u32>>) -> Lease {
    let streams = Rc::clone(&connection.streams);
    streams.set(streams.get() + 1);
    let place = InFlight { streams, since: Rc::clone(since), sweeps: Rc::clone(sweeps) };
    let upstream = Upstream::Http2(Box::new(Http2Upstream::new(connection)));
    Lease { upstream, reused: false, place: Place::Shared { _counted: place } }
}

/// A connection that is there and alive.
fn pooled(shelf: &Rc<Shelf>) -> Option<Lease> {
    if !shelf.shared.borrow().is_empty()
        && let Some(lease) = shelf.shared()
    {
        return Some(lease);
    }
    loop {
        let Idle { mut connection, .. } = shelf.idle.borrow_mut().pop()?;
        if connection.body.wire.is_quiet() {
            let upstream = Upstream::Http1(connection);
            return Some(Lease { upstream, reused: true, place: Place::Idle(Rc::clone(shelf)) });
        }
    }
}

/// Makes a lease of a new connection, and shares it if it can be shared.
fn place(shelf: &Rc<Shelf>, connected: Connected) -> Lease {
    match connected {
        Connected::Http1(wire) => {
            let upstream = Upstream::Http1(Box::new(Http1Upstream::new(wire)));
            Lease { upstream, reused: false, place: Place::Idle(Rc::clone(shelf)) }
        }
        Connected::Http2(connection) => {
            let since = Rc::new(Cell::new(shelf.sweeps.get()));
            let lease = on(&connection, &since, &shelf.sweeps);
            if !shelf.left.get() {
                shelf.shared.borrow_mut().push(Shared { connection, since });
            }
            lease
        }
    }
}

impl Lease {
    /// Gives the connection back after an answer that was read to its end. One that cannot carry another request is closed.
    pub fn give_back(self) {
        if let (Place::Idle(shelf), Upstream::Http1(mut http1)) = (&self.place, self.upstream)
            && http1.is_reusable()
        {
            shelf.keep(http1);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.streams.set(self.streams.get().saturating_sub(1));
        self.since.set(self.sweeps.get());
    }
}
