//! Series as lines of text, as the `prometheus` crate encodes them.

use std::time::Duration;

use super::histogram::Distribution;
use super::page::Text;

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

/// A counter or a gauge.
pub(super) fn number(text: &mut Text, name: &str, labels: &Labels, value: f64) {
    let labels = written(labels);
    match &*labels {
        "" => text.line(format_args!("{name} {value}")),
        labels => text.line(format_args!("{name}{{{labels}}} {value}")),
    }
}

/// A histogram.
pub(super) fn histogram(
    text: &mut Text,
    (name, buckets): (&str, &Buckets),
    labels: &Labels,
    distribution: &Distribution,
) {
    let labels = written(labels);
    let (comma, braces) = if labels.is_empty() { ("", ["", ""]) } else { (",", ["{", "}"]) };
    // Counts are shown as the numbers that they are kept as by who reads them.
    let count = distribution.count() as f64;
    for (bound, count) in buckets.cumulative(distribution) {
        text.line(format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {}", count as f64));
    }
    text.line(format_args!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}"));
    let [open, close] = braces;
    text.line(format_args!("{name}_sum{open}{labels}{close} {}", buckets.sum(distribution)));
    text.line(format_args!("{name}_count{open}{labels}{close} {count}"));
}

/// Labels between the braces; of a value a backslash, a quote and a newline are escaped.
fn written(labels: &Labels) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend([*name, "=\""]);
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}
