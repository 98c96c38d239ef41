//! The guard's promises on false alarms and detection, with fixed seeds.

use fastrand::Rng;

use super::super::*;
use super::{policy, secs};

/// Upper bounds of the simulated latency buckets in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192];

/// Optimised builds can afford more runs; both are enough for the statements.
const RUNS: u64 = if cfg!(debug_assertions) { 300 } else { 2000 };

fn observed(success: u64, failure: u64, latency: &[u64]) -> Observation<'_> {
    Observation { success, failure, latency: Latencies { bounds: &BOUNDS, counts: latency } }
}

/// A version as simulated: how often it fails and in which buckets it answers.
#[derive(Clone)]
struct Version {
    fails: f64,
    buckets: Vec<usize>,
}

impl Version {
    /// Log-normal latencies with a median of 20 ms (sigma 0.7), `slower` times as
    /// long for the share `tail` of requests.
    fn new(fails: f64, slower: f64, tail: f64) -> Self {
        let mut rng = Rng::with_seed(7);
        let draws = 20_000;
        let buckets = (0..draws).map(|draw| {
            let (u, v) = (1.0 - rng.f64(), rng.f64());
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            let slow = if f64::from(draw) < tail * f64::from(draws) { slower } else { 1.0 };
            let latency = 0.02 * slow * (0.7 * normal).exp();
            BOUNDS.partition_point(|bound| *bound < latency)
        });
        Self { fails, buckets: buckets.collect() }
    }

    fn failing(fails: f64) -> Self {
        Self::new(fails, 1.0, 0.0)
    }

    /// What a tick with `requests` requests looks like.
    fn tick(&self, rng: &mut Rng, requests: u64, latency: &mut [u64; 15]) -> (u64, u64) {
        latency.fill(0);
        let mut failures = 0;
        for _ in 0..requests {
            failures += u64::from(rng.f64() < self.fails);
            latency[self.buckets[rng.usize(..self.buckets.len())]] += 1;
        }
        (requests - failures, failures)
    }
}

fn poisson(rng: &mut Rng, mean: f64) -> u64 {
    let (limit, mut product, mut events) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        events += 1;
    }
    events
}

/// A guard and the traffic it watches, in ticks of one second.
struct Simulation {
    rng: Rng,
    guard: Guard,
    seconds: u64,
    canary_seen: u64,
}

impl Simulation {
    fn new(policy: GuardPolicy, seed: u64) -> Self {
        let guard = Guard::new(&policy, 0, seed);
        Self { rng: Rng::with_seed(!seed), guard, seconds: 0, canary_seen: 0 }
    }

    /// One tick with exactly so many requests. Says whether the guard has tripped.
    fn tick(&mut self, stable: (&Version, u64), canary: (&Version, u64)) -> bool {
        let (mut stable_latency, mut canary_latency) = ([0; 15], [0; 15]);
        let (success, failure) = stable.0.tick(&mut self.rng, stable.1, &mut stable_latency);
        let stable = observed(success, failure, &stable_latency);
        let (success, failure) = canary.0.tick(&mut self.rng, canary.1, &mut canary_latency);
        let canary = observed(success, failure, &canary_latency);
        self.seconds += 1;
        self.canary_seen += success + failure;
        self.guard.observe(secs(self.seconds), &stable, &canary).is_tripped()
    }

    /// Random traffic of `rate` requests a second for `seconds`, the share
    /// `weight` of it to the canary. Says whether the guard has tripped.
    fn run(&mut self, seconds: u64, rate: f64, weight: f64, stable: &Version, canary: &Version) -> bool {
        (0..seconds).any(|_| {
            let stables = poisson(&mut self.rng, rate * (1.0 - weight));
            let canaries = poisson(&mut self.rng, rate * weight);
            self.tick((stable, stables), (canary, canaries))
        })
    }
}

/// Runs `one` with `runs` seeds; it returns the canary requests until the trip.
/// Returns the number of trips and the sorted counts, and prints them.
fn simulate(what: &str, runs: u64, one: impl Fn(u64) -> Option<u64>) -> (u64, Vec<u64>) {
    let mut until: Vec<u64> = (1..=runs).filter_map(one).collect();
    until.sort_unstable();
    let quantile = |part: usize| until.get((until.len() * part / 100).min(until.len().saturating_sub(1)));
    println!(
        "{what}: {} trips in {runs} runs (seeds 1..={runs}), canary requests median {:?}, 95% {:?}",
        until.len(),
        quantile(50),
        quantile(95),
    );
    (until.len() as u64, until)
}

/// The share of runs that trip must stay below 1 in 100.
fn assert_rare(what: &str, runs: u64, one: impl Fn(u64) -> Option<u64>) {
    let (trips, _) = simulate(what, runs, one);
    assert!(trips * 100 < runs, "{what}: {trips} of {runs}");
}

