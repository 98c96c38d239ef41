//! The configuration file as it is written; `schema()` is generated from these structs.
//!
//! Their schema is structural (no `oneOf`, `anyOf`), so that a CustomResourceDefinition can use them: "one of" is
//! a struct of options, and variants have no docs, which would make their enum a `oneOf`. What an absent field means
//! is said in its description and decided in `build`.

mod endpoints;
mod mirror;
mod policy;
mod routing;

pub use endpoints::{Hash, Health, HealthKind, OutlierOn, Outliers};
pub use mirror::Mirror;
pub use policy::{
    Balance, Drain, Guard, GuardAction, Limits, OnEmpty, Override, Protocol, Rescue, RescueOn, Retry, RetryOn, Sticky,
    StickyMode, StickyTo, Timeouts, Version, VersionTls,
};
pub use routing::{Cors, Filter, Match, PathMatch, Redirect, Scheme, ValueMatch};

use schemars::JsonSchema;
use serde::Deserialize;

use super::units::{Name, Percent, Time};

/// A configuration of Weir.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Dashboard, API and changes by hand. Default: 127.0.0.1:9901.
    pub admin: Option<Admin>,
    /// Probes and metrics. Default: off.
    pub ops: Option<Ops>,
    /// How replicas in a cluster tell one another what they serve. Default: off.
    pub peers: Option<Peers>,
    /// Worker threads. Default: 0, one per core.
    pub workers: Option<u16>,
    /// How the process ends.
    pub shutdown: Option<Shutdown>,
    /// How a new process takes over from the running one. Default: it cannot.
    pub upgrade: Option<Upgrade>,
    /// A line for each request. Default: off.
    pub access_log: Option<AccessLog>,
    /// File where guard trips are kept over restarts.
    pub state: Option<String>,
    /// What `/metrics` has beside its own families.
    pub metrics: Option<Metrics>,
    /// Requests that wait for endpoints, of splits that hold them.
    pub hold: Option<Hold>,
    /// Addresses and networks whose `Forwarded` and `X-Forwarded-*` are believed. Default: none.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// What the proxy says about itself.
    pub forwarding: Option<Forwarding>,
    /// Sockets to accept on.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Routed names whose traffic is divided between versions.
    #[serde(default)]
    pub splits: Vec<Split>,
}

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// Address and port, or "off". Default: 127.0.0.1:9901.
    pub address: Option<String>,
    /// File with the bearer token that allows changes from other hosts. Default: changes from this host only.
    pub token_file: Option<String>,
}

/// The ops listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ops {
    /// Address and port.
    pub address: String,
}

/// The listener for other replicas.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peers {
    /// Address and port: "0.0.0.0:9903".
    pub address: String,
    /// File with a service account token of audience weir-peers, which replicas show each other. Default:
    /// /var/run/secrets/weir/peers/token.
    pub token_file: Option<String>,
}

/// The phases of a shutdown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shutdown {
    /// How long requests are still served while readiness already fails. Default: 5s.
    pub delay: Option<Time>,
    /// How long what is in flight may take after that. Default: 60s.
    pub timeout: Option<Time>,
}

/// Requests that wait for endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// How many may wait at a time, over all splits; more are refused. Default: 10000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most: Option<u32>,
}

/// How a new process takes over from the running one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upgrade {
    /// Socket file by which the two find each other: the same in the configuration of both.
    pub socket: String,
}

/// A line for each request, once it has ended.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessLog {
    /// An object each, or the Common Log Format with more behind it. Default: json.
    pub format: Option<AccessLogFormat>,
    /// The share of requests that get one. Default: 100%.
    pub sample: Option<Percent>,
    /// File that lines are appended to, opened anew on SIGHUP; or "stdout". Default: stdout.
    pub path: Option<String>,
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccessLogFormat {
    Json,
    Text,
}

/// What `/metrics` has beside its own families.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics {
    /// Families that existing queries read. Default: none.
    #[serde(default)]
    pub dialects: Vec<Dialect>,
}

/// Whose names metrics have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    Nginx,
    Http,
    Istio,
}

