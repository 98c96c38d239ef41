//! Pods of which is known when they end.

use super::*;

/// The same with pods: `old-0`, `old-1`, `new-0` and so on.
fn in_pods(mut split: Split) -> Split {
    for version in &mut split.versions {
        let name = Arc::clone(&version.name);
        for (index, endpoint) in version.endpoints.iter_mut().enumerate() {
            endpoint.pod = Some(format!("{name}-{index}").into());
        }
    }
    split
}

/// It has ten seconds to settle, and asks its connections within twenty.
fn shop(split: Split) -> Split {
    in_pods(settling(split))
}

impl World {
    /// Serves a split of which the pods of the old version end after so much time, if they do.
    fn ends(&mut self, split: Split, after: Option<Duration>) {
        let mut model = model([route("shop", &[], split)]);
        if let Some(time) = after {
            model.ending = ["old-0", "old-1"].map(|pod| (pod.into(), self.wall(time))).to_vec();
        }
        self.bring(&model);
    }

    fn old(&self) -> [SiteId; 2] {
        [self.endpoint(0, 0), self.endpoint(0, 1)]
    }
}

#[test]
fn a_version_without_weight_drains_before_its_pods_end_also_if_it_would_settle() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(5);
    let told = orders(&mut world);
    assert_eq!(told.len(), 2);
    for order in &told {
        assert_eq!(order.cause, Cause::Weight);
        assert!(order.deadline <= world.now + SECOND * 9 / 2, "{:?}", order.deadline - world.now);
        assert!(order.last_call() < order.deadline && order.patience(world.now) < SECOND * 9 / 2);
    }
}

#[test]
fn it_settles_for_half_of_the_time_where_there_is_not_enough_to_ask_all() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(4);
    assert_eq!(world.told(1), []);
    world.pass(1);
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn the_spread_is_shortened_with_it() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(5);
    let told = orders(&mut world);
    assert_eq!(told.len(), 2);
    for order in told {
        assert!(order.patience(world.now) < SECOND * 9 / 2, "{:?}", order.patience(world.now));
    }
}

#[test]
fn it_is_the_same_if_the_end_is_told_after_the_weight() {
    let mut world = World::new(shop(halves()));
    world.serve(shop(turned()));
    world.pass(3);
    assert_eq!(world.told(1), []);
    world.ends(shop(turned()), Some(SECOND * 10));
    assert_eq!(world.told(1), []);
    world.pass(4);
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn an_end_that_is_far_away_changes_nothing() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 600));
    world.pass(9);
    assert_eq!(world.told(1), []);
    world.pass(1);
    let told = orders(&mut world);
    assert!(told.iter().all(|order| order.deadline - world.now == SECOND * 60) && told.len() == 2);
}

#[test]
fn an_end_that_is_moved_is_followed() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 30));
    world.pass(10);
    assert_eq!(world.told(1).len(), 2);
    let old = world.old();
    world.ends(shop(turned()), Some(SECOND * 50));
    assert_eq!(world.told(1), old.map(|site| Told::Retime(site, SECOND * 49)));
    world.ends(shop(turned()), Some(SECOND * 20));
    assert_eq!(world.told(1), old.map(|site| Told::Retime(site, SECOND * 19)));
    assert_eq!(world.drains.figures(world.now)[0].left, SECOND * 19);
}

#[test]
fn the_same_end_told_again_is_no_news() {
    let mut world = World::new(shop(halves()));
    let mut model = model([route("shop", &[], shop(turned()))]);
    model.ending = vec![("old-0".into(), world.wall(SECOND * 10))];
    world.bring(&model);
    world.pass(5);
    assert_eq!(world.told(1).len(), 1);
    world.bring(&model);
    world.pass(1);
    assert_eq!(world.told(1), []);
}

#[test]
fn an_end_that_is_taken_back_lets_the_version_settle_again() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(5);
    assert_eq!(world.told(1).len(), 2);
    let old = world.old();
    world.ends(shop(turned()), None);
    assert_eq!(world.told(1), old.map(Told::Recall));
    world.pass(4);
    assert_eq!(world.told(1), []);
    world.pass(1);
    assert_eq!(world.told(1), old.map(|site| Told::Drain(site, Cause::Weight)));
}

#[test]
fn weight_that_comes_back_in_a_rollback_takes_the_connections_back() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(5);
    world.told(1);
    let old = world.old();
    world.ends(shop(halves()), Some(SECOND * 4));
    assert_eq!(world.told(1)[..2], old.map(Told::Recall));
}

#[test]
fn pods_that_no_service_selects_any_more_drain_before_they_end() {
    let mut world = World::new(shop(halves()));
    let old = world.old();
    let mut promoted = shop(turned());
    promoted.versions[0].endpoints.clear();
    world.ends(promoted, Some(SECOND * 10));
    world.pass(5);
    assert_eq!(world.told(1), old.map(|site| Told::Drain(site, Cause::Removed)));
}

#[test]
fn what_never_had_weight_drains_before_it_ends_and_is_let_alone_if_it_does_not() {
    let mut world = World::new(shop(turned()));
    let old = world.old();
    world.ends(shop(turned()), Some(SECOND * 10));
    world.pass(5);
    assert_eq!(world.told(1), old.map(|site| Told::Drain(site, Cause::Ending)));
    world.ends(shop(turned()), None);
    assert_eq!(world.told(1), old.map(Told::Recall));
}

#[test]
fn what_has_weight_serves_until_it_ends() {
    let mut world = World::new(shop(halves()));
    world.ends(shop(halves()), Some(SECOND * 5));
    world.pass(10);
    assert_eq!(world.told(1), []);
}

#[test]
fn sticky_clients_move_on_before_their_pods_end() {
    let sticky = |split: Split| shop(split.by_sticky_cookie(crate::model::StickyMode::Pin));
    let mut world = World::new(sticky(halves()));
    world.ends(sticky(turned()), Some(SECOND * 30));
    for _ in 0..290 {
        assert!(!world.drains.retire(world.now));
        world.now += SECOND / 10;
    }
    assert!(world.drains.retire(world.now + SECOND / 10));
    assert_eq!(*world.drains.retired(&world.served.rules[0].body), [true, false]);
}
