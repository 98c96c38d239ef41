//! How a request ended: the labels of `weir_requests_total`, packed into one number.

use http::StatusCode;

/// Whose success or failure a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Classification {
    /// Answered.
    Success,
    /// A 5xx, a failing gRPC status, a timeout, a reset, a truncated body.
    Failure,
    /// The client left before the end.
    ClientGone,
}

impl Classification {
    /// All, in the order of their index.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::ClientGone];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        ["success", "failure", "client_gone"][self as usize]
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal),* $(,)?) => {
        /// Why a request ended as it did, where its status alone does not say; empty for what simply went through.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name),* }
        impl Reason {
            /// All, in the order of their index.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The label value, also in the header `x-weir-reason`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label),* }
            }
        }
    };
}

reasons! {
    /// Nothing to say.
    None = "",
    /// No route takes the request.
    NoRoute = "no_route",
    /// The request breaks a rule of HTTP.
    BadRequest = "bad_request",
    /// The host is served on connections with another server name.
    Misdirected = "misdirected",
    /// The method is not carried.
    MethodNotAllowed = "method_not_allowed",
    /// The request expects what is not known.
    Expectation = "expectation_failed",
    /// The request's body is larger than the limit.
    BodyTooLarge = "body_too_large",
    /// A filter answered.
    Filter = "filter",
    /// No version has an endpoint.
    NoEndpoint = "no_endpoint",
    /// No endpoint appeared while the request waited for one.
    HoldTimeout = "hold_timeout",
    /// As many requests wait for endpoints as may.
    HoldFull = "hold_full",
    /// The version points to what does not exist or may not be used.
    InvalidBackend = "invalid_backend",
    /// The client may not ask.
    Forbidden = "forbidden",
    /// The rule asks for protection that the proxy does not have.
    Closed = "closed",
    /// No connection to the endpoint.
    ConnectFailed = "connect_failed",
    /// No connection to the endpoint in time.
    ConnectTimeout = "connect_timeout",
    /// TLS with the endpoint failed.
    UpstreamTls = "upstream_tls",
    /// The endpoint refused the request before it began.
    Refused = "refused",
    /// The connection broke before the answer.
    Reset = "reset",
    /// The endpoint's answer is not HTTP.
    Protocol = "protocol_error",
    /// No answer in time.
    RequestTimeout = "request_timeout",
    /// No answer within the time of a try.
    TryTimeout = "try_timeout",
    /// The body stalled.
    IdleTimeout = "idle_timeout",
    /// The body broke off.
    Truncated = "truncated",
    /// The endpoint answered 5xx.
    Status = "status",
    /// The endpoint's gRPC status says failure.
    GrpcStatus = "grpc_status",
    /// The upgrade was not granted as asked.
    UpgradeFailed = "upgrade_failed",
    /// The client left.
    ClientGone = "client_gone",
    /// The client sent no body in time, or broke it off.
    ClientBody = "client_body",
    /// The process is ending.
    ShuttingDown = "shutting_down",
    /// Every endpoint of the version is at its limit, and too many requests wait.
    Overloaded = "overloaded",
    /// A stream was ended because its endpoint drains.
    Drained = "drained",
    /// A pooled connection had died, or took nothing more, before the endpoint had answered on it.
    Stale = "stale",
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Status of the answer; 0 if there was none.
    pub code: u16,
    /// gRPC status, where the answer was gRPC.
    pub grpc_status: Option<u8>,
    /// Success, failure, or neither.
    pub classification: Classification,
    /// Why.
    pub reason: Reason,
}

impl Ending {
    /// The ending that an upstream's answer means (interface: what is a failure).
    pub fn of_answer(status: StatusCode, grpc_status: Option<u8>) -> Self {
        let (classification, reason) = match grpc_status {
            Some(2 | 4 | 13 | 14 | 15) => (Classification::Failure, Reason::GrpcStatus),
            _ if status.is_server_error() => (Classification::Failure, Reason::Status),
            _ => (Classification::Success, Reason::None),
        };
        Self { code: status.as_u16(), grpc_status, classification, reason }
    }

    /// Packs it into a key that is never 0.
    pub(super) fn pack(self) -> u32 {
        let grpc = u32::from(self.grpc_status.map_or(255, |status| status.min(254)));
        1 << 31
            | (self.reason as u32) << 20
            | (self.classification as u32) << 18
            | grpc << 10
            | u32::from(self.code.min(1023))
    }

    /// The reverse of [`Ending::pack`].
    pub(super) fn unpack(key: u32) -> Self {
        let grpc = (key >> 10 & 0xff) as u8;
        let at = |index: u32| index as usize;
        Self {
            code: (key & 0x3ff) as u16,
            grpc_status: (grpc != 255).then_some(grpc),
            classification: Classification::ALL.get(at(key >> 18 & 0x3)).copied().unwrap_or(Classification::Failure),
            reason: Reason::ALL.get(at(key >> 20 & 0x7ff)).copied().unwrap_or(Reason::None),
        }
    }
}

/// What durations are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timed {
    /// Success, failure, or neither.
    pub classification: Classification,
    /// Status of the answer, 0 if there was none. One that nobody registered counts as the x00 of its class, which is what
    /// it means to a client (RFC 9110 section 15), so that an upstream cannot make histograms without end.
    pub code: u16,
}

impl Timed {
    /// What the duration of a request that ended so is counted under.
    pub fn of(ending: Ending) -> Self {
        let known = StatusCode::from_u16(ending.code).is_ok_and(|code| code.canonical_reason().is_some());
        let code = if known { ending.code } else { ending.code / 100 * 100 };
        Self { classification: ending.classification, code }
    }

    /// Packs it into a key that is never 0.
    pub(super) fn pack(self) -> u32 {
        let Self { classification, code } = self;
        Ending { code, grpc_status: None, classification, reason: Reason::None }.pack()
    }

    /// The reverse of [`Timed::pack`].
    pub(super) fn unpack(key: u32) -> Self {
        let Ending { code, classification, .. } = Ending::unpack(key);
        Self { classification, code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_survives_packing() {
        for reason in Reason::ALL {
            for classification in Classification::ALL {
                for (code, grpc_status) in [(0, None), (200, Some(0)), (599, Some(254)), (999, None)] {
                    let ending = Ending { code, grpc_status, classification, reason: *reason };
                    assert_eq!(Ending::unpack(ending.pack()), ending);
                }
            }
        }
    }

    #[test]
    fn durations_know_registered_statuses_and_the_classes_of_others() {
        for (code, counted) in [(0, 0), (200, 200), (404, 404), (250, 200), (599, 500), (999, 900)] {
            let classification = Classification::Failure;
            let ending = Ending { code, grpc_status: Some(1), classification, reason: Reason::Reset };
            let timed = Timed::of(ending);
            assert_eq!(timed, Timed { classification, code: counted });
            assert_eq!(Timed::unpack(timed.pack()), timed);
        }
    }

    #[test]
    fn failures_are_those_of_the_interface() {
        let class = |code, grpc| Ending::of_answer(StatusCode::from_u16(code).unwrap(), grpc).classification;
        assert_eq!(class(200, None), Classification::Success);
        assert_eq!(class(404, None), Classification::Success);
        assert_eq!(class(500, None), Classification::Failure);
        for status in 0..17 {
            let failing = [2, 4, 13, 14, 15].contains(&status);
            assert_eq!(class(200, Some(status)) == Classification::Failure, failing, "{status}");
        }
    }
}
