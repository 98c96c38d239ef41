//! Which replica judges the pooled evidence. One at a time, since each test by itself may spend the false alarms allowed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How long nobody may judge before the first replica by name begins to, although the Lease is not its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// Decides whether this replica judges.
///
/// The holder of the Lease does. Where the Lease cannot be held, because the API server has gone, who judged last goes on
/// as long as nobody else is heard to, and if that one has gone too, the first by name begins: a bad release must not go
/// unseen because of a control plane that is away.
pub struct Judge {
    judges: bool,
    /// Since when nobody is known to judge.
    missing: Instant,
}

impl Judge {
    /// Nobody judges yet.
    pub fn new(now: Instant) -> Self {
        Self { judges: false, missing: now }
    }

    /// Whether this replica, `own`, judges from now on; `peers`: those that are heard, and whether each of them judges.
    pub fn decide(&mut self, now: Instant, leads: bool, own: &str, peers: &[(Arc<str>, bool)]) -> bool {
        let another = peers.iter().any(|(_, judges)| *judges);
        if leads || another || self.judges {
            self.missing = now;
        }
        let first = peers.iter().all(|(name, _)| own < &**name);
        let begins = first && now.duration_since(self.missing) >= PATIENCE;
        self.judges = leads || (!another && (self.judges || begins));
        self.judges
    }
}

#[cfg(test)]
mod tests;
