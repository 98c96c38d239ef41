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
        const LINE_STARTS: &[&str] = &[$(concat!($name, ": ")),*];

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

/// Where each name has its place, by [`slot`].
const PLACES: [Field; 256] = places();
/// Found by trial: it gives every name a place of its own.
const SPREAD: u32 = 0x34ec_f2ed;

const fn places() -> [Field; 256] {
    let mut places = [Field::Other; 256];
    let mut i = 0;
    while i < NAMES.len() {
        let (name, field) = NAMES[i];
        let slot = slot(name.as_bytes());
        assert!(matches!(places[slot], Field::Other), "another SPREAD has to be found");
        places[slot] = field;
        i += 1;
    }
    places
}

/// The place of a name of at least two characters, ignoring case: by its length, its first, and its last two characters.
const fn slot(name: &[u8]) -> usize {
    let length = name.len();
    let key = [name[0] | 32, name[length - 2] | 32, name[length - 1] | 32, length as u8];
    (u32::from_le_bytes(key).wrapping_mul(SPREAD) >> 24) as usize
}

impl Field {
    /// The field of that name.
    pub fn of(name: &[u8]) -> Self {
        if name.len() < 2 {
            return Self::Other;
        }
        let field = PLACES[slot(name)];
        let known = field.name().as_bytes();
        if known.len() == name.len() && is_same(known, name) { field } else { Self::Other }
    }

    /// What a line of it begins with; empty for [`Field::Other`].
    pub(super) fn line_start(self) -> &'static [u8] {
        LINE_STARTS.get(self as usize).map_or(b"", |start| start.as_bytes())
    }
}

/// Some fields; any other name is one, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet(u64);

impl FieldSet {
    /// These.
    pub const fn of(fields: &[Field]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < fields.len() {
            set |= 1 << fields[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// These, and those of another set.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a field is one of them.
    #[inline]
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Whether any of the other set is one of them.
    #[inline]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// One more.
    #[inline]
    pub fn add(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    /// Less these; of other names, some may be left.
    #[inline]
    pub fn remove(&mut self, fields: Self) {
        self.0 &= !fields.0 | (1 << Field::Other as u8);
    }
}

/// Whether a name is a known one, ignoring the case of letters, at equal length; in words, of which the last overlaps those
/// before it.
fn is_same(known: &[u8], name: &[u8]) -> bool {
    const LETTERS: u64 = 0x4040_4040_4040_4040;
    // The bit that makes a letter one is just above the one that may differ.
    let differ = |known: u64, name: u64| (known ^ name) & !((known & LETTERS) >> 1);
    let words = |known: &[u8; 8], name: &[u8; 8]| differ(u64::from_le_bytes(*known), u64::from_le_bytes(*name));
    if let (Some(a), Some(b)) = (known.last_chunk::<8>(), name.last_chunk::<8>()) {
        let (known, name) = (known.as_chunks::<8>().0, name.as_chunks::<8>().0);
        return words(a, b) == 0 && known.iter().zip(name).all(|(a, b)| words(a, b) == 0);
    }
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let halves = |known: &[u8; 4], name: &[u8; 4]| differ(half(known), half(name));
    match (known.first_chunk(), name.first_chunk(), known.last_chunk(), name.last_chunk()) {
        (Some(a), Some(b), Some(c), Some(d)) => halves(a, b) | halves(c, d) == 0,
        _ => known.eq_ignore_ascii_case(name),
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
            assert_eq!(field.line_start(), format!("{name}: ").as_bytes());
        }
    }

    #[test]
    fn any_other_name_is_another() {
        for name in [
            "",
            "a",
            "hos",
            "hostt",
            "x\rweir-why",
            "cont\x05nt-length",
            "http\x12-settings",
            "x-forwarded-f0r",
            "x-forwarded-proto-and-more-and-more-and-more",
        ] {
            assert_eq!(Field::of(name.as_bytes()), Field::Other, "{name}");
        }
    }
}
