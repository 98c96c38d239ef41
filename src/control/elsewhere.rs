//! Drains on the other replicas, as far as these tell of them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::RouteKey;
use crate::rollout::shared::Draining;

/// How long is believed what a replica said: it is said again each second for as long as something drains there.
const BELIEVED: Duration = Duration::from_secs(4);

/// What is known of them: by replica, route and version.
#[derive(Default)]
pub struct Elsewhere {
    told: HashMap<(String, String, String), Told>,
}

struct Told {
    at: Instant,
    connections: u64,
    left: Duration,
    oldest: Duration,
}

/// How far the drains of a version are on several replicas together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Replicas on which it drains.
    pub replicas: usize,
    /// Connections that are left.
    pub connections: u64,
    /// Until the last of them is cut.
    pub left: Duration,
    /// For how long the oldest of them has been open.
    pub oldest: Duration,
}

impl Elsewhere {
    /// A replica tells how far drains are there.
    pub fn hear(&mut self, now: Instant, replica: &str, drains: Vec<Draining>) {
        self.told.retain(|_, told| now < told.at + BELIEVED);
        for Draining { route, version, connections, seconds, oldest } in drains {
            let [left, oldest] = [seconds, oldest].map(|time| Duration::try_from_secs_f64(time).unwrap_or_default());
            self.told.insert((replica.to_owned(), route, version), Told { at: now, connections, left, oldest });
        }
    }

    /// How far the drains of a version are there.
    pub fn sum(&self, now: Instant, route: &RouteKey, version: &str) -> Sum {
        if self.told.is_empty() {
            return Sum::default();
        }
        let route = name(route);
        let meant = |(key, told): &(&(String, String, String), &Told)| {
            key.1 == route && key.2 == version && now < told.at + BELIEVED
        };
        self.told.iter().filter(meant).fold(Sum::default(), |sum, (_, told)| Sum {
            replicas: sum.replicas + 1,
            connections: sum.connections.saturating_add(told.connections),
            left: sum.left.max(told.left.saturating_sub(now.saturating_duration_since(told.at))),
            oldest: sum.oldest.max(told.oldest + now.saturating_duration_since(told.at)),
        })
    }
}

/// A route as replicas name it to one another.
pub fn name(route: &RouteKey) -> String {
    format!("{}/{}/{}", route.kind.as_str(), route.namespace, route.name)
}

#[cfg(test)]
mod tests;
