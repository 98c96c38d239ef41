//! Objects of the cluster, cut down to what is used: 5,000 routes with their Services and pods fit into a few MiB.
//!
//! What every request depends on (Services, slices, pods) is kept in a form that is quick to read; all else as the text of
//! its spec, which is parsed when it is translated and then let go.

mod convert;
mod kind;
mod packed;
mod place;
mod strings;
mod text;
mod told;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::convert::{service, slice, status_text};
pub use self::kind::{ObjectKind, Watched};
use self::packed::Packed;
pub use self::strings::Strings;
pub use self::told::Told;
use super::translate::is_unit;

/// Label of the pods of an Argo Rollout that tells their ReplicaSet.
pub const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";
/// Label of the pods of a Deployment that tells their ReplicaSet.
pub const DEPLOYMENT_HASH: &str = "pod-template-hash";
/// Annotation of a ReplicaSet that Argo Rollouts is going to scale down: when, RFC 3339.
pub const SCALE_DOWN_DEADLINE: &str = "scale-down-deadline";

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Kind.
    pub kind: ObjectKind,
    /// Namespace; empty for what belongs to none.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Id {
    /// The object of this name.
    pub fn new(kind: ObjectKind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() {
            write!(f, "{} {name}", kind.name())
        } else {
            write!(f, "{} {namespace}/{name}", kind.name())
        }
    }
}

/// An object, cut down.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Unique over its life; empty for what nothing is said about.
    pub uid: Arc<str>,
    /// Grows with every change of the spec; 0 where the kind has none.
    pub generation: i64,
    /// Seconds since 1970 of its creation.
    pub created: i64,
    /// Labels that are used.
    pub labels: Strings,
    /// Its content.
    pub body: Body,
    rare: Option<Box<Rare>>,
}

/// What few objects have, apart from the others.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rare {
    annotations: Strings,
    status: Box<str>,
}

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A Service.
    Service(Box<Service>),
    /// An EndpointSlice.
    Slice(Box<Slice>),
    /// A Secret's data, base64.
    Secret(Strings),
    /// A ConfigMap's data.
    ConfigMap(Strings),
    /// Metadata only.
    None,
    /// The same, with the name of the controller that owns it.
    Owned(Arc<str>),
    /// The spec.
    Text(Packed),
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Labels of its pods; empty for a Service without a selector.
    pub selector: Strings,
    /// Ports.
    pub ports: Box<[ServicePort]>,
    /// Its own address; none for a headless Service.
    #[serde(rename = "clusterIP", deserialize_with = "convert::address")]
    pub cluster_ip: Option<IpAddr>,
    /// It stands for a name outside the cluster.
    #[serde(rename = "type", deserialize_with = "convert::is_external_name")]
    pub external_name: bool,
    /// Addresses given by a load balancer.
    #[serde(skip)]
    pub addresses: Box<[Box<str>]>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name; empty for the only port.
    pub name: Box<str>,
    /// Number.
    pub port: u16,
    /// Port of the pods: a number or a name.
    pub target_port: Option<TargetPort>,
    /// Application protocol.
    pub app_protocol: Option<Box<str>>,
}

/// A port of pods.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// By number.
    Number(u16),
    /// By the name that pods have for it.
    Name(Box<str>),
}

impl TargetPort {
    /// The number, where it is one.
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(_) => None,
        }
    }
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// The Service that it belongs to.
    pub service: Arc<str>,
    /// Port numbers by the name of the Service's port.
    pub ports: Box<[(Box<str>, u16)]>,
    /// Addresses.
    pub endpoints: Box<[SliceEndpoint]>,
}

/// An address of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceEndpoint {
    /// Address.
    pub address: IpAddr,
    /// Takes requests: it is ready, and not on its way out.
    pub ready: bool,
    /// Would answer, on its way out or not.
    pub serving: bool,
    /// On its way out.
    pub terminating: bool,
    /// The pod behind it.
    pub pod: Option<Arc<str>>,
}

