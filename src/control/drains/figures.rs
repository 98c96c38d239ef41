//! How far drains are, by version: what `/metrics` and the status say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Drains;
use super::broad::Broad;
use crate::drain::{Closed, Named, Progress};
use crate::model::RouteKey;
use crate::record::DrainFigures;
use crate::snapshot::MAX_VERSIONS;

/// The route that stands for those beyond the bound on series.
const OVERFLOW: &str = "_overflow";

/// What drains that are over have counted, by version; only where they did.
#[derive(Default)]
pub struct Past(BTreeMap<Named, Sums>);

#[derive(Default)]
struct Sums {
    closed: [u64; Closed::ALL.len()],
    idle: u64,
}

impl Past {
    /// Adds a drain that is over. Versions beyond as many as have series of their own are counted together.
    pub fn add(&mut self, named: Named, progress: &Progress) {
        let (counts, idle) = (Closed::ALL.map(|how| progress.closed(how)), progress.idle_closed());
        if counts.iter().all(|count| *count == 0) && idle == 0 {
            return;
        }
        let fits = self.0.len() < MAX_VERSIONS || self.0.contains_key(&named);
        let named =
            if fits { named } else { (RouteKey { namespace: "".into(), name: OVERFLOW.into(), ..named.0 }, "".into()) };
        let sums = self.0.entry(named).or_default();
        sums.closed.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sums.idle += idle;
    }
}

/// Figures while they are added up.
#[derive(Default)]
struct All(BTreeMap<Named, DrainFigures>);

impl All {
    fn of(&mut self, named: &Named) -> &mut DrainFigures {
        self.0.entry(named.clone()).or_insert_with(|| DrainFigures {
            route: named.0.clone(),
            version: Arc::clone(&named.1),
            draining: 0,
            remaining: 0,
            left: Duration::ZERO,
            oldest: Duration::ZERO,
            closed: Closed::ALL.map(|how| (how.as_str(), 0)),
            idle_closed: 0,
        })
    }

    /// Adds what has ended in a drain.
    fn ended(&mut self, named: &Named, progress: &Progress) {
        let figures = self.of(named);
        for (how, (_, count)) in Closed::ALL.iter().zip(&mut figures.closed) {
            *count += progress.closed(*how);
        }
        figures.idle_closed += progress.idle_closed();
    }

    /// Adds what is left of a drain, which is cut after `left`.
    fn remains(&mut self, named: &Named, progress: &Progress, (left, now): (Duration, Instant)) {
        let figures = self.of(named);
        figures.remaining += progress.remaining();
        figures.oldest = figures.oldest.max(progress.oldest(now).unwrap_or_default());
        figures.left = figures.left.max(left);
    }
}

impl Drains {
    /// What `/metrics` and the status say, by version.
    pub fn figures(&self, now: Instant) -> Vec<DrainFigures> {
        let mut all = All::default();
        for (named, sums) in &self.over.0 {
            let figures = all.of(named);
            figures.closed.iter_mut().zip(sums.closed).for_each(|((_, count), sum)| *count += sum);
            figures.idle_closed += sums.idle;
        }
        for ((route, _), place) in &self.places {
            let Some(left) = place.left(now) else { continue };
            let named = (route.clone(), Arc::clone(&place.version));
            all.ended(&named, &place.progress);
            if !place.quiet {
                all.of(&named).draining += 1;
                all.remains(&named, &place.progress, (left, now));
            }
        }
        for (deadline, (named, progress)) in self.broad.iter().flat_map(Broad::parts) {
            all.ended(&named, &progress);
            if progress.remaining() > 0 {
                all.remains(&named, &progress, (deadline.saturating_duration_since(now), now));
            }
        }
        for (named, progress) in &self.past {
            all.ended(named, progress);
        }
        all.0.into_values().collect()
    }
}
