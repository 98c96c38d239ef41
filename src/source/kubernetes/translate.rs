//! Which kinds of objects make routes or listeners, and who translates each.

use super::index::{Reader, Translation};
use super::object::{Id, Object, ObjectKind};
use super::{gateway, ingress, smi, split};

/// Whether objects of a kind are translated by themselves, rather than read by others.
pub fn is_unit(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Split
            | ObjectKind::GatewayClass
            | ObjectKind::Gateway
            | ObjectKind::HttpRoute
            | ObjectKind::GrpcRoute
            | ObjectKind::Ingress
            | ObjectKind::TrafficSplit
    )
}

/// What an object means.
pub fn translate(reader: &Reader<'_>, id: &Id, object: &Object) -> Translation {
    match id.kind {
        ObjectKind::Split => split::translate(reader, id, object),
        ObjectKind::GatewayClass => gateway::translate_class(reader, id, object),
        ObjectKind::Gateway => gateway::translate_gateway(reader, id, object),
        ObjectKind::HttpRoute => gateway::translate_http(reader, id, object),
        ObjectKind::GrpcRoute => gateway::translate_grpc(reader, id, object),
        ObjectKind::Ingress => ingress::translate(reader, id, object),
        ObjectKind::TrafficSplit => smi::translate(reader, id, object),
        _ => Translation::default(),
    }
}
