use super::*;
use proptest::prelude::*;

/// The first `count` selections of a new schedule.
fn run(weights: &[u32], seed: u64, count: usize) -> Vec<usize> {
    let mut schedule = Schedule::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| schedule.next(1, weights, &mut rng).expect("a positive weight")).collect()
}

/// The weights divided by their greatest common divisor, and their sum.
fn reduced(weights: &[u32]) -> (Vec<i128>, i128) {
    let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, u64::from(*weight)));
    let weights: Vec<i128> = weights.iter().map(|weight| i128::from(u64::from(*weight) / divisor)).collect();
    let total = weights.iter().sum();
    (weights, total)
}

/// Checks every prefix of the selections against the weights, and every block.
fn check_bounds(weights: &[u32], selections: &[usize]) -> Result<(), TestCaseError> {
    let (reduced, total) = reduced(weights);
    let mut counts = vec![0_i128; weights.len()];
    for (at, selected) in selections.iter().enumerate() {
        counts[*selected] += 1;
        let n = at as i128 + 1;
        for (count, weight) in counts.iter().zip(&reduced) {
            prop_assert!((count * total - n * weight).abs() < total, "{weights:?} at {n}: {counts:?}");
            prop_assert!(n % total != 0 || *count == n / total * weight, "{weights:?} at {n}: {counts:?}");
        }
    }
    Ok(())
}

/// How often each version is selected at every slot of a block, over `blocks` blocks.
fn histogram(weights: &[u32], blocks: usize) -> Vec<Vec<usize>> {
    let block = reduced(weights).1 as usize;
    let mut seen = vec![vec![0; block]; weights.len()];
    for (at, selected) in run(weights, 42, block * blocks).into_iter().enumerate() {
        seen[selected][at % block] += 1;
    }
    seen
}

/// The smallest and the largest share of a version over the slots of a block.
fn extremes(weights: &[u32], version: usize, blocks: usize) -> (f64, f64) {
    let shares =
        histogram(weights, blocks)[version].iter().map(|seen| *seen as f64 / blocks as f64).collect::<Vec<_>>();
    let smallest = shares.iter().copied().fold(f64::INFINITY, f64::min);
    (smallest, shares.iter().copied().fold(0.0, f64::max))
}

/// Weights that are awkward: none, tiny, percentages, primes, the largest, and anything.
fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(1_000_000),
        prop::sample::select(vec![2_u32, 3, 7, 97, 101, 7919, 499_979, 999_983]),
        1..=8_u32,
        1..=100_u32,
        1..=1_000_000_u32,
    ]
}

/// Sets of weights of which one is positive.
fn weights(versions: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(weight(), versions).prop_filter("a positive weight", |all| all.iter().any(|one| *one > 0))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_and_every_block_is_within_the_bounds(weights in weights(1..=8), seed: u64) {
        check_bounds(&weights, &run(&weights, seed, 5000))?;
    }

    #[test]
    fn blocks_of_small_weights_are_exact_again_and_again(
        weights in prop::collection::vec(0..=12_u32, 3..=8), seed: u64,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        check_bounds(&weights, &run(&weights, seed, 2000))?;
    }

    #[test]
    fn more_than_eight_versions_work_as_well(weights in weights(9..=40), seed: u64) {
        check_bounds(&weights, &run(&weights, seed, 3000))?;
    }

    #[test]
    fn a_weight_of_zero_is_never_selected(weights in weights(1..=8), seed: u64) {
        prop_assert!(run(&weights, seed, 3000).iter().all(|selected| weights[*selected] > 0));
    }

    #[test]
    fn the_same_seed_gives_the_same_selections(weights in weights(1..=8), seed: u64) {
        prop_assert_eq!(run(&weights, seed, 1500), run(&weights, seed, 1500));
    }
}

#[test]
fn a_block_longer_than_a_chunk_is_exact() {
    for weights in [&[999_983, 7919, 101][..], &[1_000_000, 999_999, 1, 3], &[300_007, 1], &[49_999, 50_001, 17]] {
        let block = reduced(weights).1 as usize;
        check_bounds(weights, &run(weights, 7, block + 3000)).unwrap();
    }
}

#[test]
fn a_weight_above_the_largest_counts_as_the_largest() {
    assert_eq!(run(&[u32::MAX, 1_000_000, 5], 3, 3000), run(&[1_000_000, 1_000_000, 5], 3, 3000));
    assert_eq!(run(&[u32::MAX, 2_000_000], 3, 30), run(&[1, 1], 3, 30));
}

#[test]
fn one_percent_is_exactly_one_in_each_hundred() {
    for seed in 0..50 {
        for block in run(&[99, 1], seed, 10_000).chunks(100) {
            assert_eq!(block.iter().filter(|selected| **selected == 1).count(), 1, "seed {seed}");
        }
    }
}

#[test]
fn three_versions_of_98_1_and_1_are_exact_in_each_hundred() {
    for seed in 0..50 {
        for block in run(&[98, 1, 1], seed, 10_000).chunks(100) {
            let counts = [0, 1, 2].map(|version| block.iter().filter(|selected| **selected == version).count());
            assert_eq!(counts, [98, 1, 1], "seed {seed}");
        }
    }
}

#[test]
fn no_positive_weight_selects_nobody() {
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(Schedule::new().next(1, &[0, 0, 0], &mut rng), None);
    assert_eq!(Schedule::new().next(1, &[], &mut rng), None);
}

