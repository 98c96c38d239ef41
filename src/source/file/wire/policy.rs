//! The versions of a split, and how its requests are treated.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::units::{Name, Percent, Size, Time};

/// One arm of a split.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// Unique in its split.
    pub name: Name,
    /// Share: this weight divided by the sum of all. Default: 1 for the only version, else 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: Option<i64>,
    /// Where it runs: "host:port", "http://host:port", "https://host:port" or "h2c://host:port", all with the same
    /// scheme; [] for a version that runs nowhere yet.
    pub endpoints: Vec<String>,
    /// What it currently runs. Default: "".
    pub revision: Option<String>,
    /// HTTP version. Default: auto, which is HTTP/2 where TLS negotiates it, else HTTP/1.1.
    pub protocol: Option<Protocol>,
    /// TLS towards https endpoints.
    pub tls: Option<VersionTls>,
}

/// An HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    Auto,
    Http1,
    Http2,
}

/// TLS towards endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionTls {
    /// PEM file with the CA certificates to trust. Default: those of the operating system.
    pub ca: Option<String>,
    /// Name to verify and to send. Default: the endpoint's host.
    pub server_name: Option<String>,
    /// PEM file with the client certificate.
    pub cert: Option<String>,
    /// PEM file with the client certificate's key.
    pub key: Option<String>,
    /// Accepts any certificate: for tests only. Default: false.
    pub insecure_skip_verify: Option<bool>,
}

/// Sends requests that match to a version, whatever the weights.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Header name; not with cookie.
    pub header: Option<String>,
    /// Cookie name; not with header.
    pub cookie: Option<String>,
    /// The whole value; not with pattern. With neither, any value.
    pub value: Option<String>,
    /// A regular expression, which may match anywhere in the value; not with value.
    pub pattern: Option<String>,
    /// Name of the version.
    pub to: String,
}

/// How a client keeps its version; its identity is exactly one of cookie, header and sourceAddress.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sticky {
    /// Name of a cookie that the proxy sets.
    pub cookie: Option<String>,
    /// Name of a request header.
    pub header: Option<String>,
    /// The client's address.
    #[schemars(extend("enum" = [true]))]
    pub source_address: Option<bool>,
    /// Life of the cookie. Default: the browser's session.
    pub ttl: Option<Time>,
    /// share remembers who the client is, so that clients move when weights do; pin remembers its version.
    /// Default: share; pin for a cookie to the endpoint.
    pub mode: Option<StickyMode>,
    /// File with keys that sign the cookie, one per line, each of 16 bytes or more; the first signs, all verify.
    pub key_file: Option<String>,
    /// What is kept: the version, or also the endpoint for as long as it is there. Default: version.
    pub to: Option<StickyTo>,
}

/// What stickiness remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StickyMode {
    Share,
    Pin,
}

/// What a client keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StickyTo {
    Version,
    Endpoint,
}

/// What happens to requests for a version without a ready endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnEmpty {
    Sibling,
    Hold,
    Reject,
}

/// How an endpoint of a version is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Balance {
    RoundRobin,
    LeastRequest,
    Ewma,
    Hash,
}

/// Time limits; none may be 0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection to an endpoint, TLS included. Default: 5s.
    pub connect: Option<Time>,
    /// From the request to the head of its answer, over all tries. Default: 60s.
    pub request: Option<Time>,
    /// Between two pieces of a body. Default: 60s.
    pub idle: Option<Time>,
}

/// What is tried again on another endpoint of the same version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Tries after the first. Default: 2.
    #[schemars(range(min = 0, max = 255))]
    pub attempts: Option<u8>,
    /// Causes: connect (no connection), refused (never sent, refused before it began, or answered with 503 by an endpoint
    /// that is going away), reset (broken before an answer), timeout (no answer within perTry). What may have been worked
    /// on is repeated only if its method is idempotent. Default: [connect, refused, reset], with perTry timeout, too.
    pub on: Option<Vec<RetryOn>>,
    /// How long a try may take that another can follow; the last one has what is left of timeouts.request. Default: as
    /// long as the request.
    pub per_try: Option<Time>,
    /// How many retries there may be for each request, lately, of requests that may have been worked on; 10 in 10 seconds
    /// are always allowed, on each worker. Default: 20%.
    pub budget: Option<Percent>,
    /// How much of a request's body is kept so that it can go once more; with a longer one, a request is repeated only if
    /// nothing of its body has gone. Default: 64KiB.
    pub body_limit: Option<Size>,
}

/// A cause for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RetryOn {
    Connect,
    Refused,
    Reset,
    Timeout,
}

/// Repeats requests that failed on `from` on the first version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rescue {
    /// Name of a version other than the first.
    pub from: String,
    /// Causes. Default: all.
    #[schemars(length(min = 1))]
    pub on: Option<Vec<RescueOn>>,
}

/// A failure that is rescued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RescueOn {
    #[serde(rename = "5xx")]
    ServerError,
    Connect,
    Timeout,
}

/// When a version is taken back without anybody asking.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guard {
    /// Evidence is compared within this time. Default: 30s.
    pub window: Option<Time>,
    /// Requests that a version must have had before it can trip. Default: 100.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_requests: Option<u32>,
    /// Allowed excess of its failure rate over the first version's. Default: 2%.
    pub max_error_rate_increase: Option<Percent>,
    /// Allowed ratio of its latency to the first version's. Default: latency is not judged.
    pub max_latency_ratio: Option<f64>,
    /// What a trip does: divert takes the version's traffic away, report only tells. Default: divert.
    pub action: Option<GuardAction>,
}

/// What a trip of the guard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GuardAction {
    Divert,
    Report,
}

/// How the long-lived connections of an endpoint (WebSocket, gRPC, server-sent events) are let go that is not to have any
/// more: its weight went to 0, or it was removed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// Those that are left after this long are cut, and sticky clients of a version with weight 0 move on. Default: 60s.
    pub timeout: Option<Time>,
    /// They are asked to end within this time, evenly. Default: 20s, or the timeout if that is shorter.
    pub spread: Option<Time>,
    /// How long an endpoint must not be wanted before it drains. Default: 10s in a cluster, 0s in a file.
    pub settle: Option<Time>,
    /// What WebSockets are told: 1001 (going away), 1012 (service restart), or 3000 to 4999. Default: 1001.
    #[schemars(range(min = 1000, max = 4999))]
    pub close_code: Option<u16>,
}

/// Limits of requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request's body. Default: unlimited.
    pub request_body: Option<Size>,
    /// Requests in flight at each endpoint; more wait for their turn. Default: unlimited.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub per_endpoint: Option<u32>,
    /// Requests that wait for a version whose endpoints are all at perEndpoint; more are refused with 503. Default: as many as
    /// its endpoints may have in flight.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queue: Option<u32>,
    /// Gives no version a larger share than its ready endpoints can carry within perEndpoint, whatever its weight.
    /// Default: false.
    pub gate: Option<bool>,
}
