//! Objects as the API server sends them, in a line or two each; in the namespace `shop` unless they say otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::source::kubernetes::object::{Id, Object, ObjectKind, Told};

/// The namespace of what names none.
pub const NAMESPACE: &str = "shop";

/// An object as JSON.
#[derive(Clone, Debug)]
pub struct Made {
    kind: ObjectKind,
    json: Value,
}

/// An object whose content is `body`.
pub fn object(kind: ObjectKind, name: &str, body: Value) -> Made {
    let mut json = body;
    json["apiVersion"] = "v1".into();
    json["kind"] = kind.name().into();
    json["metadata"] = json!({"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"});
    if !kind.cluster_wide() {
        json["metadata"]["namespace"] = NAMESPACE.into();
    }
    Made { kind, json }
}

impl Made {
    /// In another namespace.
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.json["metadata"]["namespace"] = namespace.into();
        self
    }

    /// Made this many seconds, up to 59, after all that say nothing.
    pub fn made_after(mut self, seconds: u8) -> Self {
        self.json["metadata"]["creationTimestamp"] = format!("2026-01-01T00:00:{seconds:02}Z").into();
        self
    }

    /// With a label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.json["metadata"]["labels"][key] = value.into();
        self
    }

    /// With an annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.json["metadata"]["annotations"][key] = value.into();
        self
    }

    /// With something else at a place of it, such as `/spec/ports`.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        self.json.pointer_mut(parent).unwrap()[key] = value;
        self
    }

    /// Its name.
    pub fn id(&self) -> Id {
        let metadata = &self.json["metadata"];
        Id::new(self.kind, metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap())
    }

    /// As a watch tells it.
    pub fn told(&self) -> Result<(Id, Object), (Id, String)> {
        Object::new(self.kind, serde_json::from_value::<Told>(self.json.clone()).unwrap())
    }
}

/// A Service with port 80, which its pods have at 8080.
pub fn service(name: &str, selector: &[(&str, &str)]) -> Made {
    let selector: Value = selector.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    object(ObjectKind::Service, name, json!({"spec": {"selector": selector, "clusterIP": "10.96.0.1", "ports": ports}}))
}

/// A Service whose selector means pods of one ReplicaSet, as Argo Rollouts writes it.
pub fn service_of(name: &str, hash: &str) -> Made {
    service(name, &[("app", "shop"), ("rollouts-pod-template-hash", hash)])
}

/// The only slice of a Service, at port 8080. A line is an address, maybe a pod, and maybe what is wrong with it: `unready`,
/// `leaving` (it still answers) or `left`.
pub fn slice(service: &str, lines: &[&str]) -> Made {
    named_slice(&format!("{service}-x"), service, json!([{"name": "", "port": 8080, "protocol": "TCP"}]), lines)
}

/// A slice of a name, with ports.
pub fn named_slice(name: &str, service: &str, ports: Value, lines: &[&str]) -> Made {
    let endpoints: Vec<Value> = lines.iter().map(|line| endpoint(line)).collect();
    let body = json!({"addressType": "IPv4", "ports": ports, "endpoints": endpoints});
    object(ObjectKind::Slice, name, body).label("kubernetes.io/service-name", service)
}

fn endpoint(line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let (ready, serving, terminating) = match words.last() {
        Some(&"unready") => (false, false, false),
        Some(&"leaving") => (false, true, true),
        Some(&"left") => (false, false, true),
        _ => (true, true, false),
    };
    let conditions = json!({"ready": ready, "serving": serving, "terminating": terminating});
    let mut endpoint = json!({"addresses": [words[0]], "conditions": conditions});
    if let Some(pod) = words.get(1).filter(|word| !matches!(**word, "unready" | "leaving" | "left")) {
        endpoint["targetRef"] = json!({"kind": "Pod", "name": pod, "namespace": NAMESPACE});
    }
    endpoint
}

/// A pod of a Rollout.
pub fn pod(name: &str, hash: &str) -> Made {
    owned_pod(name, hash).label("rollouts-pod-template-hash", hash)
}

/// A pod of a Deployment.
pub fn deployed_pod(name: &str, hash: &str) -> Made {
    owned_pod(name, hash).label("pod-template-hash", hash)
}

fn owned_pod(name: &str, hash: &str) -> Made {
    let owner = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{hash}"), "uid": "1", "controller": true,
    }]);
    object(ObjectKind::Pod, name, json!({})).with("/metadata/ownerReferences", owner)
}

/// A Split.
pub fn split(name: &str, spec: Value) -> Made {
    object(ObjectKind::Split, name, json!({"spec": spec}))
}

