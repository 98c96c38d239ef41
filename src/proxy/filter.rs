//! Filters of a rule: what they do to a request and its answer, and what they answer themselves.

use http::header::HeaderName;
use http::uri::Scheme;
use http::{Method, StatusCode};

use crate::message::{Field, FieldSection, FieldSet, Request};
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

/// The answer that a filter gives instead of an endpoint: its status and fields.
pub fn answer(filters: &[Filter], original: &Original<'_>, request: &Request) -> Option<(StatusCode, FieldSection)> {
    filters.iter().find_map(|filter| match filter {
        Filter::Redirect(to) => redirect(to.status, &location(to, original)),
        Filter::RedirectTo(to) => {
            let target = if to.with_target { target(original) } else { String::new() };
            redirect(to.status, &format!("{}{target}", to.url))
        }
        Filter::RequireHttps(status) if !original.secure => {
            redirect(*status, &format!("https://{}{}", original.host, target(original)))
        }
        Filter::Cors(cors) if is_preflight(&request.method, &request.fields) => {
            Some((StatusCode::NO_CONTENT, preflight(cors, &request.fields)))
        }
        _ => None,
    })
}

fn redirect(status: StatusCode, location: &str) -> Option<(StatusCode, FieldSection)> {
    let mut fields = FieldSection::new();
    // A rewrite or a host may have put in what no field can hold.
    http::HeaderValue::try_from(location).ok()?;
    fields.append(Field::Location, location.as_bytes());
    Some((status, fields))
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
pub fn edit<'e>(edits: impl Iterator<Item = &'e HeaderEdit>, fields: &mut FieldSection) {
    for edit in edits {
        match edit {
            HeaderEdit::Set(name, value) => fields.set(name, value.as_bytes()),
            HeaderEdit::Add(name, value) => fields.append(name, value.as_bytes()),
            HeaderEdit::Remove(name) => fields.remove(name),
        }
    }
}

/// The edits of requests.
pub fn request_edits(filters: &[Filter]) -> impl Iterator<Item = &HeaderEdit> {
    filters.iter().filter_map(|filter| match filter {
        Filter::RequestHeader(edit) => Some(edit),
        _ => None,
    })
}

/// The edits of responses.
pub fn response_edits(filters: &[Filter]) -> impl Iterator<Item = &HeaderEdit> {
    filters.iter().filter_map(|filter| match filter {
        Filter::ResponseHeader(edit) => Some(edit),
        _ => None,
    })
}

/// The policy for scripts of other origins.
pub fn cors(filters: &[Filter]) -> Option<&Cors> {
    filters.iter().find_map(|filter| if let Filter::Cors(cors) = filter { Some(cors) } else { None })
}

/// What the proxy says itself where it has a policy.
const SHARED: FieldSet = FieldSet::of(&[
    Field::AccessControlAllowOrigin,
    Field::AccessControlAllowCredentials,
    Field::AccessControlExposeHeaders,
]);

/// Adds what a script needs to read an answer from another origin (Fetch standard, section 3.2.3).
pub fn share(filters: &[Filter], origin: Option<&[u8]>, fields: &mut FieldSection) {
    let Some(cors) = cors(filters) else { return };
    // The policy is the proxy's where it is configured: an endpoint's own headers would be a second answer.
    fields.remove_all(SHARED, |_| false);
    if allow_origin(cors, origin, fields) {
        expose(cors, fields);
    }
}

fn expose(cors: &Cors, fields: &mut FieldSection) {
    if let Some(names) = list(cors.expose_headers.iter().map(HeaderName::as_str)) {
        fields.append(Field::AccessControlExposeHeaders, names.as_bytes());
    }
}

fn preflight(cors: &Cors, request: &FieldSection) -> FieldSection {
    let mut fields = FieldSection::new();
    if !allow_origin(cors, request.first(Field::Origin), &mut fields) {
        return fields;
    }
    let say = |fields: &mut FieldSection, name: &str, configured: Option<String>, asked: Field| {
        let configured = configured.map(String::into_bytes);
        if let Some(value) = configured.or_else(|| request.first(asked).map(<[u8]>::to_vec)) {
            fields.append(name, &value);
        }
    };
    let methods = list(cors.allow_methods.iter().map(Method::as_str));
    say(&mut fields, "access-control-allow-methods", methods, Field::AccessControlRequestMethod);
    let names = list(cors.allow_headers.iter().map(HeaderName::as_str));
    say(&mut fields, "access-control-allow-headers", names, Field::AccessControlRequestHeaders);
    // Browsers read it in the answer itself only; the Gateway API wants the whole policy told here, too.
    expose(cors, &mut fields);
    if let Some(age) = cors.max_age {
        fields.append_display("access-control-max-age", age.as_secs());
    }
    fields
}

/// Allows the origin if the policy does; answers differ by origin, so caches are told, also by those to requests without
/// one (Fetch standard, section 3.2.5).
fn allow_origin(cors: &Cors, origin: Option<&[u8]>, fields: &mut FieldSection) -> bool {
    fields.append(Field::Vary, b"origin");
    let Some(origin) = origin.and_then(|origin| std::str::from_utf8(origin).ok()) else { return false };
    if !cors.allow_origins.iter().any(|pattern| origin_fits(pattern, origin)) {
        return false;
    }
    let any = cors.allow_origins.iter().any(|pattern| &**pattern == "*") && !cors.allow_credentials;
    fields.append(Field::AccessControlAllowOrigin, if any { b"*" } else { origin.as_bytes() });
    if cors.allow_credentials {
        fields.append(Field::AccessControlAllowCredentials, b"true");
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

fn list<'a>(items: impl Iterator<Item = &'a str>) -> Option<String> {
    let text = items.collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
