mod ends;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::control::EventKind;
use crate::drain::{Order, Resident};
use crate::model::{Model, Split, Transport, UpstreamProtocol};
use crate::proxy::WorkerHandle;
use crate::snapshot::{Interner, WeightSource, Weights, compile};
use crate::testing::{model, route, split};

const SECOND: Duration = Duration::from_secs(1);

/// Drains beside one worker that is told things.
struct World {
    drains: Drains,
    fleet: Fleet,
    commands: UnboundedReceiver<Command>,
    interner: Interner,
    served: Snapshot,
    events: Events,
    /// When its connections were opened.
    opened: Instant,
    now: Instant,
}

/// What the worker was told.
#[derive(Debug, PartialEq)]
enum Told {
    Drain(SiteId, Cause),
    Recall(SiteId),
    /// So much later what is left is cut.
    Retime(SiteId, Duration),
}

impl World {
    fn new(split: Split) -> Self {
        let (commands, received) = unbounded_channel();
        let fleet = Fleet::new(vec![WorkerHandle { commands, in_flight: Arc::default() }]);
        let mut world = Self {
            drains: Drains::default(),
            fleet,
            commands: received,
            interner: Interner::default(),
            served: Snapshot::default(),
            events: Events::default(),
            opened: Instant::now(),
            now: Instant::now(),
        };
        world.serve(split);
        world
    }

    fn serve(&mut self, split: Split) {
        self.bring(&model([route("shop", &[], split)]));
    }

    fn bring(&mut self, model: &Model) {
        let after = compile(model, &self.served, &mut self.interner).unwrap();
        let change = Change { before: &self.served, ..self.change(&after, model) };
        self.drains.changed(change, &self.fleet, self.now);
        self.served = after;
    }

    fn change<'c>(&self, after: &'c Snapshot, model: &'c Model) -> Change<'c> {
        Change { before: after, after, leaving: &model.leaving, ending: &model.ending, wall: self.wall(Duration::ZERO) }
    }

    fn look(&mut self, before: &Snapshot, after: &Snapshot) {
        let none = Model::default();
        let change = Change { before, ..self.change(after, &none) };
        self.drains.changed(change, &self.fleet, self.now);
    }

    /// What the clock on the wall says after so much time.
    fn wall(&self, time: Duration) -> Timestamp {
        Timestamp::UNIX_EPOCH + (self.now - self.opened) + time
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 10 {
            self.now += SECOND / 10;
            self.drains.tick(&self.fleet, &self.events, self.now);
        }
    }

    /// What the worker was told; it has `connections` of what drains.
    fn told(&mut self, connections: usize) -> Vec<Told> {
        let mut told = Vec::new();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Drain(Order { subject: Subject::Place(_, endpoint), cause, progress, .. }) => {
                    began(&progress, connections, self.opened);
                    told.push(Told::Drain(endpoint, cause));
                }
                Command::Recall(Subject::Place(_, endpoint)) => told.push(Told::Recall(endpoint)),
                Command::Retime(Subject::Place(_, endpoint), at) => told.push(Told::Retime(endpoint, at - self.now)),
                _ => panic!("something else"),
            }
        }
        told.sort_by_key(|told| match told {
            Told::Drain(endpoint, _) | Told::Recall(endpoint) | Told::Retime(endpoint, _) => endpoint.0,
        });
        told
    }

    fn endpoint(&self, version: usize, index: usize) -> SiteId {
        self.served.rules[0].body.versions[version].endpoints[index].site
    }
}

/// The worker has counted so many.
fn began(progress: &Progress, connections: usize, opened: Instant) {
    (0..connections).for_each(|_| progress.join(opened));
    progress.begin();
}

fn halves() -> Split {
    split(&[("old", 1), ("new", 0)])
}

/// A change of it has ten seconds to arrive.
fn settling(split: Split) -> Split {
    let drain = Drain { settle: Some(SECOND * 10), ..Drain::default() };
    Split { drain: Some(Box::new(drain)), ..split }
}

fn turned() -> Split {
    split(&[("old", 0), ("new", 1)])
}

