//! What a try says about its endpoint: failures in a row leave it out for a while.

use std::sync::Arc;

use super::attempt::{Answer, Failed};
use super::exchange::Exchange;
use super::fault::Fault;
use crate::endpoint::{Ejection, Endpoint};
use crate::model::{OutlierOn, Outliers};

impl Exchange {
    /// Notes how a try went.
    pub fn judge(&self, endpoint: &Arc<Endpoint>, outcome: &Result<Answer, Failed>) {
        let outliers = &self.decision.rule(&self.snapshot).body.split.endpoints.outliers;
        let (cause, reason) = match outcome {
            Ok(answer) if answer.response.status.is_server_error() => (OutlierOn::ServerError, "it answered 5xx"),
            Ok(_) => return endpoint.health.succeeded(),
            // A pooled connection may die on its own.
            Err(failed) if failed.stale && !matches!(failed.fault, Fault::RequestTimeout | Fault::TryTimeout) => return,
            Err(failed) => match blame(failed.fault) {
                Some(blame) => blame,
                None => return,
            },
        };
        if !outliers.on.contains(&cause) {
            // It is there, at least.
            if cause == OutlierOn::ServerError {
                endpoint.health.succeeded();
            }
            return;
        }
        let failures = endpoint.health.failed();
        let unreachable = matches!(outcome, Err(failed) if failed.fault == Fault::ConnectTimeout);
        if failures >= outliers.failures || unreachable {
            self.eject(endpoint, outliers, reason);
        }
    }

    /// Nobody is at an endpoint any more: what idles towards it is worth nothing, and one such is enough.
    pub fn vanished(&self, endpoint: &Arc<Endpoint>) {
        self.worker.pool.evict(endpoint.id);
        let outliers = &self.decision.rule(&self.snapshot).body.split.endpoints.outliers;
        if outliers.on.contains(&OutlierOn::Connect) {
            endpoint.health.failed();
            self.eject(endpoint, outliers, "it acknowledges nothing");
        }
    }

    fn eject(&self, endpoint: &Arc<Endpoint>, outliers: &Outliers, reason: &'static str) {
        let version = self.decision.version(&self.snapshot);
        let out = version.endpoints.iter().filter(|other| !other.health.is_usable() && other.id != endpoint.id).count();
        let allowed = (out + 1) as f64 <= outliers.max_ejected * version.endpoints.len() as f64;
        if allowed && endpoint.health.eject() {
            self.worker.ejected(Ejection {
                endpoint: Arc::clone(endpoint),
                route: self.decision.rule(&self.snapshot).body.route.clone(),
                version: Arc::clone(&version.name),
                reason,
                failures: outliers.failures,
                base: outliers.ejection,
            });
        }
    }
}

/// What a fault says about the endpoint, if anything.
fn blame(fault: Fault) -> Option<(OutlierOn, &'static str)> {
    match fault {
        Fault::Connect => Some((OutlierOn::Connect, "it takes no connections")),
        Fault::ConnectTimeout => Some((OutlierOn::Connect, "no connection was made in time")),
        Fault::Tls => Some((OutlierOn::Connect, "TLS fails")),
        Fault::Reset => Some((OutlierOn::Reset, "its connections break")),
        Fault::Protocol | Fault::Violated => Some((OutlierOn::Reset, "its answers are no HTTP")),
        Fault::RequestTimeout | Fault::TryTimeout => Some((OutlierOn::Timeout, "it does not answer in time")),
        _ => None,
    }
}
