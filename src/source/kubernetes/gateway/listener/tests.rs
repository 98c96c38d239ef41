use serde_json::{Value, json};

use super::*;
use crate::model::Model;
use crate::source::kubernetes::index::{Change, Index};
use crate::source::kubernetes::object::Told;
use crate::source::kubernetes::tests::world::options;

/// An index with a Gateway `shop/gw` of these listeners.
fn index(listeners: &Value) -> Index {
    let mut index = Index::new(options(&[]), Model::default());
    let class = json!({"metadata": {"name": "weir"}, "spec": {"controllerName": super::super::CONTROLLER}});
    let spec = json!({"gatewayClassName": "weir", "listeners": listeners});
    let gateway = json!({"metadata": {"namespace": "shop", "name": "gw", "generation": 3}, "spec": spec});
    for (kind, object) in [(ObjectKind::GatewayClass, class), (ObjectKind::Gateway, gateway)] {
        let object: Told = serde_json::from_value(object).expect("an object");
        let (id, object) = Object::new(kind, object).expect("understood");
        index.apply(Change::Set(id, object));
    }
    index
}

/// What is said about the Gateway.
fn report(listeners: &Value) -> Report {
    let mut index = index(listeners);
    index.model();
    let gateway = Id::new(ObjectKind::Gateway, "shop", "gw");
    let said = index.take_statements().into_iter().find(|(id, _)| *id == gateway);
    (*said.and_then(|(_, statement)| statement).expect("a statement").report).clone()
}

#[test]
fn a_gateway_with_a_valid_listener_is_to_have_a_service_with_its_port() {
    let service = report(&json!([{"name": "http", "port": 80, "protocol": "HTTP"}])).service.expect("a Service");
    assert_eq!(service.ports.keys().copied().collect::<Vec<_>>(), [80]);
}

#[test]
fn a_gateway_without_a_valid_listener_is_told_so_and_asks_for_no_service() {
    let report = report(&json!([{"name": "https", "port": 443, "protocol": "HTTPS"}]));
    assert_eq!(report.service, None);
    let said =
        |kind: &str| report.conditions.iter().find(|known| known.kind == kind).map(|known| (known.holds, known.reason));
    assert_eq!(said("Accepted"), Some((false, "ListenersNotValid")));
    assert_eq!(said("Programmed"), Some((false, "Invalid")));
}
