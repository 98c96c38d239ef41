//! Clients that keep their endpoint, over a rolling update.

use super::*;
use crate::endpoint::Clock;
use crate::model::{Model, StickyMode, StickyTo};
use crate::snapshot::{Interner, compile};

const CLIENTS: usize = 300;

/// A service whose endpoints come and go, and its clients with their cookies.
struct Service {
    snapshot: Snapshot,
    interner: Interner,
    cursors: Cursors,
    cookies: Vec<Option<String>>,
}

impl Service {
    fn new() -> Self {
        let cursors = Cursors::new(5);
        Self { snapshot: Snapshot::default(), interner: Interner::default(), cursors, cookies: vec![None; CLIENTS] }
    }

    fn run_at(&mut self, endpoints: &[u8]) {
        let mut split = split(&[("stable", 1)]).by_sticky_cookie(StickyMode::Pin);
        split.versions[0].endpoints = endpoints.iter().map(|n| endpoint([10, 0, 0, *n])).collect();
        split.sticky.as_mut().unwrap().to = StickyTo::Endpoint { move_on_failure: false };
        let model: Model = model([route("shop", &[], split)]);
        self.snapshot = compile(&model, &self.snapshot, &mut self.interner).unwrap();
    }

    /// Every client asks once; how many are at each endpoint.
    fn ask(&mut self) -> Vec<usize> {
        let mut counts = vec![0; self.snapshot.rules[0].body.versions[0].endpoints.len()];
        for cookie in &mut self.cookies {
            let mut asked = Asked::get("shop.example.com/");
            if let Some(cookie) = cookie {
                asked = asked.header("cookie", cookie);
            }
            let Outcome::Forward(decision) = decide(&self.snapshot, &mut self.cursors, &asked.head()) else { panic!() };
            decision.settle(&self.snapshot, Clock::Real);
            counts[decision.endpoint] += 1;
            if let Some(given) = decision.cookie.and_then(|given| given.header(false)) {
                *cookie = given.to_str().unwrap().split(';').next().map(str::to_owned);
            }
        }
        counts
    }
}

fn spread(counts: &[usize]) -> (f64, f64) {
    let (most, least) = (*counts.iter().max().unwrap() as f64, *counts.iter().min().unwrap() as f64);
    (most * counts.len() as f64 / CLIENTS as f64, most / least)
}

/// Three endpoints are replaced one by one, each new one before an old one goes.
const ROLLING: [&[u8]; 7] =
    [&[1, 2, 3], &[1, 2, 3, 4], &[2, 3, 4], &[2, 3, 4, 5], &[3, 4, 5], &[3, 4, 5, 6], &[4, 5, 6]];

#[test]
fn a_rolling_update_leaves_clients_spread_evenly() {
    let mut service = Service::new();
    let mut counts = Vec::new();
    for endpoints in ROLLING {
        service.run_at(endpoints);
        counts = service.ask();
        assert_eq!(service.ask(), counts, "nobody moves whose endpoint is there");
    }
    let (above_mean, _) = spread(&counts);
    assert!(above_mean <= 1.3, "{counts:?}");
    assert_eq!(counts, [100, 100, 100], "the new ones have taken over from the old ones, one by one");
}

/// What a plain cookie does: who loses its endpoint gets the next in turn.
#[test]
fn the_same_in_turn_leaves_some_with_more_than_twice_as_many_as_others() {
    let mut homes: Vec<Option<u8>> = vec![None; CLIENTS];
    let mut turn = 0;
    for endpoints in ROLLING {
        for home in homes.iter_mut().filter(|home| !home.is_some_and(|home| endpoints.contains(&home))) {
            *home = Some(endpoints[turn % endpoints.len()]);
            turn += 1;
        }
    }
    let counts: Vec<usize> = (4..7).map(|n| homes.iter().filter(|home| **home == Some(n)).count()).collect();
    let (above_mean, most_to_least) = spread(&counts);
    assert!(above_mean > 1.3 && most_to_least > 2.0, "{counts:?}");
}