/// What the proxy says about itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forwarding {
    /// Adds `Via`. Default: false.
    pub via: Option<bool>,
    /// Adds `x-weir-reason` to answers of the proxy itself. Default: true.
    pub reason_header: Option<bool>,
    /// Adds `x-weir-version` and `x-weir-why` to responses. Default: false.
    pub decision_headers: Option<bool>,
    /// How rules and filters see paths such as `//a`, `/b/../a` and `/%61`: normalize makes them `/a`, and refuses those that lead
    /// elsewhere if `%2F` is read as a slash or `;x` is left out; asReceived compares what was received. Endpoints get what was
    /// received, unless a filter rewrites it. Default: normalize.
    pub paths: Option<Paths>,
}

/// What becomes of paths that can be written in several ways.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Paths {
    Normalize,
    AsReceived,
}

/// A socket to accept on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Unique name.
    pub name: Name,
    /// Address and port: `0.0.0.0:8080`, `[::1]:8080`, or `:8080` for all addresses.
    pub address: String,
    /// Terminates TLS.
    pub tls: Option<ListenerTls>,
    /// Every connection begins with a PROXY protocol header. Default: false.
    pub proxy_protocol: Option<bool>,
    /// Port that clients know it by, for redirects and X-Forwarded-Port. Default: the one they connect to.
    #[schemars(range(min = 1))]
    pub advertised_port: Option<u16>,
}

/// How a listener terminates TLS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// Chosen by server name; the first serves names that no other has.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// The oldest TLS version allowed. Default: "1.2".
    pub min_version: Option<TlsVersion>,
    /// File with the CA certificates, one of which must have signed the client's. Default: none is asked for.
    pub client_ca: Option<String>,
}

/// A certificate chain with its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// PEM file with the chain, the server's own certificate first.
    pub cert: String,
    /// PEM file with the key.
    pub key: String,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

/// A routed name whose traffic is divided between versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// Unique name.
    pub name: Name,
    /// Listeners it is on, by name. Default: all.
    pub listeners: Option<Vec<String>>,
    /// Hosts it answers for; "*.example.com" is allowed. Default: all.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Path prefixes, short for matches; with neither, "/".
    #[serde(default)]
    pub paths: Vec<String>,
    /// Requests that it takes, in addition to paths.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Changes to requests and responses, in order.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// The arms of the split; the first is what the others are compared with. Not needed with a redirect.
    #[serde(default)]
    pub versions: Vec<Version>,
    /// Send some requests to a version whatever the weights; the first that matches wins.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Keeps a client on its version. Default: off.
    pub sticky: Option<Sticky>,
    /// What happens to requests for a version without a ready endpoint. Default: sibling.
    pub on_empty: Option<OnEmpty>,
    /// How long such requests wait for one with onEmpty: hold. Default: 30s.
    pub hold_timeout: Option<Time>,
    /// A weight change is spread over this long. Default: 0s.
    pub ramp: Option<Time>,
    /// How an endpoint of a version is chosen. Default: roundRobin.
    pub balance: Option<Balance>,
    /// What balance hash hashes. Default: the client's address.
    pub hash: Option<Hash>,
    /// How long an endpoint that is new among others takes to get its full share. Default: 0s.
    pub slow_start: Option<Time>,
    /// When more than this share of a version's endpoints is unhealthy or left out, all are used. Default: 50%.
    pub panic: Option<Percent>,
    /// When an endpoint is left out for a while because requests fail there. Default: when connections fail.
    pub outliers: Option<Outliers>,
    /// Asks endpoints whether they are well. Default: off.
    pub health: Option<Health>,
    /// Connections that each worker opens to each endpoint of a version before its weight leaves 0. Default: 0.
    #[schemars(range(min = 0, max = 512))]
    pub prewarm: Option<u16>,
    /// Time limits.
    pub timeouts: Option<Timeouts>,
    /// What is tried again on another endpoint of the same version.
    pub retry: Option<Retry>,
    /// Repeats requests that failed on a version on the first one. Default: off.
    pub rescue: Option<Rescue>,
    /// Automatic protection against a bad version. Default: off.
    pub guard: Option<Guard>,
    /// Limits of requests.
    pub limits: Option<Limits>,
    /// How long-lived connections are let go.
    pub drain: Option<Drain>,
    /// Sends copies of requests to a version. Default: off.
    pub mirror: Option<Mirror>,
    /// The same for several mirrors.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
}
