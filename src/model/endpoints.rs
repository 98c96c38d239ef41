//! How the endpoints of a version are chosen, watched, spared and warmed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

/// What a split says about the endpoints of its versions, but for how they are balanced.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointPolicy {
    /// What `balance: hash` hashes.
    pub hash: HashKey,
    /// How long an endpoint that is new among others takes to get its full share; zero: at once.
    pub slow_start: Duration,
    /// When an endpoint is left out because requests fail there.
    pub outliers: Outliers,
    /// The share of a version's endpoints, 0 to 1, that may be out; beyond it all are used.
    pub panic: f64,
    /// How endpoints are asked whether they are well; none: they are not.
    pub health: Option<Arc<HealthCheck>>,
    /// Connections that each worker opens to each endpoint before the version's weight leaves 0.
    pub prewarm: u16,
}

impl Default for EndpointPolicy {
    fn default() -> Self {
        Self {
            hash: HashKey::SourceAddress,
            slow_start: Duration::ZERO,
            outliers: Outliers::default(),
            panic: 0.5,
            health: None,
            prewarm: 0,
        }
    }
}

/// What a consistent hash is made of; a request that lacks it goes by its client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    SourceAddress,
    /// A header's value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(Arc<str>),
}

/// When an endpoint is left out for a while because requests fail there.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    /// Failures in a row.
    pub failures: u32,
    /// How long it is left out the first time; each time that follows soon takes longer.
    pub ejection: Duration,
    /// The largest share of a version's endpoints that is left out, 0 to 1; 0: none ever is.
    pub max_ejected: f64,
    /// What counts as a failure.
    pub on: Vec<OutlierOn>,
}

impl Default for Outliers {
    fn default() -> Self {
        Self { failures: 5, ejection: Duration::from_secs(10), max_ejected: 0.5, on: vec![OutlierOn::Connect] }
    }
}

/// A failure that speaks against an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierOn {
    /// No connection. One that is not made in time is enough by itself: every request would wait as long.
    Connect,
    /// The connection broke before the answer, or what came was no answer.
    Reset,
    /// No answer in time.
    Timeout,
    /// A 5xx answer.
    ServerError,
}

/// How an endpoint is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// What is asked.
    pub kind: CheckKind,
    /// Time from one check to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Checks in a row that must succeed before an unhealthy endpoint is used again.
    pub healthy: u32,
    /// Checks in a row that must fail before an endpoint is not used any more.
    pub unhealthy: u32,
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// `GET` of a path; 200 to 399 is well.
    Http {
        /// Path and query.
        path: Arc<str>,
        /// `Host`; none: the endpoint's name or address.
        host: Option<Arc<str>>,
    },
    /// `grpc.health.v1.Health/Check`; `SERVING` is well.
    Grpc {
        /// The service that is asked about; empty: the server as a whole.
        service: Arc<str>,
    },
    /// A connection that is made is well.
    Tcp,
}
