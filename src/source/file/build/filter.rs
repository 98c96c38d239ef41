//! Filters.

use std::collections::BTreeMap;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::model::{Cors, Filter, HeaderEdit, HostPattern, PathRewrite, Redirect};

use super::super::problem::{Pointer, Problems};
use super::super::wire;
use super::matching::{header_name, method, path};
use super::{each, every, optional};

/// Headers that frame a message or belong to one connection: a filter that changed them would break requests.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// What filters say about the matches that they go with.
#[derive(Clone, Copy, Debug)]
pub struct Matched {
    /// Every match is by path prefix.
    pub by_prefix: bool,
}

/// The filters of one entry: several if it names several headers.
pub fn filters(wire: &wire::Filter, at: &Pointer, matched: Matched, problems: &mut Problems) -> Option<Vec<Filter>> {
    let edits = [
        (&wire.set_request_header, "setRequestHeader", true, set as fn(_, _) -> _),
        (&wire.add_request_header, "addRequestHeader", true, add),
        (&wire.set_response_header, "setResponseHeader", false, set),
        (&wire.add_response_header, "addResponseHeader", false, add),
    ];
    for (headers, key, request, edit) in edits {
        if let Some(headers) = headers {
            let edits = changed(headers, &at.key(key), request, problems)?;
            return Some(edits.into_iter().map(|(name, value)| of(request, edit(name, value))).collect());
        }
    }
    let removals = [
        (&wire.remove_request_header, "removeRequestHeader", true),
        (&wire.remove_response_header, "removeResponseHeader", false),
    ];
    for (names, key, request) in removals {
        if let Some(names) = names {
            let names = each(names, &at.key(key), |name, at| editable(name, &at, request, problems));
            return Some(names?.into_iter().map(|name| of(request, HeaderEdit::Remove(name))).collect());
        }
    }
    other(wire, at, matched, problems).map(|filter| vec![filter])
}

fn set(name: HeaderName, value: HeaderValue) -> HeaderEdit {
    HeaderEdit::Set(name, value)
}

fn add(name: HeaderName, value: HeaderValue) -> HeaderEdit {
    HeaderEdit::Add(name, value)
}

fn of(request: bool, edit: HeaderEdit) -> Filter {
    if request { Filter::RequestHeader(edit) } else { Filter::ResponseHeader(edit) }
}

fn changed(
    headers: &BTreeMap<String, String>,
    at: &Pointer,
    request: bool,
    problems: &mut Problems,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    every(headers.iter().map(|(name, value)| {
        let at = at.key(name);
        let name = editable(name, &at, request, problems);
        let value = problems.check(&at, header_value(value));
        Some((name?, value?))
    }))
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} is no header value: use printable characters of ASCII"))
}

fn editable(text: &str, at: &Pointer, request: bool, problems: &mut Problems) -> Option<HeaderName> {
    let name = header_name(text, at, problems)?;
    if request && name == http::header::HOST {
        problems.error(at, "a filter cannot change the host header: use rewriteHost");
        return None;
    }
    if FRAMING.contains(&name.as_str()) {
        problems.error(at, format!("header \"{name}\" belongs to the connection, not to the request: remove it here"));
        return None;
    }
    Some(name)
}

fn other(wire: &wire::Filter, at: &Pointer, matched: Matched, problems: &mut Problems) -> Option<Filter> {
    // The schema allows exactly one key, so the order does not matter.
    if let Some(redirect) = &wire.redirect {
        return self::redirect(redirect, &at.key("redirect"), matched, problems).map(Filter::Redirect);
    }
    if let Some(text) = &wire.rewrite_path {
        let path = path(text, &at.key("rewritePath"), problems)?;
        return Some(Filter::RewritePath(PathRewrite::Full(path)));
    }
    if let Some(text) = &wire.rewrite_prefix {
        return prefix(text, &at.key("rewritePrefix"), matched, problems).map(Filter::RewritePath);
    }
    if let Some(text) = &wire.rewrite_host {
        let at = at.key("rewriteHost");
        return problems.check(&at, host(text).and_then(|()| header_value(text))).map(Filter::RewriteHost);
    }
    wire.cors.as_ref().and_then(|cors| self::cors(cors, &at.key("cors"), problems).map(Filter::Cors))
}

