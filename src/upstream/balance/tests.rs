use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::model::{EndpointPolicy, Transport};
use crate::testing;

fn endpoints(count: u32) -> Vec<Arc<Endpoint>> {
    let transport = Arc::new(Transport::default());
    let make = |id| Endpoint::new(EndpointId(id), ([127, 0, 0, 1], 9000 + id as u16).into(), None, transport.clone());
    (0..count).map(|id| Arc::new(make(id))).collect()
}

fn split(balance: Balance) -> Split {
    Split { balance, ..testing::split(&[("stable", 1)]) }
}

fn starting_slowly(balance: Balance) -> Split {
    let policy = EndpointPolicy { slow_start: Duration::from_secs(10), ..EndpointPolicy::default() };
    Split { endpoints: Arc::new(policy), ..split(balance) }
}

/// A worker at one moment.
struct Picker {
    turn: Turn,
    rng: fastrand::Rng,
    now: Moment,
}

impl Picker {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self { turn: Turn::random(&mut rng), rng, now: Moment::now() }
    }

    fn pick(&mut self, endpoints: &[Arc<Endpoint>], split: &Split, tried: &Tried, key: u64) -> Option<usize> {
        let draw = Draw { turn: &mut self.turn, rng: &mut self.rng, clock: Clock::At(self.now), key };
        pick(endpoints, split, tried, draw)
    }

    /// How many of so many picks each endpoint gets.
    fn counts(&mut self, endpoints: &[Arc<Endpoint>], split: &Split, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; endpoints.len()];
        for key in 0..picks {
            counts[self.pick(endpoints, split, &Tried::default(), key as u64).unwrap()] += 1;
        }
        counts
    }
}

const ALL: [Balance; 4] = [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma, Balance::Hash];

#[test]
fn round_robin_takes_every_endpoint_in_turn_from_any_start() {
    let endpoints = endpoints(3);
    assert_eq!(Picker::new(7).counts(&endpoints, &split(Balance::RoundRobin), 9), [3, 3, 3]);
    let first = |seed| Picker::new(seed).pick(&endpoints, &split(Balance::RoundRobin), &Tried::default(), 0).unwrap();
    let starts: std::collections::HashSet<usize> = (0..64).map(first).collect();
    assert_eq!(starts.len(), 3);
}

#[test]
fn least_request_takes_the_idlest() {
    let endpoints = endpoints(3);
    let _busy = [endpoints[0].begin(), endpoints[0].begin(), endpoints[2].begin()];
    assert_eq!(Picker::new(1).counts(&endpoints, &split(Balance::LeastRequest), 5), [0, 5, 0]);
}

#[test]
fn idle_endpoints_take_turns() {
    assert_eq!(Picker::new(1).counts(&endpoints(3), &split(Balance::LeastRequest), 9), [3, 3, 3]);
}

#[test]
fn a_tried_endpoint_is_not_picked_again() {
    let endpoints = endpoints(2);
    for balance in ALL {
        let (split, mut picker) = (split(balance), Picker::new(3));
        let mut tried = Tried::default();
        tried.add(EndpointId(0));
        for key in 0..20 {
            assert_eq!(picker.pick(&endpoints, &split, &tried, key), Some(1), "{balance:?}");
        }
        tried.add(EndpointId(1));
        assert_eq!(picker.pick(&endpoints, &split, &tried, 0), None, "{balance:?}");
    }
}

#[test]
fn an_endpoint_that_is_out_is_not_picked() {
    let endpoints = endpoints(4);
    endpoints[1].health.eject();
    endpoints[3].health.found_unhealthy();
    for balance in ALL {
        let counts = Picker::new(5).counts(&endpoints, &split(balance), 400);
        assert_eq!((counts[1], counts[3]), (0, 0), "{balance:?}");
        assert!(counts[0] > 100 && counts[2] > 100, "{balance:?}: {counts:?}");
    }
}

#[test]
fn more_than_the_threshold_out_means_that_all_are_used() {
    let endpoints = endpoints(4);
    endpoints[..3].iter().for_each(|endpoint| _ = endpoint.health.eject());
    for balance in ALL {
        let counts = Picker::new(5).counts(&endpoints, &split(balance), 400);
        assert!(counts.iter().all(|count| *count > 40), "{balance:?}: {counts:?}");
    }
}

