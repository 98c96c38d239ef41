//! Each bet of the latency test, and the quantiles it rests on.

use super::*;

/// A test that has seen one group of each version.
fn after(canary: &[f64], stable: &[f64]) -> LatencyTest {
    let mut test = LatencyTest::new(2.0);
    test.compare(&[canary.to_vec()], &[stable.to_vec()]);
    test
}

/// One request per group.
fn groups(latencies: impl Iterator<Item = f64>) -> Vec<Vec<f64>> {
    latencies.map(|latency| vec![latency]).collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

#[test]
fn a_pair_beyond_the_ratio_is_evidence() {
    assert!(after(&[0.21], &[0.1]).value() > 1.0);
}

#[test]
fn a_pair_within_the_ratio_is_evidence_to_the_contrary() {
    assert!(after(&[0.19], &[0.1]).value() < 1.0);
}

#[test]
fn a_pair_exactly_at_the_ratio_is_no_evidence() {
    assert!(near(after(&[0.5], &[0.25]).value(), 1.0));
}

#[test]
fn a_group_with_a_side_empty_is_no_comparison() {
    assert_eq!(after(&[0.5], &[]).figures(), None);
    assert_eq!(after(&[], &[0.5]).figures(), None);
}

#[test]
fn a_group_is_one_bet_on_the_mean_of_its_pairs() {
    let test = after(&[0.3], &[0.1, 0.2]);
    assert!(near(test.value(), 1.0));
    assert_eq!(test.bulk.wealth.bets(), 1);
}

#[test]
fn a_tail_that_pairs_hide_is_found_at_a_quantile() {
    let mut test = LatencyTest::new(2.0);
    for _ in 0..30 {
        let canary = groups((0..50).map(|request| if request % 10 == 0 { 1.0 } else { 0.1 }));
        test.compare(&canary, &groups((0..50).map(|_| 0.1)));
    }
    assert!(test.value() > 1000.0);
    let figures = test.figures();
    let Some(LatencyFigures::Tail { canary, stable, limit, .. }) = figures else {
        panic!("{figures:?}");
    };
    assert!(near(canary, 0.1) && near(stable, 0.0) && (0.1..0.12).contains(&limit), "{figures:?}");
}

#[test]
fn the_figures_of_the_bulk_are_means_over_comparisons() {
    let mut test = after(&[0.3], &[0.1, 0.2]);
    test.compare(&[vec![0.5]], &[vec![0.05]]);
    let figures = test.figures();
    let Some(LatencyFigures::Bulk { comparisons: 2, canary, stable }) = figures else {
        panic!("{figures:?}");
    };
    assert!(near(canary, 0.4) && near(stable, 0.1), "{figures:?}");
}

#[test]
fn no_limit_depends_on_the_requests_it_divides() {
    let mut test = LatencyTest::new(2.0);
    test.compare(&groups((0..500).map(|_| 9.0)), &groups((0..500).map(|_| 0.1)));
    assert!(test.tails.iter().all(|tail| tail.wealth.bets() == 0));
}

#[test]
fn a_quantile_is_met_to_the_width_of_a_bin() {
    let mut histogram = Histogram::default();
    (1..=1000).for_each(|millis| histogram.add(f64::from(millis) / 1000.0));
    let quantiles = histogram.renew().unwrap_or_default();
    for (quantile, found) in QUANTILES.into_iter().zip(quantiles) {
        assert!(found >= quantile && found <= quantile * 1.19, "{quantile}: {found}");
    }
}

#[test]
fn limits_are_renewed_only_by_enough_new_latencies() {
    let mut histogram = Histogram::default();
    (0..199).for_each(|_| histogram.add(0.1));
    assert_eq!(histogram.renew(), None);
    histogram.add(0.1);
    assert!(histogram.renew().is_some());
    (0..63).for_each(|_| histogram.add(0.1));
    assert_eq!(histogram.renew(), None);
    histogram.add(0.1);
    assert!(histogram.renew().is_some());
}

#[test]
fn old_latencies_fade() {
    let mut histogram = Histogram::default();
    (0..50_000).for_each(|_| histogram.add(0.1));
    (0..50_000).for_each(|_| histogram.add(1.0));
    assert!(histogram.renew().is_some_and(|limits| limits[0] >= 1.0));
}

#[test]
fn latencies_beyond_the_bins_are_counted_in_the_outermost() {
    let mut histogram = Histogram::default();
    [0.0, 1e-9, f64::MAX].into_iter().for_each(|latency| histogram.add(latency));
    assert_eq!((histogram.bins[0], histogram.bins[BINS - 1]), (2, 1));
}
