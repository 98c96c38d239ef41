//! Filters of rules and backends (Gateway API, `HTTPRouteFilter`).

use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::wire;
use crate::model::{Cors, Filter, HeaderEdit, PathRewrite, Redirect};

/// The filters of a rule or backend, in the order of their list. Mirrors are none of them: see `mirror`.
///
/// # Errors
///
/// Says which filter cannot be carried: none is ever left out in silence.
pub fn filters(wire: &[wire::Filter]) -> Result<Vec<Filter>, String> {
    let lists = wire.iter().map(one).collect::<Result<Vec<_>, String>>()?;
    Ok(lists.concat())
}

/// The filters of one backend of a rule: those that change headers.
///
/// # Errors
///
/// Says which filter cannot be carried there.
pub fn of_backend(wire: &[wire::Filter]) -> Result<Vec<Filter>, String> {
    let edits = |wire: &&wire::Filter| matches!(&*wire.kind, "RequestHeaderModifier" | "ResponseHeaderModifier");
    match wire.iter().find(|wire| !edits(wire)) {
        Some(other) => Err(format!("filter {} is not carried on a backend: put it on the rule", other.kind)),
        None => filters(wire),
    }
}

/// What is wrong with a filter that only names itself.
pub fn missing(wire: &wire::Filter) -> String {
    format!("filter {} has no settings", wire.kind)
}

fn one(wire: &wire::Filter) -> Result<Vec<Filter>, String> {
    let missing = || missing(wire);
    match &*wire.kind {
        "RequestHeaderModifier" => {
            let edits = edits(wire.request_header_modifier.as_ref().ok_or_else(missing)?)?;
            Ok(edits.into_iter().map(Filter::RequestHeader).collect())
        }
        "ResponseHeaderModifier" => {
            let edits = edits(wire.response_header_modifier.as_ref().ok_or_else(missing)?)?;
            Ok(edits.into_iter().map(Filter::ResponseHeader).collect())
        }
        "RequestRedirect" => {
            redirect(wire.request_redirect.as_ref().ok_or_else(missing)?).map(|to| vec![Filter::Redirect(to)])
        }
        "URLRewrite" => rewrite(wire.url_rewrite.as_ref().ok_or_else(missing)?),
        "CORS" => cors(wire.cors.as_ref().ok_or_else(missing)?).map(|cors| vec![Filter::Cors(cors)]),
        "RequestMirror" => Ok(Vec::new()),
        other => Err(format!("filter {other} is not carried")),
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| format!("{text:?} is no header name"))
}

fn header(wire: &wire::HeaderValue) -> Result<(HeaderName, HeaderValue), String> {
    let value = HeaderValue::from_str(&wire.value).map_err(|_| format!("{:?} is no header value", wire.value))?;
    Ok((name(&wire.name)?, value))
}

fn edits(wire: &wire::HeaderModifier) -> Result<Vec<HeaderEdit>, String> {
    let set = wire.set.iter().map(|wire| header(wire).map(|(name, value)| HeaderEdit::Set(name, value)));
    let add = wire.add.iter().map(|wire| header(wire).map(|(name, value)| HeaderEdit::Add(name, value)));
    let remove = wire.remove.iter().map(|text| name(text).map(HeaderEdit::Remove));
    set.chain(add).chain(remove).collect()
}

fn path(wire: &wire::PathModifier) -> Option<PathRewrite> {
    let full = wire.replace_full_path.as_deref().map(|path| PathRewrite::Full(path.into()));
    full.or_else(|| wire.replace_prefix_match.as_deref().map(|path| PathRewrite::Prefix(path.into())))
}

fn redirect(wire: &wire::Redirect) -> Result<Redirect, String> {
    let scheme = match wire.scheme.as_deref() {
        None => None,
        Some("http") => Some(Scheme::HTTP),
        Some("https") => Some(Scheme::HTTPS),
        Some(other) => return Err(format!("redirect to scheme {other:?}: use http or https")),
    };
    let status = wire.status_code.unwrap_or(302);
    Ok(Redirect {
        scheme,
        host: wire.hostname.as_deref().map(Into::into),
        port: wire.port,
        path: wire.path.as_ref().and_then(path),
        status: StatusCode::from_u16(status)
            .ok()
            .filter(StatusCode::is_redirection)
            .ok_or_else(|| format!("redirect with status {status}: use 301, 302, 303, 307 or 308"))?,
    })
}

fn rewrite(wire: &wire::Rewrite) -> Result<Vec<Filter>, String> {
    let host = wire.hostname.as_deref().map(|host| {
        HeaderValue::from_str(host).map(Filter::RewriteHost).map_err(|_| format!("{host:?} is no host name"))
    });
    let path = wire.path.as_ref().and_then(path).map(|rewrite| Ok(Filter::RewritePath(rewrite)));
    host.into_iter().chain(path).collect()
}

/// An empty list, or `*` in it, allows what is asked for.
fn cors(wire: &wire::Cors) -> Result<Cors, String> {
    let any = |list: &[String]| list.iter().any(|item| item == "*");
    let methods = if any(&wire.allow_methods) { &[][..] } else { &wire.allow_methods };
    let headers = if any(&wire.allow_headers) { &[][..] } else { &wire.allow_headers };
    let method = |text: &String| Method::from_bytes(text.as_bytes()).map_err(|_| format!("{text:?} is no method"));
    let exposed = wire.expose_headers.iter().filter(|header| *header != "*");
    Ok(Cors {
        allow_origins: wire.allow_origins.iter().map(|origin| origin.as_str().into()).collect(),
        allow_methods: methods.iter().map(method).collect::<Result<_, _>>()?,
        allow_headers: headers.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
        expose_headers: exposed.map(|text| name(text)).collect::<Result<_, _>>()?,
        allow_credentials: wire.allow_credentials.unwrap_or(false),
        max_age: Some(Duration::from_secs(wire.max_age.unwrap_or(5))),
    })
}
