//! How endpoints are chosen, watched and spared.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};

use crate::model::{CheckKind, EndpointPolicy, HashKey, HealthCheck, OutlierOn, Outliers, Shared as _};

use super::super::problem::{Pointer, Problems};
use super::super::units::{Percent, Time};
use super::super::wire;
use super::matching::header_name;
use super::optional;
use super::sticky::cookie_name;

/// Bytes of a gRPC service's name, as health checks write it.
const LONGEST_SERVICE: usize = 127;

/// What a split says about its endpoints.
pub fn policy(wire: &wire::Split, at: &Pointer, problems: &mut Problems) -> Option<Arc<EndpointPolicy>> {
    let default = EndpointPolicy::default();
    let hash = optional(wire.hash.as_ref().map(|hash| hash_key(hash, wire.balance, &at.key("hash"), problems)));
    let outliers = optional(wire.outliers.as_ref().map(|wire| outliers(wire, &at.key("outliers"), problems)));
    let panic = optional(wire.panic.map(|percent| share(percent, &at.key("panic"), problems)));
    // Who keeps an endpoint is placed where the fewest are, by how warm it is.
    let placed = wire.sticky.as_ref().is_some_and(|sticky| sticky.to == Some(wire::StickyTo::Endpoint));
    if wire.balance == Some(wire::Balance::Hash) && !placed && wire.slow_start.is_some_and(|time| !time.0.is_zero()) {
        let error = "has no effect with balance: hash, where a key has its endpoint: choose another, or remove it";
        problems.error(&at.key("slowStart"), error);
    }
    let health = optional(wire.health.as_ref().map(|wire| health(wire, &at.key("health"), problems)));
    let policy = EndpointPolicy {
        hash: hash?.unwrap_or(default.hash),
        slow_start: wire.slow_start.map_or(default.slow_start, |time| time.0),
        outliers: outliers?.unwrap_or(default.outliers),
        panic: panic?.unwrap_or(default.panic),
        health: health?.map(Arc::new),
        prewarm: wire.prewarm.unwrap_or(default.prewarm),
    };
    Some(policy.shared())
}

fn hash_key(
    wire: &wire::Hash,
    balance: Option<wire::Balance>,
    at: &Pointer,
    problems: &mut Problems,
) -> Option<HashKey> {
    if balance != Some(wire::Balance::Hash) {
        problems.error(at, "has no effect here: write balance: hash, or remove it");
        return None;
    }
    match (&wire.header, &wire.cookie, wire.source_address) {
        (Some(name), None, None) => header_name(name, &at.key("header"), problems).map(HashKey::Header),
        (None, Some(name), None) => cookie_name(name, &at.key("cookie"), problems).map(HashKey::Cookie),
        (None, None, Some(_)) => Some(HashKey::SourceAddress),
        _ => {
            problems.error(at, "write exactly one of header, cookie, sourceAddress: true");
            None
        }
    }
}

/// When an endpoint is left out.
fn outliers(wire: &wire::Outliers, at: &Pointer, problems: &mut Problems) -> Option<Outliers> {
    let before = problems.errors.len();
    let default = Outliers::default();
    let max_ejected = wire.max_ejected.map_or(default.max_ejected, |percent| percent.0);
    if max_ejected >= 1.0 {
        problems
            .error(&at.key("maxEjected"), "would leave a version without any endpoint: write less than 100%, like 50%");
    }
    let ejection = wire.ejection.map_or(default.ejection, |time| time.0);
    if ejection == Duration::ZERO {
        problems.error(&at.key("ejection"), "leaves nobody out: write a duration above 0, like 10s, or maxEjected: 0%");
    }
    let cause = |on: &wire::OutlierOn| match on {
        wire::OutlierOn::Connect => OutlierOn::Connect,
        wire::OutlierOn::Reset => OutlierOn::Reset,
        wire::OutlierOn::Timeout => OutlierOn::Timeout,
        wire::OutlierOn::ServerError => OutlierOn::ServerError,
    };
    let all = || vec![OutlierOn::Connect, OutlierOn::Reset, OutlierOn::Timeout, OutlierOn::ServerError];
    (problems.errors.len() == before).then_some(Outliers {
        failures: wire.failures.unwrap_or(default.failures),
        ejection,
        max_ejected,
        on: wire.on.as_ref().map_or_else(all, |on| on.iter().map(cause).collect()),
    })
}

