//! What goes wrong with a request: whose fault it is, whether it may be tried again, and what the client is told.

use http::StatusCode;

use crate::http1::HeadError;
use crate::message::Broken;
use crate::model::{RescueOn, RetryOn};
use crate::record::{Classification, Ending, Reason};
use crate::upstream::ConnectError;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client's request.
    Client,
    /// The proxy's configuration or state.
    Proxy,
    /// The endpoint.
    Upstream,
}

/// Whether the request may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It may have been worked on, or would fail again.
    Never,
    /// It may have been worked on: only what is idempotent (RFC 9110 section 9.2.2).
    IfIdempotent,
    /// Nothing of it was sent, or the endpoint said that it had not begun.
    Safe,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Breaks a rule of HTTP.
    BadRequest,
    /// For a host that is served on other connections.
    Misdirected,
    /// The target is too long.
    UriTooLong,
    /// The head is too long, or has too many fields.
    HeadTooLarge,
    /// A transfer coding that is not known.
    UnknownCoding,
    /// Another major version of HTTP.
    Version,
    /// CONNECT and TRACE are not carried.
    MethodNotAllowed,
    /// An expectation that is not known.
    Expectation,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The client stalled in its body or broke it off.
    ClientBody,
    /// The client has gone.
    ClientGone,
    /// No rule.
    NoRoute,
    /// No endpoint.
    NoEndpoint,
    /// No endpoint while the request waited.
    HoldTimeout,
    /// Too many requests wait.
    HoldFull,
    /// The version points to what does not exist or may not be used.
    InvalidBackend,
    /// The client may not ask.
    Forbidden,
    /// The rule asks for protection that the proxy does not have.
    Closed,
    /// Every endpoint is at its limit, and too many wait.
    Overloaded,
    /// The process is ending.
    ShuttingDown,
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// Refused before it began.
    Refused,
    /// Broke before the answer.
    Reset,
    /// Its endpoint acknowledges nothing of what is sent.
    Vanished,
    /// The answer is no HTTP.
    Protocol,
    /// Its connection, which others shared, ended because what came on it was no HTTP.
    Violated,
    /// No answer in time.
    RequestTimeout,
    /// No answer within the time of a try.
    TryTimeout,
    /// The answer stalled.
    IdleTimeout,
    /// The answer broke off.
    Truncated,
    /// The upgrade was not granted as asked.
    UpgradeFailed,
    /// The stream was cut because its endpoint drains, and it did not end when it was asked.
    Drained,
}

impl Fault {
    /// Everything that follows from a fault, in one place.
    fn facts(self) -> (Origin, Again, u16, Reason) {
        use {Again::*, Origin::*};
        match self {
            Self::BadRequest => (Client, Never, 400, Reason::BadRequest),
            Self::Misdirected => (Client, Never, 421, Reason::Misdirected),
            Self::UriTooLong => (Client, Never, 414, Reason::BadRequest),
            Self::HeadTooLarge => (Client, Never, 431, Reason::BadRequest),
            Self::UnknownCoding => (Client, Never, 501, Reason::BadRequest),
            Self::Version => (Client, Never, 505, Reason::BadRequest),
            Self::MethodNotAllowed => (Client, Never, 405, Reason::MethodNotAllowed),
            Self::Expectation => (Client, Never, 417, Reason::Expectation),
            Self::BodyTooLarge => (Client, Never, 413, Reason::BodyTooLarge),
            Self::ClientBody => (Client, Never, 408, Reason::ClientBody),
            Self::ClientGone => (Client, Never, 0, Reason::ClientGone),
            Self::NoRoute => (Proxy, Never, 404, Reason::NoRoute),
            Self::NoEndpoint => (Proxy, Never, 503, Reason::NoEndpoint),
            Self::HoldTimeout => (Proxy, Never, 503, Reason::HoldTimeout),
            Self::HoldFull => (Proxy, Never, 503, Reason::HoldFull),
            Self::InvalidBackend => (Proxy, Never, 500, Reason::InvalidBackend),
            Self::Forbidden => (Client, Never, 403, Reason::Forbidden),
            Self::Closed => (Proxy, Never, 503, Reason::Closed),
            Self::Overloaded => (Proxy, Never, 503, Reason::Overloaded),
            Self::ShuttingDown => (Proxy, Never, 503, Reason::ShuttingDown),
            Self::Connect => (Upstream, Safe, 503, Reason::ConnectFailed),
            Self::ConnectTimeout => (Upstream, Safe, 503, Reason::ConnectTimeout),
            Self::Tls => (Upstream, Safe, 502, Reason::UpstreamTls),
            Self::Refused => (Upstream, Safe, 503, Reason::Refused),
            Self::Reset => (Upstream, IfIdempotent, 502, Reason::Reset),
            Self::Vanished => (Upstream, IfIdempotent, 502, Reason::Reset),
            Self::Protocol => (Upstream, Never, 502, Reason::Protocol),
            Self::Violated => (Upstream, IfIdempotent, 502, Reason::Protocol),
            Self::RequestTimeout => (Upstream, Never, 504, Reason::RequestTimeout),
            Self::TryTimeout => (Upstream, IfIdempotent, 504, Reason::TryTimeout),
            Self::IdleTimeout => (Upstream, Never, 504, Reason::IdleTimeout),
            Self::Truncated => (Upstream, Never, 502, Reason::Truncated),
            Self::UpgradeFailed => (Upstream, Never, 502, Reason::UpgradeFailed),
            Self::Drained => (Proxy, Never, 503, Reason::Drained),
        }
    }

