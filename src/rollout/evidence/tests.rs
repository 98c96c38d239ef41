//! The martingales are checked exactly where that can be done, by simulation
//! elsewhere.

use proptest::prelude::*;

use super::*;

/// The expected wealth after `bets` tosses of a coin that shows `high` with
/// probability `p` and `low` otherwise, over all outcomes.
fn expected(margin: f64, block: u64, bets: u32, (p, high, low): (f64, f64, f64)) -> f64 {
    (0..1u32 << bets)
        .map(|outcome| {
            let mut wealth = Wealth::new(margin, block);
            let heads = outcome.count_ones().cast_signed();
            for bet in 0..bets {
                wealth.bet(if outcome >> bet & 1 == 1 { high } else { low });
            }
            p.powi(heads) * (1.0 - p).powi(bets.cast_signed() - heads) * wealth.value()
        })
        .sum()
}

#[test]
fn the_parts_of_all_restarts_add_up_to_alpha() {
    let sum: f64 = (0..1_000_000).map(alpha_for_restart).sum();
    assert!(sum < ALPHA && sum > ALPHA * 0.9999, "{sum}");
}

#[test]
fn every_restart_may_spend_less_than_the_one_before() {
    assert!((0..100).all(|restart| alpha_for_restart(restart + 1) < alpha_for_restart(restart)));
}

#[test]
fn the_wealth_is_1_at_the_start() {
    assert!((Wealth::new(0.02, 32).value() - 1.0).abs() < 1e-12);
}

#[test]
fn the_wealth_remains_1_in_expectation_at_the_margin() {
    assert!((expected(0.0, 3, 14, (0.5, 1.0, -1.0)) - 1.0).abs() < 1e-9);
    assert!((expected(0.2, 4, 14, (0.6, 1.0, -1.0)) - 1.0).abs() < 1e-9);
    assert!((expected(0.02, 1, 14, (0.02, 1.0, 0.0)) - 1.0).abs() < 1e-9);
}

#[test]
fn the_wealth_shrinks_in_expectation_within_the_margin() {
    assert!(expected(0.02, 3, 14, (0.4, 1.0, -1.0)) < 1.0);
}

#[test]
fn the_wealth_grows_in_expectation_beyond_the_margin() {
    assert!(expected(0.02, 3, 14, (0.3, 1.0, 0.0)) > 2.0);
}

#[test]
fn a_long_healthy_time_leaves_capital_to_bet_with() {
    let mut wealth = Wealth::new(0.02, 32);
    (0..100_000).for_each(|_| wealth.bet(-0.01));
    let needed = (0..)
        .take_while(|_| {
            wealth.bet(1.0);
            wealth.value() < 1000.0
        })
        .count();
    assert!(needed < 60, "{needed}");
}

#[test]
fn what_is_not_a_number_is_no_evidence() {
    let mut wealth = Wealth::new(0.02, 32);
    wealth.bet(f64::NAN);
    assert_eq!(wealth.bets(), 0);
}

proptest! {
    #[test]
    fn the_wealth_is_always_a_positive_number(
        margin in prop::num::f64::ANY.prop_filter("a number", |margin| !margin.is_nan()),
        block in 0u64..5,
        bets in prop::collection::vec(prop::num::f64::ANY, 0..200),
        last in -1.0f64..1.0,
    ) {
        let mut wealth = Wealth::new(margin, block);
        bets.into_iter().for_each(|bet| wealth.bet(bet));
        (0..2000).for_each(|_| wealth.bet(last));
        prop_assert!(wealth.value().is_finite() && wealth.value() > 0.0);
    }
}