#[test]
fn a_single_positive_weight_takes_everything_and_no_randomness() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut schedule = Schedule::new();
    assert!((0..1000).all(|_| schedule.next(1, &[0, 17, 0], &mut rng) == Some(1)));
    assert_eq!(rng.get_seed(), fastrand::Rng::with_seed(1).get_seed());
}

#[test]
fn a_new_epoch_begins_a_new_block() {
    for weights in [&[95, 5][..], &[90, 5, 5]] {
        for seed in 0..200 {
            let mut schedule = Schedule::new();
            let mut rng = fastrand::Rng::with_seed(seed);
            for _ in 0..7 {
                schedule.next(1, weights, &mut rng);
            }
            let block: Vec<_> = (0..20).filter_map(|_| schedule.next(2, weights, &mut rng)).collect();
            check_bounds(weights, &block).unwrap();
        }
    }
}

#[test]
fn a_new_epoch_brings_its_weights_into_force() {
    let mut schedule = Schedule::new();
    let mut rng = fastrand::Rng::with_seed(5);
    let sets: [&[u32]; 6] = [&[98, 1, 1], &[0, 1], &[1, 1], &[0, 0], &[5, 3, 1, 1], &[1, 2, 3]];
    for (epoch, weights) in (0_u64..).zip(sets) {
        let selected: Vec<_> = (0..300).filter_map(|_| schedule.next(epoch, weights, &mut rng)).collect();
        assert_eq!(selected.len(), if weights == [0, 0] { 0 } else { 300 });
        if !selected.is_empty() {
            check_bounds(weights, &selected).unwrap();
        }
    }
}

#[test]
fn a_poller_of_every_twentieth_sees_the_canary_at_its_share_from_whichever_phase() {
    for weights in [&[95, 5][..], &[5, 95], &[95, 3, 2]] {
        let block = 20 * 20_000;
        let selections = run(weights, 11, block);
        let stable = if weights[0] > 50 { 0 } else { 1 };
        for phase in 0..20 {
            let canary = selections.iter().skip(phase).step_by(20).filter(|selected| **selected != stable).count();
            let share = canary as f64 / 20_000.0;
            assert!((0.035..0.065).contains(&share), "{weights:?}, phase {phase}: {share}");
        }
    }
}

#[test]
fn the_place_of_a_canary_is_nearly_uniform() {
    // Five standard deviations around the 5% are 0.0077 here.
    let (smallest, largest) = extremes(&[95, 5], 1, 20_000);
    assert!(smallest > 0.0423 && largest < 0.0577, "{smallest} to {largest}");
    // Windows that share a slot.
    let (smallest, largest) = extremes(&[60, 40], 1, 20_000);
    assert!(smallest > 0.33 && largest < 0.47, "{smallest} to {largest}");
}

#[test]
fn each_of_two_canaries_is_found_everywhere_in_the_block() {
    let (smallest, largest) = extremes(&[98, 1, 1], 1, 40_000);
    assert!(smallest > 0.006 && largest < 0.016, "{smallest} to {largest}");
    let (smallest, largest) = extremes(&[90, 5, 5], 2, 40_000);
    assert!(smallest > 0.03 && largest < 0.08, "{smallest} to {largest}");
}

#[test]
fn canaries_of_unequal_weights_do_not_keep_a_fixed_order() {
    // The stable version leaves one slot in twenty, and these weights allow most of the orders in which
    // the five of a block can share them out.
    for (version, share) in [(1, 0.03), (2, 0.02)] {
        let (smallest, largest) = extremes(&[95, 3, 2], version, 40_000);
        assert!(smallest > share * 0.1 && largest < share * 1.8, "{smallest} to {largest}");
    }
}

#[test]
fn a_canary_with_a_window_longer_than_a_chunk_is_found_everywhere_if_there_are_two_versions() {
    let block = 20_000;
    let selections = run(&[19_999, 1], 9, block * 2000);
    let mut quarters = [0; 4];
    for at in selections.iter().enumerate().filter(|(_, selected)| **selected == 1).map(|(at, _)| at % block) {
        quarters[at * 4 / block] += 1;
    }
    assert!(quarters.iter().all(|quarter| (400..600).contains(quarter)), "{quarters:?}");
}

#[test]
fn the_buffer_is_allocated_once() {
    let mut schedule = Schedule::new();
    let mut rng = fastrand::Rng::with_seed(2);
    let weights = [500_009, 300_007, 7];
    schedule.next(1, &weights, &mut rng);
    let buffer = schedule.chunk.slots.as_ptr();
    for _ in 0..100_000 {
        schedule.next(1, &weights, &mut rng);
    }
    assert_eq!(buffer, schedule.chunk.slots.as_ptr());
}

/// Prints the cost of a selection: `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_a_selection() {
    let sets: [&[u32]; 7] =
        [&[1], &[95, 5], &[98, 1, 1], &[333, 333, 334], &[999_983, 7919, 101], &[1, 1, 1], &[13; 8]];
    for weights in sets {
        let (mut schedule, mut rng) = (Schedule::new(), fastrand::Rng::with_seed(1));
        let begun = std::time::Instant::now();
        let sum: usize = (0..2_000_000).filter_map(|_| schedule.next(1, weights, &mut rng)).sum();
        println!("{weights:?}: {:.1} ns (checksum {sum})", begun.elapsed().as_nanos() as f64 / 2e6);
    }
}
