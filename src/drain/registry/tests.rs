use std::sync::Arc;
use std::task::Waker;

use super::*;
use crate::drain::{Cause, Parts};
use crate::model::Kind;

const MILLI: Duration = Duration::from_millis(1);

fn route(name: &str) -> RouteKey {
    RouteKey { namespace: "".into(), kind: Kind::Split, name: name.into() }
}

fn socket(port: u16) -> SocketKey {
    crate::model::Listener { address: ([0, 0, 0, 0], port).into(), ..crate::testing::listener("http") }.key()
}

fn resident(name: &str, endpoint: u32) -> Resident {
    Resident {
        route: route(name),
        version: "v".into(),
        site: SiteId(endpoint),
        listener: socket(8080),
        protocol: StreamProtocol::WebSocket,
        generation: 1,
    }
}

/// A registry whose clock is moved by hand.
struct World {
    registry: Rc<Registry>,
    now: Instant,
    rng: fastrand::Rng,
}

impl World {
    fn new() -> Self {
        Self { registry: Rc::default(), now: Instant::now(), rng: fastrand::Rng::with_seed(7) }
    }

    fn many(&self, count: usize, name: &str, endpoint: u32) -> Vec<Registered> {
        (0..count).map(|_| self.registry.register(resident(name, endpoint))).collect()
    }

    fn order(&self, subject: Subject, spread: u64) -> Order {
        Order {
            subject,
            cause: Cause::Weight,
            generation: 2,
            since: self.now,
            spread: Duration::from_secs(spread),
            slowest: Duration::from_secs(spread),
            close_code: None,
            deadline: self.now + Duration::from_secs(60),
            progress: Arc::default(),
            parts: None,
            evict: None,
        }
    }

    fn begin(&mut self, order: &Order) {
        self.registry.begin(order.clone(), self.now, &mut self.rng);
    }

    fn pass(&mut self, millis: u32) {
        for _ in 0..millis / 20 {
            self.now += MILLI * 20;
            self.registry.tick(self.now, &mut self.rng);
        }
    }
}

