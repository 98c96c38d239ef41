//! Ingresses in a cluster: which of them are looked at together is the index's to find.

mod classes;
mod handover;
mod headers;
mod hosts;
mod notes;

use serde_json::json;

use super::{PREFIX, path_to};
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, object, service, slice};
use crate::source::kubernetes::tests::world::World;

/// The class `weir`, and the Services `a` and `b` with a pod each in the namespaces `shop` and `other`.
fn base() -> Vec<Made> {
    let spec = json!({"spec": {"controller": "weir.dev/ingress-controller"}});
    let services = |namespace: &str| {
        [service("a", &[]), service("b", &[]), slice("a", &["10.0.0.1"]), slice("b", &["10.0.1.1"])]
            .map(|object| object.in_namespace(namespace))
    };
    [vec![object(ObjectKind::IngressClass, "weir", spec)], services("shop").to_vec(), services("other").to_vec()]
        .concat()
}

/// An Ingress of the class `weir` that leads the root of a host to a Service.
fn ingress(name: &str, host: &str, service: &str) -> Made {
    let rules = json!([{"host": host, "http": {"paths": [path_to("/", "Prefix", service)]}}]);
    object(ObjectKind::Ingress, name, json!({"spec": {"ingressClassName": "weir", "rules": rules}}))
}

fn with(ingress: Made, annotation: &str, value: &str) -> Made {
    ingress.annotation(&format!("{PREFIX}/{annotation}"), value)
}

fn world(ingresses: &[Made]) -> World {
    World::of(&[base(), ingresses.to_vec()].concat())
}

/// The same of problems only.
fn warned(world: &mut World, ingress: &Made) -> String {
    let notes = world.report(ingress).notes.into_iter().filter(|note| note.warning);
    notes.map(|note| format!("{}: {}\n", note.reason, note.message)).collect()
}

fn told(world: &mut World, ingress: &Made) -> String {
    world.report(ingress).notes.into_iter().map(|note| format!("{}: {}\n", note.reason, note.message)).collect()
}
