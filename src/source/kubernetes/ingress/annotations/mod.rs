//! Annotations of ingress-nginx: every one that it knows, and what those that are honoured say.
//!
//! As in ingress-nginx, a value that makes no sense becomes the default; unlike there, somebody is told.

mod access;
mod affinity;
mod canary;
mod cors;
mod reader;
mod redirect;
mod table;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::model::{Access, Balance, Cors, HostPattern, Override, RedirectTo, Retry, Sticky, Timeouts};

pub use canary::last_line;
use reader::Reader;
pub use reader::{asks, suggestion};
pub use redirect::alias_names;
pub use table::{Entry, Protects, TABLE, Verdict, find};

/// The prefix unless another is configured.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, though not exactly as in ingress-nginx.
    Info,
    /// Probably not as meant.
    Warning,
    /// Something that was asked for is not done.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something to tell the operator about one Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The annotation without prefix, or the place in the object (`spec.rules[0]`).
    pub annotation: String,
    /// How much it matters.
    pub severity: Severity,
    /// What, and what to do.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(annotation: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self { annotation: annotation.into(), severity, message: message.into() }
    }
}

/// What the annotations of one Ingress ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `canary: "true"`, and what goes to it.
    pub canary: Option<Canary>,
    /// `affinity: cookie`.
    pub affinity: Option<Affinity>,
    /// `affinity-canary-behavior: legacy`: the canary remembers nobody.
    pub legacy: bool,
    /// Answers that need no backend.
    pub redirects: Redirects,
    /// What the backend is asked for.
    pub rewrite: Rewrite,
    /// Who may ask; closed where protection is refused.
    pub access: Option<Access>,
    /// `enable-cors`.
    pub cors: Option<Cors>,
    /// How requests are treated.
    pub traffic: Traffic,
    /// `server-alias`.
    pub aliases: Vec<HostPattern>,
    /// `custom-headers`: the ConfigMap, as `namespace/name` or `name`.
    pub custom_headers: Option<Arc<str>>,
}

/// What goes to a canary (`canary-*`).
#[derive(Clone, Debug, PartialEq)]
pub struct Canary {
    /// Its part of `total`.
    pub weight: u32,
    /// `canary-weight-total`: 100, or what is above.
    pub total: u32,
    /// Conditions in nginx's order: header, then cookie; they lead to 1, the canary, or 0, the main version.
    pub conditions: Vec<Override>,
}

/// Session affinity (`affinity`, `session-cookie-*`).
#[derive(Clone, Debug, PartialEq)]
pub struct Affinity {
    /// The cookie, with the path `/` where none is given.
    pub sticky: Sticky,
    /// `session-cookie-path`; none: the path of each location.
    pub path: Option<Arc<str>>,
}

/// Redirects that the proxy answers with.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirects {
    /// `ssl-redirect`: clear text is redirected where the host has a certificate.
    pub to_https: bool,
    /// `force-ssl-redirect`: clear text is redirected.
    pub force_https: bool,
    /// `temporal-redirect`, else `permanent-redirect`.
    pub everything: Option<RedirectTo>,
    /// `app-root`: where `/` is redirected to.
    pub app_root: Option<Arc<str>>,
    /// `from-to-www-redirect`.
    pub www: bool,
}

/// What the backend is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    /// `rewrite-target`, with `${1}` for groups.
    pub target: Option<Arc<str>>,
    /// `use-regex`.
    pub use_regex: bool,
    /// `x-forwarded-prefix`.
    pub forwarded_prefix: Option<HeaderValue>,
    /// `upstream-vhost`.
    pub host: Option<HeaderValue>,
}

/// How requests are treated.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// `proxy-body-size`; none: unlimited.
    pub body_size: Option<u64>,
    /// `proxy-*-timeout`.
    pub timeouts: Timeouts,
    /// `proxy-next-upstream*`.
    pub retry: Retry,
    /// `load-balance`.
    pub balance: Balance,
    /// `backend-protocol`; none: as the Service says.
    pub protocol: Option<Protocol>,
    /// `service-upstream`: the Service's own address, not its endpoints.
    pub service_upstream: bool,
}

/// `backend-protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `HTTP`.
    Http,
    /// `HTTPS`.
    Https,
    /// `GRPC`.
    Grpc,
    /// `GRPCS`.
    Grpcs,
}

/// The status of redirects to https: the default of `http-redirect-code`.
pub const TO_HTTPS: StatusCode = StatusCode::PERMANENT_REDIRECT;

/// Whether an annotation counts on a canary, or would if it were honoured: ingress-nginx looks at no others there.
pub fn counts_on_canary(name: &str) -> bool {
    let starts = ["canary", "affinity-canary-behavior", "service-upstream", "upstream-hash-by"];
    starts.iter().any(|start| name.starts_with(start))
}

/// Names, without `prefix`, of annotations that ask for something.
pub fn asking<'a>(annotations: &'a BTreeMap<String, String>, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let own = annotations
        .iter()
        .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?.strip_prefix('/')?, value)));
    own.filter(|(name, value)| asks(name, value)).map(|(name, _)| name)
}

/// What annotations with `prefix` ask for, and what there is to say about them.
pub fn parse(annotations: &BTreeMap<String, String>, prefix: &str) -> (Settings, Vec<Finding>) {
    let mut reader = Reader::new(annotations, prefix);
    reader.unknown();
    let settings = Settings {
        canary: canary::canary(&mut reader),
        affinity: affinity::affinity(&mut reader),
        legacy: affinity::is_legacy(&mut reader),
        redirects: redirect::redirects(&mut reader),
        rewrite: redirect::rewrite(&mut reader),
        cors: cors::cors(&mut reader),
        traffic: traffic::traffic(&mut reader),
        aliases: redirect::aliases(&mut reader),
        custom_headers: reader.text("custom-headers").map(Arc::from),
        access: access::access(&mut reader),
    };
    reader.differing();
    reader.left_behind(annotations, prefix);
    (settings, reader.findings)
}

#[cfg(test)]
mod tests;
