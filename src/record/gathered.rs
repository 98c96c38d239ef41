//! What a registry of the `prometheus` crate would show: what `/metrics` is compared with.

use std::fmt::Write as _;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

use super::histogram::Distribution;
use super::page::Format;
use super::wire::{Buckets, Labels};

/// Families, in any order, with series in any order.
#[derive(Clone)]
pub struct Gathered(pub Vec<MetricFamily>);

impl Collector for Gathered {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.clone()
    }
}

impl Gathered {
    /// Adds a family, if it has series.
    pub fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    /// The page of a registry that has nothing else.
    pub fn text(&self, format: Format) -> String {
        let registry = Registry::new();
        registry.register(Box::new(self.clone())).unwrap();
        let families = registry.gather();
        match format {
            Format::Prometheus => TextEncoder::new().encode_to_string(&families).unwrap(),
            Format::OpenMetrics => openmetrics(&families),
        }
    }
}

/// OpenMetrics differs from the older format in the names of counters and in its last line.
pub fn openmetrics(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        let body = TextEncoder::new().encode_to_string(std::slice::from_ref(family)).unwrap();
        let name = family.name();
        let counter = family.get_field_type() == MetricType::COUNTER;
        let bare = if counter { name.strip_suffix("_total").unwrap_or(name) } else { name };
        for line in body.lines() {
            if counter && bare == name && line.starts_with("# TYPE ") {
                _ = writeln!(text, "# TYPE {name} unknown");
                continue;
            }
            match line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).and_then(|l| l.strip_prefix(name)) {
                Some(rest) => _ = writeln!(text, "{}{bare}{rest}", &line[..7]),
                None => _ = writeln!(text, "{line}"),
            }
        }
    }
    text.push_str("# EOF\n");
    text
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
