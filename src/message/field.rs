//! Fields that the proxy knows by name: found once per line, compared as a number afterwards.

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// A field by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`.")] $(#[$doc])* $variant,)*
            /// Any other name.
            Other,
        }

        const NAMES: &[(&str, Field)] = &[$(($name, Field::$variant)),*];

        impl Field {
            /// Its name in lower case; empty for [`Field::Other`].
            pub const fn name(self) -> &'static str {
                const TEXTS: [&str; NAMES.len() + 1] = [$($name,)* ""];
                TEXTS[self as usize]
            }

            /// All of them, in the order of their numbers; [`Field::Other`] is the last.
            pub const ALL: [Self; NAMES.len() + 1] = [$(Self::$variant,)* Self::Other];
        }
    };
}

fields! {
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AcceptRanges = "accept-ranges",
    AccessControlAllowCredentials = "access-control-allow-credentials",
    AccessControlAllowOrigin = "access-control-allow-origin",
    AccessControlExposeHeaders = "access-control-expose-headers",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    Age = "age",
    Authorization = "authorization",
    CacheControl = "cache-control",
    Connection = "connection",
    ContentEncoding = "content-encoding",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Etag = "etag",
    Expect = "expect",
    Expires = "expires",
    Forwarded = "forwarded",
    GrpcAcceptEncoding = "grpc-accept-encoding",
    GrpcEncoding = "grpc-encoding",
    GrpcMessage = "grpc-message",
    GrpcStatus = "grpc-status",
    GrpcTimeout = "grpc-timeout",
    Host = "host",
    Http2Settings = "http2-settings",
    IfNoneMatch = "if-none-match",
    KeepAlive = "keep-alive",
    LastModified = "last-modified",
    Location = "location",
    MaxForwards = "max-forwards",
    Origin = "origin",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Referer = "referer",
    SecWebsocketAccept = "sec-websocket-accept",
    SecWebsocketKey = "sec-websocket-key",
    Server = "server",
    SetCookie = "set-cookie",
    StrictTransportSecurity = "strict-transport-security",
    Te = "te",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Vary = "vary",
    Via = "via",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedProto = "x-forwarded-proto",
    XRequestId = "x-request-id",
    XWeirReason = "x-weir-reason",
    XWeirVersion = "x-weir-version",
    XWeirWhy = "x-weir-why",
}

/// Longest name that is known.
const LONGEST: usize = 32;
/// First name in [`BY_LENGTH`] of each length.
const STARTS: [usize; LONGEST + 2] = starts();
/// Names in the order of their length.
const BY_LENGTH: [(&str, Field); NAMES.len()] = by_length();

const fn by_length() -> [(&'static str, Field); NAMES.len()] {
    let mut sorted = [("", Field::Other); NAMES.len()];
    let (mut length, mut next) = (0, 0);
    while length <= LONGEST {
        let mut i = 0;
        while i < NAMES.len() {
            if NAMES[i].0.len() == length {
                sorted[next] = NAMES[i];
                next += 1;
            }
            i += 1;
        }
        length += 1;
    }
    sorted
}

const fn starts() -> [usize; LONGEST + 2] {
    let mut starts = [0; LONGEST + 2];
    let mut length = 0;
    while length <= LONGEST {
        let mut count = 0;
        let mut i = 0;
        while i < NAMES.len() {
            if NAMES[i].0.len() == length {
                count += 1;
            }
            i += 1;
        }
        starts[length + 1] = starts[length] + count;
        length += 1;
    }
    starts
}

impl Field {
    /// The field of that name.
    pub fn of(name: &[u8]) -> Self {
        let length = name.len();
        if length > LONGEST {
            return Self::Other;
        }
        let candidates = &BY_LENGTH[STARTS[length]..STARTS[length + 1]];
        let found = candidates.iter().find(|(known, _)| is_same(known.as_bytes(), name));
        found.map_or(Self::Other, |(_, field)| *field)
    }

    /// Its place in a set of known fields; none for [`Field::Other`].
    pub(super) fn bit(self) -> u64 {
        if self == Self::Other { 0 } else { 1 << self as u8 }
    }
}

/// Whether a name is a known one, ignoring case, at equal length. Setting the bit that tells cases apart maps no two
/// characters of field names onto each other that known names have (RFC 9110 section 5.6.2).
fn is_same(known: &[u8], name: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes) | CASE;
    // The last eight bytes overlap those before them.
    if let (Some(a), Some(b)) = (known.last_chunk::<8>(), name.last_chunk::<8>()) {
        let (known, name) = (known.as_chunks::<8>().0, name.as_chunks::<8>().0);
        return word(a) == word(b) && known.iter().zip(name).all(|(a, b)| word(a) == word(b));
    }
    let half = |bytes: Option<&[u8; 4]>| bytes.map(|bytes| u32::from_le_bytes(*bytes) | CASE as u32);
    match (half(known.first_chunk()), half(known.last_chunk())) {
        (None, _) => known.iter().zip(name).all(|(a, b)| a | 32 == b | 32),
        ends => ends == (half(name.first_chunk()), half(name.last_chunk())),
    }
}

const _: () = assert!(NAMES.len() < 64, "a set of fields is one word");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (name, field) in NAMES {
            assert_eq!(Field::of(name.as_bytes()), *field);
            assert_eq!(Field::of(name.to_ascii_uppercase().as_bytes()), *field);
            assert_eq!(field.name(), *name);
        }
    }

    #[test]
    fn any_other_name_is_another() {
        for name in ["", "hos", "hostt", "x-forwarded-f0r", "x-forwarded-proto-and-more-and-more-and-more"] {
            assert_eq!(Field::of(name.as_bytes()), Field::Other, "{name}");
        }
    }
}
