//! From the JSON of the API server to what is kept of it.

use std::sync::Arc;

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ObjectKind, Service, Slice, SliceEndpoint};

/// A value that may be absent.
pub fn parsed<T: DeserializeOwned + Default>(value: Value) -> Result<T, serde_json::Error> {
    if value.is_null() { Ok(T::default()) } else { serde_json::from_value(value) }
}

/// A value as text.
pub fn text(value: &Value) -> Box<str> {
    if value.is_null() { "{}".into() } else { value.to_string().into() }
}

/// Only what somebody else says in a status is of interest here; our own are written, never read back.
pub fn status_text(kind: ObjectKind, value: &Value) -> Box<str> {
    match kind {
        ObjectKind::Rollout if !value.is_null() => value.to_string().into(),
        _ => "".into(),
    }
}

/// A Service with what a load balancer says.
pub fn service(spec: Value, status: &Value) -> Result<Service, serde_json::Error> {
    let mut service: Service = parsed(spec)?;
    let addresses = status["loadBalancer"]["ingress"].as_array();
    let address = |entry: &Value| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()).map(Box::from);
    service.addresses = addresses.into_iter().flatten().filter_map(address).collect();
    Ok(service)
}

#[derive(Deserialize)]
struct WirePort {
    name: Option<Box<str>>,
    port: Option<u16>,
    protocol: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEndpoint {
    addresses: Vec<Box<str>>,
    #[serde(default)]
    conditions: Option<WireConditions>,
    target_ref: Option<WireTarget>,
}

#[derive(Deserialize, Default)]
struct WireConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct WireTarget {
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
}

/// Conditions as their documentation reads what is absent: `ready` as true, `serving` as `ready`.
pub fn slice(metadata: &ObjectMeta, endpoints: Value, ports: Value) -> Result<Slice, serde_json::Error> {
    let (endpoints, ports): (Vec<WireEndpoint>, Vec<WirePort>) = (parsed(endpoints)?, parsed(ports)?);
    let labels = metadata.labels.as_ref();
    let service = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
    let endpoint = |endpoint: WireEndpoint| {
        let conditions = endpoint.conditions.unwrap_or_default();
        let ready = conditions.ready.unwrap_or(true);
        let terminating = conditions.terminating.unwrap_or(false);
        Some(SliceEndpoint {
            // The API defines addresses to be interchangeable, and clients use the first.
            address: endpoint.addresses.first()?.parse().ok()?,
            // With `publishNotReadyAddresses` every endpoint is told to be ready.
            ready: ready && !terminating,
            serving: conditions.serving.unwrap_or(ready),
            terminating,
            pod: endpoint
                .target_ref
                .filter(|target| target.kind.as_deref() == Some("Pod"))
                .and_then(|target| target.name.map(Arc::from)),
        })
    };
    let port = |port: WirePort| {
        let tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        port.port.filter(|_| tcp).map(|number| (port.name.unwrap_or_default(), number))
    };
    Ok(Slice {
        service: service.map_or_else(|| "".into(), |name| name.as_str().into()),
        ports: ports.into_iter().filter_map(port).collect(),
        endpoints: endpoints.into_iter().filter_map(endpoint).collect(),
    })
}
