//! From the JSON of the API server to what is kept of it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::text::Text;
use super::{ObjectKind, Service, Slice, SliceEndpoint};

/// Only what somebody else says in a status is of interest here; our own are written, never read back.
pub fn status_text(kind: ObjectKind, status: &Text) -> Box<str> {
    match kind {
        ObjectKind::Rollout if !status.is_null() => status.as_str().into(),
        _ => "".into(),
    }
}

/// A Service with what a load balancer says.
pub fn service(spec: &Text, status: &Text) -> serde_json::Result<Service> {
    let mut service: Service = spec.parsed()?;
    let status: Value = status.parsed()?;
    let addresses = status["loadBalancer"]["ingress"].as_array();
    let address = |entry: &Value| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()).map(Box::from);
    service.addresses = addresses.into_iter().flatten().filter_map(address).collect();
    Ok(service)
}

/// An address; none where there is `None`, or nothing.
pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    Ok(Option::<Cow<'_, str>>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

/// Whether a type of Service is `ExternalName`.
pub fn is_external_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<Cow<'_, str>>::deserialize(deserializer)?.is_some_and(|kind| kind == "ExternalName"))
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
pub fn slice(metadata: &ObjectMeta, endpoints: &Text, ports: &Text) -> serde_json::Result<Slice> {
    let (endpoints, ports): (Vec<WireEndpoint>, Vec<WirePort>) = (endpoints.parsed()?, ports.parsed()?);
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
