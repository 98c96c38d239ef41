//! Matches of routes (Gateway API, `HTTPRouteMatch`, `GRPCRouteMatch`).

use http::{HeaderName, Method};

use super::wire::{GrpcMatch, HttpMatch, PathMatch as WirePath, ValueMatch as WireValue};
use crate::model::{HeaderMatch, Match, PathMatch, Pattern, QueryMatch, ValueMatch};

/// A match of an HTTPRoute.
///
/// # Errors
///
/// Says what cannot be understood.
pub fn http(wire: &HttpMatch) -> Result<Match, String> {
    let path = wire.path.as_ref().map_or_else(|| Ok(PathMatch::everything()), path)?;
    let method = wire.method.as_deref().map(|method| Method::from_bytes(method.as_bytes())).transpose();
    Ok(Match {
        method: method.map_err(|_| format!("method {:?} is none", wire.method))?,
        headers: headers(&wire.headers)?,
        query: query(&wire.query_params)?,
        ..Match::path(path)
    })
}

/// A match of a GRPCRoute: a method is a path, `/service/method` (gRPC over HTTP/2, "Requests").
///
/// # Errors
///
/// Says what cannot be understood.
pub fn grpc(wire: &GrpcMatch) -> Result<Match, String> {
    let path = match &wire.method {
        None => PathMatch::everything(),
        Some(method) => {
            let literal = method.kind.as_deref() != Some("RegularExpression");
            match (method.service.as_deref(), method.method.as_deref(), literal) {
                (None, None, _) => PathMatch::everything(),
                (Some(service), Some(method), true) => PathMatch::Exact(format!("/{service}/{method}").into()),
                (Some(service), None, true) => PathMatch::Prefix(format!("/{service}").into()),
                (service, method, literal) => {
                    let part = |part: Option<&str>| match part {
                        Some(text) if literal => regex::escape(text),
                        Some(text) => text.to_owned(),
                        None => "[^/]+".to_owned(),
                    };
                    PathMatch::Regex(whole(&format!("/{}/{}", part(service), part(method)))?)
                }
            }
        }
    };
    Ok(Match { headers: headers(&wire.headers)?, ..Match::path(path) })
}

fn path(wire: &WirePath) -> Result<PathMatch, String> {
    let value = wire.value.as_deref().unwrap_or("/");
    match wire.kind.as_deref().unwrap_or("PathPrefix") {
        "Exact" => Ok(PathMatch::Exact(value.into())),
        "PathPrefix" => {
            let trimmed = value.trim_end_matches('/');
            Ok(PathMatch::Prefix(if trimmed.is_empty() { "/".into() } else { trimmed.into() }))
        }
        "RegularExpression" => whole(value).map(PathMatch::Regex),
        other => Err(format!("path type {other} is not known: use Exact, PathPrefix or RegularExpression")),
    }
}

fn whole(text: &str) -> Result<Pattern, String> {
    Pattern::whole(text).map_err(|error| format!("{text:?} is no regular expression: {error}"))
}

/// Of several conditions on one header only the first counts (`HTTPRouteMatch.headers`).
fn headers(wire: &[WireValue]) -> Result<Vec<HeaderMatch>, String> {
    let mut headers: Vec<HeaderMatch> = Vec::new();
    for condition in wire {
        let name: HeaderName = condition.name.parse().map_err(|_| format!("{:?} is no header name", condition.name))?;
        if !headers.iter().any(|known| known.name == name) {
            headers.push(HeaderMatch { name, value: value(condition)? });
        }
    }
    Ok(headers)
}

fn query(wire: &[WireValue]) -> Result<Vec<QueryMatch>, String> {
    let mut query: Vec<QueryMatch> = Vec::new();
    for condition in wire {
        if !query.iter().any(|known| *known.name == *condition.name) {
            query.push(QueryMatch { name: condition.name.as_str().into(), value: value(condition)? });
        }
    }
    Ok(query)
}

fn value(wire: &WireValue) -> Result<ValueMatch, String> {
    match wire.kind.as_deref().unwrap_or("Exact") {
        "Exact" => Ok(ValueMatch::Exact(wire.value.as_str().into())),
        "RegularExpression" => whole(&wire.value).map(ValueMatch::Regex),
        other => Err(format!("match type {other} is not known: use Exact or RegularExpression")),
    }
}