/// A hundred connections to an endpoint whose drain has begun, to be asked within ten seconds.
fn a_hundred() -> (World, Vec<Registered>, Order) {
    let mut world = World::new();
    let all = world.many(100, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    (world, all, order)
}

fn asked(all: &[Registered]) -> usize {
    all.iter().filter(|one| look(one) == Some(Asked::ToEnd(None))).count()
}

fn look(one: &Registered) -> Option<Asked> {
    one.asked(&Context::from_waker(Waker::noop()))
}

fn place(name: &str, endpoint: u32) -> Subject {
    Subject::Place(route(name), SiteId(endpoint))
}

#[test]
fn only_the_route_at_the_endpoint_is_asked() {
    let mut world = World::new();
    let (mine, other, elsewhere) = (world.many(3, "a", 1), world.many(3, "b", 1), world.many(3, "a", 2));
    let order = world.order(place("a", 1), 0);
    world.begin(&order);
    world.pass(20);
    assert_eq!((asked(&mine), asked(&other), asked(&elsewhere)), (3, 0, 0));
    assert_eq!(order.progress.remaining(), 3);
}

#[test]
fn they_are_asked_over_the_spread_and_counted_as_they_end() {
    let mut world = World::new();
    let mut all = world.many(100, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(5_000);
    assert!((48..=52).contains(&asked(&all)));
    let (told, untold): (Vec<_>, Vec<_>) = all.drain(..).partition(|one| look(one).is_some());
    let count = told.len() as u64;
    drop(told);
    assert_eq!(order.progress.closed(Closed::Asked), count);
    drop(untold);
    assert_eq!(order.progress.closed(Closed::Finished), 100 - count);
    assert!(order.progress.is_over(1) && !order.progress.is_over(2));
    assert!(world.registry.is_empty());
}

#[test]
fn those_that_idle_longest_come_first() {
    let mut world = World::new();
    let all = world.many(10, "a", 1);
    world.now += Duration::from_secs(5);
    all[..5].iter().for_each(Registered::moved);
    world.registry.sweep(world.now);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(5_000);
    assert_eq!((asked(&all[5..]), asked(&all[..5])), (5, 0));
}

#[test]
fn at_the_deadline_the_rest_is_cut_and_counted_as_forced() {
    let mut world = World::new();
    let all = world.many(4, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(59_000);
    assert_eq!(asked(&all), 4);
    world.pass(1_000);
    assert!(all.iter().all(|one| look(one) == Some(Asked::Cut)));
    drop(all);
    assert_eq!(order.progress.closed(Closed::Forced), 4);
}

#[test]
fn a_recalled_drain_asks_nobody_else() {
    let mut world = World::new();
    let all = world.many(10, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(3_000);
    let before = asked(&all);
    assert!(before > 0 && before < 10);
    world.registry.recall(&place("a", 1));
    assert!(!world.registry.is_draining());
    world.pass(100_000);
    assert_eq!(asked(&all), before);
    assert_eq!(order.progress.remaining(), before as u64);
    drop(all);
    assert_eq!(order.progress.closed(Closed::Finished), 0);
}

#[test]
fn who_was_asked_by_a_recalled_drain_is_cut_by_the_next_one() {
    let mut world = World::new();
    let all = world.many(4, "a", 1);
    let first = world.order(place("a", 1), 0);
    world.begin(&first);
    world.pass(20);
    assert_eq!(asked(&all), 4);
    world.registry.recall(&place("a", 1));
    let second = world.order(place("a", 1), 0);
    world.begin(&second);
    assert_eq!((first.progress.remaining(), second.progress.remaining()), (0, 4));
    world.pass(60_000);
    assert!(all.iter().all(|one| look(one) == Some(Asked::Cut)));
    drop(all);
    assert_eq!(second.progress.closed(Closed::Forced), 4);
}

#[test]
fn a_connection_that_was_decided_before_comes_late_and_one_decided_after_is_not_meant() {
    let mut world = World::new();
    let order = world.order(place("a", 1), 0);
    world.begin(&order);
    let late = world.registry.register(resident("a", 1));
    let new = world.registry.register(Resident { generation: 2, ..resident("a", 1) });
    world.pass(20);
    assert_eq!((look(&late), look(&new)), (Some(Asked::ToEnd(None)), None));
    assert_eq!(order.progress.remaining(), 1);
}

#[test]
fn nobody_is_asked_while_others_find_no_place() {
    let (mut world, all, order) = a_hundred();
    world.pass(2_000);
    let before = asked(&all);
    (0..10).for_each(|_| order.progress.opened(false, MILLI, world.now));
    world.pass(1_500);
    assert_eq!(asked(&all), before);
    world.pass(10_000);
    assert!(asked(&all) > before + 50);
}

#[test]
fn refused_streams_are_not_hidden_by_calls_that_are_answered() {
    for calls in [false, true] {
        let (mut world, all, order) = a_hundred();
        world.pass(2_000);
        let before = asked(&all);
        let refused = if calls { 0 } else { 5 };
        (0..refused).for_each(|_| order.progress.opened(false, MILLI, world.now));
        (0..1_000).for_each(|call| order.progress.called(!calls || call % 9 > 0, world.now));
        world.pass(1_500);
        assert_eq!(asked(&all), before);
    }
}

#[test]
fn a_call_in_eleven_that_is_refused_is_borne() {
    let (mut world, all, order) = a_hundred();
    (0..1_100).for_each(|call| order.progress.called(call % 11 > 0, world.now));
    world.pass(2_000);
    assert!(asked(&all) >= 19);
}

#[test]
fn a_stream_that_is_turned_away_after_it_was_taken_up_counts() {
    let (mut world, all, _) = a_hundred();
    for _ in 0..5 {
        world.registry.register(Resident { generation: 2, ..resident("a", 2) }).was_turned_away(true);
    }
    world.pass(1_500);
    assert_eq!(asked(&all), 0);
}

#[test]
fn openings_on_any_worker_count() {
    let (mut one, mut other) = (World::new(), World::new());
    let all = one.many(100, "a", 1);
    let order = one.order(place("a", 1), 10);
    one.begin(&order);
    other.begin(&order);
    one.pass(2_000);
    let before = asked(&all);
    (0..10).for_each(|_| other.registry.opened((&route("a"), 2), false, MILLI));
    (0..10).for_each(|_| other.registry.opened((&route("b"), 2), false, MILLI));
    one.pass(500);
    assert_eq!(asked(&all), before);
}

#[test]
fn openings_that_were_decided_before_the_drain_say_nothing_of_its_target() {
    let (mut world, all, _) = a_hundred();
    (0..10).for_each(|_| world.registry.opened((&route("a"), 1), false, MILLI));
    (0..10).for_each(|_| world.registry.opened((&route("b"), 2), false, MILLI));
    world.pass(2_000);
    assert!(asked(&all) >= 19);
}

#[test]
fn the_end_of_the_process_takes_over_what_was_not_asked() {
    let mut world = World::new();
    let all = world.many(10, "a", 1);
    let first = world.order(place("a", 1), 30);
    world.begin(&first);
    world.pass(3_000);
    let before = asked(&all) as u64;
    let second = world.order(Subject::All(None), 1);
    world.begin(&second);
    assert_eq!((first.progress.remaining(), second.progress.remaining()), (before, 10 - before));
    world.pass(1_100);
    assert_eq!(asked(&all), 10);
}

#[test]
fn the_clients_of_a_listener_are_asked() {
    let mut world = World::new();
    let mine = world.registry.register(resident("a", 1));
    let other = world.registry.register(Resident { listener: socket(8081), ..resident("a", 1) });
    let order = world.order(Subject::Listener(socket(8080), None), 0);
    world.begin(&order);
    world.pass(20);
    assert_eq!((look(&mine), look(&other)), (Some(Asked::ToEnd(None)), None));
}

#[test]
fn those_that_come_late_are_asked_in_their_turn_within_a_spread_of_their_own() {
    let mut world = World::new();
    let early = world.many(2, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(2_000);
    let late = world.many(40, "a", 1);
    world.pass(5_000);
    assert!((18..=23).contains(&(asked(&early) + asked(&late))), "{} of them", asked(&late));
    world.pass(5_000);
    assert_eq!(asked(&early) + asked(&late), 42);
    assert_eq!(order.progress.remaining(), 42);
}

#[test]
fn those_that_come_late_do_not_hurry_a_pace_that_is_fast_enough() {
    let mut world = World::new();
    let early = world.many(100, "a", 1);
    let order = world.order(place("a", 1), 10);
    world.begin(&order);
    world.pass(5_000);
    let late = world.many(10, "a", 1);
    world.pass(5_000);
    assert!((98..=102).contains(&(asked(&early) + asked(&late))));
    world.pass(1_100);
    assert_eq!(asked(&early) + asked(&late), 110);
}

#[test]
fn those_that_come_after_the_spread_are_asked_before_the_last_call() {
    let mut world = World::new();
    let order = world.order(place("a", 1), 20);
    world.begin(&order);
    world.pass(50_000);
    let late = world.many(80, "a", 1);
    world.pass(4_000);
    assert!((38..=42).contains(&asked(&late)), "{}", asked(&late));
    world.pass(4_000);
    assert_eq!(asked(&late), 80);
}

#[test]
fn who_was_held_up_is_asked_before_the_last_call() {
    let mut world = World::new();
    let all = world.many(100, "a", 1);
    let order = world.order(place("a", 1), 50);
    world.begin(&order);
    for _ in 0..47 {
        (0..10).for_each(|_| order.progress.opened(false, MILLI, world.now));
        world.pass(1_000);
    }
    let before = asked(&all);
    assert!(before < 5, "{before}");
    // The strain is past after four seconds at most.
    world.pass(4_000);
    world.pass(7_000);
    assert_eq!(asked(&all), 100);
}

#[test]
fn who_was_held_up_until_the_end_is_asked_before_it_is_cut() {
    let mut world = World::new();
    let all = world.many(10, "a", 1);
    let order = world.order(place("a", 1), 20);
    world.begin(&order);
    for _ in 0..58 {
        (0..10).for_each(|_| order.progress.opened(false, MILLI, world.now));
        world.pass(1_000);
    }
    assert_eq!(asked(&all), 10);
    world.pass(2_000);
    assert!(all.iter().all(|one| look(one) == Some(Asked::Cut)));
}

#[test]
fn a_spread_as_long_as_the_timeout_leaves_the_last_ones_time_to_answer() {
    let mut world = World::new();
    let all = world.many(300, "a", 1);
    let order = world.order(place("a", 1), 60);
    world.begin(&order);
    world.pass(58_000);
    assert_eq!(asked(&all), 300);
}

#[test]
fn who_comes_after_the_deadline_is_asked_before_it_is_cut() {
    let mut world = World::new();
    let order = world.order(place("a", 1), 0);
    world.begin(&order);
    world.pass(61_000);
    let late = world.many(3, "a", 1);
    world.pass(20);
    assert_eq!(asked(&late), 3);
    world.pass(1_900);
    assert_eq!(asked(&late), 3);
    world.pass(200);
    assert!(late.iter().all(|one| look(one) == Some(Asked::Cut)));
    drop(late);
    assert_eq!(order.progress.closed(Closed::Forced), 3);
}

#[test]
fn a_drain_of_several_versions_is_counted_version_by_version() {
    let mut world = World::new();
    let all = world.many(3, "a", 1);
    let parts = Arc::<Parts>::default();
    let broad = Order { parts: Some(Arc::clone(&parts)), generation: u64::MAX, ..world.order(Subject::All(None), 0) };
    world.begin(&broad);
    let own = Order { generation: u64::MAX, ..world.order(Subject::All(Some(route("b"))), 30) };
    world.begin(&own);
    // What comes late goes to the drain of its own split.
    let late = world.many(1, "b", 1);
    world.pass(20);
    assert_eq!((asked(&all), asked(&late)), (3, 0));
    let counts =
        |parts: &Parts| parts.all().into_iter().map(|((route, _), p)| (route, p.remaining())).collect::<Vec<_>>();
    assert_eq!(counts(&parts), [(route("a"), 3)]);
    assert_eq!((broad.progress.remaining(), own.progress.remaining()), (3, 1));
    drop(all);
    assert_eq!(parts.all()[0].1.closed(Closed::Asked), 3);
}

#[test]
fn a_drain_that_is_to_end_earlier_asks_all_before_that() {
    let mut world = World::new();
    let all = world.many(100, "a", 1);
    let order = world.order(place("a", 1), 50);
    world.begin(&order);
    world.pass(5_000);
    assert!((9..=11).contains(&asked(&all)));
    world.registry.retime(&place("a", 1), world.now + Duration::from_secs(20), world.now, &mut world.rng);
    world.pass(9_000);
    assert!((50..=60).contains(&asked(&all)), "{}", asked(&all));
    world.pass(9_000);
    assert_eq!(asked(&all), 100);
    world.pass(2_000);
    assert!(all.iter().all(|one| look(one) == Some(Asked::Cut)));
}

#[test]
fn a_drain_that_may_end_later_after_all_is_as_slow_as_its_spread_lets_it() {
    let mut world = World::new();
    let all = world.many(100, "a", 1);
    let order = Order { deadline: world.now + Duration::from_secs(10), ..world.order(place("a", 1), 50) };
    world.begin(&order);
    world.pass(3_000);
    let before = asked(&all);
    assert!((30..=36).contains(&before), "{before}");
    world.registry.retime(&place("a", 1), world.now + Duration::from_secs(57), world.now, &mut world.rng);
    world.pass(20_000);
    assert!(asked(&all) < 70, "{}", asked(&all));
    world.pass(28_000);
    assert_eq!(asked(&all), 100);
    assert!(all.iter().all(|one| look(one) == Some(Asked::ToEnd(None))));
}
