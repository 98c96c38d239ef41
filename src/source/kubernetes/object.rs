//! Objects of the cluster, cut down to what is used: 5,000 routes with their Services and pods fit into a few MiB.
//!
//! What every request depends on (Services, slices, pods) is kept in a form that is quick to read; all else as the text of
//! its spec, which is parsed when it is translated and then let go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kube::core::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Label of the pods of an Argo Rollout that tells their ReplicaSet.
pub const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";
/// Label of the pods of a Deployment that tells their ReplicaSet.
pub const DEPLOYMENT_HASH: &str = "pod-template-hash";
/// Annotation of a ReplicaSet that Argo Rollouts is going to scale down: when, RFC 3339.
pub const SCALE_DOWN_DEADLINE: &str = "scale-down-deadline";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = ($group:literal, $version:literal, $kind:literal, $plural:literal),)*) => {
        /// A kind of object that is watched.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ObjectKind { $($(#[$doc])* $name),* }

        impl ObjectKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Where the API server has it.
            pub fn resource(self) -> ApiResource {
                let (group, version, kind, plural) = match self { $(Self::$name => ($group, $version, $kind, $plural)),* };
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
            }

            /// The kind as objects name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $kind),* }
            }

            /// The API group as objects name it; empty for the core.
            pub fn group(self) -> &'static str {
                match self { $(Self::$name => $group),* }
            }
        }
    };
}

kinds! {
    /// Addresses of a Service.
    Slice = ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    /// A Service.
    Service = ("", "v1", "Service", "services"),
    /// A pod; only its metadata.
    Pod = ("", "v1", "Pod", "pods"),
    /// A ReplicaSet; only its metadata.
    ReplicaSet = ("apps", "v1", "ReplicaSet", "replicasets"),
    /// A Secret; only those that something refers to keep their data.
    Secret = ("", "v1", "Secret", "secrets"),
    /// A namespace; only its metadata.
    Namespace = ("", "v1", "Namespace", "namespaces"),
    /// Our own resource.
    Split = ("weir.dev", "v1alpha1", "Split", "splits"),
    /// Argo Rollouts.
    Rollout = ("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
    /// Gateway API.
    GatewayClass = ("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses"),
    /// Gateway API.
    Gateway = ("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
    /// Gateway API.
    HttpRoute = ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    /// Gateway API.
    GrpcRoute = ("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
    /// Gateway API.
    ReferenceGrant = ("gateway.networking.k8s.io", "v1beta1", "ReferenceGrant", "referencegrants"),
    /// Ingress classes.
    IngressClass = ("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
    /// Ingress.
    Ingress = ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    /// Service Mesh Interface.
    TrafficSplit = ("split.smi-spec.io", "v1alpha1", "TrafficSplit", "trafficsplits"),
}

impl ObjectKind {
    /// Whether only the metadata is asked for.
    pub fn metadata_only(self) -> bool {
        matches!(self, Self::Pod | Self::ReplicaSet | Self::Namespace)
    }

    /// Whether every cluster has it; others come with a CustomResourceDefinition, which may be missing.
    pub fn built_in(self) -> bool {
        matches!(
            self,
            Self::Slice
                | Self::Service
                | Self::Pod
                | Self::ReplicaSet
                | Self::Secret
                | Self::Namespace
                | Self::IngressClass
                | Self::Ingress
        )
    }

    /// Whether it belongs to no namespace.
    pub fn cluster_wide(self) -> bool {
        matches!(self, Self::Namespace | Self::GatewayClass | Self::IngressClass)
    }

    /// Labels that are used; the others are not kept.
    fn keeps_label(self, key: &str) -> bool {
        match self {
            // Splits tell pods apart by any label (`revisionLabel`), but for those that all pods of a chart have.
            Self::Pod => !key.starts_with("helm.sh/") && key != "app.kubernetes.io/managed-by",
            Self::Namespace => true,
            _ => self.keeps(key),
        }
    }

    /// Annotations that are used; the others are not kept.
    fn keeps(self, key: &str) -> bool {
        match self {
            Self::ReplicaSet => key == SCALE_DOWN_DEADLINE,
            Self::Service | Self::Gateway => key.starts_with("weir.dev/"),
            Self::IngressClass => key == "ingressclass.kubernetes.io/is-default-class",
            Self::Ingress => key != "kubectl.kubernetes.io/last-applied-configuration",
            _ => false,
        }
    }
}

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
    /// Unique over its life.
    pub uid: Box<str>,
    /// Grows with every change of the spec; 0 where the kind has none.
    pub generation: i64,
    /// Seconds since 1970 of its creation.
    pub created: i64,
    /// Labels that are used.
    pub labels: Strings,
    /// Annotations that are used.
    pub annotations: Strings,
    /// Name of the controller that owns it.
    pub owner: Option<Arc<str>>,
    /// Its content.
    pub body: Body,
}

/// Labels, annotations, selectors.
pub type Strings = BTreeMap<Box<str>, Box<str>>;

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A Service.
    Service(Service),
    /// An EndpointSlice.
    Slice(Slice),
    /// A Secret's data, base64.
    Secret(BTreeMap<Box<str>, Box<str>>),
    /// Metadata only.
    None,
    /// JSON: `spec`, and `status` where it is read.
    Text {
        /// The spec.
        spec: Box<str>,
        /// The status; empty if it has none.
        status: Box<str>,
    },
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Labels of its pods; empty for a Service without a selector.
    pub selector: Strings,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Its own address; `None` as text for a headless Service.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<Box<str>>,
    /// Kind of Service.
    #[serde(rename = "type")]
    pub kind: Option<Box<str>>,
    /// Addresses given by a load balancer.
    #[serde(skip)]
    pub addresses: Vec<Box<str>>,
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
    pub target_port: Option<Value>,
    /// Application protocol.
    pub app_protocol: Option<Box<str>>,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// The Service that it belongs to.
    pub service: Arc<str>,
    /// Port numbers by the name of the Service's port.
    pub ports: Vec<(Box<str>, u16)>,
    /// Addresses.
    pub endpoints: Vec<SliceEndpoint>,
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
    pub fn new(kind: ObjectKind, object: DynamicObject) -> Result<(Id, Self), (Id, String)> {
        let DynamicObject { metadata, mut data, .. } = object;
        let namespace: Arc<str> = metadata.namespace.as_deref().unwrap_or_default().into();
        let id = Id { kind, namespace, name: metadata.name.as_deref().unwrap_or_default().into() };
        let body = match kind {
            ObjectKind::Service => service(&mut data).map(Body::Service),
            ObjectKind::Slice => slice(&metadata, data).map(Body::Slice),
            ObjectKind::Secret => parsed(data["data"].take()).map(Body::Secret),
            _ if kind.metadata_only() => Ok(Body::None),
            _ => Ok(Body::Text { spec: text(&data["spec"]), status: status_text(kind, &data["status"]) }),
        };
        match body {
            Ok(body) => Ok((id, Self::with_body(kind, metadata, body))),
            Err(error) => Err((id, error.to_string())),
        }
    }

    /// An object of which only the metadata is known.
    pub fn with_body(kind: ObjectKind, metadata: ObjectMeta, body: Body) -> Self {
        let kept = |map: Option<BTreeMap<String, String>>, keeps: fn(ObjectKind, &str) -> bool| {
            let pairs = map.unwrap_or_default().into_iter().filter(|(key, _)| keeps(kind, key));
            pairs.map(|(key, value)| (key.into_boxed_str(), value.into_boxed_str())).collect()
        };
        let owners = metadata.owner_references.unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.name.as_str().into());
        Self {
            uid: metadata.uid.unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
            labels: kept(metadata.labels, ObjectKind::keeps_label),
            annotations: kept(metadata.annotations, ObjectKind::keeps),
            owner: owner.filter(|_| matches!(kind, ObjectKind::Pod | ObjectKind::ReplicaSet)),
            body,
        }
    }

    /// The spec of an object that is kept as text.
    ///
    /// # Errors
    ///
    /// Says what of it cannot be understood, with its place.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, String> {
        match &self.body {
            Body::Text { spec, .. } => serde_json::from_str(spec).map_err(|error| error.to_string()),
            _ => Err("has no spec".to_owned()),
        }
    }

    /// The status of an object that is kept as text; the default if it has none, or one that cannot be understood.
    pub fn status<T: DeserializeOwned + Default>(&self) -> T {
        match &self.body {
            Body::Text { status, .. } => serde_json::from_str(status).unwrap_or_default(),
            _ => T::default(),
        }
    }
}

