//! The operator's sentences, word by word.

use super::*;

fn verdict(state: State) -> Verdict {
    Verdict {
        state,
        stable: Tally { requests: 3740, failures: 30 },
        canary: Tally { requests: 187, failures: 40 },
        mean_excess: 0.205,
        failure_log_wealth: 9.0,
        latency_log_wealth: Some(0.1),
        log_threshold: 5.8,
        latency: Some(LatencyFigures::Bulk { comparisons: 1187, canary: 0.3, stable: 0.0514 }),
        max_error_rate_increase: 0.02,
        max_latency_ratio: Some(2.0),
    }
}

fn tripped(cause: Cause) -> State {
    State::Tripped { cause, at: Duration::from_secs(9) }
}

#[test]
fn a_trip_on_failures_names_both_rates_and_the_limit() {
    assert_eq!(
        verdict(tripped(Cause::ErrorRate)).to_string(),
        "canary failed 21.4% of 187 requests, stable 0.8% of 3,740; allowed increase 2%"
    );
}

#[test]
fn a_trip_on_latency_names_both_latencies_and_the_limit() {
    assert_eq!(
        verdict(tripped(Cause::Latency)).to_string(),
        "canary took 0.300 s on average, stable 0.051 s, in 1,187 comparisons; allowed ratio 2"
    );
}

#[test]
fn a_trip_on_the_tail_names_both_shares_and_the_limit() {
    let mut verdict = verdict(tripped(Cause::Latency));
    verdict.latency =
        Some(LatencyFigures::Tail { comparisons: 1187, canary: 0.06, stable: 0.0052, quantile: 0.995, limit: 0.1213 });
    assert_eq!(
        verdict.to_string(),
        "6% of canary requests took longer than 0.243 s, that is 2 times stable's 99.5% quantile, \
         which 0.5% of stable requests exceeded, in 1,187 comparisons; allowed ratio 2"
    );
}

#[test]
fn a_finding_in_waiting_says_how_many_requests_it_waits_for() {
    assert_eq!(
        verdict(State::Collecting { needed: 1813 }).to_string(),
        "1,813 more canary requests needed: \
         canary failed 21.4% of 187 requests, stable 0.8% of 3,740; allowed increase 2%"
    );
}

#[test]
fn only_a_trip_is_tripped() {
    assert!(verdict(tripped(Cause::Latency)).is_tripped());
    assert!(!verdict(State::Healthy).is_tripped());
    assert!(!verdict(State::Collecting { needed: 1 }).is_tripped());
}

#[test]
fn thousands_are_set_apart() {
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(thousands(number), text);
    }
}