/// How endpoints are asked whether they are well.
fn health(wire: &wire::Health, at: &Pointer, problems: &mut Problems) -> Option<HealthCheck> {
    let kind = check_kind(wire, at, problems);
    let mut time = |time: Option<Time>, key: &str, default: u64| {
        let time = time.map_or(Duration::from_secs(default), |time| time.0);
        let error = format!("leaves no time at all: write a duration above 0, like {default}s");
        problems.check(&at.key(key), if time == Duration::ZERO { Err(error) } else { Ok(time) })
    };
    let (interval, timeout) = (time(wire.interval, "interval", 5), time(wire.timeout, "timeout", 1));
    let (interval, timeout) = (interval?, timeout?);
    if timeout > interval {
        let between = interval + timeout;
        let message = format!(
            "is longer than the interval ({interval:?}): an endpoint that does not answer is asked only every {between:?}"
        );
        problems.warning(&at.key("timeout"), message);
    }
    Some(HealthCheck {
        kind: kind?,
        interval,
        timeout,
        healthy: wire.healthy.unwrap_or(2),
        unhealthy: wire.unhealthy.unwrap_or(3),
    })
}

fn check_kind(wire: &wire::Health, at: &Pointer, problems: &mut Problems) -> Option<CheckKind> {
    let before = problems.errors.len();
    let kind = wire.kind.unwrap_or(wire::HealthKind::Http);
    let http = kind == wire::HealthKind::Http;
    for (key, there) in [("path", wire.path.is_some()), ("host", wire.host.is_some())] {
        if there && !http {
            problems.error(&at.key(key), format!("is for kind http only: remove {key}, or kind"));
        }
    }
    if wire.service.is_some() && kind != wire::HealthKind::Grpc {
        problems.error(&at.key("service"), "is for kind grpc only: add kind: grpc, or remove it");
    }
    if wire.service.as_ref().is_some_and(|service| service.len() > LONGEST_SERVICE) {
        problems
            .error(&at.key("service"), format!("is longer than {LONGEST_SERVICE} bytes: no service has such a name"));
    }
    match &wire.path {
        None if http => problems.error(at, "which path? write path: /healthz, or kind: tcp or grpc"),
        Some(path) if !path.starts_with('/') || path.parse::<PathAndQuery>().is_err() => {
            problems
                .error(&at.key("path"), format!("\"{path}\" is no path: write one that begins with /, like /healthz"));
        }
        _ => {}
    }
    if wire.host.as_ref().is_some_and(|host| host.parse::<Authority>().is_err()) {
        problems.error(&at.key("host"), "is no host name: write one like shop.example.com");
    }
    let text = |text: &Option<String>| Arc::from(text.as_deref().unwrap_or_default());
    (problems.errors.len() == before).then(|| match kind {
        wire::HealthKind::Http => CheckKind::Http { path: text(&wire.path), host: wire.host.as_deref().map(Arc::from) },
        wire::HealthKind::Grpc => CheckKind::Grpc { service: text(&wire.service) },
        wire::HealthKind::Tcp => CheckKind::Tcp,
    })
}

/// A share of at most all.
fn share(percent: Percent, at: &Pointer, problems: &mut Problems) -> Option<f64> {
    if percent.0 > 1.0 {
        problems.error(at, "is above 100%, which no share exceeds: write for example 50%");
        return None;
    }
    Some(percent.0)
}
