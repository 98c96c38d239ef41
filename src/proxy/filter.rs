//! Filters of a rule: what they do to a request and its answer, and what they answer themselves.

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Method, StatusCode};

use crate::model::{Cors, Filter, HeaderEdit, PathRewrite, Redirect};
use crate::snapshot::is_preflight;

/// What a redirect or rewrite starts from.
pub struct Original<'a> {
    /// Scheme that the client used.
    pub scheme: &'a Scheme,
    /// Host without a port.
    pub host: &'a str,
    /// Port that the client connected to.
    pub port: u16,
    /// Path.
    pub path: &'a str,
    /// Query.
    pub query: Option<&'a str>,
    /// Whether the client speaks TLS, to the proxy or to a trusted one in front of it.
    pub secure: bool,
    /// Bytes of the path that a prefix condition matched.
    pub prefix: usize,
}

/// The answer that a filter gives instead of an endpoint: its status and headers.
pub fn answer(filters: &[Filter], original: &Original<'_>, request: &Parts) -> Option<(StatusCode, HeaderMap)> {
    filters.iter().find_map(|filter| match filter {
        Filter::Redirect(to) => redirect(to.status, location(to, original)),
        Filter::RedirectTo(to) => {
            let target = if to.with_target { target(original) } else { String::new() };
            redirect(to.status, format!("{}{target}", to.url))
        }
        Filter::RequireHttps(status) if !original.secure => {
            redirect(*status, format!("https://{}{}", original.host, target(original)))
        }
        Filter::Cors(cors) if is_preflight(&request.method, &request.headers) => {
            Some((StatusCode::NO_CONTENT, preflight(cors, &request.headers)))
        }
        _ => None,
    })
}

fn redirect(status: StatusCode, location: String) -> Option<(StatusCode, HeaderMap)> {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, HeaderValue::try_from(location).ok()?);
    Some((status, headers))
}

/// Path and query as they came.
fn target(original: &Original<'_>) -> String {
    original.query.map_or_else(|| original.path.to_owned(), |query| format!("{}?{query}", original.path))
}

/// `Location` of a redirect (Gateway API `HTTPRequestRedirectFilter`).
fn location(redirect: &Redirect, original: &Original<'_>) -> String {
    let scheme = redirect.scheme.as_ref().unwrap_or(original.scheme);
    let well_known = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let port = match (redirect.port, &redirect.scheme) {
        (Some(port), _) => port,
        (None, Some(_)) => well_known,
        (None, None) => original.port,
    };
    let host = redirect.host.as_deref().unwrap_or(original.host);
    let path = redirect.path.as_ref().map_or(original.path.to_owned(), |rewrite| rewritten(rewrite, original));
    let port = if port == well_known { String::new() } else { format!(":{port}") };
    let query = original.query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}://{host}{port}{path}{query}")
}

/// The path after a rewrite.
pub fn rewritten(rewrite: &PathRewrite, original: &Original<'_>) -> String {
    match rewrite {
        PathRewrite::Full(path) => path.to_string(),
        PathRewrite::Pattern(pattern, replacement) => {
            pattern.rewrite(original.path, replacement).unwrap_or_else(|| original.path.to_owned())
        }
        PathRewrite::Prefix(replacement) => {
            let rest = original.path.get(original.prefix..).unwrap_or_default();
            let replacement = replacement.trim_end_matches('/');
            match (replacement, rest) {
                ("", "") => "/".to_owned(),
                (_, "") | (_, "/") if !replacement.is_empty() => format!("{replacement}{rest}"),
                _ if rest.starts_with('/') => format!("{replacement}{rest}"),
                _ => format!("{replacement}/{rest}"),
            }
        }
    }
}

/// Applies the header edits of one direction.
pub fn edit(edits: impl Iterator<Item = HeaderEdit>, headers: &mut HeaderMap) {
    for edit in edits {
        match edit {
            HeaderEdit::Set(name, value) => _ = headers.insert(name, value),
            HeaderEdit::Add(name, value) => _ = headers.append(name, value),
            HeaderEdit::Remove(name) => _ = headers.remove(name),
        }
    }
}

/// The edits of requests.
pub fn request_edits(filters: &[Filter]) -> impl Iterator<Item = HeaderEdit> {
    filters.iter().filter_map(|filter| match filter {
        Filter::RequestHeader(edit) => Some(edit.clone()),
        _ => None,
    })
}

/// The edits of responses.
pub fn response_edits(filters: &[Filter]) -> impl Iterator<Item = HeaderEdit> {
    filters.iter().filter_map(|filter| match filter {
        Filter::ResponseHeader(edit) => Some(edit.clone()),
        _ => None,
    })
}

/// Adds what a script needs to read an answer from another origin (Fetch standard, section 3.2.3).
pub fn share(filters: &[Filter], origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let cors = filters.iter().find_map(|filter| if let Filter::Cors(cors) = filter { Some(cors) } else { None });
    let Some(cors) = cors else { return };
    // The policy is the proxy's where it is configured: an endpoint's own headers would be a second answer.
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(name);
    }
    if allow_origin(cors, origin, headers) {
        expose(cors, headers);
    }
}

fn expose(cors: &Cors, headers: &mut HeaderMap) {
    if let Some(names) = list(cors.expose_headers.iter().map(HeaderName::as_str)) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

fn preflight(cors: &Cors, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !allow_origin(cors, request.get(header::ORIGIN), &mut headers) {
        return headers;
    }
    let methods = list(cors.allow_methods.iter().map(Method::as_str));
    if let Some(methods) = methods.or_else(|| request.get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    let names = list(cors.allow_headers.iter().map(HeaderName::as_str));
    if let Some(names) = names.or_else(|| request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    // Browsers read it in the answer itself only; the Gateway API wants the whole policy told here, too.
    expose(cors, &mut headers);
    if let Some(age) = cors.max_age {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age.as_secs()));
    }
    headers
}

/// Allows the origin if the policy does; answers differ by origin, so caches are told, also by those to requests without
/// one (Fetch standard, section 3.2.5).
fn allow_origin(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some((origin, text)) = origin.and_then(|origin| Some((origin, origin.to_str().ok()?))) else { return false };
    if !cors.allow_origins.iter().any(|pattern| origin_fits(pattern, text)) {
        return false;
    }
    let any = cors.allow_origins.iter().any(|pattern| &**pattern == "*") && !cors.allow_credentials;
    let allowed = if any { HeaderValue::from_static("*") } else { origin.clone() };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.allow_credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

/// `*` stands for anything in one place of the pattern.
fn origin_fits(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some((before, after)) => {
            origin.len() >= before.len() + after.len()
                && origin.get(..before.len()).is_some_and(|o| o.eq_ignore_ascii_case(before))
                && origin.get(origin.len() - after.len()..).is_some_and(|o| o.eq_ignore_ascii_case(after))
        }
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let text = items.collect::<Vec<_>>().join(", ");
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

#[cfg(test)]
mod tests;
