//! Endpoints that are left out because requests failed there: for how long, and what is told of it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Control, EventKind, State};
use crate::endpoint::{Ejection, EndpointId, Moment};

/// The most times that the first time out is multiplied by.
const LONGEST: u32 = 30;
/// How many times as long as it was out an endpoint must have done well for that to be forgotten.
const FORGET: u32 = 10;

/// Endpoints that are out, or were not long ago.
#[derive(Default)]
pub struct Outliers(HashMap<EndpointId, Out>);

struct Out {
    ejection: Ejection,
    /// How often in a row.
    times: u32,
    lasts: Duration,
    /// When it comes back, or came.
    until: Instant,
    back: bool,
}

impl Outliers {
    /// An endpoint was left out; returns for how long, which grows while it keeps failing.
    pub fn eject(&mut self, ejection: Ejection, now: Instant) -> Duration {
        let id = ejection.endpoint.id;
        let times = self.0.get(&id).map_or(1, |out| (out.times + 1).min(LONGEST));
        let lasts = ejection.base.saturating_mul(times);
        self.0.insert(id, Out { ejection, times, lasts, until: now + lasts, back: false });
        lasts
    }

    /// Takes back who has been out for long enough.
    pub fn take_back(&mut self, now: Instant) -> Vec<Ejection> {
        let mut taken = Vec::new();
        for out in self.0.values_mut().filter(|out| !out.back && now >= out.until) {
            out.back = true;
            out.ejection.endpoint.health.restore(out.ejection.failures, Moment::now());
            taken.push(out.ejection.clone());
        }
        self.0.retain(|_, out| !out.back || now < out.until + out.lasts.saturating_mul(FORGET));
        taken
    }
}

impl Control {
    /// Tells of endpoints that workers have left out, and takes them back in time.
    pub(super) fn tend_outliers(&self, state: &mut State) {
        let now = Instant::now();
        for ejection in self.recorder.incidents.take() {
            let Ejection { endpoint, route, version, reason, .. } = ejection.clone();
            let lasts = state.outliers.eject(ejection, now);
            let message = format!("{} is left out for {lasts:?}: {reason}", endpoint.address);
            self.events.tell(EventKind::EndpointEjected, &route.to_string(), &version, message);
        }
        for Ejection { endpoint, route, version, .. } in state.outliers.take_back(now) {
            let message = format!("{} gets requests again, and is left out at the next failure", endpoint.address);
            self.events.tell(EventKind::EndpointReturned, &route.to_string(), &version, message);
        }
    }
}

#[cfg(test)]
mod tests;
