//! Which endpoint of a version takes a request.

use std::sync::Arc;

use crate::endpoint::{Clock, Endpoint, EndpointId, Moment, are_out};
use crate::model::{Balance, Split};

/// How far above its share of the requests in flight an endpoint may be that a hash leads to.
const BOUND: f64 = 1.25;

/// What a request has found out about endpoints: those that it has tried already.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    endpoints: Vec<EndpointId>,
    /// What checks have found out does not count.
    unchecked: bool,
}

impl Tried {
    /// Remembers one.
    pub fn add(&mut self, endpoint: EndpointId) {
        self.endpoints.push(endpoint);
    }

    /// Whether it was tried.
    pub fn contains(&self, endpoint: EndpointId) -> bool {
        self.endpoints.contains(&endpoint)
    }

    /// The same, for a request that does not believe checks which find everything unhealthy.
    pub fn unchecked(&self) -> Self {
        Self { unchecked: true, ..self.clone() }
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

    fn next(&mut self, count: usize) -> usize {
        let turn = self.0 as usize % count;
        self.0 = self.0.wrapping_add(1);
        turn
    }
}

/// What a choice draws from.
pub struct Draw<'w> {
    /// Where the worker stands.
    pub turn: &'w mut Turn,
    /// Its random source.
    pub rng: &'w mut fastrand::Rng,
    /// The time.
    pub clock: Clock,
    /// What the request is hashed to.
    pub key: u64,
}

/// The endpoints that a request may go to.
#[derive(Clone, Copy)]
struct Field<'e> {
    endpoints: &'e [Arc<Endpoint>],
    tried: &'e Tried,
    split: &'e Split,
}

/// Picks an endpoint that was not tried yet; returns its position in `endpoints`. One that is ejected or unhealthy is not
/// picked, unless so many are that all are used; none is where checks find every one unhealthy.
pub fn pick(endpoints: &[Arc<Endpoint>], split: &Split, tried: &Tried, draw: Draw<'_>) -> Option<usize> {
    if endpoints.is_empty() {
        return None;
    }
    let field = Field { endpoints, tried, split };
    match split.balance {
        Balance::RoundRobin => field.in_turn(draw),
        Balance::LeastRequest => field.idlest(draw),
        Balance::Ewma => field.swiftest(draw),
        Balance::Hash => field.hashed(draw.key),
    }
}

/// Picks an endpoint for a client that is to keep it: the one that the fewest keep. Drawing would not do, since who moves once
/// stays: after a rolling update some would have several times as many as others.
pub fn settle(endpoints: &[Arc<Endpoint>], split: &Split, tried: &Tried, draw: Draw<'_>) -> Option<usize> {
    if endpoints.is_empty() {
        return None;
    }
    let (start, now) = (draw.turn.next(endpoints.len()), draw.clock.now());
    let field = Field { endpoints, tried, split };
    let load = |i: usize| (endpoints[i].resident_count() as f32 + 1.0) / field.warmth(i, now);
    let loads = field.eligible().map(|i| (load(i), if i >= start { i } else { i + usize::MAX / 2 }, i));
    loads.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, _, i)| i)
}

/// Whether so many endpoints are out that leaving them out would do more harm than using them. The rest would have to carry
/// what is meant for all, and failing requests never empty a version. Checks may: then nothing is left to panic about.
pub fn panics(endpoints: &[Arc<Endpoint>], split: &Split, tried: &Tried) -> bool {
    let out = endpoints.iter().filter(|endpoint| !endpoint.health.is_usable()).count();
    if out == endpoints.len() {
        return tried.unchecked || !are_out(endpoints);
    }
    out as f64 > split.endpoints.panic * endpoints.len() as f64
}

/// Whether [`pick`] would find one.
pub fn is_able(endpoints: &[Arc<Endpoint>], split: &Split, tried: &Tried) -> bool {
    Field { endpoints, tried, split }.eligible().next().is_some()
}