/// A host, perhaps with a port.
fn host(text: &str) -> Result<(), String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    exact_host(name)?;
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(format!("\"{port}\" is no port: write 1 to 65535")),
        _ => Ok(()),
    }
}

fn exact_host(text: &str) -> Result<(), String> {
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(_)) => Ok(()),
        Ok(HostPattern::Wildcard(_)) => Err(format!("\"{text}\" is a pattern: write one host name")),
        Err(error) => Err(error.to_string()),
    }
}

fn prefix(text: &str, at: &Pointer, matched: Matched, problems: &mut Problems) -> Option<PathRewrite> {
    let path = path(text, at, problems);
    if !matched.by_prefix {
        problems.error(at, "replaces the prefix that matched, but this split also matches in other ways: match by prefix only, or replace the whole path");
        return None;
    }
    path.map(PathRewrite::Prefix)
}

fn redirect(wire: &wire::Redirect, at: &Pointer, matched: Matched, problems: &mut Problems) -> Option<Redirect> {
    let host = optional(
        wire.host.as_ref().map(|text| problems.check(&at.key("host"), exact_host(text)).map(|()| text.as_str().into())),
    );
    let path = match (&wire.path, &wire.prefix) {
        (None, None) => Some(None),
        (Some(text), None) => path(text, &at.key("path"), problems).map(PathRewrite::Full).map(Some),
        (None, Some(text)) => prefix(text, &at.key("prefix"), matched, problems).map(Some),
        (Some(_), Some(_)) => {
            problems.error(&at.key("prefix"), "path and prefix cannot stand together: write one of them");
            None
        }
    };
    let status = wire.status.unwrap_or(302);
    let status = StatusCode::from_u16(status).map_err(|_| format!("{status} is no status"));
    Some(Redirect {
        scheme: wire.scheme.map(|scheme| match scheme {
            wire::Scheme::Http => Scheme::HTTP,
            wire::Scheme::Https => Scheme::HTTPS,
        }),
        host: host?,
        port: wire.port,
        path: path?,
        status: problems.check(&at.key("status"), status)?,
    })
}

fn cors(wire: &wire::Cors, at: &Pointer, problems: &mut Problems) -> Option<Cors> {
    let mut headers =
        |names: &[String], key: &str| each(names, &at.key(key), |name, at| header_name(name, &at, problems));
    let allow_headers = headers(&wire.allow_headers, "allowHeaders");
    let expose_headers = headers(&wire.expose_headers, "exposeHeaders");
    let origins = each(&wire.allow_origins, &at.key("allowOrigins"), |text, at| {
        problems.check(&at, origin(text)).map(|()| text.as_str().into())
    });
    let methods = each(&wire.allow_methods, &at.key("allowMethods"), |text, at| method(text, &at, problems));
    Some(Cors {
        allow_methods: methods?,
        allow_origins: origins?,
        allow_headers: allow_headers?,
        expose_headers: expose_headers?,
        allow_credentials: wire.allow_credentials.unwrap_or(false),
        max_age: wire.max_age.map(|time| time.0),
    })
}

/// An origin as browsers send it, with `*` for a part of the host, or `*` for all.
fn origin(text: &str) -> Result<(), String> {
    let valid = text == "*"
        || text.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._*:[]".contains(&b))
        });
    if valid {
        Ok(())
    } else {
        Err(format!(
            "\"{text}\" is no origin: write one like \"https://app.example.com\" or \"https://*.example.com\" without a path, or \"*\" for all"
        ))
    }
}
