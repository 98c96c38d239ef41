//! The counters of one version on one worker: written by that worker alone, read by anyone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::histogram::{Distribution, Histogram, bump};
use super::outcome::{Classification, Ending, Reason, Timed};
use super::slots::{Counts, Timings};
use super::tally::Tally;
use crate::split::Why;

/// A protocol of long-lived connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamProtocol {
    /// WebSocket, over HTTP/1.1 or HTTP/2.
    WebSocket,
    /// Any other protocol after an upgrade.
    Upgrade,
    /// Server-sent events.
    Sse,
    /// gRPC.
    Grpc,
}

impl StreamProtocol {
    /// All, in the order of their index.
    pub const ALL: [Self; 4] = [Self::WebSocket, Self::Upgrade, Self::Sse, Self::Grpc];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        ["websocket", "upgrade", "sse", "grpc"][self as usize]
    }
}

/// Counters of one version on one worker.
#[derive(Default)]
pub struct Cell {
    endings: Counts,
    retries: Counts,
    rescues: Counts,
    denied: AtomicU64,
    held: AtomicU64,
    holding: AtomicI64,
    decisions: [AtomicU64; Why::ALL.len()],
    active_requests: AtomicI64,
    active_streams: [AtomicI64; StreamProtocol::ALL.len()],
    durations: Timings,
    first_bytes: [OnceLock<Box<Histogram>>; Classification::ALL.len()],
    streams: [OnceLock<Box<Histogram>>; StreamProtocol::ALL.len()],
}

impl Cell {
    /// A request was decided.
    pub fn decided(&self, why: Why) {
        bump(&self.decisions[why.index()], 1);
    }

    /// A request begins (`1`) or ends (`-1`).
    pub fn active(&self, change: i64) {
        self.active_requests.fetch_add(change, Relaxed);
    }

    /// A request ended; the durations are absent where they mean nothing (streams, answers that never came).
    pub fn ended(&self, ending: Ending, duration: Option<Duration>, first_byte: Option<Duration>) {
        self.endings.add(ending.pack());
        if let Some(duration) = duration {
            self.durations.of(Timed::of(ending).pack()).record(duration);
        }
        if let Some(first_byte) = first_byte {
            self.first_bytes[ending.classification as usize].get_or_init(Box::default).record(first_byte);
        }
    }

    /// A request was tried again on another endpoint.
    pub fn retried(&self, reason: Reason) {
        self.retries.add(1 + reason as u32);
    }

    /// A request was not tried again, since the budget of its split was used up.
    pub fn denied(&self) {
        bump(&self.denied, 1);
    }

    /// A request waits for an endpoint.
    pub fn held(&self) {
        bump(&self.held, 1);
        self.holding.fetch_add(1, Relaxed);
    }

    /// It waits no more.
    pub fn let_go(&self) {
        self.holding.fetch_sub(1, Relaxed);
    }

    /// Requests that wait for an endpoint of the version.
    pub(super) fn holding(&self) -> i64 {
        self.holding.load(Relaxed)
    }

    /// Decisions for the version so far.
    pub fn decisions(&self) -> u64 {
        self.decisions.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// A request was repeated on another version.
    pub fn rescued(&self, reason: Reason) {
        self.rescues.add(1 + reason as u32);
    }

    /// A long-lived connection begins.
    pub fn stream_began(&self, protocol: StreamProtocol) {
        self.active_streams[protocol as usize].fetch_add(1, Relaxed);
    }

    /// A long-lived connection ended.
    pub fn stream_ended(&self, protocol: StreamProtocol, duration: Duration) {
        self.active_streams[protocol as usize].fetch_sub(1, Relaxed);
        self.streams[protocol as usize].get_or_init(Box::default).record(duration);
    }

    /// Adds how its requests ended.
    pub(super) fn add_endings(&self, tally: &mut Tally) {
        self.endings.each(|key, count| tally.add_ending(Ending::unpack(key), count));
    }

    /// Adds how long its requests took.
    pub(super) fn add_durations(&self, tally: &mut Tally) {
        self.durations.each(|key, histogram| histogram.add_to(tally.durations_mut(Timed::unpack(key))));
    }

    /// Adds how many requests left for another version, by cause.
    pub(super) fn add_rescues(&self, sums: &mut Vec<(Reason, u64)>) {
        self.rescues.each(|key, count| add_count(sums, reason(key), count));
    }

    /// Adds what is asked for all the time to `glance`.
    pub(super) fn add_to_glance(&self, glance: &mut Glance) {
        self.add_endings(&mut glance.tally);
        glance.active_requests += self.active_requests.load(Relaxed);
        glance.connections += self.active_streams.iter().map(|count| count.load(Relaxed)).sum::<i64>();
    }

    /// Adds all counts to `totals`.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        self.add_endings(&mut totals.tally);
        self.add_durations(&mut totals.tally);
        self.retries.each(|key, count| add_count(&mut totals.retries, reason(key), count));
        self.add_rescues(&mut totals.rescues);
        totals.denied += self.denied.load(Relaxed);
        totals.held += self.held.load(Relaxed);
        totals.holding += self.holding();
        for (sum, count) in totals.decisions.iter_mut().zip(&self.decisions) {
            *sum += count.load(Relaxed);
        }
        totals.active_requests += self.active_requests.load(Relaxed);
        for (sum, count) in totals.active_streams.iter_mut().zip(&self.active_streams) {
            *sum += count.load(Relaxed);
        }
        add_histograms(&mut totals.first_bytes, &self.first_bytes);
        add_histograms(&mut totals.streams, &self.streams);
    }
}

