//! What the API shows of the snapshot; secrets are not in it.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::control::{Analysis, Control, KEPT, SplitHistory};
use crate::decide::{self, Explanation};
use crate::head::RequestHead;
use crate::proxy::host_of;
use crate::route::path;
use crate::snapshot::Snapshot;

/// Seconds that an analysis is about unless it says otherwise.
const WINDOW: usize = 60;

/// The JSON of `/api/v1/history`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    interval_seconds: u32,
    splits: Vec<SplitHistory>,
}

/// The last minutes, second by second.
pub fn history(control: &Control) -> History {
    History { interval_seconds: 1, splits: control.history() }
}

/// The JSON of `/api/v1/config`.
#[derive(Serialize)]
pub struct Config {
    generation: u64,
    listeners: Vec<Listener>,
    splits: Vec<Split>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listener {
    name: String,
    address: String,
    tls: Option<Vec<String>>,
    proxy_protocol: bool,
}

#[derive(Serialize)]
struct Split {
    name: String,
    kind: &'static str,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    name: String,
    revision: String,
    weight: u32,
    endpoints: Vec<String>,
}

/// What is served: listeners with the names of their certificates, splits with their endpoints.
pub fn config(snapshot: &Snapshot) -> Config {
    let names = |tls: &crate::model::TlsServer| {
        tls.certificates.iter().flat_map(|c| c.names.iter().map(ToString::to_string)).collect()
    };
    let listener = |entry: &crate::snapshot::ListenerEntry| Listener {
        name: entry.listener.name.to_string(),
        address: entry.listener.address.to_string(),
        tls: entry.listener.tls.as_deref().map(names),
        proxy_protocol: entry.listener.proxy_protocol,
    };
    let split = |rule: &crate::snapshot::Rule| Split {
        name: rule.body.route.to_string(),
        kind: rule.body.route.kind.as_str(),
        versions: rule
            .body
            .versions
            .iter()
            .zip(&rule.weights.desired)
            .map(|(version, weight)| Version {
                name: version.name.to_string(),
                revision: version.revision.to_string(),
                weight: weight.get(),
                endpoints: version.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect(),
            })
            .collect(),
    };
    Config {
        generation: snapshot.generation,
        listeners: snapshot.listeners.iter().map(listener).collect(),
        splits: snapshot.rules.iter().map(split).collect(),
    }
}

/// The parameters of a query string, decoded.
pub fn parameters(query: &str) -> Vec<(&str, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name, decoded(value))).collect()
}

/// What `/api/v1/analysis/{namespace}/{route}` says about the version that a query names, `version` and `window`.
///
/// # Errors
///
/// The window is none (400), or what is asked for is not there (404).
pub fn analysis(
    control: &Control,
    namespace: &str,
    name: &str,
    query: Option<&str>,
) -> Result<Analysis, (StatusCode, String)> {
    let pairs = parameters(query.unwrap_or_default());
    let one = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    let seconds = one("window").map_or(Some(WINDOW), |text| text.strip_suffix('s').unwrap_or(text).parse().ok());
    let seconds = seconds.filter(|seconds| (1..=KEPT).contains(seconds)).ok_or_else(|| {
        (StatusCode::BAD_REQUEST, format!("window is a number of seconds from 1 to {KEPT}: window=60s"))
    })?;
    let namespace = if namespace == "-" { "" } else { namespace };
    let analysis = control.analyse(namespace, name, one("version"), seconds);
    analysis.map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))
}

/// Explains the request that a query describes: `method`, `url`, any number of `header` as `Name: value`, and the address of the `client`.
///
/// # Errors
///
/// Says which parameter is missing or malformed.
pub fn explain(snapshot: &Snapshot, query: Option<&str>) -> Result<Explanation, String> {
    let pairs = parameters(query.unwrap_or_default());
    let one = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    let headers: Vec<String> =
        pairs.iter().filter(|(name, _)| *name == "header").map(|(_, value)| value.clone()).collect();
    let url = one("url").ok_or("the parameter url is missing: url=http%3A%2F%2Fshop.example.com%2F")?;
    let client = one("client").map_or(Ok(LOCAL), |text| {
        text.parse().map_err(|_| format!("{text:?} is no address: write client=192.0.2.1"))
    })?;
    explain_request(snapshot, Asked { method: one("method").unwrap_or("GET"), url, headers: &headers, client })
}

/// Who asks, unless it is said.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A request as a person writes it.
pub struct Asked<'a> {
    /// Method, in any case.
    pub method: &'a str,
    /// `http://host:port/path?query`.
    pub url: &'a str,
    /// Each as `Name: value`.
    pub headers: &'a [String],
    /// The client's address, as trusted proxies tell it.
    pub client: IpAddr,
}

/// Explains a request.
///
/// # Errors
///
/// Says which part is malformed.
pub fn explain_request(snapshot: &Snapshot, asked: Asked<'_>) -> Result<Explanation, String> {
    let Asked { method, url, headers, client } = asked;
    let method = method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))?;
    let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}; write http://host/path"))?;
    let mut fields = HeaderMap::new();
    for header in headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| format!("{header:?} is no header: write 'Name: value'"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| format!("{name:?} is no header name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("{value:?} is no header value"))?;
        fields.append(name, value);
    }
    let named = fields.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = host_of(named.or(uri.authority().map(|authority| authority.as_str())).unwrap_or_default());
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let normal = if snapshot.forwarding.normal_paths { path::normal(path) } else { None };
    let path = normal.as_deref().unwrap_or(path);
    let head = RequestHead {
        secure: uri.scheme_str() == Some("https"),
        listener: listener_for(snapshot, &uri),
        method: &method,
        host: &host,
        path,
        query: uri.query(),
        fields: &fields,
        client,
    };
    Ok(decide::explain(snapshot, &head))
}

/// The listener that a URL leads to: the one with its port, else the first with its scheme, else the first.
fn listener_for(snapshot: &Snapshot, uri: &Uri) -> usize {
    let port = uri.port_u16();
    let tls = uri.scheme_str() == Some("https");
    let listeners = &snapshot.listeners;
    let by_port = listeners.iter().position(|entry| Some(entry.listener.address.port()) == port);
    by_port.or_else(|| listeners.iter().position(|entry| entry.tls.is_some() == tls)).unwrap_or(0)
}
