//! Whose a Gateway is: ours, another controller's, or nobody's yet.

use serde_json::json;

use super::cluster;
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{Made, class, gateway, http_listener, object};
use crate::source::kubernetes::tests::world::World;

/// The class `other`, of another controller.
fn theirs() -> Made {
    object(ObjectKind::GatewayClass, "other", json!({"spec": {"controllerName": "example.com/other"}}))
}

/// The Gateway `gw` with the class `other`, in a cluster of these objects and a class of ours.
fn given_away(objects: &[Made]) -> (World, Made) {
    let listeners = json!([http_listener()]);
    let given = gateway("gw", listeners.clone()).with("/spec/gatewayClassName", "other".into());
    let mut world = cluster(&listeners, objects);
    world.set(&given);
    (world, given)
}

/// Whether what was written on it is taken back, and whether its Service goes.
fn taken_back(world: &mut World, gateway: &Made) -> (bool, bool) {
    let report = world.report(gateway);
    assert!(report.conditions.is_empty() && world.model().listeners.iter().all(|listener| &*listener.name == "http"));
    (report.foreign, world.index.leftovers(&[]).iter().any(|service| service.name.contains("gw")))
}

#[test]
fn a_gateway_whose_class_is_another_controllers_is_taken_back() {
    let (mut world, given) = given_away(&[theirs()]);
    assert_eq!(taken_back(&mut world, &given), (true, true));
}

#[test]
fn a_gateway_whose_class_is_not_there_may_be_ours_again() {
    let (mut world, given) = given_away(&[]);
    assert_eq!(taken_back(&mut world, &given), (false, false));
    world.set(&theirs());
    assert_eq!(taken_back(&mut world, &given), (true, true));
}

#[test]
fn a_gateway_keeps_what_was_written_when_its_class_is_deleted_or_cannot_be_understood() {
    let own = gateway("gw", json!([http_listener()]));
    let mut world = cluster(&json!([http_listener()]), &[]);
    assert!(!world.report(&own).foreign);
    world.remove(&class("weir"));
    assert_eq!(taken_back(&mut world, &own), (false, false));
    let broken = object(ObjectKind::GatewayClass, "weir", json!({"spec": {"controllerName": 1}}));
    world.set(&broken);
    assert_eq!(taken_back(&mut world, &own), (false, false));
}

#[test]
fn a_gateway_that_cannot_be_understood_is_taken_back_by_its_class_too() {
    let mut listener = http_listener();
    listener["port"] = 70_000.into();
    let broken = gateway("gw", json!([listener])).with("/spec/gatewayClassName", "other".into());
    let mut world = cluster(&json!([http_listener()]), &[]);
    world.set(&broken);
    assert!(!world.report(&broken).foreign);
    world.set(&theirs());
    assert!(world.report(&broken).foreign);
}
