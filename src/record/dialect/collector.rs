//! The dialects' part of `/metrics`.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::super::export::Served;
use super::super::recorder::Recorder;
use super::super::wire;
use super::{Content, FAMILIES, Family, Subject, durations, requests, subjects};
use crate::model::Dialect;

type ServedNow = dyn Fn() -> Served + Send + Sync;

/// Collects the families of some dialects for a `prometheus::Registry`.
pub struct DialectExporter {
    recorder: Arc<Recorder>,
    served: Box<ServedNow>,
    families: Vec<&'static Family>,
    descs: Vec<Desc>,
}

impl DialectExporter {
    /// An exporter of `recorder`'s sums, for what `served` says is served at the time.
    ///
    /// # Errors
    ///
    /// A family's name is none.
    pub fn new(
        recorder: Arc<Recorder>,
        served: impl Fn() -> Served + Send + Sync + 'static,
        dialects: &[Dialect],
    ) -> Result<Self, prometheus::Error> {
        let families: Vec<_> = FAMILIES.into_iter().filter(|family| dialects.contains(&family.dialect)).collect();
        let desc = |family: &&Family| Desc::new(family.name.into(), family.help.into(), vec![], Default::default());
        let descs = families.iter().map(desc).collect::<Result<_, _>>()?;
        Ok(Self { recorder, served: Box::new(served), families, descs })
    }
}

impl Collector for DialectExporter {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let subjects = subjects(&(self.served)(), |id| self.recorder.tally(id));
        let families = self.families.iter().map(|family| collected(family, &subjects));
        families.filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn collected(family: &Family, subjects: &[Subject]) -> MetricFamily {
    let (kind, metrics): (_, Vec<Metric>) = match &family.content {
        Content::Requests(labels) => {
            let metric = |(labels, count)| wire::number(MetricType::COUNTER, &labels, count as f64);
            (MetricType::COUNTER, requests(*labels, subjects).into_iter().map(metric).collect())
        }
        Content::Durations(labels, buckets) => {
            let metric = |(labels, durations)| wire::histogram(&labels, &durations, buckets);
            (MetricType::HISTOGRAM, durations(*labels, subjects).into_iter().map(metric).collect())
        }
    };
    wire::family(family.name, family.help, kind, metrics)
}
