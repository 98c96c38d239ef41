//! The last minutes of every version, second by second: what the dashboard plots, and what `status` calls now.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use crate::endpoint::VersionId;
use crate::record::{Classification, Distribution, Recorder, Totals};

/// Seconds that are kept.
const KEPT: usize = 300;
/// Seconds that count as now.
const NOW: usize = 10;
/// Versions with a history; those beyond are counted, but not plotted.
const MOST_VERSIONS: usize = 256;

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
    versions: HashMap<VersionId, Track>,
}

#[derive(Default)]
struct Track {
    last: Counted,
    points: VecDeque<Point>,
    recent: VecDeque<Counted>,
}

#[derive(Clone, Default)]
struct Counted {
    requests: u64,
    failures: u64,
    durations: Distribution,
}

impl Counted {
    fn of(totals: &Totals) -> Self {
        let failures = totals.of(Classification::Failure);
        let mut durations = totals.durations[Classification::Success as usize].clone();
        durations.add(&totals.durations[Classification::Failure as usize]);
        Self { requests: totals.of(Classification::Success) + failures, failures, durations }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            failures: self.failures - earlier.failures,
            durations: self.durations.since(&earlier.durations),
        }
    }
}

impl History {
    /// Takes the sums of `versions` at the end of a second.
    pub fn sample(&mut self, time: i64, versions: impl Iterator<Item = VersionId>, recorder: &Recorder) {
        let versions: Vec<VersionId> = versions.take(MOST_VERSIONS).collect();
        self.versions.retain(|id, _| versions.contains(id));
        for id in versions {
            let now = Counted::of(&recorder.totals(id));
            // What was counted before belongs to no second that can be named.
            let track = self.versions.entry(id).or_insert_with(|| Track { last: now.clone(), ..Track::default() });
            let second = now.since(&track.last);
            track.last = now;
            push(
                &mut track.points,
                KEPT,
                Point {
                    time,
                    requests: second.requests,
                    failures: second.failures,
                    p50: second.durations.quantile(0.5),
                    p99: second.durations.quantile(0.99),
                },
            );
            push(&mut track.recent, NOW, second);
        }
    }

    /// Every kept second of a version.
    pub fn points(&self, version: VersionId) -> Vec<Point> {
        self.versions.get(&version).map_or_else(Vec::new, |track| track.points.iter().copied().collect())
    }

    /// The last ten seconds of a version.
    pub fn recent(&self, version: VersionId) -> Recent {
        let mut recent = Recent::default();
        for second in self.versions.get(&version).iter().flat_map(|track| &track.recent) {
            recent.seconds += 1;
            recent.requests += second.requests;
            recent.failures += second.failures;
            recent.durations.add(&second.durations);
        }
        recent
    }
}

fn push<T>(ring: &mut VecDeque<T>, most: usize, item: T) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(item);
}
