use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;

use super::*;

const MANAGER: &str = "weir/weir-system";

fn taken(kind: ObjectKind, before: &Value, managers: &[ManagedFieldsEntry]) -> Option<Value> {
    withdrawn(kind, before, managers, MANAGER)
}

fn entry(manager: &str, status: Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Update".to_owned()),
        subresource: Some("status".to_owned()),
        fields_v1: Some(FieldsV1(json!({"f:status": status}))),
        ..ManagedFieldsEntry::default()
    }
}

/// The fields of conditions of these types.
fn of_conditions(types: &[&str]) -> Value {
    let field = |kind: &&str| (format!("k:{{\"type\":\"{kind}\"}}"), json!({"f:reason": {}, "f:status": {}}));
    Value::Object(types.iter().map(field).collect())
}

fn gateway() -> Value {
    json!({
        "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}],
        "conditions": [{"type": "Accepted"}, {"type": "Programmed"}, {"type": "example.com/Audited"}],
        "listeners": [
            {"name": "http", "attachedRoutes": 2, "conditions": [{"type": "Accepted"}, {"type": "Programmed"}]},
        ],
    })
}

fn ours() -> ManagedFieldsEntry {
    let listener = json!({".": {}, "f:attachedRoutes": {}, "f:conditions": of_conditions(&["Accepted", "Programmed"])});
    entry(
        MANAGER,
        json!({
            "f:addresses": {},
            "f:conditions": of_conditions(&["Accepted", "Programmed"]),
            "f:listeners": {"k:{\"name\":\"http\"}": listener},
        }),
    )
}

#[test]
fn what_only_we_wrote_is_taken_back_and_the_rest_stays() {
    let auditor = entry("auditor", json!({"f:conditions": of_conditions(&["example.com/Audited"])}));
    let left = taken(ObjectKind::Gateway, &gateway(), &[ours(), auditor]);
    let expected = json!({"addresses": [], "conditions": [{"type": "example.com/Audited"}], "listeners": []});
    assert_eq!(left, Some(expected));
}

#[test]
fn what_another_controller_wrote_since_stays() {
    let listener = json!({"f:conditions": of_conditions(&["Accepted"])});
    let other = entry(
        "other",
        json!({
            "f:addresses": {},
            "f:conditions": of_conditions(&["Accepted"]),
            "f:listeners": {"k:{\"name\":\"http\"}": listener},
        }),
    );
    let left = taken(ObjectKind::Gateway, &gateway(), &[ours(), other]).unwrap();
    assert_eq!(left["conditions"], json!([{"type": "Accepted"}, {"type": "example.com/Audited"}]));
    let listener = json!({"name": "http", "attachedRoutes": 2, "conditions": [{"type": "Accepted"}]});
    assert_eq!(left["listeners"], json!([listener]));
    assert_eq!(left.get("addresses"), None);
}

#[test]
fn a_status_that_is_not_ours_is_not_touched() {
    let other = entry("weir/elsewhere", json!({"f:conditions": of_conditions(&["Accepted", "Programmed"])}));
    assert_eq!(taken(ObjectKind::Gateway, &gateway(), &[other]), None);
    assert_eq!(taken(ObjectKind::Gateway, &gateway(), &[]), None);
    assert_eq!(taken(ObjectKind::Gateway, &Value::Null, &[ours()]), None);
}

#[test]
fn what_we_wrote_elsewhere_than_in_a_status_does_not_count() {
    let mut entry = ours();
    entry.subresource = None;
    assert_eq!(taken(ObjectKind::Gateway, &gateway(), &[entry]), None);
}

#[test]
fn addresses_of_an_ingress_are_taken_back_unless_another_controller_gave_them() {
    let fields = json!({"f:loadBalancer": {"f:ingress": {}}});
    let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let left = taken(ObjectKind::Ingress, &status, &[entry(MANAGER, fields.clone())]);
    assert_eq!(left, Some(json!({"loadBalancer": {"ingress": null}})));
    assert_eq!(taken(ObjectKind::Ingress, &status, &[entry("nginx-ingress-controller", fields.clone())]), None);
    assert_eq!(taken(ObjectKind::Ingress, &json!({"loadBalancer": {}}), &[entry(MANAGER, fields)]), None);
}