/// At least 95 of 100 runs must trip within `within` canary requests.
fn assert_prompt(what: &str, runs: u64, within: u64, one: impl Fn(u64) -> Option<u64>) {
    let (_, until) = simulate(what, runs, one);
    let prompt = until.iter().filter(|seen| **seen <= within).count() as u64;
    assert!(prompt * 100 >= runs * 95, "{what}: {prompt} of {runs} within {within}");
}

/// An hour of identical versions, 20 minutes in slow builds: the canary requests
/// until a trip, if any.
fn identical(fails: f64) -> impl Fn(u64) -> Option<u64> {
    let version = Version::failing(fails);
    let (seconds, rate) = if cfg!(debug_assertions) { (1200, 6.0) } else { (3600, 50.0) };
    move |seed| {
        let weight = if seed.is_multiple_of(2) { 0.05 } else { 0.1 };
        let mut simulation = Simulation::new(policy(), seed);
        simulation.run(seconds, rate, weight, &version, &version).then_some(simulation.canary_seen)
    }
}

#[test]
fn identical_versions_that_rarely_fail_trip_in_fewer_than_one_of_a_hundred_runs() {
    assert_rare("identical, 1% failing", RUNS, identical(0.01));
}

#[test]
fn identical_versions_that_often_fail_trip_in_fewer_than_one_of_a_hundred_runs() {
    assert_rare("identical, 20% failing", RUNS, identical(0.2));
}

#[test]
fn identical_latencies_do_not_trip_even_at_a_ratio_of_one() {
    let version = Version::failing(0.0);
    assert_rare("identical, ratio 1", RUNS, |seed| {
        let policy = GuardPolicy { max_latency_ratio: Some(1.0), ..policy() };
        let mut simulation = Simulation::new(policy, seed);
        simulation.run(400, 10.0, 0.3, &version, &version).then_some(simulation.canary_seen)
    });
}

#[test]
fn a_canary_exactly_at_the_margin_trips_in_fewer_than_one_of_a_hundred_runs() {
    let (stable, canary) = (Version::failing(0.1), Version::failing(0.12));
    assert_rare("at the margin, 10% and 12%", RUNS, |seed| {
        let mut simulation = Simulation::new(GuardPolicy::default(), seed);
        simulation.run(300, 20.0, 0.5, &stable, &canary).then_some(simulation.canary_seen)
    });
}

/// A canary that fails 20 points more often, in random traffic.
fn assert_finds_twenty_points(base: f64, rate: f64, weight: f64) {
    let (stable, canary) = (Version::failing(base), Version::failing(base + 0.2));
    let what = format!("20 points above {base}, {rate} rps, weight {weight}");
    assert_prompt(&what, RUNS, 200, |seed| {
        let mut simulation = Simulation::new(GuardPolicy::default(), seed);
        simulation.run(1000, rate, weight, &stable, &canary).then_some(simulation.canary_seen)
    });
}

#[test]
fn twenty_points_more_trip_within_200_canary_requests_at_a_weight_of_5_percent() {
    assert_finds_twenty_points(0.0, 50.0, 0.05);
    assert_finds_twenty_points(0.01, 50.0, 0.05);
}

#[test]
fn twenty_points_more_trip_within_200_canary_requests_at_a_weight_of_50_percent() {
    assert_finds_twenty_points(0.0, 20.0, 0.5);
    assert_finds_twenty_points(0.01, 20.0, 0.5);
}

#[test]
fn twenty_points_more_trip_within_200_canary_requests_that_come_one_per_tick() {
    let (stable, canary) = (Version::failing(0.01), Version::failing(0.21));
    for stables in [1, 19] {
        let what = format!("20 points, 1 canary and {stables} stable requests per tick");
        assert_prompt(&what, RUNS, 200, |seed| {
            let mut simulation = Simulation::new(policy(), seed);
            (0..1000).any(|_| simulation.tick((&stable, stables), (&canary, 1))).then_some(simulation.canary_seen)
        });
    }
}

#[test]
fn twenty_points_more_trip_where_requests_are_so_rare_that_they_wait() {
    let (stable, canary) = (Version::failing(0.01), Version::failing(0.21));
    for weight in [0.1, 0.5] {
        let what = format!("20 points, one request a second, weight {weight}");
        assert_prompt(&what, RUNS, 300, |seed| {
            let mut simulation = Simulation::new(policy(), seed);
            simulation.run(5000, 1.0, weight, &stable, &canary).then_some(simulation.canary_seen)
        });
    }
}

#[test]
fn five_points_more_trip_surely_within_100_000_requests() {
    let (stable, canary) = (Version::failing(0.05), Version::failing(0.1));
    assert_prompt("5 points above 5%", RUNS / 10, 100_000, |seed| {
        let mut simulation = Simulation::new(policy(), seed);
        (0..1000).any(|_| simulation.tick((&stable, 200), (&canary, 100))).then_some(simulation.canary_seen)
    });
}

