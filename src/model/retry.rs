//! How long a request may take, and what is tried again when it fails.

use std::time::Duration;

use http::StatusCode;

/// Time limits of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to an endpoint, TLS included.
    pub connect: Duration,
    /// From the request to the head of its answer, over all tries.
    pub request: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(5), request: s(60), idle: s(60) }
    }
}

/// What is tried again on another endpoint of the same version.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Tries after the first.
    pub attempts: u8,
    /// Causes.
    pub on: Vec<RetryOn>,
    /// How long it is waited before each.
    pub backoff: Duration,
    /// How long a try may take that another one can follow; none: as long as the request may.
    pub per_try: Option<Duration>,
    /// Each try has the time of the request to itself, rather than what the tries before have left of it.
    pub anew: bool,
    /// How long after the request came another try may begin; none: for as long as it may take.
    pub within: Option<Duration>,
    /// What may have been worked on is sent once more although it is not idempotent.
    pub non_idempotent: bool,
    /// Retries for each request, 0 to 1, of those that may have been worked on; see `proxy::budget`.
    pub budget: f64,
    /// Bytes of a request's body that are kept so that it can go once more.
    pub body_limit: u64,
}

impl Retry {
    /// Requests with longer bodies are repeated only if nothing of the body has gone.
    pub const BODY_LIMIT: u64 = 64 * 1024;
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            on: vec![RetryOn::Connect, RetryOn::Refused, RetryOn::Reset],
            backoff: Duration::ZERO,
            per_try: None,
            anew: false,
            within: None,
            non_idempotent: false,
            budget: 0.2,
            body_limit: Self::BODY_LIMIT,
        }
    }
}

/// A cause for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection could be made.
    Connect,
    /// The endpoint said that it had not begun (REFUSED_STREAM, GOAWAY), or the request was never sent; also a 503 of an
    /// endpoint that is going away, for what may be repeated.
    Refused,
    /// The connection broke before an answer; only what may be repeated (RFC 9110 section 9.2.2).
    Reset,
    /// No answer within the time of a try; only what may be repeated.
    Timeout,
    /// The endpoint answered with this status; only what may be repeated.
    Status(StatusCode),
}

/// Repeats requests that failed on `from` on the first version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// Index of the version in the split.
    pub from: usize,
    /// Causes.
    pub on: Vec<RescueOn>,
}

/// A failure that is rescued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RescueOn {
    /// A 5xx answer.
    ServerError,
    /// No connection, or one that broke before an answer.
    Connect,
    /// No answer in time.
    Timeout,
}
