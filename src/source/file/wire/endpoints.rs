//! How the endpoints of a split are chosen, watched and spared.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::units::{Percent, Time};

/// What balance hash hashes: exactly one of these. A request that lacks it goes by its client's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Hash {
    /// Name of a request header.
    pub header: Option<String>,
    /// Name of a cookie.
    pub cookie: Option<String>,
    /// The client's address.
    #[schemars(extend("enum" = [true]))]
    pub source_address: Option<bool>,
}

/// How endpoints are asked whether they are well.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    /// What is asked: http a path, grpc the standard health service, tcp whether a connection can be made. Default: http.
    pub kind: Option<HealthKind>,
    /// Path and query that answer 200 to 399 while the endpoint is well; needed for http.
    pub path: Option<String>,
    /// Host that is asked for; for http only. Default: the endpoint's name or address.
    pub host: Option<String>,
    /// Service that is asked about; for grpc only. Default: the server as a whole.
    pub service: Option<String>,
    /// Time from one check to the next. Default: 5s.
    pub interval: Option<Time>,
    /// How long an answer may take. Default: 1s.
    pub timeout: Option<Time>,
    /// Checks in a row that must succeed before an endpoint is used again. Default: 2.
    #[schemars(range(min = 1, max = 1000))]
    pub healthy: Option<u32>,
    /// Checks in a row that must fail before an endpoint is not used any more; the first of all decides by itself. Default: 3.
    #[schemars(range(min = 1, max = 1000))]
    pub unhealthy: Option<u32>,
}

/// What a health check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthKind {
    Http,
    Grpc,
    Tcp,
}

/// When an endpoint is left out for a while because requests fail there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outliers {
    /// Failures in a row; a connection that is not made in time is enough by itself. Default: 5.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failures: Option<u32>,
    /// How long it is left out the first time; again and again takes longer each time. Default: 10s.
    pub ejection: Option<Time>,
    /// The largest share of a version's endpoints that is left out; 0% leaves none out. Default: 50%.
    pub max_ejected: Option<Percent>,
    /// What counts as a failure. Default: all; without outliers, connect.
    #[schemars(length(min = 1))]
    pub on: Option<Vec<OutlierOn>>,
}

/// A failure that speaks against an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutlierOn {
    Connect,
    Reset,
    Timeout,
    #[serde(rename = "5xx")]
    ServerError,
}
