use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::source::kubernetes::object::ObjectKind;
use crate::source::kubernetes::tests::objects::{
    Made, canary_split, class, gateway, gateway_service, http_listener, http_route, opaque, pod, service, slice, split,
    to,
};
use crate::source::kubernetes::tests::world::{World, options};

impl Index {
    /// What was made of an object.
    pub fn made(&self, id: &Id) -> Option<&units::Made> {
        self.units.get(id).map(|unit| &unit.made)
    }
}

/// Two Services with a pod each.
fn services() -> Vec<Made> {
    vec![
        service("stable", &[("app", "a")]),
        service("canary", &[("app", "b")]),
        slice("stable", &["10.0.0.1 s-1"]),
        slice("canary", &["10.0.1.1 c-1"]),
    ]
}

fn on_only(name: &str, service: &str) -> Made {
    split(name, json!({"paths": [format!("/{name}")], "versions": [{"name": "v", "service": service}]}))
}

fn two_splits() -> World {
    World::of(&[services(), vec![on_only("one", "stable"), on_only("two", "canary")]].concat())
}

#[test]
fn a_change_of_pods_leaves_the_routes_of_other_services_the_same() {
    let mut world = two_splits();
    let (one, two) = (world.route("one"), world.route("two"));
    world.set(&slice("canary", &["10.0.1.1 c-1", "10.0.1.2 c-2"]));
    assert!(Arc::ptr_eq(&one, &world.route("one")));
    assert!(!Arc::ptr_eq(&two, &world.route("two")));
    assert_eq!(world.addresses("two", 0), ["10.0.1.1:8080", "10.0.1.2:8080"]);
}

#[test]
fn only_what_read_an_object_is_translated_again() {
    let mut world = two_splits();
    world.model();
    assert!(!world.index.is_dirty());
    world.set(&slice("canary", &["10.0.1.2 c-2"]));
    assert_eq!(world.index.dirty.iter().map(|id| &*id.name).collect::<Vec<_>>(), ["two"]);
}

#[test]
fn an_object_that_nobody_reads_makes_nothing_dirty() {
    let mut world = two_splits();
    world.model();
    world.set(&slice("elsewhere", &["10.0.9.1"]));
    world.set(&service("elsewhere", &[]));
    world.set(&pod("elsewhere", "abc"));
    assert!(!world.index.is_dirty());
}

#[test]
fn an_object_told_again_unchanged_makes_nothing_dirty() {
    let mut world = two_splits();
    world.model();
    services().iter().for_each(|object| world.set(object));
    world.set(&on_only("one", "stable"));
    assert!(!world.index.is_dirty());
}

#[test]
fn a_translation_that_comes_out_the_same_keeps_its_route() {
    let mut world = two_splits();
    let before = world.route("one");
    // Its Service is read, but what changed in it is not used.
    world.set(&service("stable", &[("app", "a"), ("tier", "web")]));
    assert!(world.index.is_dirty());
    assert!(Arc::ptr_eq(&before, &world.route("one")));
}

#[test]
fn a_service_that_appears_reaches_the_split_that_looked_for_it() {
    let mut world = World::of(&[on_only("one", "stable")]);
    assert_eq!(world.get("a.example/one"), "503");
    services().iter().for_each(|object| world.set(object));
    assert_eq!(world.get("a.example/one"), "v");
}

#[test]
fn a_service_that_goes_takes_its_pods_with_it() {
    let mut world = two_splits();
    assert_eq!(world.get("a.example/one"), "v");
    world.remove(&service("stable", &[]));
    assert_eq!(world.get("a.example/one"), "503");
}

#[test]
fn a_split_that_goes_takes_its_route_with_it() {
    let mut world = two_splits();
    assert_eq!(world.get("a.example/one"), "v");
    world.remove(&on_only("one", "stable"));
    assert_eq!(world.get("a.example/one"), "404");
    assert_eq!(world.get("a.example/two"), "v");
}

#[test]
fn the_order_in_which_objects_are_told_does_not_matter() {
    let mut objects = [services(), vec![canary_split("shop", 75, 25)]].concat();
    let expected = World::of(&objects).model().routes;
    for _ in 0..objects.len() {
        objects.rotate_left(1);
        assert_eq!(World::of(&objects).model().routes, expected);
    }
    objects.reverse();
    assert_eq!(World::of(&objects).model().routes, expected);
}

#[test]
fn a_list_removes_what_it_does_not_tell() {
    let mut world = two_splits();
    world.model();
    world.index.apply(Change::Listing(ObjectKind::Split.into()));
    world.set(&on_only("two", "canary"));
    assert_eq!(world.get("a.example/one"), "v", "until the list is complete, what is known stays");
    world.index.apply(Change::Listed(ObjectKind::Split.into()));
    assert_eq!(world.get("a.example/one"), "404");
    assert_eq!(world.get("a.example/two"), "v");
}