/// What a key of retries and rescues stands for.
fn reason(key: u32) -> Reason {
    Reason::ALL.get(key as usize - 1).copied().unwrap_or(Reason::None)
}

fn add_count<K: PartialEq>(sums: &mut Vec<(K, u64)>, key: K, count: u64) {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => *sum += count,
        None => sums.push((key, count)),
    }
}

fn add_histograms(sums: &mut [Distribution], histograms: &[OnceLock<Box<Histogram>>]) {
    for (sum, histogram) in sums.iter_mut().zip(histograms) {
        if let Some(histogram) = histogram.get() {
            histogram.add_to(sum);
        }
    }
}

/// Of what the cells of a version add up to, what is asked for all the time: nothing of how long it took, which is most of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    /// What the requests came to; without durations.
    pub tally: Tally,
    /// Requests in flight.
    pub active_requests: i64,
    /// Long-lived connections.
    pub connections: i64,
}

/// What the cells of a version add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// What the requests came to.
    pub tally: Tally,
    /// Further tries by cause.
    pub retries: Vec<(Reason, u64)>,
    /// Rescues by cause.
    pub rescues: Vec<(Reason, u64)>,
    /// Retries that the budget did not allow.
    pub denied: u64,
    /// Requests that waited for an endpoint.
    pub held: u64,
    /// Requests that do so now.
    pub holding: i64,
    /// Decisions by [`Why::index`].
    pub decisions: [u64; Why::ALL.len()],
    /// Requests in flight.
    pub active_requests: i64,
    /// Long-lived connections by protocol.
    pub active_streams: [i64; StreamProtocol::ALL.len()],
    /// Times to the first byte by classification.
    pub first_bytes: [Distribution; Classification::ALL.len()],
    /// Lifetimes of long-lived connections by protocol.
    pub streams: [Distribution; StreamProtocol::ALL.len()],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_equal_what_was_recorded() {
        let cell = Cell::default();
        for code in 200..230 {
            for _ in 0..code - 199 {
                let ending =
                    Ending { code, grpc_status: None, classification: Classification::Success, reason: Reason::None };
                cell.ended(ending, Some(Duration::from_millis(1)), None);
            }
        }
        cell.decided(Why::Sticky);
        cell.retried(Reason::ConnectFailed);
        let mut totals = Totals::default();
        cell.add_to(&mut totals);
        let mut glance = Glance::default();
        cell.add_to_glance(&mut glance);
        assert_eq!((&glance.tally.endings, glance.tally.durations.len()), (&totals.tally.endings, 0));
        assert_eq!(totals.tally.endings.len(), 30);
        assert!(totals.tally.endings.iter().all(|(ending, count)| u64::from(ending.code) - 199 == *count));
        assert_eq!(totals.tally.of(Classification::Success), (1..=30).sum::<u64>());
        assert_eq!(totals.tally.judged_durations().count(), (1..=30).sum::<u64>());
        assert!(totals.tally.durations.iter().any(|(timed, times)| timed.code == 201 && times.count() == 2));
        assert_eq!(totals.decisions[Why::Sticky.index()], 1);
        assert_eq!(totals.retries, [(Reason::ConnectFailed, 1)]);
    }
}
