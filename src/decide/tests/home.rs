//! Clients that keep their endpoint.

use super::*;
use crate::model::{Order, Split, StickyTo};

fn kept(split: Split, move_on_failure: bool) -> Split {
    let mut split = split.by_sticky_cookie(StickyMode::Pin);
    split.order = Order::StickyFirst;
    if let Some(sticky) = &mut split.sticky {
        sticky.to = StickyTo::Endpoint { move_on_failure };
    }
    split
}

fn value(decision: &Decision) -> Option<String> {
    let header = decision.cookie.as_ref()?.header(false)?;
    Some(header.to_str().unwrap().split(';').next().unwrap().to_owned())
}

fn with(cookie: &str) -> Asked {
    asked().header("cookie", cookie)
}

fn at(decision: &Decision, worker: &Worker) -> std::net::SocketAddr {
    decision.endpoint(&worker.snapshot).address
}

#[test]
fn a_client_keeps_its_endpoint_and_is_told_once() {
    let mut worker = Worker::of(kept(split(&[("stable", 1), ("canary", 1)]), false));
    for _ in 0..8 {
        let first = worker.decision(&asked());
        let cookie = value(&first).expect("a cookie");
        for _ in 0..5 {
            let again = worker.decision(&with(&cookie));
            assert_eq!((at(&again, &worker), again.why, value(&again)), (at(&first, &worker), Why::Sticky, None));
        }
    }
}

#[test]
fn an_endpoint_that_has_gone_is_replaced_for_good() {
    let mut worker = Worker::of(kept(split(&[("stable", 1)]), false));
    let first = worker.decision(&asked());
    let gone = at(&first, &worker);
    let mut less = kept(split(&[("stable", 1)]), false);
    less.versions[0].endpoints.retain(|e| e.address != gone);
    worker.snapshot = serving(less);
    let second = worker.decision(&with(&value(&first).unwrap()));
    assert_ne!(at(&second, &worker), gone);
    let third = worker.decision(&with(&value(&second).expect("a new cookie")));
    assert_eq!((at(&third, &worker), value(&third)), (at(&second, &worker), None));
}

#[test]
fn after_a_failure_the_client_returns_unless_it_is_to_move() {
    for moves in [false, true] {
        let mut worker = Worker::of(kept(split(&[("stable", 1)]), moves));
        let cookie = value(&worker.decision(&asked())).unwrap();
        let first = worker.decision(&with(&cookie));
        let mut tried = Tried::default();
        tried.add(first.endpoint(&worker.snapshot).id);
        let second = again(&worker.snapshot, &mut worker.cursors, &first, &tried).unwrap();
        assert_ne!(second.endpoint, first.endpoint);
        assert_eq!(value(&second).is_some(), moves);
    }
}

#[test]
fn an_override_is_remembered_where_stickiness_comes_first() {
    let split = kept(split(&[("stable", 1), ("canary", 0)]), false).by_header("x-canary", is("always"), 1);
    let mut worker = Worker::of(split);
    let forced = worker.decision(&asked().header("x-canary", "always"));
    assert_eq!((forced.version, forced.why), (1, Why::Override));
    let again = worker.decision(&with(&value(&forced).expect("a cookie")));
    assert_eq!((again.version, at(&again, &worker)), (1, at(&forced, &worker)));
}

#[test]
fn a_version_that_forgets_gives_no_cookie_and_takes_none() {
    let mut forgetful = kept(split(&[("stable", 0), ("canary", 1)]), false);
    if let Some(sticky) = &mut forgetful.sticky {
        sticky.forgets = vec![1];
    }
    let mut worker = Worker::of(forgetful.clone());
    assert_eq!(value(&worker.decision(&asked())), None);
    forgetful.sticky.as_mut().unwrap().forgets.clear();
    let cookie = value(&Worker::of(forgetful).decision(&asked())).unwrap();
    assert_eq!(worker.decision(&with(&cookie)).why, Why::Weight);
}

#[test]
fn who_is_told_apart_by_address_keeps_an_endpoint_without_a_cookie() {
    let mut split = split(&[("stable", 1)]).sticky_by(crate::model::ClientId::SourceAddress, StickyMode::Share);
    if let Some(sticky) = &mut split.sticky {
        sticky.to = StickyTo::Endpoint { move_on_failure: false };
    }
    let mut worker = Worker::of(split);
    let mut seen = std::collections::HashSet::new();
    for client in 0..32 {
        let asked = asked().from([192, 0, 2, client]);
        let first = at(&worker.decision(&asked), &worker);
        assert_eq!(at(&worker.decision(&asked), &worker), first);
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2);
}
