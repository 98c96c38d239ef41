//! Active health checks: endpoints are asked whether they are well, each as its split says.
//!
//! An endpoint that several splits name is asked once for all that ask the same; while any check finds it unhealthy, no
//! version uses it, unless so many are out that all are used. A version of which every endpoint is unhealthy is empty.

mod probe;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{Control, EventKind};
use crate::endpoint::{Endpoint, EndpointId, Moment};
use crate::model::HealthCheck;

/// First checks of many endpoints are spread over this long.
const SPREAD: Duration = Duration::from_secs(1);

/// What is being checked. Checks end when they are dropped.
#[derive(Default)]
pub struct Checks(HashMap<(EndpointId, Arc<HealthCheck>), Running>);

struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A check of one endpoint.
struct Check {
    control: Weak<Control>,
    found: Found,
    check: Arc<HealthCheck>,
    /// The first split and version that asks for it.
    split: String,
    version: Arc<str>,
}

impl Control {
    /// Checks what the configuration asks for, for as long as this is polled.
    pub async fn check_health(self: &Arc<Self>) {
        let mut checks = Checks::default();
        loop {
            self.follow_endpoints(&mut checks);
            self.changed.notified().await;
        }
    }

    /// Begins and ends checks, so that they are those of what is served now.
    fn follow_endpoints(self: &Arc<Self>, checks: &mut Checks) {
        let snapshot = self.snapshot();
        let mut before = std::mem::take(&mut checks.0);
        for rule in &snapshot.rules {
            let Some(check) = &rule.body.split.endpoints.health else { continue };
            for version in &rule.body.versions {
                for endpoint in &version.endpoints {
                    let key = (endpoint.id, Arc::clone(check));
                    let Entry::Vacant(place) = checks.0.entry(key.clone()) else { continue };
                    place.insert(before.remove(&key).unwrap_or_else(|| {
                        let begun = Check {
                            control: Arc::downgrade(self),
                            found: Found::begin(endpoint),
                            check: Arc::clone(check),
                            split: rule.body.route.to_string(),
                            version: Arc::clone(&version.name),
                        };
                        Running(tokio::spawn(begun.run()).abort_handle())
                    }));
                }
            }
        }
    }
}

impl Check {
    async fn run(mut self) {
        tokio::time::sleep(SPREAD.min(self.check.interval).mul_f64(fastrand::f64())).await;
        loop {
            let asked = probe::ask(&self.found.endpoint, &self.check.kind);
            let late = format!("no answer within {:?}", self.check.timeout);
            let answer = tokio::time::timeout(self.check.timeout, asked).await.unwrap_or(Err(late));
            if let Some(healthy) = self.found.see(answer.is_ok(), &self.check) {
                let Some(control) = self.control.upgrade() else { return };
                let (kind, message) = self.describe(healthy, answer.err().as_deref());
                control.events.tell(kind, &self.split, &self.version, message);
            }
            // Not all at once for ever, although they began at once.
            tokio::time::sleep(self.check.interval.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    }

    fn describe(&self, healthy: bool, error: Option<&str>) -> (EventKind, String) {
        let address = self.found.endpoint.address;
        match healthy {
            true => (EventKind::EndpointHealthy, format!("{address} is healthy again")),
            false => {
                let reason = error.unwrap_or("it does not answer");
                (EventKind::EndpointUnhealthy, format!("{address} is unhealthy: {reason}"))
            }
        }
    }
}

/// What one check has found out; forgotten with it.
struct Found {
    endpoint: Arc<Endpoint>,
    verdict: Verdict,
}

impl Found {
    /// What a check before found unhealthy is so until this one has asked: it may be the same one, asked in another way.
    fn begin(endpoint: &Arc<Endpoint>) -> Self {
        let unhealthy = endpoint.health.is_unhealthy();
        if unhealthy {
            endpoint.health.found_unhealthy();
        }
        Self { endpoint: Arc::clone(endpoint), verdict: Verdict { unhealthy, ..Verdict::default() } }
    }

    fn see(&mut self, well: bool, check: &HealthCheck) -> Option<bool> {
        let changed = self.verdict.see(well, check)?;
        match changed {
            true => self.endpoint.health.found_healthy(Moment::now()),
            false => self.endpoint.health.found_unhealthy(),
        }
        Some(changed)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        if self.verdict.unhealthy {
            self.endpoint.health.found_healthy(Moment::now());
        }
    }
}

/// What checks in a row come to.
#[derive(Debug, Default)]
struct Verdict {
    unhealthy: bool,
    /// Checks in a row that say otherwise.
    against: u32,
    begun: bool,
}

impl Verdict {
    /// Hears of a check; says whether the endpoint is healthy if that has changed. The first check of all decides by itself:
    /// nobody knows better.
    fn see(&mut self, well: bool, check: &HealthCheck) -> Option<bool> {
        let first = !std::mem::replace(&mut self.begun, true);
        if well != self.unhealthy {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if self.unhealthy { check.healthy } else { check.unhealthy };
        if self.against < enough && !first {
            return None;
        }
        self.against = 0;
        self.unhealthy = !well;
        Some(well)
    }
}

#[cfg(test)]
mod tests;