#[test]
fn a_list_of_one_kind_removes_nothing_of_another() {
    let mut world = two_splits();
    let before = world.model().routes;
    world.index.apply(Change::Listing(ObjectKind::Rollout.into()));
    world.index.apply(Change::Listed(ObjectKind::Rollout.into()));
    assert_eq!(world.model().routes, before);
}

#[test]
fn a_list_that_is_begun_anew_counts_only_what_the_second_tells() {
    let mut world = two_splits();
    world.index.apply(Change::Listing(ObjectKind::Split.into()));
    world.set(&on_only("one", "stable"));
    world.index.apply(Change::Listing(ObjectKind::Split.into()));
    world.set(&on_only("two", "canary"));
    world.index.apply(Change::Listed(ObjectKind::Split.into()));
    assert_eq!(world.get("a.example/one"), "404");
    assert_eq!(world.get("a.example/two"), "v");
}

#[test]
fn what_is_malformed_is_not_removed_by_the_list_that_tells_it() {
    let mut world = two_splits();
    let id = on_only("one", "stable").id();
    world.index.apply(Change::Listing(ObjectKind::Split.into()));
    world.index.apply(Change::Malformed(id.clone(), "no".to_owned()));
    world.index.apply(Change::Listed(ObjectKind::Split.into()));
    assert_eq!(world.index.objects().why_malformed(&id), Some("no"));
}

#[test]
fn a_malformed_object_is_taken_out_and_nothing_else() {
    let mut world = two_splits();
    let two = world.route("two");
    world.set(&service("stable", &[]).with("/spec/ports", json!("eighty")));
    assert_eq!(world.get("a.example/one"), "503");
    assert!(Arc::ptr_eq(&two, &world.route("two")));
}

#[test]
fn a_malformed_object_that_is_mended_is_served_again() {
    let mut world = two_splits();
    world.set(&service("stable", &[]).with("/spec/ports", json!("eighty")));
    world.model();
    world.set(&service("stable", &[("app", "a")]));
    assert_eq!(world.get("a.example/one"), "v");
}

#[test]
fn a_kind_that_cannot_be_had_keeps_what_is_known_of_it() {
    let mut world = two_splits();
    let before = world.model().routes;
    for kind in ObjectKind::ALL {
        world.index.apply(Change::Absent((*kind).into()));
    }
    assert!(!world.index.is_dirty());
    assert_eq!(world.model().routes, before);
}

#[test]
fn other_listeners_of_the_process_translate_everything_again() {
    let mut world =
        World::of(&[split("one", json!({"listeners": ["second"], "versions": [{"name": "v", "service": "s"}]}))]);
    assert!(world.model().routes.is_empty());
    let options = options(&["http", "second"]);
    world.index.set_base(options, crate::testing::model([]));
    assert_eq!(world.model().routes.len(), 1);
}

#[test]
fn of_two_routes_for_the_same_request_the_older_object_wins() {
    let gateway = gateway("gw", json!([http_listener()]));
    let objects = [
        services(),
        vec![
            class("weir"),
            gateway,
            gateway_service("gw", &[(80, 20080)]),
            http_route("young", &[], json!([to(&[("canary", 1)])])).made_after(5),
            http_route("zold", &[], json!([to(&[("stable", 1)])])).made_after(1),
        ],
    ];
    let mut world = World::of(&objects.concat()).at_port(80);
    assert_eq!(world.get("a.example/"), "stable");
    world.remove(&http_route("zold", &[], json!([])));
    assert_eq!(world.get("a.example/"), "canary");
}

#[test]
fn of_two_routes_of_the_same_age_the_first_name_wins() {
    let mut world = World::of(&services());
    world.set(&split("b", json!({"versions": [{"name": "b", "service": "stable"}]})));
    world.set(&split("a", json!({"versions": [{"name": "a", "service": "stable"}]})));
    assert_eq!(world.get("x.example/"), "a");
}

#[test]
fn an_object_that_is_made_anew_takes_the_place_of_its_new_age() {
    let mut world = World::of(&services());
    let named = |name: &str| split(name, json!({"versions": [{"name": name, "service": "stable"}]}));
    world.set(&named("a").made_after(1));
    world.set(&named("b").made_after(2));
    assert_eq!(world.get("x.example/"), "a");
    world.set(&named("a").made_after(3));
    assert_eq!(world.get("x.example/"), "b");
    assert_eq!(world.model().routes.len(), 2);
}

#[test]
fn reports_are_taken_once_and_again_when_they_change() {
    let mut world = two_splits();
    world.model();
    let taken = |world: &mut World| -> Vec<(String, bool)> {
        let reports = world.index.take_statements().into_iter();
        reports.map(|(id, report)| (id.name.to_string(), report.is_some())).collect()
    };
    assert_eq!(taken(&mut world), [("one".to_owned(), true), ("two".to_owned(), true)]);
    assert_eq!(taken(&mut world), []);
    world.remove(&service("stable", &[]));
    world.remove(&on_only("two", "canary"));
    world.model();
    assert_eq!(taken(&mut world), [("one".to_owned(), true), ("two".to_owned(), false)]);
}

