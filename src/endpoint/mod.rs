//! What outlives snapshots: endpoints with their load, and the stable ids of versions and splits.
//!
//! An [`Endpoint`] is shared by every snapshot that names it, so that a reload, or a move to another version, keeps
//! its pooled connections and its counts.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::Transport;

/// A version of a split at one revision: dense, stable across generations, never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub u32);

impl VersionId {
    /// Requests that no route takes.
    pub const UNROUTED: VersionId = VersionId(0);
    /// Versions beyond the bound on series.
    pub const OVERFLOW: VersionId = VersionId(1);

    /// Position in dense tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A rule's split: dense and stable across generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SplitId(pub u32);

/// An endpoint of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(pub u32);

/// A place where a version runs, with what is known about it right now.
pub struct Endpoint {
    /// Identity in the process.
    pub id: EndpointId,
    /// Address to connect to.
    pub address: SocketAddr,
    /// Name it was given by.
    pub host: Option<Arc<str>>,
    /// The pod that runs there.
    pub pod: Option<Arc<str>>,
    /// How it is spoken to.
    pub transport: Arc<Transport>,
    /// Beside the reference count of the `Arc`, which changes as often: a line of its own would be a second one to fetch.
    in_flight: AtomicU32,
}

impl Endpoint {
    /// An endpoint without load.
    pub fn new(id: EndpointId, address: SocketAddr, host: Option<Arc<str>>, transport: Arc<Transport>) -> Self {
        Self { id, address, host, pod: None, transport, in_flight: AtomicU32::new(0) }
    }

    /// The same, run by a pod.
    pub fn run_by(self, pod: Option<Arc<str>>) -> Self {
        Self { pod, ..self }
    }

    /// Requests in flight to it, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request for as long as the guard lives.
    pub fn begin(self: &Arc<Self>) -> InFlightGuard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(Arc::clone(self))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

/// One request in flight to an endpoint.
pub struct InFlightGuard(Arc<Endpoint>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
