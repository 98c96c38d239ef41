//! The same counts under the names that existing queries read: what ingress-nginx, services that count themselves, and Istio
//! call the requests of a version. Nothing is counted for them; they are computed when somebody looks.
//!
//! Labels that the proxy does not know, such as a request's method or path, are left out. Requests that no route takes, and
//! versions beyond the bound on series, have no place in them.

mod collector;
mod http;
mod istio;
mod nginx;
mod subject;

use std::collections::BTreeMap;

pub use self::collector::DialectExporter;
pub use self::subject::{Identity, Subject, subjects};
use super::histogram::Distribution;
use super::outcome::{Classification, Ending, Reason, Timed};
use super::wire::{Buckets, Labels};
use crate::model::Dialect;

/// A family of a dialect.
pub struct Family {
    /// Its name; that of a histogram lacks `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    help: &'static str,
    dialect: Dialect,
    content: Content,
}

enum Content {
    /// A counter of requests: the labels of every series that a request is counted in.
    Requests(fn(&Subject, Ending) -> Vec<Labels>),
    /// A histogram of durations.
    Durations(fn(&Subject, Timed) -> Vec<Labels>, Buckets),
}

/// All families of all dialects.
const FAMILIES: [&Family; 7] = [
    &http::REQUESTS,
    &http::DURATIONS,
    &nginx::REQUESTS,
    &nginx::REQUEST_DURATIONS,
    &nginx::RESPONSE_DURATIONS,
    &istio::REQUESTS,
    &istio::DURATIONS,
];

/// One number of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Labels, without the name.
    pub labels: Labels,
    /// The count, or the sum.
    pub value: f64,
}

/// The series of a metric, by the name that a query gives it: that of a counter, or of a part of a histogram. None: no
/// dialect has it.
pub fn samples(metric: &str, subjects: &[Subject]) -> Option<Vec<Sample>> {
    let find = |name: &str| FAMILIES.into_iter().find(|family| family.name == name);
    let part =
        ["_bucket", "_sum", "_count"].into_iter().find_map(|part| Some((find(metric.strip_suffix(part)?)?, part)));
    let samples = match (find(metric).map(|family| &family.content), part.map(|(family, part)| (&family.content, part)))
    {
        (Some(Content::Requests(labels)), _) => {
            let sample = |(labels, count)| Sample { labels, value: count as f64 };
            requests(*labels, subjects).into_iter().map(sample).collect()
        }
        (_, Some((Content::Durations(labels, buckets), part))) => durations(*labels, subjects)
            .into_iter()
            .flat_map(|(labels, d)| expand(&labels, &d, buckets, part))
            .collect(),
        _ => return None,
    };
    Some(samples)
}

/// The names that [`samples`] knows.
pub fn names() -> impl Iterator<Item = String> {
    FAMILIES.into_iter().flat_map(|family| match family.content {
        Content::Requests(_) => vec![family.name.to_owned()],
        Content::Durations(..) => ["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)).into(),
    })
}

/// The series of a part of a histogram.
fn expand(labels: &Labels, durations: &Distribution, buckets: &Buckets, part: &str) -> Vec<Sample> {
    let one = |value| vec![Sample { labels: labels.clone(), value }];
    match part {
        "_sum" => one(buckets.sum(durations)),
        "_count" => one(durations.count() as f64),
        _ => {
            let infinite = (f64::INFINITY, durations.count());
            let bucket = |(bound, count): (f64, u64)| {
                let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
                let labels = labels.iter().cloned().chain([("le", le)]).collect();
                Sample { labels, value: count as f64 }
            };
            buckets.cumulative(durations).chain([infinite]).map(bucket).collect()
        }
    }
}

/// A counter's series. Those of configured versions exist from the start, as in the native families.
fn requests(labels: fn(&Subject, Ending) -> Vec<Labels>, subjects: &[Subject]) -> BTreeMap<Labels, u64> {
    let mut series = BTreeMap::new();
    for subject in subjects {
        let zeros = BEGINNING
            .map(|(code, classification, reason)| (Ending { code, grpc_status: None, classification, reason }, 0));
        let zeros = zeros.iter().filter(|_| subject.configured);
        for (ending, count) in subject.tally.endings.iter().chain(zeros) {
            for labels in labels(subject, *ending) {
                *series.entry(labels).or_default() += count;
            }
        }
    }
    series
}

/// A histogram's series.
fn durations(labels: fn(&Subject, Timed) -> Vec<Labels>, subjects: &[Subject]) -> BTreeMap<Labels, Distribution> {
    let mut series: BTreeMap<Labels, Distribution> = BTreeMap::new();
    let none = Distribution::default();
    for subject in subjects {
        // One of them is enough to begin with: a histogram is many series.
        let zero = (Timed { code: 200, classification: Classification::Success }, &none);
        let zeros = subject.configured.then_some((&zero.0, zero.1));
        for (timed, durations) in subject.tally.durations.iter().map(|(timed, d)| (timed, d)).chain(zeros) {
            for labels in labels(subject, *timed) {
                series.entry(labels).or_default().add(durations);
            }
        }
    }
    series
}

/// The series that exist from the start.
const BEGINNING: [(u16, Classification, Reason); 2] =
    [(200, Classification::Success, Reason::None), (500, Classification::Failure, Reason::Status)];

#[cfg(test)]
mod tests;
