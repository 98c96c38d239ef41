use serde_json::{Value, json};

use super::*;
use crate::model::Model;
use crate::source::kubernetes::Options;
use crate::source::kubernetes::object::{Object, Told};

fn index() -> Index {
    let options = Options {
        namespace: "weir-system".into(),
        identity: "weir-a".to_owned(),
        service: "weir".into(),
        classes: Vec::new(),
        annotation_prefix: String::new(),
        https: None,
        listeners: Vec::new(),
    };
    Index::new(options, Model::default())
}

fn slice(namespace: &str, service: &str, endpoints: Value) -> Change {
    let object: Told = serde_json::from_value(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": "ops", "port": 9902}, {"name": "peers", "port": 9903}],
        "endpoints": endpoints,
    }))
    .unwrap();
    let (id, object) = Object::new(ObjectKind::Slice, object).unwrap();
    Change::Set(id, object)
}

/// As a Service with `publishNotReadyAddresses` has them: `ready` is always true.
fn endpoint(pod: &str, address: &str, serving: bool, terminating: bool) -> Value {
    json!({
        "addresses": [address],
        "conditions": {"ready": true, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "name": pod},
    })
}

#[test]
fn replicas_are_ready_by_what_they_serve_although_all_are_published() {
    let mut index = index();
    assert_eq!(index.replicas(), vec![]);
    index.apply(slice(
        "weir-system",
        "weir-replicas",
        json!([
            endpoint("weir-a", "10.0.0.1", true, false),
            endpoint("weir-b", "10.0.0.2", false, false),
            endpoint("weir-c", "10.0.0.3", true, true),
        ]),
    ));
    let member =
        |name: &str, host: u8, ready| Member { name: name.into(), address: ([10, 0, 0, host], 9903).into(), ready };
    assert_eq!(index.replicas(), [member("weir-a", 1, true), member("weir-b", 2, false), member("weir-c", 3, false)]);
}

#[test]
fn only_slices_of_that_service_are_about_replicas() {
    let index = index();
    assert!(index.is_about_replicas(&slice("weir-system", "weir-replicas", json!([]))));
    assert!(!index.is_about_replicas(&slice("weir-system", "weir", json!([]))));
    assert!(!index.is_about_replicas(&slice("default", "weir-replicas", json!([]))));
    assert!(index.is_about_replicas(&Change::Listed(ObjectKind::Slice.into())));
    assert!(!index.is_about_replicas(&Change::Listed(ObjectKind::Pod.into())));
}