#[test]
fn failing_requests_never_empty_a_version_whatever_the_threshold() {
    let endpoints = endpoints(2);
    // One of them is unhealthy, too.
    endpoints.iter().for_each(|endpoint| assert!(endpoint.health.eject()));
    endpoints[0].health.found_unhealthy();
    let policy = EndpointPolicy { panic: 1.0, ..EndpointPolicy::default() };
    for balance in ALL {
        let split = Split { endpoints: Arc::new(policy.clone()), ..split(balance) };
        let counts = Picker::new(5).counts(&endpoints, &split, 100);
        assert!(counts.iter().all(|count| *count > 20), "{balance:?}: {counts:?}");
    }
}

#[test]
fn checks_empty_a_version_unless_they_are_not_believed() {
    let endpoints = endpoints(2);
    endpoints.iter().for_each(|endpoint| endpoint.health.found_unhealthy());
    for balance in ALL {
        let (split, mut picker) = (split(balance), Picker::new(5));
        assert_eq!(picker.pick(&endpoints, &split, &Tried::default(), 1), None, "{balance:?}");
        assert!(!is_able(&endpoints, &split, &Tried::default()));
        let unchecked = Tried::default().unchecked();
        assert!(picker.pick(&endpoints, &split, &unchecked, 1).is_some() && is_able(&endpoints, &split, &unchecked));
    }
}

#[test]
fn ewma_takes_the_product_of_latency_and_requests() {
    let endpoints = endpoints(2);
    let mut picker = Picker::new(2);
    endpoints[0].latency.observe(Duration::from_millis(30), picker.now);
    endpoints[1].latency.observe(Duration::from_millis(10), picker.now);
    assert_eq!(picker.counts(&endpoints, &split(Balance::Ewma), 10), [0, 10]);
    let busy: Vec<_> = (0..3).map(|_| endpoints[1].begin()).collect();
    assert_eq!(picker.counts(&endpoints, &split(Balance::Ewma), 10), [10, 0], "30 ms once, or 10 ms four times");
    drop(busy);
}

#[test]
fn ewma_takes_who_is_unknown_for_one_of_the_others() {
    let endpoints = endpoints(3);
    let mut picker = Picker::new(2);
    endpoints[0].latency.observe(Duration::from_millis(10), picker.now);
    endpoints[1].latency.observe(Duration::from_millis(20), picker.now);
    let counts = picker.counts(&endpoints, &split(Balance::Ewma), 900);
    assert!(counts[2] > 200 && counts[2] < 400 && counts[1] == 0, "15 ms wins against one of the two: {counts:?}");
}

/// One request after the other at a fixed rate, with an endpoint that is so much slower; the shares after the first seconds.
fn simulate(balance: Balance, slowness: u32) -> (Vec<f64>, Vec<u32>) {
    const FAST: u32 = 5;
    let endpoints = endpoints(3);
    let (split, mut picker) = (split(balance), Picker::new(11));
    let start = picker.now.0;
    let mut in_flight: Vec<(u32, u32, crate::endpoint::InFlightGuard)> = Vec::new();
    let (mut counts, mut latencies) = (vec![0.0; 3], Vec::new());
    // 400 a second for a minute.
    for n in 0..24_000_u32 {
        picker.now = Moment(start.wrapping_add(n * 5 / 2));
        let now = picker.now;
        in_flight.retain(|(begun, took, guard)| {
            let done = now.0.wrapping_sub(*begun) >= *took;
            if done {
                guard.endpoint().latency.observe(Duration::from_millis(u64::from(*took)), now);
            }
            !done
        });
        let chosen = picker.pick(&endpoints, &split, &Tried::default(), 0).unwrap();
        let took = if chosen == 0 { FAST * slowness } else { FAST };
        in_flight.push((now.0, took, endpoints[chosen].begin()));
        if n > 2_000 {
            counts[chosen] += 1.0 / 21_999.0;
            latencies.push(took);
        }
    }
    latencies.sort_unstable();
    (counts, latencies)
}

#[test]
fn ewma_keeps_the_99th_percentile_where_one_of_three_is_100_times_slower() {
    let p99 = |latencies: &[u32]| latencies[latencies.len() * 99 / 100];
    let (shares, latencies) = simulate(Balance::Ewma, 100);
    assert!(shares[0] < 0.01 && shares[0] > 0.0, "{shares:?}");
    assert!((shares[1] - shares[2]).abs() < 0.05, "the others share the rest: {shares:?}");
    assert_eq!(p99(&latencies), 5);
    let (shares, latencies) = simulate(Balance::RoundRobin, 100);
    assert!(shares[0] > 0.3 && p99(&latencies) == 500, "or else it would show nothing: {shares:?}");
    let (shares, _) = simulate(Balance::Ewma, 1);
    assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.05), "equals get the same: {shares:?}");
}