impl Field<'_> {
    /// Nothing speaks against this one.
    fn is_good(&self, i: usize) -> bool {
        self.endpoints[i].health.is_usable() && !self.tried.contains(self.endpoints[i].id)
    }

    fn panics(&self) -> bool {
        panics(self.endpoints, self.split, self.tried)
    }

    /// Those that may be picked.
    fn eligible(&self) -> impl Iterator<Item = usize> + Clone {
        let panics = self.panics();
        (0..self.endpoints.len())
            .filter(move |i| (panics && !self.tried.contains(self.endpoints[*i].id)) || self.is_good(*i))
    }

    /// The share of its load that an endpoint is to get yet.
    fn warmth(&self, i: usize, now: Moment) -> f32 {
        self.endpoints[i].health.warmth(now, self.split.endpoints.slow_start)
    }

    /// The next one.
    fn in_turn(&self, draw: Draw<'_>) -> Option<usize> {
        let start = draw.turn.next(self.endpoints.len());
        let good = self.is_good(start);
        if good && self.split.endpoints.slow_start.is_zero() {
            return Some(start);
        }
        let after = |from: usize| move |i: &usize| if *i >= from { *i } else { *i + usize::MAX / 2 };
        let next = self.eligible().min_by_key(after(start))?;
        if self.split.endpoints.slow_start.is_zero() {
            return Some(next);
        }
        let now = draw.clock.now();
        if draw.rng.f32() < self.warmth(next, now) {
            return Some(next);
        }
        // Who is not warm yet leaves most of its turns to all, by how warm they are: so each gets its share of the whole.
        let whole: f32 = self.eligible().map(|i| self.warmth(i, now)).sum();
        let mut left = draw.rng.f32() * whole;
        let chosen = self.eligible().find(|i| {
            left -= self.warmth(*i, now);
            left < 0.0
        });
        chosen.or(Some(next))
    }

    /// The one with the fewest requests in flight. The turn breaks ties, so that idle endpoints still take turns.
    fn idlest(&self, draw: Draw<'_>) -> Option<usize> {
        let start = draw.turn.next(self.endpoints.len());
        let ramps = !self.split.endpoints.slow_start.is_zero();
        let now = if ramps { draw.clock.now() } else { Moment::default() };
        let load = |i: usize| {
            let requests = self.endpoints[i].in_flight() as f32 + 1.0;
            if ramps { requests / self.warmth(i, now) } else { requests }
        };
        let loads = self.eligible().map(|i| (load(i), if i >= start { i } else { i + usize::MAX / 2 }, i));
        loads.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, _, i)| i)
    }

    /// The better of two: as good as looking at all of them, and no two workers run for the same one.
    fn swiftest(&self, draw: Draw<'_>) -> Option<usize> {
        let (first, second) = self.two(draw.rng)?;
        let Some(second) = second else { return Some(first) };
        let now = draw.clock.now();
        Some(if self.cost(second, now) < self.cost(first, now) { second } else { first })
    }

    /// Two different endpoints, if there are two.
    fn two(&self, rng: &mut fastrand::Rng) -> Option<(usize, Option<usize>)> {
        let count = self.endpoints.len();
        let first = rng.usize(..count);
        if count > 1 && self.is_good(first) {
            let second = (first + rng.usize(1..count)) % count;
            if self.is_good(second) {
                return Some((first, Some(second)));
            }
        }
        let eligible = self.eligible();
        let count = eligible.clone().count();
        if count < 2 {
            return Some((eligible.clone().next()?, None));
        }
        let (a, b) = (rng.usize(..count), rng.usize(1..count));
        Some((eligible.clone().nth(a)?, eligible.clone().nth((a + b) % count)))
    }

    /// What a request more would meet: the latency, once for each request that is there and once for itself.
    fn cost(&self, i: usize, now: Moment) -> f32 {
        let endpoint = &self.endpoints[i];
        let latency = endpoint.latency.at(now).or_else(|| self.mean_latency(now)).unwrap_or(1.0);
        let cost = latency * (endpoint.in_flight() as f32 + 1.0);
        if self.split.endpoints.slow_start.is_zero() { cost } else { cost / self.warmth(i, now) }
    }

    /// What an endpoint that nobody knows yet is taken to be like: the others.
    fn mean_latency(&self, now: Moment) -> Option<f32> {
        let known = self.endpoints.iter().filter_map(|endpoint| endpoint.latency.at(now));
        let (sum, count) = known.fold((0.0, 0.0), |(sum, count), latency| (sum + latency, count + 1.0));
        (count > 0.0).then(|| sum / count)
    }

    /// The first in the order of the key that is not overloaded (consistent hashing with bounded loads).
    fn hashed(&self, key: u64) -> Option<usize> {
        let eligible = self.eligible();
        let load = |i: usize| f64::from(self.endpoints[i].in_flight());
        let (total, count) = eligible.clone().fold((1.0, 0.0), |(total, count), i| (total + load(i), count + 1.0));
        let most = (BOUND * total / count).ceil();
        eligible.filter(|i| load(*i) < most).max_by_key(|i| self.endpoints[*i].affinity(key))
    }
}

#[cfg(test)]
mod tests;
