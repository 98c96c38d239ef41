//! Filters: changes to a request or response on its way, and answers given by the proxy itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Pattern;
use super::settings::is_within;

/// One step of a rule's filters (Gateway API `HTTPRouteFilter`).
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Changes request headers before they go upstream.
    RequestHeader(HeaderEdit),
    /// Changes response headers before they go to the client.
    ResponseHeader(HeaderEdit),
    /// Answers with a redirect; nothing goes upstream.
    Redirect(Redirect),
    /// Rewrites the path that the upstream sees.
    RewritePath(PathRewrite),
    /// Rewrites the Host that the upstream sees.
    RewriteHost(HeaderValue),
    /// Cross-origin resource sharing (Fetch standard, section 3.2).
    Cors(Cors),
    /// Answers what came in clear text with a redirect to `https` at its own port; redirects and preflights that follow do
    /// not get it.
    RequireHttps(StatusCode),
    /// Answers with a redirect to a URL that owes nothing to the request's host.
    RedirectTo(RedirectTo),
    /// Lets only some clients through; asked after all filters that answer.
    Access(Access),
}

/// A redirect to a fixed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTo {
    /// `Location`, or how it begins.
    pub url: Arc<str>,
    /// The request's path and query follow it.
    pub with_target: bool,
    /// 300 to 308.
    pub status: StatusCode,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// By the client's address, as far as trusted proxies are believed; others get 403.
    Addresses {
        /// Networks that may ask; empty: all.
        allow: Vec<(IpAddr, u8)>,
        /// Networks that may not, whatever `allow` says.
        deny: Vec<(IpAddr, u8)>,
    },
    /// Nobody: protection is asked for that the proxy does not have, and no answer is better than an open one. All get 503.
    Closed,
}

impl Access {
    /// Whether a client at this address is among `allow` and not among `deny`.
    pub fn allows(&self, client: IpAddr) -> bool {
        match self {
            Self::Closed => false,
            Self::Addresses { allow, deny } => {
                !is_within(deny, client) && (allow.is_empty() || is_within(allow, client))
            }
        }
    }
}

/// A change of one header.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderEdit {
    /// Replaces all values.
    Set(HeaderName, HeaderValue),
    /// Adds a value.
    Add(HeaderName, HeaderValue),
    /// Removes all values.
    Remove(HeaderName),
}

/// A new path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// This path instead.
    Full(Arc<str>),
    /// This instead of the prefix that the rule matched (Gateway API `ReplacePrefixMatch`).
    Prefix(Arc<str>),
    /// This instead of the whole path where the expression matches it, with `${1}` for its first group; another path stays.
    Pattern(Pattern, Arc<str>),
}

/// Where a redirect points; what is absent stays as the request had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<http::uri::Scheme>,
    /// Host name.
    pub host: Option<Arc<str>>,
    /// Port; absent: the scheme's own if a scheme is given, else the listener's.
    pub port: Option<u16>,
    /// Path.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// Cross-origin resource sharing.
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    /// Origins allowed, in full (`https://app.example.com`), with `*` for a part of the host, or `*` for any.
    pub allow_origins: Vec<Arc<str>>,
    /// Methods allowed; empty: the method asked for.
    pub allow_methods: Vec<Method>,
    /// Request headers allowed; empty: those asked for.
    pub allow_headers: Vec<HeaderName>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<HeaderName>,
    /// Whether cookies go along.
    pub allow_credentials: bool,
    /// How long a preflight answer may be kept.
    pub max_age: Option<Duration>,
}
