//! Services of Gateways.

use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::super::gateway::{GATEWAY_LABEL, OwnedService};
use super::super::object::Strings;

/// Who the fields belong to (server-side apply).
pub const MANAGER: &str = "weir";

/// Makes a Gateway's Service as it is to be, and leaves all other fields to others.
///
/// # Errors
///
/// What the API server says.
pub async fn ensure(services: &Api<DynamicObject>, wanted: &OwnedService, selector: &Strings) -> kube::Result<()> {
    let params = PatchParams::apply(MANAGER).force();
    services.patch(&wanted.name, &params, &Patch::Apply(manifest(wanted, selector))).await.map(|_| ())
}

/// Removes the Service of a Gateway that has gone.
///
/// # Errors
///
/// What the API server says; that there is none is no error.
pub async fn remove(services: &Api<DynamicObject>, name: &str) -> kube::Result<()> {
    match services.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result.map(|_| ()),
    }
}

fn manifest(wanted: &OwnedService, selector: &Strings) -> Value {
    let mut labels = json!(wanted.labels);
    labels[GATEWAY_LABEL] = wanted.label().into();
    let ports: Vec<Value> = wanted
        .ports
        .iter()
        .map(
            |(port, bind)| json!({"name": format!("port-{port}"), "port": port, "targetPort": bind, "protocol": "TCP"}),
        )
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": &*wanted.name, "labels": labels, "annotations": wanted.annotations},
        "spec": {"type": "LoadBalancer", "selector": selector, "ports": ports},
    })
}
