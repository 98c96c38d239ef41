//! Counts of requests, and their random division into comparable groups.

use fastrand::Rng;

#[cfg(test)]
mod tests;

/// Requests and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests that were answered or given up on.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failures = self.failures.saturating_add(other.failures);
    }

    /// The share of requests that failed, 0 if there was none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
    pub fn rate(&self) -> f64 {
        if self.requests == 0 {
            return 0.0;
        }
        self.failures as f64 / self.requests as f64
    }
}

/// A group larger than this is represented by a random part of it, which bounds
/// the work of a tick.
const LARGEST_GROUP: u64 = 1024;

/// Deals the requests of `total` out into `sets` groups at random without
/// replacement; group sizes differ by at most one. Several groups hold at most
/// 1,024 requests each.
///
/// Over a random deal of independent requests the expected product of bets is at
/// most what the mean failure rate of the tick would give (Maclaurin's
/// inequality), so the rate may even move within the tick.
#[must_use]
pub fn deal_failures(rng: &mut Rng, total: Tally, sets: u64) -> Vec<Tally> {
    let sets = sets.min(total.requests);
    if sets == 1 {
        return vec![total];
    }
    let (mut requests, mut failures) = (total.requests, total.failures.min(total.requests));
    let mut dealt = Vec::new();
    for index in 0..sets {
        let even = total.requests / sets + u64::from(index < total.requests % sets);
        let size = even.min(LARGEST_GROUP);
        let mut set = Tally { requests: size, failures: 0 };
        for _ in 0..size {
            // Nothing left to decide: saves the draws of the usual, clean tick.
            if failures == 0 {
                break;
            }
            if rng.u64(0..requests) < failures {
                set.failures += 1;
                failures -= 1;
            }
            requests -= 1;
        }
        dealt.push(set);
    }
    dealt
}

/// Latencies as counts per bucket. Bucket `i` holds what took more than
/// `bounds[i - 1]` and at most `bounds[i]` seconds; the last of `counts`, one
/// longer than `bounds`, holds what took longer than every bound. Counts beyond
/// that are ignored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latencies<'a> {
    /// Upper bounds in seconds, positive and ascending.
    pub bounds: &'a [f64],
    /// Requests per bucket.
    pub counts: &'a [u64],
}

impl Latencies<'_> {
    /// The number of latencies.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().fold(0, u64::saturating_add)
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().copied().take(self.bounds.len() + 1)
    }

    /// The edges of a bucket. The first is taken to reach down to half its bound
    /// and the last up to twice the bound before it, as buckets that grow by
    /// doubling would.
    fn edges(&self, bucket: usize) -> Option<(f64, f64)> {
        let upper = self.bounds.get(bucket).copied();
        let lower = bucket.checked_sub(1).and_then(|below| self.bounds.get(below)).copied();
        match (lower, upper) {
            (Some(lower), Some(upper)) => Some((lower, upper)),
            (None, Some(upper)) => Some((upper / 2.0, upper)),
            (Some(lower), None) => Some((lower, lower * 2.0)),
            (None, None) => None,
        }
    }

    /// Deals the latencies out into `sets` groups at random without replacement,
    /// at most `most` to each.
    ///
    /// A latency is drawn log-uniformly from its bucket. Both versions are blurred
    /// alike, so versions with equal latencies remain equal; near the allowed
    /// ratio the blur moves the limit by less than the width of a bucket.
    #[must_use]
    pub fn deal(&self, rng: &mut Rng, sets: u64, most: u64) -> Vec<Vec<f64>> {
        let total = self.total();
        let sets = sets.min(total);
        let mut left: Vec<u64> = self.counts().collect();
        let mut remaining = total;
        let mut dealt = Vec::new();
        for index in 0..sets {
            let size = (total / sets + u64::from(index < total % sets)).min(most);
            let mut set = Vec::new();
            for _ in 0..size {
                let bucket = take(&mut left, rng.u64(0..remaining.max(1)));
                remaining = remaining.saturating_sub(1);
                let at = rng.f64();
                let drawn = self.edges(bucket).map(|(low, high)| low * (high / low).powf(at));
                // Bounds that are not positive numbers have no latency in them.
                set.extend(drawn.filter(|latency| latency.is_finite()));
            }
            dealt.push(set);
        }
        dealt
    }
}

/// Takes the `nth` of the items that `left` counts, and says where it was.
fn take(left: &mut [u64], mut nth: u64) -> usize {
    for (bucket, count) in left.iter_mut().enumerate() {
        if nth < *count {
            *count -= 1;
            return bucket;
        }
        nth -= *count;
    }
    // Only for an empty histogram: no bucket has this number.
    usize::MAX
}
