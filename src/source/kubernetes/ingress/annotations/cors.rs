//! `enable-cors`, `cors-*`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use super::Severity;
use super::reader::Reader;
use crate::model::Cors;

const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str =
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";
/// 20 days, in seconds.
const MAX_AGE: u64 = 1_728_000;

/// Cross-origin resource sharing, with ingress-nginx's defaults.
pub fn cors(reader: &mut Reader<'_>) -> Option<Cors> {
    if !reader.flag("enable-cors", false) {
        return None;
    }
    let origins =
        reader.parsed("cors-allow-origin", "origins like https://app.example.com, separated by commas", origins);
    let methods = reader.parsed("cors-allow-methods", "methods, separated by commas", methods);
    let headers = reader.parsed("cors-allow-headers", "header names, separated by commas", headers);
    let exposed = reader.parsed("cors-expose-headers", "header names, separated by commas", headers_or_all);
    if exposed.as_ref().is_some_and(Vec::is_empty) {
        let message = "\"*\" exposes nothing where credentials go along (Fetch standard): name the headers";
        reader.tell("cors-expose-headers", Severity::Warning, message);
    }
    Some(Cors {
        allow_origins: origins.unwrap_or_else(|| vec!["*".into()]),
        allow_methods: methods.or_else(|| self::methods(METHODS)).unwrap_or_default(),
        allow_headers: headers.or_else(|| self::headers(HEADERS)).unwrap_or_default(),
        expose_headers: exposed.unwrap_or_default(),
        allow_credentials: reader.flag("cors-allow-credentials", true),
        max_age: Some(Duration::from_secs(reader.number("cors-max-age", 0).unwrap_or(MAX_AGE))),
    })
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn origins(text: &str) -> Option<Vec<Arc<str>>> {
    let origin = |text: &str| {
        let host = text.split_once("://").map(|(_, host)| host);
        let valid = text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ']));
        valid.then(|| Arc::from(text))
    };
    list(text).map(origin).collect()
}

fn methods(text: &str) -> Option<Vec<Method>> {
    list(text).map(|name| Method::from_bytes(name.as_bytes()).ok()).collect()
}

fn headers(text: &str) -> Option<Vec<HeaderName>> {
    list(text).map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
}

fn headers_or_all(text: &str) -> Option<Vec<HeaderName>> {
    if text == "*" { Some(Vec::new()) } else { headers(text) }
}
