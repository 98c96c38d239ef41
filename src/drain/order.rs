//! What control tells the workers: whose connections are to end, how fast, and by when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::registry::Resident;
use super::state::Cause;
use super::strain::Strain;
use super::visitors::Visitor;
use crate::endpoint::{EndpointId, SiteId};
use crate::model::{Kind, RouteKey, SocketKey};

/// Whose connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Those of a route at an endpoint.
    Place(RouteKey, SiteId),
    /// Those that came on a listener; of a route, if there is one.
    Listener(SocketKey, Option<RouteKey>),
    /// All; of a route, if there is one.
    All(Option<RouteKey>),
}

impl Subject {
    /// Whether a connection is meant.
    pub fn means(&self, resident: &Resident) -> bool {
        let of = |route: &Option<RouteKey>| route.as_ref().is_none_or(|route| resident.route == *route);
        match self {
            Self::Place(route, site) => resident.site == *site && resident.route == *route,
            Self::Listener(listener, route) => resident.listener == *listener && of(route),
            Self::All(route) => of(route),
        }
    }

    /// Whether a client's connection is meant, whose next request may be for any route.
    pub fn means_visitor(&self, visitor: &Visitor) -> bool {
        match self {
            Self::Listener(listener, None) => visitor.listener == *listener,
            Self::All(None) => true,
            Self::Place(..) | Self::Listener(..) | Self::All(_) => false,
        }
    }
}

/// How a connection of a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// By itself, before it was asked.
    Finished,
    /// After it was asked.
    Asked,
    /// It was cut at the deadline.
    Forced,
}

impl Closed {
    /// All, in the order of their index.
    pub const ALL: [Self; 3] = [Self::Finished, Self::Asked, Self::Forced];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        ["finished", "asked", "forced"][self as usize]
    }
}

/// How far a drain is, over all workers.
#[derive(Debug, Default)]
pub struct Progress {
    /// Workers that have taken the order up.
    begun: AtomicU64,
    left: Mutex<Left>,
    closed: [AtomicU64; Closed::ALL.len()],
    /// Idle connections to the endpoint that were closed.
    idle: AtomicU64,
    /// Of connections that are long-lived for certain.
    strain: Mutex<Strain>,
    /// Of calls that may become streams.
    calls: Mutex<Strain>,
}

/// Connections that are left.
#[derive(Debug, Default)]
struct Left {
    count: u64,
    /// How many of them were opened when.
    opened: BTreeMap<Instant, u32>,
}

/// A version by name.
pub type Named = (RouteKey, Arc<str>);

/// How far a drain of several versions is, version by version.
#[derive(Debug, Default)]
pub struct Parts(Mutex<BTreeMap<Named, Arc<Progress>>>);

impl Parts {
    /// That of a version.
    pub fn of(&self, resident: &Resident) -> Arc<Progress> {
        self.named((resident.route.clone(), Arc::clone(&resident.version)))
    }

    /// That of connections which are of no version: route and version are empty.
    pub fn of_none(&self) -> Arc<Progress> {
        let route = RouteKey { namespace: "".into(), kind: Kind::Split, name: "".into() };
        self.named((route, "".into()))
    }

    fn named(&self, named: Named) -> Arc<Progress> {
        Arc::clone(self.lock().entry(named).or_default())
    }

    /// Those that have, or had, any connection.
    pub fn all(&self) -> Vec<(Named, Arc<Progress>)> {
        self.lock().iter().map(|(named, progress)| (named.clone(), Arc::clone(progress))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Named, Arc<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// A worker has counted what it has.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// One more connection belongs to it, opened at `since`.
    pub fn join(&self, since: Instant) {
        let mut left = self.left();
        left.count += 1;
        *left.opened.entry(since).or_default() += 1;
    }

    /// A connection ended that was opened at `since`.
    pub fn close(&self, how: Closed, since: Instant) {
        self.closed[how as usize].fetch_add(1, Relaxed);
        self.keep(since);
    }

    /// A connection is kept after all that was opened at `since`.
    pub fn keep(&self, since: Instant) {
        let mut left = self.left();
        let Some(count) = left.opened.get_mut(&since) else { return };
        *count -= 1;
        if *count == 0 {
            left.opened.remove(&since);
        }
        left.count -= 1;
    }

    /// A long-lived connection was opened where those go that are asked, or refused; on any worker.
    pub fn opened(&self, ok: bool, took: Duration, now: Instant) {
        lock(&self.strain).opened(ok, took, now);
    }

    /// A call of gRPC was answered where those go that are asked, or refused. Nobody knows whether it was to be a stream; counted
    /// apart, however many calls are answered they do not hide that streams are refused.
    pub fn called(&self, ok: bool, now: Instant) {
        lock(&self.calls).opened(ok, Duration::ZERO, now);
    }

    /// Whether too many of those openings fail.
    pub fn is_strained(&self, now: Instant) -> bool {
        lock(&self.strain).is_high(now) || lock(&self.calls).is_high(now)
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the oldest has been open of the connections that are left; none: nothing is left.
    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        let oldest = self.left().opened.first_key_value().map(|(since, _)| *since)?;
        Some(now.saturating_duration_since(oldest))
    }

    /// Connections that are left.
    pub fn remaining(&self) -> u64 {
        self.left().count
    }

    /// Connections that ended so.
    pub fn closed(&self, how: Closed) -> u64 {
        self.closed[how as usize].load(Relaxed)
    }

    /// So many connections to the endpoint idled, and were closed.
    pub fn close_idle(&self, count: usize) {
        self.idle.fetch_add(count as u64, Relaxed);
    }

    /// How many of those there were.
    pub fn idle_closed(&self) -> u64 {
        self.idle.load(Relaxed)
    }

    /// Whether so many workers have counted, and nothing is left.
    pub fn is_over(&self, workers: usize) -> bool {
        self.begun.load(Relaxed) >= workers as u64 && self.remaining() == 0
    }
}

fn lock(strain: &Mutex<Strain>) -> MutexGuard<'_, Strain> {
    strain.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A drain.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose connections.
    pub subject: Subject,
    /// Why.
    pub cause: Cause,
    /// Connections that were decided at this generation or a later one are not meant.
    pub generation: u64,
    /// When it began.
    pub since: Instant,
    /// Connections are asked within this time, evenly; all by [`Order::last_call`].
    pub spread: Duration,
    /// Between two that are asked, at most this long.
    pub slowest: Duration,
    /// What WebSockets are told; none: what they would be by the configuration that they began with.
    pub close_code: Option<u16>,
    /// When those that are left are cut.
    pub deadline: Instant,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// The same by version, where it is about several.
    pub parts: Option<Arc<Parts>>,
    /// An endpoint to which no idle connections are kept.
    pub evict: Option<EndpointId>,
}

/// The last ones are asked this long before the deadline, or a tenth of the time that a drain takes if that is less.
const GRACE: Duration = Duration::from_secs(2);

impl Order {
    /// How long those that were asked have at least to answer.
    pub fn grace(&self) -> Duration {
        (self.deadline.saturating_duration_since(self.since) / 10).min(GRACE)
    }

    /// By when all are asked, whatever the pace.
    pub fn last_call(&self) -> Instant {
        self.deadline - self.grace()
    }

    /// How long those that are known at `now` may wait for their turn.
    pub fn patience(&self, now: Instant) -> Duration {
        self.spread.min(self.last_call().saturating_duration_since(now))
    }
}
