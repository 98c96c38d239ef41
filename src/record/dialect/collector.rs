//! The dialects' part of `/metrics`.

use std::sync::Arc;

use prometheus::proto::MetricType;

use super::super::export::Served;
use super::super::page::{Export, Head, Page};
use super::super::recorder::Recorder;
use super::{Content, FAMILIES, Family, Subject, durations, requests, subjects};
use crate::model::Dialect;

type ServedNow = dyn Fn() -> Served + Send + Sync;

/// Shows the families of some dialects.
pub struct DialectExporter {
    recorder: Arc<Recorder>,
    served: Box<ServedNow>,
    families: Vec<&'static Family>,
}

impl DialectExporter {
    /// An exporter of `recorder`'s sums, for what `served` says is served at the time.
    pub fn new(
        recorder: Arc<Recorder>,
        served: impl Fn() -> Served + Send + Sync + 'static,
        dialects: &[Dialect],
    ) -> Self {
        let families = FAMILIES.into_iter().filter(|family| dialects.contains(&family.dialect)).collect();
        Self { recorder, served: Box::new(served), families }
    }
}

impl Export for DialectExporter {
    /// Family by family, so that the series of one are all that there is at a time.
    fn write(&self, page: &mut Page) {
        let subjects = subjects(&(self.served)(), |id| self.recorder.tally(id));
        self.families.iter().for_each(|family| write(family, &subjects, page));
    }
}

fn write(family: &Family, subjects: &[Subject], page: &mut Page) {
    let head = |kind| Head { name: family.name, help: family.help, kind };
    match &family.content {
        Content::Requests(labels) => {
            let series = requests(*labels, subjects).into_iter().map(|(labels, count)| (labels, count as f64));
            page.numbers(head(MetricType::COUNTER), series);
        }
        Content::Durations(labels, buckets) => {
            page.histograms(head(MetricType::HISTOGRAM), durations(*labels, subjects), buckets);
        }
    }
}
