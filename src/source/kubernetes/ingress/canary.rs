//! Canaries to weights and overrides.

use super::annotations::{Canary, Finding, Severity};
use crate::model::{MAX_WEIGHT, Override, Weight};

/// Where requests go without a canary: any weight would do.
const ALONE: u32 = 100;

/// Weights of the main version and of its canaries, whose parts may be of different totals. Parts that add up to more
/// than there is are given to the oldest first; the second value says which canaries get less than they ask for.
pub fn weights(canaries: &[&Canary]) -> (Vec<u32>, Vec<usize>) {
    if canaries.is_empty() {
        return (vec![ALONE], Vec::new());
    }
    let total = canaries.iter().try_fold(1, |total, canary| least_common_multiple(total, u64::from(canary.total)));
    // Totals without a common multiple that is small enough are rounded to a millionth.
    let total = total.unwrap_or(u64::from(MAX_WEIGHT));
    let mut left = total;
    let mut cut = Vec::new();
    let mut weights = vec![0];
    for (position, canary) in canaries.iter().enumerate() {
        let wanted = u64::from(canary.weight) * total / u64::from(canary.total.max(1));
        if wanted > left {
            cut.push(position);
        }
        let given = wanted.min(left);
        left -= given;
        weights.push(given as u32);
    }
    weights[0] = left as u32;
    (weights, cut)
}

fn least_common_multiple(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b.max(1));
    while y != 0 {
        (x, y) = (y, x % y);
    }
    Some(a / x * b.max(1)).filter(|multiple| *multiple <= u64::from(MAX_WEIGHT))
}

/// A number that [`weights`] gave.
pub fn weight(number: u32) -> Weight {
    Weight::try_from(i64::from(number)).unwrap_or_default()
}

/// Conditions of all canaries, those of the oldest first; version `i + 1` is canary `i`. The second value says which
/// canaries have a condition that an older one has, too.
pub fn overrides(canaries: &[&Canary]) -> (Vec<Override>, Vec<usize>) {
    let mut overrides: Vec<Override> = Vec::new();
    let mut hidden = Vec::new();
    for (position, canary) in canaries.iter().enumerate() {
        for condition in &canary.conditions {
            let to = if condition.to == 0 { 0 } else { position + 1 };
            match overrides.iter().find(|known| known.condition == condition.condition) {
                Some(known) if known.to != to => hidden.push(position),
                Some(_) => {}
                None => overrides.push(Override { condition: condition.condition.clone(), to }),
            }
        }
    }
    hidden.dedup();
    (overrides, hidden)
}

/// What to tell about a canary whose share is cut.
pub fn cut_finding(place: &str) -> Finding {
    let message = format!("older canaries of {place} leave less than this weight: lower one of them");
    Finding::new("canary-weight", Severity::Warning, message)
}

/// What to tell about a canary whose condition an older one has.
pub fn hidden_finding(place: &str) -> Finding {
    let message = format!(
        "an older canary of {place} has the same condition, and gets its requests: use another header or cookie"
    );
    Finding::new("canary", Severity::Warning, message)
}
