//! Metric families as the `prometheus` crate encodes them.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::Distribution;

/// Labels of a series: name and value.
pub type Labels = Vec<(&'static str, String)>;

/// How a histogram is shown.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    /// Upper bounds, microseconds; exact if they are among [`super::BOUNDS_MICROS`].
    pub micros: &'static [u64],
    /// What 1 stands for.
    pub unit: Duration,
}

impl Buckets {
    /// The upper bounds in their unit with how many durations do not exceed them, but for the last, which is infinite.
    pub fn cumulative(&self, distribution: &Distribution) -> impl Iterator<Item = (f64, u64)> {
        let unit = self.unit.as_micros() as f64;
        self.micros.iter().map(move |micros| (*micros as f64 / unit, distribution.at_most(*micros)))
    }

    /// The sum of all durations in their unit.
    pub fn sum(&self, distribution: &Distribution) -> f64 {
        distribution.sum_nanos as f64 / self.unit.as_nanos() as f64
    }
}

/// A family.
pub fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// A counter or a gauge.
pub fn number(kind: MetricType, labels: &Labels, value: f64) -> Metric {
    let mut metric = Metric::from_label(pairs(labels));
    match kind {
        MetricType::COUNTER => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        _ => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
    }
    metric
}

/// A histogram.
pub fn histogram(labels: &Labels, distribution: &Distribution, buckets: &Buckets) -> Metric {
    let bucket = |(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.cumulative(distribution).map(bucket).collect());
    histogram.set_sample_count(distribution.count());
    histogram.set_sample_sum(buckets.sum(distribution));
    let mut metric = Metric::from_label(pairs(labels));
    metric.set_histogram(histogram);
    metric
}

fn pairs(labels: &Labels) -> Vec<LabelPair> {
    let pair = |(name, value): &(&'static str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.clone());
        pair
    };
    labels.iter().map(pair).collect()
}