/// A Split that divides between the Services `stable` and `canary`.
pub fn canary_split(name: &str, stable: u32, canary: u32) -> Made {
    let versions = json!([
        {"name": "stable", "service": "stable", "weight": stable},
        {"name": "canary", "service": "canary", "weight": canary},
    ]);
    split(name, json!({"versions": versions}))
}

/// An Argo Rollout whose canary strategy has these steps, and its stable Service.
pub fn rollout(name: &str, steps: Value, status: Value) -> Made {
    let strategy = json!({"canary": {"stableService": "stable", "steps": steps}});
    object(ObjectKind::Rollout, name, json!({"spec": {"strategy": strategy}, "status": status}))
}

/// A GatewayClass of this controller.
pub fn class(name: &str) -> Made {
    object(ObjectKind::GatewayClass, name, json!({"spec": {"controllerName": "weir.dev/gateway-controller"}}))
}

/// A Gateway of the class `weir`.
pub fn gateway(name: &str, listeners: Value) -> Made {
    object(ObjectKind::Gateway, name, json!({"spec": {"gatewayClassName": "weir", "listeners": listeners}}))
}

/// A listener `http` on port 80 that takes routes from everywhere.
pub fn http_listener() -> Value {
    json!({"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}})
}

/// The Service by which a Gateway of `shop` is reached: ports, and what replicas bind for them.
pub fn gateway_service(gateway: &str, ports: &[(u16, u16)]) -> Made {
    let gateway = Id::new(ObjectKind::Gateway, NAMESPACE, gateway);
    let name = super::super::gateway::service_name(&gateway);
    let ports: Vec<Value> = ports
        .iter()
        .map(|(port, bound)| json!({"name": format!("p{port}"), "port": port, "targetPort": bound}))
        .collect();
    object(ObjectKind::Service, &name, json!({"spec": {"clusterIP": "10.96.7.7", "ports": ports}}))
        .in_namespace("weir-system")
        .label("weir.dev/gateway", &format!("{}.{}", gateway.namespace, gateway.name))
}

/// An HTTPRoute on the Gateway `gw` of `shop`.
pub fn http_route(name: &str, hostnames: &[&str], rules: Value) -> Made {
    let parents = json!([{"name": "gw", "namespace": NAMESPACE}]);
    let spec = json!({"parentRefs": parents, "hostnames": hostnames, "rules": rules});
    object(ObjectKind::HttpRoute, name, json!({"spec": spec}))
}

/// A GRPCRoute on the Gateway `gw` of `shop`.
pub fn grpc_route(name: &str, hostnames: &[&str], rules: Value) -> Made {
    let parents = json!([{"name": "gw", "namespace": NAMESPACE}]);
    let spec = json!({"parentRefs": parents, "hostnames": hostnames, "rules": rules});
    object(ObjectKind::GrpcRoute, name, json!({"spec": spec}))
}

/// A rule that leads everything to Services with weights.
pub fn to(backends: &[(&str, u32)]) -> Value {
    json!({"backendRefs": refs(backends)})
}

/// References to port 80 of Services, with weights.
pub fn refs(backends: &[(&str, u32)]) -> Value {
    backends.iter().map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight})).collect()
}

/// A ReferenceGrant: objects of kind and namespace `from` may point to those of kind `to` of `namespace`.
pub fn grant(namespace: &str, from: (&str, &str), to: (&str, Option<&str>)) -> Made {
    let mut aim = json!({"group": "", "kind": to.0});
    if let Some(name) = to.1 {
        aim["name"] = name.into();
    }
    let from = json!({"group": "gateway.networking.k8s.io", "kind": from.0, "namespace": from.1});
    object(ObjectKind::ReferenceGrant, "grant", json!({"spec": {"from": [from], "to": [aim]}})).in_namespace(namespace)
}

/// A Secret with a certificate for names.
pub fn secret(name: &str, names: &[&str]) -> Made {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let data = json!({
        "tls.crt": STANDARD.encode(made.cert.pem()),
        "tls.key": STANDARD.encode(made.signing_key.serialize_pem()),
    });
    object(ObjectKind::Secret, name, json!({"data": data, "type": "kubernetes.io/tls"}))
}

/// A Secret of any other type.
pub fn opaque(name: &str, data: &[(&str, &str)]) -> Made {
    let data: Value =
        data.iter().map(|(key, value)| ((*key).to_owned(), Value::from(STANDARD.encode(value)))).collect();
    object(ObjectKind::Secret, name, json!({"data": data, "type": "Opaque"}))
}

/// A ConfigMap with this text as `ca.crt`.
pub fn authority(name: &str, pem: &str) -> Made {
    object(ObjectKind::ConfigMap, name, json!({"data": {"ca.crt": pem}}))
}

/// A certificate in PEM form.
pub fn pem(name: &str) -> String {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
}
