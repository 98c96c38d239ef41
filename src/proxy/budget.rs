//! How many retries there may be: a bucket of tokens for each split, on each worker.
//!
//! Each request puts a share of a token in, each retry takes one out, and what is older than [`WINDOW`] is forgotten; so
//! retries stay below that share of the requests, whatever fails. A few are allowed to splits without traffic. Retries of
//! what was provably not worked on take nothing: they are no more work than the request itself (gRPC A6, transparent
//! retries). The bucket is looked at when something is to be retried, and costs nothing before.

use std::time::Duration;

use tokio::time::Instant;

use crate::endpoint::SplitId;

/// What is remembered of requests and retries.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Retries that are allowed in a window in any case.
const LEAST: f64 = 10.0;

/// The buckets of a worker.
pub struct Budgets {
    since: Instant,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    looked: Instant,
    /// Requests when it was last looked at.
    requests: u64,
    tokens: f64,
}

impl Budgets {
    /// Buckets of splits that have had no request.
    pub fn new(now: Instant) -> Self {
        Self { since: now, buckets: Vec::new() }
    }

    /// Whether a split that has had so many requests may retry one more, which is then taken for done. `share`: tokens that a
    /// request puts in.
    pub fn allows(&mut self, split: SplitId, share: f64, requests: u64, now: Instant) -> bool {
        let index = split.0 as usize;
        if self.buckets.len() <= index {
            let fresh = Bucket { looked: self.since, requests: 0, tokens: LEAST };
            self.buckets.resize(index + 1, fresh);
        }
        let bucket = &mut self.buckets[index];
        bucket.fill(share, requests, now);
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

impl Bucket {
    fn fill(&mut self, share: f64, requests: u64, now: Instant) {
        let windows = now.duration_since(self.looked).as_secs_f64() / WINDOW.as_secs_f64();
        // A version that has gone took its count along.
        let come = requests.saturating_sub(self.requests) as f64;
        let kept = (1.0 - windows).max(0.0);
        // Of a longer time only the last window counts, as if they had come evenly.
        let recent = if windows > 1.0 { come / windows } else { come };
        self.tokens = self.tokens * kept + share * recent + LEAST * windows.min(1.0);
        self.looked = now;
        self.requests = requests;
    }
}

#[cfg(test)]
mod tests;
