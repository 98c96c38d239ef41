//! Clients that keep an endpoint, counted exactly, so that newcomers can go where the fewest are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::FixedState;

use super::Moment;

/// How long after its last request a client still counts.
const RETURNING: Duration = Duration::from_secs(600);
/// The same for one that has been here once: many never bring their cookie back.
const NEW: Duration = Duration::from_secs(60);
/// Clients that are counted at an endpoint; what is more is taken for as many.
const MOST: usize = 1 << 17;

/// The clients of an endpoint.
#[derive(Debug, Default)]
pub struct Residents {
    count: AtomicU32,
    clients: Mutex<HashMap<u64, Seen, FixedState>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    last: Moment,
    counts: Duration,
}

impl Residents {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// A client is here; `returns`: it was before, here or elsewhere.
    pub fn settle(&self, client: u64, returns: bool, now: Moment) {
        let mut clients = self.lock();
        if clients.len() < MOST || clients.contains_key(&client) {
            clients.insert(client, Seen { last: now, counts: if returns { RETURNING } else { NEW } });
            self.count.store(clients.len() as u32, Relaxed);
        }
    }

    /// Forgets who has not been here for long.
    pub fn forget(&self, now: Moment) {
        let mut clients = self.lock();
        clients.retain(|_, seen| now.since(seen.last) < seen.counts);
        let room = clients.len() * 2;
        clients.shrink_to(room);
        self.count.store(clients.len() as u32, Relaxed);
    }

    /// A holder that panicked still leaves whole entries.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Seen, FixedState>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_once_and_for_as_long_as_it_may_come_back() {
        let residents = Residents::default();
        residents.settle(1, false, Moment(0));
        residents.settle(2, false, Moment(0));
        residents.settle(2, true, Moment(10));
        assert_eq!(residents.count(), 2);
        residents.forget(Moment(59_999));
        assert_eq!(residents.count(), 2);
        residents.forget(Moment(60_000));
        assert_eq!(residents.count(), 1, "who came once is forgotten after a minute");
        residents.forget(Moment(600_010));
        assert_eq!(residents.count(), 0);
    }
}