#[test]
fn a_version_within_the_margin_stays_healthy_at_100_000_requests() {
    let (stable, canary) = (Version::failing(0.05), Version::failing(0.06));
    assert_rare("1 point above 5%", RUNS / 30, |seed| {
        let mut simulation = Simulation::new(GuardPolicy::default(), seed);
        (0..200).any(|_| simulation.tick((&stable, 500), (&canary, 500))).then_some(simulation.canary_seen)
    });
}

#[test]
fn an_outage_of_both_versions_does_not_trip() {
    let (well, ill) = (Version::failing(0.01), Version::failing(0.6));
    assert_rare("shared outage", RUNS, |seed| {
        let mut simulation = Simulation::new(policy(), seed);
        let tripped = [&well, &ill, &well, &ill, &well].iter().any(|both| simulation.run(60, 20.0, 0.1, both, both));
        tripped.then_some(simulation.canary_seen)
    });
}

#[test]
fn outages_of_both_versions_do_not_trip_where_requests_are_so_rare_that_they_wait() {
    let (well, ill) = (Version::failing(0.01), Version::failing(0.6));
    let minutes = if cfg!(debug_assertions) { 8 } else { 40 };
    for weight in [0.1, 0.5, 0.9] {
        assert_rare(&format!("rare requests, shared outages, weight {weight}"), RUNS, |seed| {
            let mut simulation = Simulation::new(policy(), seed);
            let tripped = (0..minutes).any(|minute: u32| {
                let both = if minute.is_multiple_of(2) { &well } else { &ill };
                simulation.run(60, 0.5, weight, both, both)
            });
            tripped.then_some(simulation.canary_seen)
        });
    }
}

#[test]
fn a_canary_that_goes_bad_after_a_healthy_hour_trips() {
    let (well, ill) = (Version::failing(0.01), Version::failing(0.21));
    assert_prompt("20 points after a healthy hour", RUNS / 10, 600, |seed| {
        let mut simulation = Simulation::new(policy(), seed);
        assert!(!simulation.run(3600, 20.0, 0.1, &well, &well));
        simulation.canary_seen = 0;
        simulation.run(600, 20.0, 0.1, &well, &ill).then_some(simulation.canary_seen)
    });
}

#[test]
fn a_canary_that_fails_while_both_recover_from_an_outage_trips() {
    let (well, ill, worse) = (Version::failing(0.01), Version::failing(0.6), Version::failing(0.4));
    assert_prompt("bad after an outage", RUNS, 400, |seed| {
        let mut simulation = Simulation::new(policy(), seed);
        assert!(!simulation.run(60, 20.0, 0.1, &ill, &ill));
        simulation.canary_seen = 0;
        simulation.run(600, 20.0, 0.1, &well, &worse).then_some(simulation.canary_seen)
    });
}

/// A canary `slower` times as slow for the share `tail` of its requests.
fn slow(slower: f64, tail: f64, weight: f64, seconds: u64) -> impl Fn(u64) -> Option<u64> {
    let (stable, canary) = (Version::failing(0.01), Version::new(0.01, slower, tail));
    move |seed| {
        let mut simulation = Simulation::new(policy(), seed);
        let tripped = simulation.run(seconds, 20.0, weight, &stable, &canary);
        let latency = State::Tripped { cause: Cause::Latency, at: secs(simulation.seconds) };
        (tripped && simulation.guard.verdict().state == latency).then_some(simulation.canary_seen)
    }
}

#[test]
fn a_canary_three_times_as_slow_trips_a_ratio_of_two_within_200_canary_requests() {
    assert_prompt("3 times slower, weight 0.1", RUNS, 200, slow(3.0, 1.0, 0.1, 600));
}

#[test]
fn a_canary_three_times_as_slow_trips_within_450_where_each_request_meets_just_one_of_stable() {
    assert_prompt("3 times slower, weight 0.5", RUNS, 450, slow(3.0, 1.0, 0.5, 600));
}

#[test]
fn a_canary_with_a_tail_ten_times_as_slow_trips_in_the_end() {
    assert_prompt("5% 10 times slower, weight 0.1", RUNS / 5, 4000, slow(10.0, 0.05, 0.1, 2000));
}

#[test]
fn a_canary_within_the_ratio_does_not_trip() {
    assert_rare("1.5 times slower", RUNS / 3, slow(1.5, 1.0, 0.1, 300));
}

#[test]
fn without_a_latency_ratio_latency_does_not_matter() {
    let (stable, canary) = (Version::failing(0.0), Version::new(0.0, 50.0, 1.0));
    let mut simulation = Simulation::new(GuardPolicy::default(), 1);
    assert!(!simulation.run(600, 20.0, 0.5, &stable, &canary));
    assert_eq!(simulation.guard.verdict().latency_log_wealth, None);
}

#[test]
fn the_same_seed_gives_the_same_verdict() {
    let run = || {
        let version = Version::failing(0.1);
        let mut simulation = Simulation::new(policy(), 5);
        simulation.run(100, 20.0, 0.3, &version, &version);
        simulation.guard.verdict().clone()
    };
    assert_eq!(run(), run());
}
