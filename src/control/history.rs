//! The last minutes of every version, second by second: what the dashboard plots, what `status` calls now, and what queries
//! are answered from. A version that had no request has no history.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

use crate::endpoint::VersionId;
use crate::record::{Classification, Distribution, Ending, Recorder, Tally, Timed};

/// Seconds that are kept.
pub const KEPT: usize = 300;
/// Seconds that count as now.
pub const NOW: usize = 10;
/// Seconds of versions that are kept, about 300 bytes each: five minutes of 256 versions that have a request in each of
/// them. With more, the oldest seconds go early.
const MOST: usize = 256 * KEPT;

/// One second of a version.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// End of the second, Unix time.
    pub time: i64,
    /// Requests that ended.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Median duration, seconds.
    pub p50: Option<f64>,
    /// 99th percentile, seconds.
    pub p99: Option<f64>,
}

/// What a version did in the last ten seconds.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Seconds that this is about.
    pub seconds: usize,
    /// Requests that ended and were not left by their client.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Their durations.
    pub durations: Distribution,
}

/// Histories of all versions.
#[derive(Default)]
pub struct History {
    /// What versions had counted at the last sample.
    last: HashMap<VersionId, Tally>,
    seconds: VecDeque<Second>,
    /// Versions of all seconds.
    entries: usize,
}

struct Second {
    time: i64,
    /// Those that had a request, in the order of their ids.
    versions: Box<[(VersionId, Increase)]>,
}

/// What a version counted in a second, without the zeros.
struct Increase {
    endings: Box<[(Ending, u64)]>,
    durations: Box<[Durations]>,
}

struct Durations {
    timed: Timed,
    /// Index of the bucket, and how many it has.
    buckets: Box<[(u8, u32)]>,
    sum_nanos: u64,
}

impl Increase {
    fn between(earlier: &Tally, now: &Tally) -> Self {
        let before = |ending: Ending| earlier.endings.iter().find(|(known, _)| *known == ending).map_or(0, |(_, n)| *n);
        let endings = now.endings.iter().map(|(ending, count)| (*ending, count.saturating_sub(before(*ending))));
        let none = Distribution::default();
        let durations = now.durations.iter().map(|(timed, durations)| {
            let before = earlier.durations.iter().find(|(known, _)| known == timed).map_or(&none, |(_, before)| before);
            Durations::of(*timed, &durations.since(before))
        });
        Self {
            endings: endings.filter(|(_, count)| *count > 0).collect(),
            durations: durations.filter(|durations| !durations.buckets.is_empty()).collect(),
        }
    }

    fn add_to(&self, tally: &mut Tally) {
        self.endings.iter().for_each(|(ending, count)| tally.add_ending(*ending, *count));
        for Durations { timed, buckets, sum_nanos } in &self.durations {
            let sum = tally.durations_mut(*timed);
            sum.sum_nanos += sum_nanos;
            buckets.iter().for_each(|(bucket, count)| sum.counts[usize::from(*bucket)] += u64::from(*count));
        }
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.add_to(&mut tally);
        tally
    }
}

impl Durations {
    fn of(timed: Timed, durations: &Distribution) -> Self {
        let buckets = durations.counts.iter().zip(0..).filter(|(count, _)| **count > 0);
        let buckets = buckets.map(|(count, bucket)| (bucket, u32::try_from(*count).unwrap_or(u32::MAX)));
        Self { timed, buckets: buckets.collect(), sum_nanos: durations.sum_nanos }
    }
}

impl Second {
    fn of(&self, version: VersionId) -> Option<&Increase> {
        let place = self.versions.binary_search_by_key(&version, |(id, _)| *id).ok()?;
        Some(&self.versions[place].1)
    }
}

impl History {
    /// Takes what `recorder` has counted at the end of a second.
    pub fn sample(&mut self, time: i64, recorder: &Recorder) {
        let mut versions = recorder.versions();
        versions.retain(|id| ![VersionId::UNROUTED, VersionId::OVERFLOW].contains(id));
        versions.sort_unstable();
        if self.last.len() > versions.len() {
            let known: HashSet<VersionId> = versions.iter().copied().collect();
            self.last.retain(|id, _| known.contains(id));
        }
        let mut second = Vec::new();
        for id in versions {
            let last = self.last.entry(id).or_default();
            if let Some(now) = recorder.tally_unless(id, last) {
                second.push((id, Increase::between(last, &now)));
                *last = now;
            }
        }
        self.entries += second.len();
        self.seconds.push_back(Second { time, versions: second.into() });
        while self.seconds.len() > KEPT || (self.entries > MOST && self.seconds.len() > 1) {
            let gone = self.seconds.pop_front();
            self.entries -= gone.map_or(0, |second| second.versions.len());
        }
    }

    /// Every kept second of a version; none if it had no request in any.
    pub fn points(&self, version: VersionId) -> Vec<Point> {
        let increases: Vec<_> = self.seconds.iter().map(|second| (second.time, second.of(version))).collect();
        if increases.iter().all(|(_, increase)| increase.is_none()) {
            return Vec::new();
        }
        let point = |(time, increase): (i64, Option<&Increase>)| {
            let tally = increase.map(Increase::tally).unwrap_or_default();
            let durations = tally.judged_durations();
            Point {
                time,
                requests: tally.judged(),
                failures: tally.of(Classification::Failure),
                p50: durations.quantile(0.5),
                p99: durations.quantile(0.99),
            }
        };
        increases.into_iter().map(point).collect()
    }

    /// The last ten seconds of a version.
    pub fn recent(&self, version: VersionId) -> Recent {
        let mut tally = Tally::default();
        let seconds = self.last_seconds(NOW);
        seconds.clone().filter_map(|second| second.of(version)).for_each(|increase| increase.add_to(&mut tally));
        Recent {
            seconds: seconds.count(),
            requests: tally.judged(),
            failures: tally.of(Classification::Failure),
            durations: tally.judged_durations(),
        }
    }

    /// What every version counted in the last `seconds`, and how many of them that is about: fewer only where the history
    /// does not reach back so far.
    pub fn increases(&self, seconds: usize) -> (HashMap<VersionId, Tally>, usize) {
        let mut sums: HashMap<VersionId, Tally> = HashMap::new();
        let kept = self.last_seconds(seconds);
        for (id, increase) in kept.clone().flat_map(|second| &second.versions) {
            increase.add_to(sums.entry(*id).or_default());
        }
        (sums, kept.count())
    }

    /// What some versions counted in each of the last `seconds`, oldest first.
    pub fn of<const N: usize>(&self, versions: [VersionId; N], seconds: usize) -> impl Iterator<Item = [Tally; N]> {
        let second = move |second: &Second| versions.map(|id| second.of(id).map(Increase::tally).unwrap_or_default());
        self.last_seconds(seconds).map(second)
    }

    fn last_seconds(&self, seconds: usize) -> impl Iterator<Item = &Second> + Clone {
        self.seconds.iter().skip(self.seconds.len().saturating_sub(seconds))
    }
}

#[cfg(test)]
mod tests;
