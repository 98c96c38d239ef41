//! GatewayClasses: those that name this controller are accepted.

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
    let class = reader.object(&Id::new(ObjectKind::GatewayClass, "", name));
    class.and_then(|class| class.spec::<ClassSpec>().ok()).is_some_and(|spec| spec.controller_name == CONTROLLER)
}
