//! Settings of an Ingress to filters, in nginx's order: redirects, preflights, access, then changes to what is passed on.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};

use super::annotations::{Finding, Settings, Severity, TO_HTTPS};
use super::{Cluster, IngressView};
use crate::model::{Filter, HeaderEdit, PathRewrite, Pattern, Redirect};

/// `X-Forwarded-Prefix`.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Headers of a connection, or of how a message is framed (RFC 9110 section 7.6.1, RFC 9112 section 6).
const FRAMING: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The redirect to https that comes before all else.
pub fn to_https(settings: &Settings, secure_host: bool) -> Option<Filter> {
    let redirects = &settings.redirects;
    (redirects.force_https || (redirects.to_https && secure_host)).then_some(Filter::RequireHttps(TO_HTTPS))
}

/// `app-root`.
pub fn app_root(path: &Arc<str>) -> Filter {
    Filter::Redirect(Redirect {
        scheme: None,
        host: None,
        port: None,
        path: Some(PathRewrite::Full(Arc::clone(path))),
        status: StatusCode::FOUND,
    })
}

/// `from-to-www-redirect`: the same request at the other host.
pub fn to_host(host: &str) -> Filter {
    Filter::Redirect(Redirect {
        scheme: None,
        host: Some(host.into()),
        port: None,
        path: None,
        status: StatusCode::PERMANENT_REDIRECT,
    })
}

/// All other filters of a location; `pattern` is its path where that is an expression.
pub fn filters(settings: &Settings, pattern: Option<&Pattern>, added: &[HeaderEdit]) -> Vec<Filter> {
    let mut filters = Vec::new();
    filters.extend(settings.redirects.everything.clone().map(Filter::RedirectTo));
    filters.extend(settings.cors.clone().map(Filter::Cors));
    filters.extend(settings.access.clone().map(Filter::Access));
    let rewrite = &settings.rewrite;
    if let (Some(target), Some(pattern)) = (&rewrite.target, pattern) {
        filters.push(Filter::RewritePath(PathRewrite::Pattern(pattern.clone(), Arc::clone(target))));
        let prefix = rewrite.forwarded_prefix.clone();
        filters.extend(prefix.map(|prefix| Filter::RequestHeader(HeaderEdit::Set(FORWARDED_PREFIX, prefix))));
    }
    filters.extend(rewrite.host.clone().map(Filter::RewriteHost));
    filters.extend(added.iter().cloned().map(Filter::ResponseHeader));
    filters
}

/// `custom-headers`: what the ConfigMap sets on answers. Headers that say how a message is framed are not its to set.
pub fn custom_headers(
    view: &IngressView,
    settings: &Settings,
    cluster: &dyn Cluster,
    findings: &mut Vec<Finding>,
) -> Vec<HeaderEdit> {
    let Some(name) = &settings.custom_headers else { return Vec::new() };
    let (namespace, name) = name.split_once('/').unwrap_or((&view.namespace, name));
    let mut tell = |message: String| findings.push(Finding::new("custom-headers", Severity::Error, message));
    let data = match cluster.config_map(namespace, name) {
        Ok(data) => data,
        Err(error) => {
            tell(format!("{error}; no header is added until then"));
            return Vec::new();
        }
    };
    let mut edits = Vec::new();
    for (name, value) in &data {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Ok(name), _) if FRAMING.contains(&name.as_str()) => {
                tell(format!("\"{name}\" says how a message is framed, which is the proxy's to say: remove it"));
            }
            (Ok(name), Ok(value)) => edits.push(HeaderEdit::Set(name, value)),
            // The value may be nobody's to read in an Event.
            _ => {
                tell(format!("\"{name}\" is no header: use letters, digits and '-' in its name, and one line of text"))
            }
        }
    }
    edits
}