#[test]
fn a_hash_leads_to_the_same_endpoint_and_moves_only_whose_endpoint_goes() {
    let endpoints = endpoints(5);
    let (split, mut picker) = (split(Balance::Hash), Picker::new(1));
    let tried = Tried::default();
    let mut homes = HashMap::new();
    for key in 0..1000 {
        homes.insert(key, picker.pick(&endpoints, &split, &tried, key).unwrap());
    }
    let mut counts = [0; 5];
    homes.values().for_each(|home| counts[*home] += 1);
    assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
    for (key, home) in &homes {
        let now = picker.pick(&endpoints[..4], &split, &tried, *key).unwrap();
        assert!(now == *home || *home == 4, "{key} moved from {home} to {now}");
    }
}

#[test]
fn a_hash_gives_no_endpoint_more_than_a_quarter_above_the_mean() {
    let endpoints = endpoints(4);
    let (split, mut picker) = (split(Balance::Hash), Picker::new(1));
    let mut guards = Vec::new();
    for _ in 0..400 {
        let chosen = picker.pick(&endpoints, &split, &Tried::default(), 42).unwrap();
        guards.push(endpoints[chosen].begin());
    }
    let most = endpoints.iter().map(|endpoint| endpoint.in_flight()).max().unwrap();
    assert_eq!(most, 125, "one key for all, spread within 1.25 of the mean of 100");
}

#[test]
fn a_new_endpoint_among_old_ones_gets_a_growing_share() {
    for balance in [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma] {
        let (split, endpoints) = (starting_slowly(balance), endpoints(3));
        let mut picker = Picker::new(9);
        let begun = Moment(picker.now.0.wrapping_add(100_000));
        // It comes back, which is to be new again.
        endpoints[2].health.eject();
        endpoints[2].health.restore(5, begun);
        let mut shares = Vec::new();
        for seconds in [0, 5, 10] {
            picker.now = Moment(begun.0.wrapping_add(seconds * 1000));
            shares.push(loaded(&mut picker, &endpoints, &split));
        }
        let [first, half, whole] = shares[..] else { panic!() };
        assert!(first < 0.12 && half > 0.12 && half < 0.28, "{balance:?}: {shares:?}");
        assert!((whole - 1.0 / 3.0).abs() < 0.06, "{balance:?}: {shares:?}");
    }
}

#[test]
fn one_of_two_begins_with_a_tenth_of_what_the_other_has() {
    let (split, endpoints) = (starting_slowly(Balance::RoundRobin), endpoints(2));
    let mut picker = Picker::new(9);
    let begun = Moment(picker.now.0.wrapping_add(100_000));
    endpoints[1].health.eject();
    endpoints[1].health.restore(5, begun);
    for (seconds, warmth) in [(0, 0.1), (5, 0.5), (10, 1.0)] {
        picker.now = Moment(begun.0.wrapping_add(seconds * 1000));
        let counts = picker.counts(&endpoints, &split, 10_000);
        let share = counts[1] as f64 / 10_000.0;
        assert!((share - warmth / (1.0 + warmth)).abs() < 0.02, "after {seconds} s: {share}");
    }
}

/// The share of the last endpoint where each holds what it gets for a while: 30 requests are in flight.
fn loaded(picker: &mut Picker, endpoints: &[Arc<Endpoint>], split: &Split) -> f64 {
    let mut held = std::collections::VecDeque::new();
    let mut count = 0.0;
    for _ in 0..3000 {
        let chosen = picker.pick(endpoints, split, &Tried::default(), 0).unwrap();
        count += f64::from(u8::from(chosen == endpoints.len() - 1)) / 3000.0;
        held.push_back(endpoints[chosen].begin());
        if held.len() > 30 {
            held.pop_front();
        }
    }
    count
}

#[test]
fn where_all_are_new_slow_start_changes_nothing() {
    for balance in [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma] {
        let (split, endpoints) = (starting_slowly(balance), endpoints(3));
        let mut picker = Picker::new(9);
        let shares = picker.counts(&endpoints, &split, 3000);
        assert!(shares.iter().all(|count| (800..1200).contains(count)), "{balance:?}: {shares:?}");
    }
}
