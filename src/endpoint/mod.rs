//! What outlives snapshots: endpoints with their load, and the stable ids of versions and splits.
//!
//! An [`Endpoint`] is shared by every snapshot that names it, so that a reload, or a move to another version, keeps
//! its pooled connections and its counts.

mod clock;
mod health;
mod incident;
mod latency;
mod line;
mod residents;

pub use clock::{Clock, Moment};
pub use health::Health;
pub use incident::{Ejection, Incidents};
pub use latency::Latency;
pub use line::{Line, Place};
pub use residents::Residents;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::{TlsClient, Transport};

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

/// Where an endpoint is, however it is spoken to: the number of the first endpoint that was known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// A place where a version runs, with what is known about it right now.
pub struct Endpoint {
    /// Identity in the process.
    pub id: EndpointId,
    /// Where it is: the same for endpoints that differ in how they are spoken to alone.
    pub site: SiteId,
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
    /// Copies of requests in flight to it, which are no load that balancing knows of.
    copies: AtomicU32,
    /// Whether it is used.
    pub health: Health,
    /// How long its answers take; known where it is balanced by.
    pub latency: Latency,
    /// Clients that keep it; nobody counts them where none may.
    residents: OnceLock<Box<Residents>>,
    /// What stands for its address in consistent hashes: the same in every replica.
    token: u64,
}

impl Endpoint {
    /// An endpoint without load.
    pub fn new(id: EndpointId, address: SocketAddr, host: Option<Arc<str>>, transport: Arc<Transport>) -> Self {
        let token = match address.ip() {
            IpAddr::V4(ip) => xxh3_64_with_seed(&ip.octets(), u64::from(address.port())),
            IpAddr::V6(ip) => xxh3_64_with_seed(&ip.octets(), u64::from(address.port())),
        };
        Self {
            id,
            site: SiteId(id.0),
            address,
            host,
            pod: None,
            transport,
            in_flight: AtomicU32::new(0),
            copies: AtomicU32::new(0),
            health: Health::new(Moment::now()),
            latency: Latency::default(),
            residents: OnceLock::new(),
            token,
        }
    }

    /// The same, where another one is, or was.
    pub fn at(self, site: SiteId) -> Self {
        Self { site, ..self }
    }

    /// The same, run by a pod.
    pub fn run_by(self, pod: Option<Arc<str>>) -> Self {
        Self { pod, ..self }
    }

    /// Clients that keep it.
    pub fn residents(&self) -> &Residents {
        self.residents.get_or_init(Box::default)
    }

    /// How many clients keep it.
    pub fn resident_count(&self) -> u32 {
        self.residents.get().map_or(0, |residents| residents.count())
    }

    /// The name that its certificate must have: the one configured, its own, or its address.
    ///
    /// # Errors
    ///
    /// The name is none.
    pub fn server_name(&self, tls: &TlsClient) -> Result<ServerName<'static>, InvalidDnsNameError> {
        let name = tls.server_name.as_deref().or(self.host.as_deref());
        let literal = |name: &str| name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match name {
            Some(name) if literal(name).is_err() => ServerName::try_from(name.to_owned()),
            _ => Ok(ServerName::IpAddress(self.address.ip().into())),
        }
    }

    /// How far up it stands for who is hashed to `key`: the highest of all is the one to go to (rendezvous hashing).
    pub fn affinity(&self, key: u64) -> u64 {
        // The multiplication of wyhash, whose constants these are.
        let product = u128::from(key ^ 0xa076_1d64_78bd_642f) * u128::from(self.token ^ 0xe703_7ed1_a0b4_28db);
        (product as u64) ^ (product >> 64) as u64
    }

    /// Requests in flight to it, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request for as long as the guard lives.
    pub fn begin(self: &Arc<Self>) -> InFlightGuard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard { endpoint: Arc::clone(self), line: None }
    }

    /// The same, if fewer than `limit` are in flight to it; its end is told to `line`.
    pub fn begin_within(self: &Arc<Self>, limit: u32, line: &Arc<Line>) -> Option<InFlightGuard> {
        if self.in_flight.fetch_add(1, Ordering::SeqCst) < limit {
            return Some(InFlightGuard { endpoint: Arc::clone(self), line: Some(Arc::clone(line)) });
        }
        // It did not begin, so nobody gets room by its end.
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        None
    }

    /// Counts a copy of a request for as long as the guard lives, if fewer than `limit` requests and copies are in flight.
    /// Requests do not see it: it takes none of the room that is theirs.
    pub fn begin_copy(self: &Arc<Self>, limit: u32) -> Option<CopyGuard> {
        // A guard from here on: what did not begin is taken back by its end.
        let copies = self.copies.fetch_add(1, Ordering::Relaxed);
        let guard = CopyGuard(Arc::clone(self));
        (copies.saturating_add(self.in_flight()) < limit).then_some(guard)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

/// One request in flight to an endpoint.
pub struct InFlightGuard {
    endpoint: Arc<Endpoint>,
    /// Who waits for its end.
    line: Option<Arc<Line>>,
}

impl InFlightGuard {
    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(line) = &self.line {
            line.freed();
        }
    }
}

/// One copy of a request in flight to an endpoint.
pub struct CopyGuard(Arc<Endpoint>);

impl Drop for CopyGuard {
    fn drop(&mut self) {
        self.0.copies.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
