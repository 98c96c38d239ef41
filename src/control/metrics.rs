//! Figures of the control side: configurations, guards, the build.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::events::lock;
use crate::record::{Export, Format, Written};
use crate::snapshot::VersionKey;

/// Why registering cannot fail: names are constants, and each is registered once.
const UNIQUE: &str = "metric names are unique and valid";

/// Figures of the control side.
pub struct Metrics {
    registry: Registry,
    /// What is shown beside the registry.
    exports: Mutex<Vec<Arc<dyn Export>>>,
    generation: IntGauge,
    rejected: IntCounterVec,
    apply_seconds: Histogram,
    trips: IntCounterVec,
    /// Versions that have a series of trips because they are guarded.
    guarded: Mutex<HashSet<VersionKey>>,
}

#[allow(clippy::expect_used)]
impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let generation =
            IntGauge::new("weir_config_generation", "Grows with every change that was applied.").expect(UNIQUE);
        let rejected = Opts::new("weir_config_rejected_total", "Configurations that were refused.");
        let rejected = IntCounterVec::new(rejected, &["source"]).expect(UNIQUE);
        rejected.with_label_values(&["file"]);
        let apply = HistogramOpts::new("weir_config_apply_seconds", "From a valid configuration to its being served.")
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0]);
        let apply_seconds = Histogram::with_opts(apply).expect(UNIQUE);
        let trips = Opts::new("weir_guard_trips_total", "Versions that were found bad.");
        let trips = IntCounterVec::new(trips, &["namespace", "kind", "route", "version", "revision"]).expect(UNIQUE);
        let build = IntGaugeVec::new(Opts::new("weir_build_info", "Always 1."), &["version"]).expect(UNIQUE);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(generation.clone())).expect(UNIQUE);
        registry.register(Box::new(rejected.clone())).expect(UNIQUE);
        registry.register(Box::new(apply_seconds.clone())).expect(UNIQUE);
        registry.register(Box::new(trips.clone())).expect(UNIQUE);
        registry.register(Box::new(build)).expect(UNIQUE);
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process)).expect(UNIQUE);
        Self {
            registry,
            exports: Mutex::default(),
            generation,
            rejected,
            apply_seconds,
            trips,
            guarded: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Where they are registered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Shows the families of another with them.
    pub fn join(&self, export: impl Export + 'static) {
        lock(&self.exports).push(Arc::new(export));
    }

    /// Writes them all.
    ///
    /// # Errors
    ///
    /// See [`Format::write`].
    pub fn write(&self, format: Format) -> Result<Written, prometheus::Error> {
        let exports = lock(&self.exports).clone();
        format.write(&exports, &self.registry)
    }

    /// A configuration came into force.
    pub fn applied(&self, generation: u64, took: Duration) {
        self.published(generation);
        self.apply_seconds.observe(took.as_secs_f64());
    }

    /// Something else changed what is served.
    pub fn published(&self, generation: u64) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A configuration was refused.
    pub fn rejected(&self, source: &str) {
        self.rejected.with_label_values(&[source]).inc();
    }

    /// These versions are guarded now: their series exist from the start. Those of versions that are not any more go, unless
    /// they have something to say.
    pub fn guarded(&self, now: HashSet<VersionKey>) {
        let mut known = lock(&self.guarded);
        for key in known.difference(&now).filter(|key| self.trips.with_label_values(&labels(key)).get() == 0) {
            // It was there a moment ago.
            let _ = self.trips.remove_label_values(&labels(key));
        }
        now.difference(&known).for_each(|key| drop(self.trips.with_label_values(&labels(key))));
        *known = now;
    }

    /// A version was found bad.
    pub fn guard_tripped(&self, key: &VersionKey) {
        self.trips.with_label_values(&labels(key)).inc();
    }
}

fn labels(VersionKey { route, version, revision }: &VersionKey) -> [&str; 5] {
    [&route.namespace, route.kind.as_str(), &route.name, version, revision]
}
