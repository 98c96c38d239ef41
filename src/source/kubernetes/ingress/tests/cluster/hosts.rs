//! `server-alias` and `from-to-www-redirect` take no host that is another Ingress's.

use super::*;

const OTHER: &str = "other.example.com";

fn alias(name: &str, host: &str, alias: &str) -> Made {
    with(ingress(name, host, "a"), "server-alias", alias)
}

fn www(name: &str, host: &str) -> Made {
    with(ingress(name, host, "a"), "from-to-www-redirect", "true")
}

#[test]
fn an_alias_takes_no_host_that_a_younger_ingress_has_a_rule_for() {
    let greedy = alias("greedy", "shop.example.com", "Other.example.com").in_namespace("other");
    let owner = ingress("owner", OTHER, "b").made_after(9);
    let mut world = world(&[greedy.clone(), owner.clone()]);
    assert_eq!(world.get(OTHER), "b");
    assert!(told(&mut world, &greedy).contains("other.example.com is taken already"));
    assert_eq!(warned(&mut world, &owner), "");
}

#[test]
fn an_alias_is_served_until_an_ingress_has_a_rule_for_it_and_again_after() {
    let greedy = alias("greedy", "shop.example.com", OTHER);
    let owner = ingress("owner", OTHER, "b").made_after(9);
    let mut world = world(&[greedy]);
    assert_eq!(world.get(OTHER), "a");
    world.set(&owner);
    assert_eq!(world.get(OTHER), "b");
    world.remove(&owner);
    assert_eq!(world.get(OTHER), "a");
}

#[test]
fn an_alias_that_changes_reaches_those_that_ask_for_the_same() {
    let mut world = world(&[alias("first", "first.example.com", OTHER)]);
    let second = with(ingress("second", "second.example.com", "b"), "server-alias", OTHER).made_after(1);
    world.set(&second);
    assert_eq!(world.get(OTHER), "a");
    assert!(told(&mut world, &second).contains("is taken already"));
    world.set(&alias("first", "first.example.com", "elsewhere.example.com"));
    assert_eq!(world.get(OTHER), "b");
    assert_eq!(warned(&mut world, &second), "");
}

#[test]
fn of_two_aliases_the_older_one_is_served_unless_its_own_host_is_lost() {
    let oldest = ingress("oldest", "lost.example.com", "b");
    let loser = alias("loser", "lost.example.com", OTHER).made_after(1);
    let young = with(ingress("young", "young.example.com", "b"), "server-alias", OTHER).made_after(2);
    let mut world = world(&[oldest.clone(), loser, young.clone()]);
    assert_eq!(world.get(OTHER), "b");
    assert_eq!(warned(&mut world, &young), "");
    world.remove(&oldest);
    assert_eq!(world.get(OTHER), "a");
    assert!(told(&mut world, &young).contains("is taken already"));
}

#[test]
fn a_canary_with_the_aliases_of_its_main_ingress_keeps_them_from_nobody() {
    let main = alias("main", "shop.example.com", OTHER);
    let canary = with(alias("canary", "shop.example.com", OTHER), "canary", "true").made_after(1);
    let mut world = world(&[main.clone(), canary]);
    assert_eq!(world.get(OTHER), "a");
    assert_eq!(warned(&mut world, &main), "");
}

#[test]
fn a_www_twin_takes_no_host_that_another_ingress_has() {
    let greedy = www("greedy", "example.com").in_namespace("other");
    let owner = ingress("owner", "www.example.com", "b").made_after(9);
    let mut world = world(std::slice::from_ref(&greedy));
    assert_eq!(world.get("www.example.com"), "answered");
    world.set(&owner);
    assert_eq!(world.get("www.example.com"), "b");
    assert!(told(&mut world, &greedy).contains("www.example.com is served for another Ingress"));
    world.remove(&owner);
    assert_eq!(world.get("www.example.com"), "answered");
}

#[test]
fn a_www_twin_takes_no_alias_of_another_ingress() {
    let owner = with(ingress("owner", "owner.example.com", "b"), "server-alias", "www.example.com").made_after(9);
    let mut world = world(&[www("greedy", "example.com"), owner]);
    assert_eq!(world.get("www.example.com"), "b");
}

#[test]
fn a_www_twin_that_is_switched_off_lets_go() {
    let mut world = world(&[www("greedy", "www.example.com")]);
    assert_eq!(world.get("example.com"), "answered");
    world.set(&with(ingress("greedy", "www.example.com", "a"), "from-to-www-redirect", "false"));
    assert_eq!(world.get("example.com"), "404");
}
