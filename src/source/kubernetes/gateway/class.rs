//! GatewayClasses: those that name this controller are accepted.

use serde_json::Value;

use super::CONTROLLER;
use super::wire::ClassSpec;
use crate::source::kubernetes::index::{Reader, Translation};
use crate::source::kubernetes::object::{Id, Object, ObjectKind};
use crate::source::kubernetes::report::{Condition, Report};

/// What a GatewayClass is told; nothing if it is not ours.
pub fn translate(_reader: &Reader<'_>, _id: &Id, object: &Object) -> Translation {
    let Ok(spec) = object.spec::<ClassSpec>() else { return Translation::default() };
    if spec.controller_name != CONTROLLER {
        return Translation::default();
    }
    let accepted = match &spec.parameters_ref {
        None => Condition::holds("Accepted", "Accepted", "Gateways of this class are served by Weir"),
        Some(_) => {
            let message = "parametersRef is not known here: settings of the process are in its own configuration";
            Condition::fails("Accepted", "InvalidParameters", message)
        }
    };
    Translation { report: Report { conditions: vec![accepted], ..Report::default() }, ..Translation::default() }
}

/// Whether a class is ours.
pub fn is_ours(reader: &Reader<'_>, name: &str) -> bool {
    controller(reader.object(&id(name))).is_some_and(|controller| controller == CONTROLLER)
}

/// Whether a Gateway is of a class that is there and another controller's. One of a class that is not there may be ours again when
/// the class is: what was written on it, and its address, stay. `find`: an object, if it is there.
pub fn is_of_another<'o>(gateway: &Object, find: impl FnOnce(&Id) -> Option<&'o Object>) -> bool {
    // The rest of the spec need not be understood.
    let Ok(spec) = gateway.spec::<Value>() else { return false };
    let class = id(spec["gatewayClassName"].as_str().unwrap_or_default());
    controller(find(&class)).is_some_and(|controller| controller != CONTROLLER)
}

fn id(name: &str) -> Id {
    Id::new(ObjectKind::GatewayClass, "", name)
}

/// The controller that a class asks for, if it is there and can be understood.
fn controller(class: Option<&Object>) -> Option<String> {
    Some(class?.spec::<ClassSpec>().ok()?.controller_name)
}
