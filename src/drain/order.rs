//! What control tells the workers: whose connections are to end, how fast, and by when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::registry::Resident;
use super::state::Cause;
use super::strain::Strain;
use crate::endpoint::{EndpointId, SiteId};
use crate::model::{RouteKey, SocketKey};

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
    remaining: AtomicI64,
    closed: [AtomicU64; Closed::ALL.len()],
    strain: Mutex<Strain>,
    /// How long the oldest had been open when it began, milliseconds.
    oldest: AtomicU64,
}

/// A version by name.
pub type Named = (RouteKey, Arc<str>);

/// How far a drain of several versions is, version by version.
#[derive(Debug, Default)]
pub struct Parts(Mutex<BTreeMap<Named, Arc<Progress>>>);

impl Parts {
    /// That of a version.
    pub fn of(&self, resident: &Resident) -> Arc<Progress> {
        let named = (resident.route.clone(), Arc::clone(&resident.version));
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
    /// A worker has counted what it has, and says for how long the oldest has been open.
    pub fn begin(&self, oldest: Duration) {
        self.oldest.fetch_max(u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.begun.fetch_add(1, Relaxed);
    }

    /// One more connection belongs to it.
    pub fn join(&self) {
        self.remaining.fetch_add(1, Relaxed);
    }

    /// A connection ended.
    pub fn close(&self, how: Closed) {
        self.closed[how as usize].fetch_add(1, Relaxed);
        self.remaining.fetch_sub(1, Relaxed);
    }

    /// A connection is kept after all.
    pub fn keep(&self) {
        self.remaining.fetch_sub(1, Relaxed);
    }

    /// A long-lived connection was opened where those go that are asked, or refused; on any worker.
    pub fn opened(&self, ok: bool, took: Duration, now: Instant) {
        self.strain().opened(ok, took, now);
    }

    /// Whether too many of those openings fail.
    pub fn is_strained(&self, now: Instant) -> bool {
        self.strain().is_high(now)
    }

    fn strain(&self) -> MutexGuard<'_, Strain> {
        self.strain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the oldest had been open when it began.
    pub fn oldest(&self) -> Duration {
        Duration::from_millis(self.oldest.load(Relaxed))
    }

    /// Connections that are left.
    pub fn remaining(&self) -> u64 {
        u64::try_from(self.remaining.load(Relaxed)).unwrap_or(0)
    }

    /// Connections that ended so.
    pub fn closed(&self, how: Closed) -> u64 {
        self.closed[how as usize].load(Relaxed)
    }

    /// Whether so many workers have counted, and nothing is left.
    pub fn is_over(&self, workers: usize) -> bool {
        self.begun.load(Relaxed) >= workers as u64 && self.remaining.load(Relaxed) <= 0
    }
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