#[test]
fn what_is_said_of_an_object_names_the_generation_that_it_is_about() {
    let mut world = World::of(&[on_only("one", "stable").with("/metadata/generation", json!(7))]);
    world.model();
    let statements = world.index.take_statements();
    assert_eq!(statements[0].1.as_ref().unwrap().generation, 7);
}

#[test]
fn nothing_is_said_of_an_object_before_what_it_refers_to_by_name_was_told() {
    let sticky = json!({"cookie": "weir", "mode": "pin", "keySecretRef": {"name": "sticky", "key": "keys"}});
    let mut world = World::of(&[services(), vec![on_only("one", "stable").with("/spec/sticky", sticky)]].concat());
    let resolved = |world: &mut World| -> Vec<(bool, &'static str)> {
        world.model();
        let statements = world.index.take_statements().into_iter().filter_map(|(_, statement)| statement);
        let conditions = statements.flat_map(|statement| statement.report.conditions.clone());
        let resolved = conditions.filter(|condition| condition.kind == "ResolvedRefs");
        resolved.map(|condition| (condition.holds, condition.reason)).collect()
    };
    assert_eq!(resolved(&mut world), []);
    world.set(&opaque("sticky", &[("keys", "0123456789abcdef")]));
    assert_eq!(resolved(&mut world), [(true, "ResolvedRefs")], "that it is missing was never said");
    world.remove(&opaque("sticky", &[]));
    assert_eq!(resolved(&mut world), [(false, "SecretNotFound")]);
}

#[test]
fn what_is_malformed_and_goes_is_gone_and_who_looked_for_it_is_told_each_time() {
    let split = on_only("one", "stable");
    let malformed = service("stable", &[]).with("/spec/ports", json!("eighty"));
    let mut world = World::of(std::slice::from_ref(&split));
    let message = |world: &mut World| world.message(&split, "ResolvedRefs");
    assert!(message(&mut world).contains("there is no Service"));
    world.set(&malformed);
    assert!(message(&mut world).contains("cannot be understood"));
    world.index.apply(Change::Listing(ObjectKind::Service.into()));
    world.index.apply(Change::Listed(ObjectKind::Service.into()));
    assert!(message(&mut world).contains("there is no Service"), "a list without it says that it has gone");
}

#[test]
fn a_listener_counts_each_route_once_however_many_of_its_references_mean_it() {
    let gateway = gateway("gw", json!([http_listener()]));
    let parents = json!([{"name": "gw", "sectionName": "http"}, {"name": "gw", "port": 80}]);
    let route = http_route("shop", &[], json!([to(&[("stable", 1)])])).with("/spec/parentRefs", parents);
    let all = [class("weir"), gateway.clone(), gateway_service("gw", &[(80, 20080)]), route.clone()];
    let mut world = World::of(&all);
    let attached = |world: &mut World| {
        world.model();
        world.index.statement(&gateway.id()).unwrap().report.listeners[0].attached_routes
    };
    assert_eq!(attached(&mut world), 1);
    world.remove(&route);
    assert_eq!(attached(&mut world), 0);
    assert!(world.index.attached.is_empty(), "what nobody is on any more is not remembered");
}

#[test]
fn a_guard_that_has_found_a_version_bad_is_a_condition_and_a_note() {
    let mut world = two_splits();
    world.model();
    let id = on_only("one", "stable").id();
    let figures = |guard: Value| json!([{"name": "stable"}, guard]);
    let told = |world: &mut World, figures: Value| {
        let difference = world.index.figures_differ(&id, &figures);
        world.index.set_figures(&id, figures);
        let report = world.index.statement(&id).unwrap().report;
        let tripped = report.conditions.iter().find(|condition| condition.kind == "GuardTripped");
        let notes: Vec<_> = report.notes.iter().map(|note| (note.reason, note.warning)).collect();
        (difference, tripped.map(|condition| (condition.holds, condition.message.clone())), notes)
    };
    let (_, tripped, notes) = told(&mut world, figures(json!({"name": "canary"})));
    assert_eq!((tripped, notes), (None, vec![]), "no guard, nothing to tell of it");
    let healthy = json!({"name": "canary", "guard": "healthy"});
    let (difference, tripped, notes) = told(&mut world, figures(healthy));
    assert_eq!((difference, notes), (Some(Difference::Conditions), vec![]));
    assert!(!tripped.unwrap().0);
    let bad = json!({"name": "canary", "guard": "tripped", "guardReason": "fails 30% more"});
    let (difference, tripped, notes) = told(&mut world, figures(bad));
    assert_eq!((difference, notes), (Some(Difference::Conditions), vec![("GuardTripped", true)]));
    let (holds, message) = tripped.unwrap();
    assert!(holds && message.contains("canary: fails 30% more"), "{message}");
}
