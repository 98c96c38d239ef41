//! From an old main Ingress to a new one in another namespace: after no step is there a request without an answer.

use super::*;

const HOST: &str = "shop.example.com";

fn old() -> Made {
    ingress("old", HOST, "a")
}

fn new() -> Made {
    ingress("new", HOST, "b").in_namespace("other").made_after(9)
}

fn canary(weight: &str) -> Made {
    with(with(new(), "canary", "true"), "canary-weight", weight)
}

/// Where 100 requests go: those to the old Service, and those to the new one.
fn shares(world: &mut World) -> (usize, usize) {
    let shares = world.shares(HOST, 100);
    let of = |names: [&str; 2]| names.iter().filter_map(|name| shares.get(*name)).sum();
    let (to_old, to_new) = (of(["a", "shop/a"]), of(["b", "other/b"]));
    assert_eq!(to_old + to_new, 100, "{shares:?}");
    (to_old, to_new)
}

#[test]
fn the_old_ingress_goes_first_then_the_annotations() {
    let mut world = world(&[old(), canary("20")]);
    assert_eq!(shares(&mut world), (80, 20));
    world.set(&canary("100"));
    assert_eq!(shares(&mut world), (0, 100));
    world.remove(&old());
    assert_eq!(shares(&mut world), (0, 100));
    world.set(&new());
    assert_eq!(shares(&mut world), (0, 100));
}

#[test]
fn the_annotations_go_first_then_the_old_ingress() {
    let mut world = world(&[old(), canary("100")]);
    assert_eq!(shares(&mut world), (0, 100));
    // Two main Ingresses for a while: the older one serves, as it did before there was a canary, and the other is told.
    world.set(&new());
    assert_eq!(shares(&mut world), (100, 0));
    assert!(told(&mut world, &new()).contains("is served for shop/old, which is older"));
    world.remove(&old());
    assert_eq!(shares(&mut world), (0, 100));
    assert_eq!(told(&mut world, &new()), "");
}