    /// Whose fault it is.
    pub fn origin(self) -> Origin {
        self.facts().0
    }

    /// Whether the request may be tried again.
    pub fn again(self) -> Again {
        self.facts().1
    }

    /// The status as it is counted; 0: there is nobody left to get one.
    pub fn code(self) -> u16 {
        self.facts().2
    }

    /// The status that the client gets.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.facts().2).unwrap_or(StatusCode::BAD_GATEWAY)
    }

    /// The label, also in `x-weir-reason`.
    pub fn reason(self) -> Reason {
        self.facts().3
    }

    /// How a request ends that gets `code` for it. A client's own mistake is no failure of a version.
    pub fn ending(self, code: u16, grpc_status: Option<u8>) -> Ending {
        let classification = match (self, self.origin()) {
            (Self::ClientGone, _) => Classification::ClientGone,
            // What ends as it was meant to is no failure either.
            (Self::NoRoute | Self::Drained, _) | (_, Origin::Client) => Classification::Success,
            _ => Classification::Failure,
        };
        Ending { code, grpc_status, classification, reason: self.reason() }
    }

    /// The cause in `retry.on` that allows another try.
    pub fn retry_cause(self) -> Option<RetryOn> {
        match self {
            Self::Connect | Self::ConnectTimeout | Self::Tls => Some(RetryOn::Connect),
            Self::Refused => Some(RetryOn::Refused),
            Self::Reset | Self::Vanished | Self::Violated => Some(RetryOn::Reset),
            Self::TryTimeout => Some(RetryOn::Timeout),
            _ => None,
        }
    }

    /// The cause in `rescue.on` that allows a rescue.
    pub fn rescue_cause(self) -> Option<RescueOn> {
        match self {
            Self::Connect | Self::ConnectTimeout | Self::Tls | Self::Refused => Some(RescueOn::Connect),
            Self::Reset | Self::Vanished | Self::Protocol | Self::Violated => Some(RescueOn::Connect),
            Self::RequestTimeout | Self::TryTimeout => Some(RescueOn::Timeout),
            _ => None,
        }
    }

    /// The gRPC status that stands for it (gRPC, "HTTP to gRPC status code mapping" and its deadlines).
    pub fn grpc_status(self) -> u8 {
        match self.status().as_u16() {
            403 => 7,
            400 | 413 | 414 | 417 | 431 => 13,
            404 | 405 | 501 => 12,
            408 | 504 => 4,
            _ => 14,
        }
    }
}

impl From<HeadError> for Fault {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(_) => Self::BadRequest,
            HeadError::TooManyFields => Self::HeadTooLarge,
            HeadError::UnknownCoding => Self::UnknownCoding,
            HeadError::Version => Self::Version,
        }
    }
}

impl From<&Broken> for Fault {
    /// What it means that an endpoint gave no answer.
    fn from(broken: &Broken) -> Self {
        match broken {
            Broken::Refused => Self::Refused,
            Broken::Malformed(_) => Self::Protocol,
            Broken::Violated(_) => Self::Violated,
            Broken::Closed | Broken::Io(_) | Broken::Reset(_) => Self::Reset,
        }
    }
}

impl From<&ConnectError> for Fault {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Tcp(_) => Self::Connect,
            ConnectError::Timeout(_) => Self::ConnectTimeout,
            ConnectError::Tls(_) => Self::Tls,
        }
    }
}