#[test]
fn a_version_that_loses_its_weight_drains_all_its_endpoints() {
    let mut world = World::new(halves());
    let both = [world.endpoint(0, 0), world.endpoint(0, 1)];
    world.serve(turned());
    assert_eq!(world.told(1), both.map(|endpoint| Told::Drain(endpoint, Cause::Weight)));
    assert_eq!(world.drains.figures(world.now)[0].remaining, 2);
    assert_eq!(world.drains.figures(world.now)[0].draining, 2);
}

#[test]
fn a_version_that_never_had_weight_does_not_drain() {
    let mut world = World::new(halves());
    let mut changed = halves();
    Arc::make_mut(&mut changed.retry).attempts = 7;
    world.serve(changed);
    assert_eq!(world.told(1), []);
}

#[test]
fn it_is_over_once_nothing_is_left() {
    let mut world = World::new(halves());
    world.serve(turned());
    assert_eq!(world.told(0).len(), 2);
    world.pass(1);
    assert!(matches!(world.told(0)[..], [Told::Recall(_), Told::Recall(_)]));
    // Nobody was there, so that there is nothing to tell.
    assert_eq!(world.drains.figures(world.now), []);
}

#[test]
fn connections_that_never_go_do_not_hold_a_drain_for_ever() {
    let mut world = World::new(halves());
    world.serve(turned());
    world.told(3);
    world.pass(64);
    assert_eq!(world.told(0), []);
    world.pass(2);
    assert_eq!(world.told(0).len(), 2);
}

#[test]
fn weight_that_comes_back_takes_the_connections_back() {
    let mut world = World::new(halves());
    let both = [world.endpoint(0, 0), world.endpoint(0, 1)];
    world.serve(turned());
    world.told(5);
    world.serve(split(&[("old", 1), ("new", 9)]));
    assert_eq!(world.told(0), both.map(Told::Recall));
    world.pass(100);
    assert_eq!(world.told(0), []);
}

/// A promotion in a cluster: the selector moves first, the weights follow, or the other way round.
#[test]
fn what_arrives_in_parts_drains_nothing_that_is_wanted_in_the_end() {
    for gone_between in [true, false] {
        let start = settling(split(&[("stable", 0), ("canary", 1)]));
        let mut world = World::new(start.clone());
        let mut half = start.clone();
        if gone_between {
            half.versions[1].endpoints.clear();
        }
        half.versions[1].weight = crate::model::Weight::ZERO;
        half.versions[0].weight = crate::model::Weight::try_from(1).unwrap();
        world.serve(half.clone());
        world.pass(9);
        // The pods of the canary are those of the stable version now.
        let mut promoted = half;
        promoted.versions[0].endpoints = start.versions[1].endpoints.clone();
        world.serve(promoted);
        world.pass(30);
        let stable: Vec<SiteId> = world.served.rules[0].body.versions[0].endpoints.iter().map(|e| e.site).collect();
        let told = world.told(1);
        assert!(
            !told.iter().any(|told| matches!(told, Told::Drain(endpoint, _) if stable.contains(endpoint))),
            "{told:?}"
        );
    }
}

#[test]
fn what_says_that_it_terminates_drains_at_once() {
    let start = settling(halves());
    let mut world = World::new(start.clone());
    let going = world.endpoint(0, 1);
    let mut shrunk = start.clone();
    let gone = shrunk.versions[0].endpoints.pop().unwrap();
    let mut model = model([route("shop", &[], shrunk)]);
    model.leaving = vec![gone.address];
    world.bring(&model);
    assert_eq!(world.told(1), [Told::Drain(going, Cause::Terminating)]);
}

#[test]
fn what_settles_and_then_says_that_it_terminates_drains_then() {
    let start = settling(halves());
    let mut world = World::new(start.clone());
    let going = world.endpoint(0, 1);
    let mut shrunk = start.clone();
    let gone = shrunk.versions[0].endpoints.pop().unwrap();
    world.serve(shrunk.clone());
    assert_eq!(world.told(1), []);
    let mut model = model([route("shop", &[], shrunk)]);
    model.leaving = vec![gone.address];
    world.bring(&model);
    assert_eq!(world.told(1), [Told::Drain(going, Cause::Terminating)]);
}

