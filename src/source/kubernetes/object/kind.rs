//! Kinds of objects, and where the API server has them.

use std::sync::Arc;

use kube::core::{ApiResource, GroupVersionKind};

use super::super::smi;
use super::{Id, SCALE_DOWN_DEADLINE};

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

            /// The same in another version of its API.
            pub fn resource_in(self, version: &str) -> ApiResource {
                let ApiResource { group, kind, plural, .. } = self.resource();
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&group, version, &kind), &plural)
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
    /// A Secret; only the metadata, and the data of those that something refers to.
    Secret = ("", "v1", "Secret", "secrets"),
    /// A ConfigMap; only the metadata, and the data of those that something refers to.
    ConfigMap = ("", "v1", "ConfigMap", "configmaps"),
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
    ReferenceGrant = ("gateway.networking.k8s.io", "v1", "ReferenceGrant", "referencegrants"),
    /// Ingress classes.
    IngressClass = ("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
    /// Ingress.
    Ingress = ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    /// Service Mesh Interface.
    TrafficSplit = ("split.smi-spec.io", "v1alpha3", "TrafficSplit", "trafficsplits"),
    /// Service Mesh Interface.
    HttpRouteGroup = ("specs.smi-spec.io", "v1alpha4", "HTTPRouteGroup", "httproutegroups"),
}

impl ObjectKind {
    /// Whether lists and watches ask for the metadata only.
    pub fn metadata_only(self) -> bool {
        matches!(self, Self::Pod | Self::ReplicaSet | Self::Namespace | Self::Secret | Self::ConfigMap)
    }

    /// Whether only objects that something refers to are read, each by its name; what a watch says of others is let go.
    pub fn by_name(self) -> bool {
        matches!(self, Self::Secret | Self::ConfigMap)
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
                | Self::ConfigMap
                | Self::Namespace
                | Self::IngressClass
                | Self::Ingress
        )
    }

    /// Versions of its API in which it is understood; a server may have only some of them.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::TrafficSplit => &smi::VERSIONS,
            Self::HttpRouteGroup => &smi::GROUP_VERSIONS,
            Self::ReferenceGrant => &["v1", "v1beta1"],
            Self::Split | Self::Rollout => &["v1alpha1"],
            _ => &["v1"],
        }
    }

    /// Whether it belongs to no namespace.
    pub fn cluster_wide(self) -> bool {
        matches!(self, Self::Namespace | Self::GatewayClass | Self::IngressClass)
    }

    /// Labels that are used; the others are not kept.
    pub(super) fn keeps_label(self, key: &str) -> bool {
        match self {
            // Splits tell pods apart by any label (`revisionLabel`), but for those that all pods of a chart have.
            Self::Pod => !key.starts_with("helm.sh/") && key != "app.kubernetes.io/managed-by",
            Self::Namespace => true,
            _ => self.keeps(key),
        }
    }

    /// Annotations that are used; the others are not kept.
    pub(super) fn keeps(self, key: &str) -> bool {
        match self {
            Self::ReplicaSet => key == SCALE_DOWN_DEADLINE,
            Self::Service | Self::Gateway => key.starts_with("weir.dev/"),
            Self::IngressClass => key == "ingressclass.kubernetes.io/is-default-class",
            Self::Ingress => key != "kubectl.kubernetes.io/last-applied-configuration",
            _ => false,
        }
    }
}

/// Objects of a kind, everywhere or in a namespace, as one watch tells them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watched {
    /// The kind.
    pub kind: ObjectKind,
    /// The namespace; none: all of them.
    pub namespace: Option<Arc<str>>,
}

impl Watched {
    /// Whether an object is one of them.
    pub fn covers(&self, id: &Id) -> bool {
        self.kind == id.kind && self.namespace.as_ref().is_none_or(|namespace| *namespace == id.namespace)
    }
}

impl From<ObjectKind> for Watched {
    fn from(kind: ObjectKind) -> Self {
        Self { kind, namespace: None }
    }
}
