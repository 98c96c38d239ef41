use std::cell::RefCell;

use super::*;
use crate::cluster::{Acknowledgements, Member};

/// Replicas `a` (this one), `b` and `c`, and time that passes when told.
struct World {
    acks: RefCell<Acknowledgements>,
    pending: Pending,
    now: Instant,
}

fn shop() -> Id {
    Id::new(ObjectKind::Split, "default", "shop")
}

fn object(generation: i64) -> Applied {
    Applied::new("Split default/shop", "uid", generation)
}

fn says(replicas: (usize, usize), lagging: &[&str]) -> Vec<Serving> {
    vec![Serving { replicas: Some(replicas), lagging: lagging.iter().map(|name| (*name).into()).collect() }]
}

impl World {
    fn of(ready: &[&str]) -> Self {
        let world = Self {
            acks: RefCell::new(Acknowledgements::new("a".into())),
            pending: Pending::default(),
            now: Instant::now(),
        };
        world.ready(ready);
        world
    }

    fn ready(&self, names: &[&str]) {
        let member = |name: &&str| Member { name: (*name).into(), address: ([127, 0, 0, 1], 1).into(), ready: true };
        let members: Vec<Member> = names.iter().map(member).collect();
        self.acks.borrow_mut().members(&members);
    }

    fn serves(&self, name: &str, generation: i64) {
        self.acks.borrow_mut().told(&name.into(), &[object(generation)], &[]);
    }

    fn say(&mut self, generation: i64) {
        self.serves("a", generation);
        self.pending.say(&shop(), object(generation), self.now);
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn review(&mut self) -> Vec<Serving> {
        let acks = self.acks.borrow();
        let due = self.pending.review(self.now, |object| Some(acks.standing(object)));
        due.into_iter().map(|(_, serving)| (*serving).clone()).collect()
    }

    fn recount(&mut self) -> Vec<Serving> {
        let acks = self.acks.borrow();
        let due = self.pending.recount(|object| Some(acks.standing(object)));
        due.into_iter().map(|(_, serving)| (*serving).clone()).collect()
    }
}

#[test]
fn with_a_single_replica_nothing_waits() {
    let mut world = World::of(&["a"]);
    world.say(1);
    assert_eq!(world.review(), says((1, 1), &[]));
    assert_eq!((world.review(), world.pending.deadline()), (vec![], None));
}

#[test]
fn where_nobody_can_tell_nothing_waits() {
    let mut pending = Pending::default();
    pending.say(&shop(), object(1), Instant::now());
    assert_eq!(pending.review(Instant::now(), |_| None), [(shop(), Arc::new(Serving::default()))]);
}

#[test]
fn nothing_is_said_until_every_ready_replica_serves_it() {
    let mut world = World::of(&["a", "b", "c"]);
    world.say(1);
    assert_eq!(world.review(), vec![]);
    world.serves("b", 1);
    world.pass(10);
    assert_eq!(world.review(), vec![]);
    world.serves("c", 2);
    world.pass(10);
    assert_eq!(world.review(), says((3, 3), &[]));
}

#[test]
fn after_five_seconds_the_laggard_is_named_and_corrected_when_it_has_caught_up() {
    let mut world = World::of(&["a", "b"]);
    world.serves("b", 1);
    world.say(2);
    assert_eq!(world.pending.deadline(), Some(world.now + PATIENCE));
    world.pass(4999);
    assert_eq!(world.review(), vec![]);
    world.pass(1);
    assert_eq!(world.review(), says((2, 1), &["b"]));
    assert_eq!((world.review(), world.pending.deadline()), (vec![], None), "it is said once");
    world.pass(60_000);
    world.serves("b", 2);
    assert_eq!(world.review(), says((2, 2), &[]));
}

#[test]
fn other_laggards_are_named_as_they_change() {
    let mut world = World::of(&["a", "b", "c"]);
    world.say(1);
    world.pass(5000);
    assert_eq!(world.review(), says((3, 1), &["b", "c"]));
    world.serves("b", 1);
    assert_eq!(world.review(), says((3, 2), &["c"]));
    world.ready(&["a", "b"]);
    assert_eq!(world.review(), says((2, 2), &[]), "who has left is waited for no more");
}

#[test]
fn generations_that_follow_each_other_do_not_put_off_the_end_of_the_wait() {
    let mut world = World::of(&["a", "b"]);
    world.say(1);
    for generation in 2..=5 {
        world.pass(1000);
        world.say(generation);
        assert_eq!(world.review(), vec![]);
    }
    world.pass(1000);
    assert_eq!(world.review(), says((2, 1), &["b"]));
    world.say(6);
    assert_eq!(world.review(), vec![], "another generation is waited for anew");
    world.pass(5000);
    assert_eq!(world.review(), says((2, 1), &["b"]));
}

#[test]
fn what_every_replica_served_is_said_at_once_when_it_is_said_again() {
    let mut world = World::of(&["a", "b"]);
    world.serves("b", 1);
    world.say(1);
    assert_eq!(world.review(), says((2, 2), &[]));
    world.ready(&["a", "b", "c"]);
    world.say(1);
    assert_eq!(world.review(), says((3, 2), &[]), "who comes later turns nothing back");
    world.say(2);
    assert_eq!(world.review(), vec![]);
}

#[test]
fn counts_follow_replicas_that_come_and_go() {
    let mut world = World::of(&["a"]);
    world.say(1);
    world.review();
    assert_eq!(world.recount(), vec![]);
    world.ready(&["a", "b"]);
    world.serves("b", 1);
    assert_eq!(world.recount(), says((2, 2), &[]));
    world.ready(&["a"]);
    assert_eq!(world.recount(), says((1, 1), &[]));
    assert_eq!(world.recount(), vec![]);
}

#[test]
fn of_what_has_gone_nothing_is_said() {
    let mut world = World::of(&["a", "b"]);
    world.say(1);
    world.pending.gone(&shop());
    world.pass(5000);
    assert_eq!((world.review(), world.pending.deadline()), (vec![], None));
}