#[test]
fn in_a_cluster_a_change_has_time_to_arrive() {
    let in_cluster = |split: Split| {
        let mut route = route("shop", &[], split);
        route.key.namespace = "ns".into();
        model([route])
    };
    let mut world = World::new(halves());
    world.bring(&in_cluster(halves()));
    world.told(0);
    world.pass(1);
    world.told(0);
    world.bring(&in_cluster(turned()));
    world.pass(9);
    assert_eq!(world.told(1), []);
    world.pass(1);
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn a_route_that_goes_drains() {
    let mut world = World::new(halves());
    let first = world.endpoint(0, 0);
    world.bring(&model([]));
    assert!(world.told(1).contains(&Told::Drain(first, Cause::Removed)));
}

#[test]
fn an_endpoint_that_another_version_of_the_route_wants_stays() {
    let mut shared = split(&[("old", 1), ("new", 1)]);
    shared.versions[1].endpoints = shared.versions[0].endpoints.clone();
    let mut world = World::new(shared.clone());
    shared.versions[0].weight = crate::model::Weight::ZERO;
    world.serve(shared);
    assert_eq!(world.told(1), []);
}

#[test]
fn what_a_guard_diverts_drains_nothing() {
    let mut world = World::new(split(&[("stable", 1), ("canary", 1)]));
    let mut after = world.served.clone();
    crate::testing::divert(&mut after, 0, 1);
    world.look(&world.served.clone(), &after);
    assert_eq!(world.told(1), []);
}

#[test]
fn a_ramp_on_its_way_down_drains_at_its_end() {
    let mut world = World::new(split(&[("old", 1), ("new", 1)]));
    let mut after = world.served.clone();
    let desired = compile(&model([route("shop", &[], turned())]), &world.served, &mut world.interner).unwrap();
    let desired = desired.rules[0].weights.desired.clone();
    let with = |current: [u32; 2]| Weights {
        current: current.into_iter().collect(),
        ..Weights::new(9, desired.clone(), WeightSource::Configured)
    };
    after.rules[0].weights = Arc::new(with([10, 90]));
    world.look(&world.served.clone(), &after);
    assert_eq!(world.told(1), []);
    let mut end = after.clone();
    end.rules[0].weights = Arc::new(with([0, 1]));
    world.look(&after, &end);
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn the_end_of_a_drain_is_an_event_with_its_figures_where_anybody_noticed() {
    let mut world = World::new(halves());
    world.serve(turned());
    let mut progress = Vec::new();
    while let Ok(command) = world.commands.try_recv() {
        if let Command::Drain(order) = command {
            began(&order.progress, usize::from(progress.is_empty()), world.opened);
            progress.push(order.progress);
        }
    }
    world.pass(1);
    progress[0].close(Closed::Forced, world.opened);
    world.pass(1);
    let told: Vec<_> = world.events.follow().0.into_iter().map(|event| (event.kind, event.message)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, EventKind::DrainBegan);
    assert!(told[1].1.ends_with("0 ended by themselves, 0 when asked, 1 were cut"), "{told:?}");
    let figures = &world.drains.figures(world.now)[0];
    assert_eq!(figures.closed, [("finished", 0), ("asked", 0), ("forced", 1)]);
}

#[test]
fn who_was_asked_counts_when_it_goes_also_after_the_drain_was_taken_back() {
    let mut world = World::new(halves());
    world.serve(turned());
    let mut progress = Vec::new();
    while let Ok(command) = world.commands.try_recv() {
        if let Command::Drain(order) = command {
            began(&order.progress, 1, world.opened);
            progress.push(order.progress);
        }
    }
    world.serve(halves());
    let asked = |world: &World| world.drains.figures(world.now).iter().map(|figures| figures.closed[1].1).sum::<u64>();
    assert_eq!(asked(&world), 0);
    progress[0].close(Closed::Asked, world.opened);
    world.pass(1);
    assert_eq!(asked(&world), 1);
    progress[1].close(Closed::Asked, world.opened);
    world.pass(1);
    assert_eq!(asked(&world), 2);
}

#[test]
fn an_order_goes_out_once_however_often_it_is_looked_in_a_moment() {
    let mut world = World::new(halves());
    world.serve(turned());
    world.drains.tick(&world.fleet, &world.events, world.now);
    assert_eq!(world.told(1).len(), 2);
}

#[test]
fn a_drain_waits_for_what_is_in_flight_and_is_over_meanwhile() {
    let mut world = World::new(halves());
    let endpoint = Arc::clone(&world.served.rules[0].body.versions[0].endpoints[0]);
    let handshake = endpoint.begin();
    world.serve(turned());
    assert_eq!(world.told(0).len(), 2);
    world.pass(5);
    let other = world.endpoint(0, 1);
    assert_eq!(world.told(0), [Told::Recall(other)]);
    assert!(!world.drains.waits(|_| true));
    assert!(world.drains.figures(world.now).iter().all(|figures| figures.draining == 0));
    drop(handshake);
    world.pass(1);
    assert_eq!(world.told(0), [Told::Recall(endpoint.site)]);
}

#[test]
fn what_came_to_a_drained_endpoint_since_drains_when_it_goes() {
    let mut world = World::new(halves());
    let endpoint = Arc::clone(&world.served.rules[0].body.versions[0].endpoints[0]);
    let _by_override = endpoint.begin();
    world.serve(turned());
    world.told(0);
    world.pass(5);
    world.told(0);
    let mut gone = turned();
    gone.versions[0].endpoints.clear();
    world.serve(gone);
    let again = world.told(1);
    assert!(again.contains(&Told::Drain(endpoint.site, Cause::Removed)), "{again:?}");
}

/// The same endpoints, spoken to in another way.
fn respoken(mut split: Split, version: usize) -> Split {
    let transport = Transport { protocol: UpstreamProtocol::Http2, ..Transport::default() };
    split.versions[version].transport = Arc::new(transport);
    split
}

#[test]
fn another_transport_makes_an_endpoint_no_other_place() {
    let mut world = World::new(halves());
    let (site, id) = (world.endpoint(0, 0), world.served.rules[0].body.versions[0].endpoints[0].id);
    world.serve(respoken(halves(), 0));
    assert_eq!(world.told(1), []);
    assert_eq!(world.endpoint(0, 0), site);
    assert_ne!(world.served.rules[0].body.versions[0].endpoints[0].id, id);
    // Its connections are of the same place when it drains.
    world.serve(respoken(turned(), 0));
    assert!(world.told(1).contains(&Told::Drain(site, Cause::Weight)));
}

#[test]
fn endpoints_that_swap_versions_which_are_spoken_to_differently_close_nothing() {
    let both = split(&[("old", 1), ("new", 1)]);
    let mut world = World::new(both.clone());
    let mut swapped = respoken(both.clone(), 0);
    swapped.versions[0].endpoints = both.versions[1].endpoints.clone();
    swapped.versions[1].endpoints = both.versions[0].endpoints.clone();
    world.serve(swapped);
    assert_eq!(world.told(1), []);
}

/// Orders of a broad drain: whom they are for, how long they take and how fast.
fn orders(world: &mut World) -> Vec<Order> {
    let mut orders = Vec::new();
    while let Ok(command) = world.commands.try_recv() {
        if let Command::Drain(order) = command {
            orders.push(order);
        }
    }
    orders
}

#[test]
fn at_the_end_of_the_process_a_split_drains_as_it_says_within_the_time_there_is() {
    let drain = Drain { timeout: SECOND * 5, spread: SECOND * 2, ..Drain::default() };
    let mut world = World::new(Split { drain: Some(Box::new(drain)), ..halves() });
    world.drains.shutdown(SECOND * 30, &world.served, &world.fleet, world.now);
    let told = orders(&mut world);
    let after = |order: &Order| order.deadline - world.now;
    let key = route("shop", &[], halves()).key;
    assert_eq!((&told[0].subject, after(&told[0])), (&Subject::All(None), SECOND * 30 - SECOND / 5));
    assert_eq!((&told[1].subject, after(&told[1]), told[1].spread), (&Subject::All(Some(key)), SECOND * 5, SECOND * 2));
    world.drains.shutdown(SECOND * 2, &world.served, &world.fleet, world.now);
    assert!(orders(&mut world).iter().all(|order| after_at_most(order, world.now, SECOND * 2)));
}

fn after_at_most(order: &Order, now: Instant, most: Duration) -> bool {
    order.deadline < now + most && order.last_call() < order.deadline
}

#[test]
fn what_is_cut_because_a_listener_goes_or_the_process_ends_is_seen_by_version() {
    let mut world = World::new(halves());
    world.drains.shutdown(SECOND * 30, &world.served, &world.fleet, world.now);
    let order = orders(&mut world).remove(0);
    let named: Named = (route("shop", &[], halves()).key, "old".into());
    let resident = Resident {
        route: named.0.clone(),
        version: Arc::clone(&named.1),
        site: SiteId(0),
        listener: crate::testing::listener("http").key(),
        protocol: crate::record::StreamProtocol::WebSocket,
        generation: 1,
    };
    let part = order.parts.unwrap().of(&resident);
    [&part, &order.progress].iter().for_each(|progress| progress.join(world.opened));
    world.pass(1);
    let figures = &world.drains.figures(world.now)[0];
    assert_eq!((&figures.route, &figures.version, figures.remaining), (&named.0, &named.1, 1));
    assert!(figures.left > SECOND * 28);
    assert_eq!(figures.oldest, world.now - world.opened);
    [&part, &order.progress].iter().for_each(|progress| progress.close(Closed::Forced, world.opened));
    world.pass(1);
    assert_eq!(world.drains.figures(world.now)[0].closed[2], ("forced", 1));
    assert_eq!(world.drains.cut_at_the_end(), 1);
    let told: Vec<_> = world.events.follow().0.into_iter().map(|event| (event.kind, event.message)).collect();
    assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [EventKind::DrainBegan, EventKind::DrainEnded]);
    assert!(told[0].1.starts_with("the process drains, because the process ends: 1 long-lived"), "{told:?}");
}

#[test]
fn a_listener_that_comes_back_asks_nobody_any_more() {
    let mut world = World::new(halves());
    let listener = Arc::new(crate::testing::listener("http"));
    world.drains.listeners(vec![listener.key()], &world.served, &world.fleet, world.now);
    assert_eq!(orders(&mut world).len(), 1);
    world.pass(1);
    world.drains.listeners_back(&[], &world.fleet, world.now);
    assert!(world.commands.try_recv().is_err());
    world.drains.listeners_back(&[Arc::clone(&listener)], &world.fleet, world.now);
    let told = world.commands.try_recv();
    assert!(matches!(told, Ok(Command::Recall(Subject::Listener(key, None))) if key == listener.key()));
}

#[test]
fn what_a_listener_that_went_has_left_is_waited_for_until_it_was_cut() {
    let mut world = World::new(halves());
    let listener = crate::testing::listener("http").key();
    world.drains.listeners(vec![listener], &world.served, &world.fleet, world.now);
    world.pass(64);
    assert_eq!(orders(&mut world).len(), 1);
    world.pass(2);
    assert!(matches!(world.commands.try_recv(), Ok(Command::Recall(Subject::Listener(_, None)))));
}

#[test]
fn idle_connections_to_an_endpoint_that_drains_are_counted() {
    let mut world = World::new(halves());
    world.serve(turned());
    orders(&mut world).iter().for_each(|order| {
        order.progress.close_idle(3);
        began(&order.progress, 0, world.opened);
    });
    assert_eq!(world.drains.figures(world.now)[0].idle_closed, 6);
    world.pass(2);
    assert_eq!(world.drains.figures(world.now)[0].idle_closed, 6);
}

#[test]
fn after_a_restart_sticky_clients_of_a_version_without_weight_move_on_in_time() {
    let drain = Drain { timeout: SECOND * 5, ..Drain::default() };
    let sticky = turned().by_sticky_cookie(crate::model::StickyMode::Pin);
    let mut world = World::new(Split { drain: Some(Box::new(drain)), ..sticky });
    assert!(!world.drains.retire(world.now + SECOND * 4));
    assert!(world.drains.retire(world.now + SECOND * 5));
    assert_eq!(*world.drains.retired(&world.served.rules[0].body), [true, false]);
}
