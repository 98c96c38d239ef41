use serde_json::{Value, json};

use crate::source::kubernetes::object::Id;
use crate::source::kubernetes::tests::objects::{
    Made, class, gateway, gateway_service, http_listener, http_route, refs, service, slice,
};
use crate::source::kubernetes::tests::world::World;

fn rule(conditions: Value) -> Value {
    json!({"matches": [conditions], "backendRefs": refs(&[("a", 1)])})
}

fn route(name: &str, hosts: &[&str], conditions: Value) -> Made {
    http_route(name, hosts, json!([rule(conditions)]))
}

fn world(routes: &[Made]) -> World {
    let all = [
        class("weir"),
        gateway("gw", json!([http_listener()])),
        gateway_service("gw", &[(80, 20080)]),
        service("a", &[]),
        slice("a", &["10.0.0.1"]),
    ];
    let mut world = World::of(&[all.to_vec(), routes.to_vec()].concat()).at_port(80);
    world.model();
    world
}

/// What is said, by object, since it was last asked.
fn said(world: &mut World) -> Vec<(Id, String)> {
    world.model();
    let statements = world.index.take_statements().into_iter();
    let notes = statements.flat_map(|(id, said)| {
        let notes = said.map(|said| said.report.notes.clone()).unwrap_or_default();
        notes.into_iter().map(move |note| (id.clone(), format!("{}: {}", note.reason, note.message)))
    });
    notes.collect()
}

fn api() -> Value {
    json!({"path": {"type": "PathPrefix", "value": "/api"}})
}

#[test]
fn the_younger_of_two_that_take_the_same_is_told_who_gets_it() {
    let (old, young) = (route("old", &["a.example"], api()), route("young", &["a.example"], api()).made_after(1));
    let mut world = world(&[young.clone(), old.clone()]);
    let expected = "Shadowed: HTTPRoute shop/old is older and gets requests that this would take, too: those for host \
                    a.example, path prefix /api; change or remove one of the two";
    assert_eq!(said(&mut world), [(young.id(), expected.to_owned())]);
    // The other way round, as soon as the older one has gone and come back.
    world.remove(&old);
    assert_eq!(said(&mut world), []);
    world.set(&old.made_after(2));
    assert_eq!(said(&mut world).into_iter().map(|(id, _)| id.name).collect::<Vec<_>>(), ["old".into()]);
}

#[test]
fn an_older_one_that_comes_later_is_told_on_the_younger_although_nothing_of_it_changed() {
    let young = route("young", &[], api()).made_after(1);
    let mut world = world(std::slice::from_ref(&young));
    assert_eq!(said(&mut world), []);
    world.set(&route("old", &[], api()));
    let said = said(&mut world);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, young.id());
    assert!(said[0].1.contains("every host, path prefix /api"), "{said:?}");
}

#[test]
fn what_differs_in_anything_is_not_the_same() {
    let header = |name: &str| json!({"headers": [{"name": name, "value": "1"}]});
    for (one, other) in [
        (route("one", &["a.example"], api()), route("other", &["b.example"], api())),
        (route("one", &["a.example"], api()), route("other", &["a.example"], json!({"path": {"value": "/b"}}))),
        (route("one", &[], header("x-a")), route("other", &[], header("x-b"))),
        (route("one", &[], json!({"method": "GET"})), route("other", &[], json!({}))),
        (route("one", &[], json!({})), route("other", &["a.example"], json!({}))),
    ] {
        assert_eq!(said(&mut world(&[one, other.made_after(1)])), []);
    }
}

#[test]
fn the_order_of_conditions_makes_no_difference() {
    let headers = |names: [&str; 2]| {
        let headers: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        json!({"headers": headers})
    };
    let (one, other) = (route("one", &[], headers(["x-a", "x-b"])), route("other", &[], headers(["x-b", "x-a"])));
    assert_eq!(said(&mut world(&[one, other.made_after(1)])).len(), 1);
}

#[test]
fn two_rules_of_one_route_are_its_own_affair() {
    let route = http_route("one", &[], json!([rule(api()), rule(api())]));
    assert_eq!(said(&mut world(&[route])), []);
}

#[test]
fn a_change_of_pods_says_nothing_new_of_others_that_take_the_same() {
    let mut world = world(&[route("old", &[], api()), route("young", &[], api()).made_after(1)]);
    assert_eq!(said(&mut world).len(), 1);
    world.set(&slice("a", &["10.0.0.2"]));
    world.model();
    assert_eq!(world.index.take_statements().len(), 0);
}
