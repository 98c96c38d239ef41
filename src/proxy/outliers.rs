//! What a try says about its endpoint: failures in a row leave it out for a while.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Answer, Failed};
use super::exchange::Exchange;
use super::fault::Fault;
use crate::endpoint::{Ejection, Endpoint};
use crate::model::{OutlierOn, Outliers, RetryOn};

/// How long a connection may take where the request can go elsewhere: packets that are dropped cost no more.
const BRIEF: Duration = Duration::from_secs(1);

impl Exchange {
    /// Notes how a try went.
    pub fn judge(&self, endpoint: &Arc<Endpoint>, outcome: &Result<Answer, Failed>) {
        let outliers = &self.decision.rule(&self.snapshot).body.split.endpoints.outliers;
        let (cause, reason) = match outcome {
            Ok(answer) if answer.response.status.is_server_error() => (OutlierOn::ServerError, "it answered 5xx"),
            Ok(_) => return endpoint.health.succeeded(),
            // A pooled connection may die on its own.
            Err(failed) if failed.stale && failed.fault != Fault::RequestTimeout => return,
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

    /// How long a connection may take: less than what is configured while there is another endpoint that the request may go
    /// to.
    pub fn patience(&self, endpoint: &Endpoint, connect: Duration) -> Duration {
        if connect <= BRIEF {
            return connect;
        }
        let retry = &self.decision.rule(&self.snapshot).body.split.retry;
        let left = self.tried.count() < usize::from(retry.attempts) && retry.on.contains(&RetryOn::Connect);
        let others = &self.decision.version(&self.snapshot).endpoints;
        let able = |other: &Arc<Endpoint>| {
            other.id != endpoint.id && other.health.is_usable() && !self.tried.contains(other.id)
        };
        if left && others.iter().any(able) { BRIEF } else { connect }
    }
}

/// What a fault says about the endpoint, if anything.
fn blame(fault: Fault) -> Option<(OutlierOn, &'static str)> {
    match fault {
        Fault::Connect => Some((OutlierOn::Connect, "it takes no connections")),
        Fault::ConnectTimeout => Some((OutlierOn::Connect, "no connection was made in time")),
        Fault::Tls => Some((OutlierOn::Connect, "TLS fails")),
        Fault::Reset => Some((OutlierOn::Reset, "its connections break")),
        Fault::Protocol => Some((OutlierOn::Reset, "its answers are no HTTP")),
        Fault::RequestTimeout => Some((OutlierOn::Timeout, "it does not answer in time")),
        _ => None,
    }
}