impl Object {
    /// An object as the API server sends it.
    ///
    /// # Errors
    ///
    /// Says what of it cannot be understood.
    pub fn new(kind: ObjectKind, object: Told) -> Result<(Id, Self), (Id, String)> {
        let Told { metadata, spec, status, data, endpoints, ports, matches } = object;
        let namespace: Arc<str> = metadata.namespace.as_deref().unwrap_or_default().into();
        let id = Id { kind, namespace, name: metadata.name.as_deref().unwrap_or_default().into() };
        let told = status_text(kind, &status);
        let body = match kind {
            ObjectKind::Service => service(&spec, &status).map(|service| Body::Service(Box::new(service))),
            ObjectKind::Slice => slice(&metadata, &endpoints, &ports).map(|slice| Body::Slice(Box::new(slice))),
            ObjectKind::Secret => data.parsed().map(Body::Secret),
            ObjectKind::ConfigMap => data.parsed().map(Body::ConfigMap),
            _ if kind.metadata_only() => Ok(Body::None),
            ObjectKind::HttpRouteGroup if spec.is_null() => Ok(Body::Text(Packed::new(&matches.under("matches")))),
            _ => Ok(Body::Text(Packed::new(&spec))),
        };
        match body {
            Ok(body) => Ok((id, Self::with_body(kind, metadata, body).with_status(told))),
            Err(error) => Err((id, message(&error))),
        }
    }

    /// An object of which only the metadata is known.
    pub fn with_body(kind: ObjectKind, metadata: ObjectMeta, body: Body) -> Self {
        let kept = |map: Option<BTreeMap<String, String>>, keeps: fn(ObjectKind, &str) -> bool| {
            map.unwrap_or_default().into_iter().filter(|(key, _)| keeps(kind, key)).collect()
        };
        let owners = metadata.owner_references.unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true));
        let body = match owner.filter(|_| matches!(kind, ObjectKind::Pod | ObjectKind::ReplicaSet)) {
            Some(owner) => Body::Owned(owner.name.as_str().into()),
            None => body,
        };
        let rare = Rare { annotations: kept(metadata.annotations, ObjectKind::keeps), status: "".into() };
        Self {
            uid: metadata.uid.filter(|_| is_unit(kind)).map_or_else(Arc::default, Arc::from),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
            labels: kept(metadata.labels, ObjectKind::keeps_label),
            body,
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
        }
    }

    fn with_status(mut self, status: Box<str>) -> Self {
        if !status.is_empty() {
            self.rare.get_or_insert_default().status = status;
        }
        self
    }

    /// Annotations that are used.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rare.iter().flat_map(|rare| rare.annotations.iter())
    }

    /// Name of the controller that owns it.
    pub fn owner(&self) -> Option<&Arc<str>> {
        if let Body::Owned(owner) = &self.body { Some(owner) } else { None }
    }

    /// The spec of an object that is kept as text.
    ///
    /// # Errors
    ///
    /// Says what of it cannot be understood, with its place.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, String> {
        match &self.body {
            Body::Text(spec) => {
                let spec = spec.text();
                serde_json::from_str(&spec).map_err(|error| misfit::<T>(&spec, &error))
            }
            _ => Err("has no spec".to_owned()),
        }
    }

    /// The status of an object that is kept as text; the default if it has none, or one that cannot be understood.
    pub fn status<T: DeserializeOwned + Default>(&self) -> T {
        let status = self.rare.as_ref().map_or("", |rare| &rare.status);
        serde_json::from_str(status).unwrap_or_default()
    }
}

/// What is wrong with a spec, and where in the object; the text's own lines say nothing to who wrote it.
fn misfit<T: DeserializeOwned>(spec: &str, error: &serde_json::Error) -> String {
    let value: serde_json::Value = serde_json::from_str(spec).unwrap_or_default();
    let place = place::place("spec", &value, |value| serde_json::from_value::<T>(value.clone()).is_ok());
    format!("{place}: {}", message(error))
}

/// What is wrong, without the place in a text that nobody has written.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message).to_owned()
}
