//! Dealing loses and invents nothing, and is fair.

use fastrand::Rng;
use proptest::prelude::*;

use super::*;

const BOUNDS: [f64; 3] = [0.1, 0.2, 0.4];

fn dealt(counts: &[u64], sets: u64, most: u64) -> Vec<Vec<f64>> {
    Latencies { bounds: &BOUNDS, counts }.deal(&mut Rng::with_seed(3), sets, most)
}

#[test]
fn the_rate_of_no_requests_is_zero() {
    assert_eq!(Tally::default().rate().to_bits(), 0.0_f64.to_bits());
}

proptest! {
    #[test]
    fn dealing_keeps_every_request_and_every_failure(
        requests in 0u64..2000, share in 0.0f64..=1.0, sets in 0u64..600, seed: u64,
    ) {
        let failures = (share * requests as f64) as u64;
        let total = Tally { requests, failures };
        let dealt = deal_failures(&mut Rng::with_seed(seed), total, sets);
        prop_assert_eq!(dealt.len() as u64, sets.min(requests));
        let mut sum = Tally::default();
        dealt.iter().for_each(|set| sum.add(*set));
        prop_assert_eq!(sum, if sets == 0 { Tally::default() } else { total });
        let sizes = dealt.iter().map(|set| set.requests);
        prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
        prop_assert!(dealt.iter().all(|set| set.failures <= set.requests));
    }

    #[test]
    fn dealt_latencies_come_from_their_buckets(
        counts in prop::collection::vec(0u64..20, 4), sets in 1u64..30, seed: u64,
    ) {
        let latencies = Latencies { bounds: &BOUNDS, counts: &counts };
        let dealt = latencies.deal(&mut Rng::with_seed(seed), sets, u64::MAX);
        let edges = [0.05, 0.1, 0.2, 0.4, 0.8];
        for (bucket, count) in counts.iter().enumerate() {
            let within = dealt.iter().flatten()
                .filter(|latency| (edges[bucket]..edges[bucket + 1]).contains(*latency));
            prop_assert_eq!(within.count() as u64, *count);
        }
    }
}

#[test]
fn failures_fall_on_every_group_alike() {
    let mut rng = Rng::with_seed(3);
    let mut seen = [0u64; 4];
    for _ in 0..4000 {
        let dealt = deal_failures(&mut rng, Tally { requests: 8, failures: 2 }, 4);
        dealt.iter().zip(&mut seen).for_each(|(set, seen)| *seen += set.failures);
    }
    assert!(seen.iter().all(|seen| (1850..2150).contains(seen)), "{seen:?}");
}

#[test]
fn one_group_takes_all() {
    let total = Tally { requests: u64::MAX, failures: 9 };
    assert_eq!(deal_failures(&mut Rng::with_seed(3), total, 1), vec![total]);
}

#[test]
fn several_groups_hold_at_most_1024_each() {
    let total = Tally { requests: 10_000, failures: 5000 };
    let dealt = deal_failures(&mut Rng::with_seed(3), total, 2);
    assert!(dealt.iter().all(|set| set.requests == 1024 && (400..624).contains(&set.failures)));
}

#[test]
fn a_group_gets_at_most_so_many_latencies() {
    assert!(dealt(&[9, 9, 9, 9], 3, 4).iter().all(|set| set.len() == 4));
}

#[test]
fn no_latencies_make_no_group() {
    assert!(dealt(&[0, 0, 0, 0], 3, 4).is_empty());
    assert!(dealt(&[], 3, 4).is_empty());
}

#[test]
fn counts_beyond_the_overflow_bucket_are_ignored() {
    assert_eq!(Latencies { bounds: &BOUNDS, counts: &[1, 1, 1, 1, 7] }.total(), 4);
}

#[test]
fn bounds_that_are_not_positive_numbers_hold_no_latency() {
    let latencies = Latencies { bounds: &[0.0, f64::NAN], counts: &[3, 3, 3] };
    let dealt = latencies.deal(&mut Rng::with_seed(3), 2, 8);
    assert!(dealt.iter().all(Vec::is_empty), "{dealt:?}");
}
