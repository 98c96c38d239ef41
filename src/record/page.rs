//! The page that `/metrics` answers with: families in the order of their names, in Prometheus text or OpenMetrics.
//!
//! What thousands of versions have counted is written series by series. The objects of the `prometheus` crate, several times as large as
//! their text, are made only for what is in a registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

use self::text::Piece;
pub(super) use self::text::Text;
use super::histogram::Distribution;
use super::wire::{self, Buckets, Labels};

/// Text form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// Somebody who has families to show; no other has families of these names.
pub trait Export: Send + Sync {
    /// Writes them.
    fn write(&self, page: &mut Page);
}

impl Format {
    /// Chooses by a request's `Accept`.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus::TEXT_FORMAT,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all families of some exports and of a registry.
    ///
    /// # Errors
    ///
    /// A family of the registry cannot be written.
    pub fn write(self, exports: &[Arc<dyn Export>], registry: &Registry) -> Result<Written, prometheus::Error> {
        let mut page = Page { format: self, families: BTreeMap::new() };
        exports.iter().for_each(|export| export.write(&mut page));
        for family in registry.gather() {
            page.gathered(&family)?;
        }
        Ok(page.finish())
    }
}

/// A page that is being written.
pub struct Page {
    format: Format,
    families: BTreeMap<String, Text>,
}

impl Page {
    /// Writes counters or gauges behind what the family has; without any there is no family.
    pub fn numbers(&mut self, head: Head, series: impl IntoIterator<Item = (Labels, f64)>) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_some() {
            let text = self.family(head);
            series.for_each(|(labels, value)| wire::number(text, head.name, &labels, value));
        }
    }

    /// Writes histograms behind what the family has; without any there is no family.
    pub fn histograms(
        &mut self,
        head: Head,
        series: impl IntoIterator<Item = (Labels, Distribution)>,
        buckets: &Buckets,
    ) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_some() {
            let text = self.family(head);
            series.for_each(|(labels, durations)| wire::histogram(text, (head.name, buckets), &labels, &durations));
        }
    }

    fn family(&mut self, head: Head) -> &mut Text {
        let format = self.format;
        if !self.families.contains_key(head.name) {
            head.write(format, self.families.entry(head.name.to_owned()).or_default());
        }
        self.families.entry(head.name.to_owned()).or_default()
    }

    fn gathered(&mut self, family: &MetricFamily) -> Result<(), prometheus::Error> {
        let body = TextEncoder::new().encode_to_string(std::slice::from_ref(family))?;
        let head = Head { name: family.name(), help: family.help(), kind: family.get_field_type() };
        let text = self.families.entry(head.name.to_owned()).or_default();
        let mut lines = body.split_terminator('\n').collect::<Vec<_>>();
        if self.format == Format::OpenMetrics {
            head.write(self.format, text);
            // Series only: a newline in a label value is escaped, so that no other line begins so.
            lines.retain(|line| !line.starts_with("# "));
        }
        lines.into_iter().for_each(|line| text.line(format_args!("{line}")));
        Ok(())
    }

    fn finish(self) -> Written {
        let mut end = Text::default();
        if self.format == Format::OpenMetrics {
            end.line(format_args!("# EOF"));
        }
        let pieces: Vec<Piece> = self.families.into_values().chain([end]).flat_map(Text::finish).collect();
        let bytes = pieces.iter().map(|piece| piece.len as u64).sum();
        Written { pieces: pieces.into_iter(), bytes }
    }
}

/// What is said of a family before its series.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// Its name; that of a counter as its samples have it.
    pub name: &'a str,
    /// What it tells.
    pub help: &'a str,
    /// Its type.
    pub kind: MetricType,
}

impl Head<'_> {
    /// OpenMetrics differs from the older format in the names of counters: that of the family lacks the `_total` of its samples.
    fn write(self, format: Format, text: &mut Text) {
        let Self { name, help, kind } = self;
        let counter = format == Format::OpenMetrics && kind == MetricType::COUNTER;
        let bare = name.strip_suffix("_total").filter(|_| counter);
        let kind = match bare {
            // A counter's samples must end in _total; one whose name is somebody else's is of unknown type.
            None if counter => "unknown".to_owned(),
            _ => format!("{kind:?}").to_lowercase(),
        };
        let family = bare.unwrap_or(name);
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        text.line(format_args!("# HELP {family} {help}"));
        text.line(format_args!("# TYPE {family} {kind}"));
    }
}

/// A page that was written: its text in pieces, each of which is made when it is asked for.
pub struct Written {
    pieces: std::vec::IntoIter<Piece>,
    bytes: u64,
}

impl Written {
    /// Length of the whole text, bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Iterator for Written {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.pieces.next().map(|piece| piece.text())
    }
}

#[cfg(test)]
mod tests;
mod text;