fn parsed<T: DeserializeOwned + Default>(value: Value) -> Result<T, serde_json::Error> {
    if value.is_null() { Ok(T::default()) } else { serde_json::from_value(value) }
}

fn text(value: &Value) -> Box<str> {
    if value.is_null() { "{}".into() } else { value.to_string().into() }
}

/// Only what somebody else says in a status is of interest here; our own are written, never read back.
fn status_text(kind: ObjectKind, value: &Value) -> Box<str> {
    match kind {
        ObjectKind::Rollout if !value.is_null() => value.to_string().into(),
        _ => "".into(),
    }
}

fn service(data: &mut Value) -> Result<Service, serde_json::Error> {
    let mut service: Service = parsed(data["spec"].take())?;
    let addresses = data["status"]["loadBalancer"]["ingress"].as_array();
    let address = |entry: &Value| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()).map(Box::from);
    service.addresses = addresses.into_iter().flatten().filter_map(address).collect();
    Ok(service)
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct WireSlice {
    endpoints: Option<Vec<WireEndpoint>>,
    ports: Option<Vec<WirePort>>,
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
fn slice(metadata: &ObjectMeta, data: Value) -> Result<Slice, serde_json::Error> {
    let wire: WireSlice = parsed(data)?;
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
        ports: wire.ports.unwrap_or_default().into_iter().filter_map(port).collect(),
        endpoints: wire.endpoints.unwrap_or_default().into_iter().filter_map(endpoint).collect(),
    })
}
