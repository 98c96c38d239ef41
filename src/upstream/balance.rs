//! Which endpoint of a version takes a request.

use std::sync::Arc;

use crate::endpoint::{Endpoint, EndpointId};
use crate::model::Balance;

/// Endpoints that a request has tried already.
#[derive(Clone, Debug, Default)]
pub struct Tried(Vec<EndpointId>);

impl Tried {
    /// Remembers one.
    pub fn add(&mut self, endpoint: EndpointId) {
        self.0.push(endpoint);
    }

    /// Whether it was tried.
    pub fn contains(&self, endpoint: EndpointId) -> bool {
        self.0.contains(&endpoint)
    }
}

/// Where a worker stands in a version's endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Turn(u32);

impl Turn {
    /// Begins anywhere: workers and replicas that all begin with the first endpoint would flood it.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        Self(rng.u32(..))
    }
}

/// Picks an endpoint that was not tried yet; returns its position in `endpoints`.
pub fn pick(endpoints: &[Arc<Endpoint>], balance: Balance, tried: &Tried, turn: &mut Turn) -> Option<usize> {
    let count = endpoints.len();
    if count == 0 {
        return None;
    }
    let start = turn.0 as usize % count;
    turn.0 = turn.0.wrapping_add(1);
    let mut fresh = (0..count).map(|i| (start + i) % count).filter(|i| !tried.contains(endpoints[*i].id));
    match balance {
        Balance::RoundRobin => fresh.next(),
        // The turn breaks ties, so that idle endpoints still take turns.
        Balance::LeastRequest => fresh.min_by_key(|i| endpoints[*i].in_flight()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;

    fn endpoints(count: u32) -> Vec<Arc<Endpoint>> {
        let transport = Arc::new(Transport::default());
        let make =
            |id| Endpoint::new(EndpointId(id), ([127, 0, 0, 1], 9000 + id as u16).into(), None, transport.clone());
        (0..count).map(|id| Arc::new(make(id))).collect()
    }

    #[test]
    fn round_robin_takes_every_endpoint_in_turn_from_any_start() {
        let endpoints = endpoints(3);
        let mut turn = Turn::random(&mut fastrand::Rng::with_seed(7));
        let mut counts = [0; 3];
        for _ in 0..9 {
            counts[pick(&endpoints, Balance::RoundRobin, &Tried::default(), &mut turn).unwrap()] += 1;
        }
        assert_eq!(counts, [3, 3, 3]);
        let starts: std::collections::HashSet<usize> = (0..64)
            .map(|seed| {
                let mut turn = Turn::random(&mut fastrand::Rng::with_seed(seed));
                pick(&endpoints, Balance::RoundRobin, &Tried::default(), &mut turn).unwrap()
            })
            .collect();
        assert_eq!(starts.len(), 3);
    }

    #[test]
    fn least_request_takes_the_idlest() {
        let endpoints = endpoints(3);
        let _busy = [endpoints[0].begin(), endpoints[0].begin(), endpoints[2].begin()];
        let mut turn = Turn(0);
        for _ in 0..5 {
            assert_eq!(pick(&endpoints, Balance::LeastRequest, &Tried::default(), &mut turn), Some(1));
        }
    }

    #[test]
    fn a_tried_endpoint_is_not_picked_again() {
        let endpoints = endpoints(2);
        let mut tried = Tried::default();
        tried.add(EndpointId(0));
        let mut turn = Turn(0);
        assert_eq!(pick(&endpoints, Balance::RoundRobin, &tried, &mut turn), Some(1));
        tried.add(EndpointId(1));
        assert_eq!(pick(&endpoints, Balance::RoundRobin, &tried, &mut turn), None);
    }
}
