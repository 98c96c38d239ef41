//! The limit of requests in flight at an endpoint: who finds all endpoints of its version at it waits in the version's line.

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::attempt::{Failed, unless_gone};
use super::client::Client;
use super::exchange::Exchange;
use super::fault::Fault;
use super::limits::Limits;
use crate::endpoint::{Endpoint, InFlightGuard, Line};

impl Exchange {
    /// Begins a try at the endpoint that was decided on.
    pub fn begin_try(&mut self) -> Arc<Endpoint> {
        let endpoint = Arc::clone(self.decision.endpoint(&self.snapshot));
        self.ledger.trying(&endpoint);
        endpoint
    }

    /// Begins a try at the endpoint that was decided on, or at another one of its version that has room.
    ///
    /// # Errors
    ///
    /// Too many wait already, or the wait was too long for the client or the request.
    pub async fn admit(
        &mut self,
        client: &mut Client<'_>,
        limit: NonZeroU32,
        limits: &Limits,
    ) -> Result<Arc<Endpoint>, Failed> {
        // Who tries again does not hold what it waits for.
        self.ledger.try_ended();
        let version = self.decision.version(&self.snapshot);
        let Some(line) = version.line.clone() else { return Ok(self.begin_try()) };
        let queue = self.decision.rule(&self.snapshot).body.split.limits.queue;
        let most = queue.map_or(version.endpoints.len() * limit.get() as usize, |queue| queue as usize);
        // Nobody overtakes who waits.
        let at_once = if line.waiting() == 0 { self.room(&line, limit) } else { None };
        let guard = match at_once {
            Some(guard) => guard,
            None => {
                let place = line.join(most).ok_or_else(|| full(limit))?;
                let mut alarm = std::mem::take(&mut self.alarm);
                let wait = poll_fn(|context| place.poll(context, || self.room(&line, limit)));
                let guard = unless_gone(client, &mut alarm, limits.deadline(), wait).await;
                drop(place);
                self.alarm = alarm;
                guard.map_err(|fault| match fault {
                    Fault::ClientGone => Failed::new(fault, "the client has gone"),
                    _ => full(limit),
                })?
            }
        };
        let endpoint = Arc::clone(guard.endpoint());
        let places = self.decision.version(&self.snapshot).endpoints.iter();
        let position = places.enumerate().find(|(_, other)| other.id == endpoint.id).map(|(position, _)| position);
        self.decision.endpoint = position.unwrap_or(self.decision.endpoint);
        self.ledger.try_begun(guard);
        Ok(endpoint)
    }

    /// A place at the endpoint that was decided on, else at the idlest other one that is well and was not tried.
    fn room(&self, line: &Arc<Line>, limit: NonZeroU32) -> Option<InFlightGuard> {
        let chosen = self.decision.endpoint(&self.snapshot);
        if let Some(guard) = chosen.begin_within(limit.get(), line) {
            return Some(guard);
        }
        let others = self.decision.version(&self.snapshot).endpoints.iter();
        let able = |other: &&Arc<Endpoint>| {
            other.id != chosen.id && other.health.is_usable() && !self.tried.contains(other.id)
        };
        let idlest = others.filter(able).min_by_key(|other| other.in_flight())?;
        idlest.begin_within(limit.get(), line)
    }
}

fn full(limit: NonZeroU32) -> Failed {
    Failed::new(Fault::Overloaded, format!("every endpoint has {limit} requests in flight, and too many wait"))
}
