//! Series of what is configured: they exist from the start at 0, so that a rate over the first requests is right.

use std::collections::HashSet;

use super::{DURATIONS, Families, IDLE_CLOSED, Labels, REQUESTS, Source};
use crate::model::{Rescue, RescueOn, Retry, RetryOn};
use crate::record::cell::StreamProtocol;
use crate::record::histogram::Distribution;
use crate::record::outcome::{Classification, Ending, Reason};
use crate::snapshot::{Rule, Snapshot, VersionEntry};
use crate::split::Why;

/// Configured versions, and targets of mirrors, each once.
pub(super) fn sources(snapshot: &Snapshot) -> impl Iterator<Item = (Labels<'_>, Source<'_>)> {
    let mut seen = HashSet::new();
    snapshot.rules.iter().flat_map(move |rule| {
        let of = |entry| labels(rule, entry);
        let mut sources = Vec::new();
        for (i, version) in rule.body.versions.iter().enumerate().filter(|(_, version)| seen.insert(version.id)) {
            sources.push((of(version), Source::Configured(rule, i)));
        }
        for mirror in rule.body.mirrors.iter().filter(|mirror| seen.insert(mirror.target.id)) {
            sources.push((of(&mirror.target), Source::ConfiguredMirror));
        }
        sources
    })
}

fn labels<'s>(rule: &'s Rule, entry: &'s VersionEntry) -> Labels<'s> {
    Labels::new(&rule.body.route, &entry.name, &entry.revision)
}

impl Families {
    /// Series of a configured version. The times of streams are not among them: 68 series for each version, of which few have
    /// any, would double what a scrape carries.
    pub(super) fn configured(&mut self, labels: &Labels, rule: &Rule, i: usize) {
        self.requests_of(labels);
        self.streams_of(labels);
        self.repeats_of(labels, rule, i);
        let version = &rule.body.versions[i];
        let ready = version.ready();
        for (state, count) in [("ready", ready), ("ejected", version.endpoints.len() - ready), ("draining", 0)] {
            self.number("weir_upstream_endpoints", labels.with(&[("state", state)]), count as f64);
        }
        let desired = rule.weights.desired.get(i).map_or(0.0, |w| f64::from(w.get()));
        for (state, weight) in [("desired", desired), ("effective", rule.weights.effective(i))] {
            self.number("weir_split_weight", labels.revision_with(&[("state", state)]), weight);
        }
    }

    fn requests_of(&mut self, labels: &Labels) {
        self.both_outcomes(REQUESTS, labels);
        for why in Why::ALL {
            self.number("weir_decisions_total", labels.with(&[("why", why.as_str())]), 0.0);
        }
        let none = Distribution::default();
        for family in [DURATIONS, "weir_time_to_first_byte_seconds"] {
            self.histogram(family, labels.revision_with(&[("classification", "success")]), &none);
        }
        self.number("weir_active_requests", labels.with(&[]), 0.0);
    }

    fn streams_of(&mut self, labels: &Labels) {
        for protocol in [StreamProtocol::WebSocket, StreamProtocol::Sse, StreamProtocol::Grpc] {
            self.number("weir_active_connections", labels.with(&[("protocol", protocol.as_str())]), 0.0);
        }
        for family in ["weir_drain_remaining", "weir_drain_deadline_seconds"] {
            self.number(family, labels.with(&[]), 0.0);
        }
        self.number(IDLE_CLOSED, labels.with(&[]), 0.0);
        for how in ["finished", "asked", "forced"] {
            self.number("weir_drain_closed_total", labels.with(&[("reason", how)]), 0.0);
        }
    }

    /// Retries and rescues by the causes that the split names.
    fn repeats_of(&mut self, labels: &Labels, rule: &Rule, version: usize) {
        let split = &rule.body.split;
        for reason in retried(&split.retry) {
            self.number("weir_retries_total", labels.with(&[("reason", reason.as_str())]), 0.0);
        }
        for reason in split.rescue.iter().filter(|rescue| rescue.from == version).flat_map(|rescue| rescued(rescue)) {
            self.number("weir_rescues_total", labels.with(&[("reason", reason.as_str())]), 0.0);
        }
    }

    pub(super) fn both_outcomes(&mut self, family: &'static str, labels: &Labels) {
        let ending = |code, classification, reason| Ending { code, grpc_status: None, classification, reason };
        self.requests(family, labels, ending(200, Classification::Success, Reason::None), 0);
        self.requests(family, labels, ending(500, Classification::Failure, Reason::Status), 0);
    }
}

fn retried(retry: &Retry) -> impl Iterator<Item = Reason> {
    let reason = |on: &RetryOn| match on {
        RetryOn::Connect => Reason::ConnectFailed,
        RetryOn::Refused => Reason::Refused,
        RetryOn::Reset => Reason::Reset,
        RetryOn::Timeout => Reason::TryTimeout,
        RetryOn::Status(_) => Reason::Status,
    };
    retry.on.iter().filter(|_| retry.attempts > 0).map(reason)
}

fn rescued(rescue: &Rescue) -> impl Iterator<Item = Reason> {
    rescue.on.iter().map(|on| match on {
        RescueOn::ServerError => Reason::Status,
        RescueOn::Connect => Reason::ConnectFailed,
        RescueOn::Timeout => Reason::RequestTimeout,
    })
}
