//! Filters: changes to a request or response on its way, and answers given by the proxy itself.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

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
