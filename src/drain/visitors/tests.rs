use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

use super::*;
use crate::drain::{Cause, Parts, Resident, Subject, Way};
use crate::model::{Kind, Listener, RouteKey};
use crate::record::StreamProtocol;

/// Counts how often its task is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn socket(port: u16) -> SocketKey {
    Listener { address: ([0, 0, 0, 0], port).into(), ..crate::testing::listener("http") }.key()
}

fn order(subject: Subject) -> Order {
    let now = Instant::now();
    Order {
        subject,
        cause: Cause::Listener,
        generation: u64::MAX,
        since: now,
        spread: Duration::ZERO,
        slowest: Duration::ZERO,
        close_code: None,
        deadline: now + Duration::from_secs(60),
        progress: Arc::default(),
        parts: Some(Arc::<Parts>::default()),
        evict: None,
    }
}

fn begin(registry: &Registry, order: &Order) {
    registry.begin(order.clone(), Instant::now(), &mut fastrand::Rng::with_seed(7));
}

fn idle(registry: &Rc<Registry>, port: u16) -> Visiting {
    let visiting = registry.admit(socket(port), Spoken::Http1);
    visiting.idles(true);
    visiting
}

fn route(name: &str) -> RouteKey {
    RouteKey { namespace: "".into(), kind: Kind::Split, name: name.into() }
}

#[test]
fn the_clients_of_a_listener_that_goes_are_asked_at_once_and_woken() {
    let registry = Rc::<Registry>::default();
    let (goes, stays) = (idle(&registry, 8080), idle(&registry, 8081));
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    assert!(!goes.asked(&Context::from_waker(&waker)));
    assert!(!goes.asked(&Context::from_waker(&waker)));
    begin(&registry, &order(Subject::Listener(socket(8080), None)));
    assert_eq!((goes.is_asked(), stays.is_asked(), task.woken()), (true, false, 1));
}

#[test]
fn those_that_idle_are_counted_until_they_go() {
    let registry = Rc::<Registry>::default();
    let (one, other) = (idle(&registry, 8080), idle(&registry, 8080));
    let order = order(Subject::All(None));
    begin(&registry, &order);
    let part = order.parts.as_ref().unwrap().of_none();
    assert_eq!((order.progress.remaining(), part.remaining()), (2, 2));
    drop(one);
    assert_eq!((order.progress.remaining(), order.progress.closed(Closed::Asked)), (1, 1));
    drop(other);
    assert_eq!((part.remaining(), part.closed(Closed::Asked)), (0, 2));
}

#[test]
fn one_that_is_busy_is_asked_and_its_request_is_what_counts() {
    let registry = Rc::<Registry>::default();
    let busy = registry.admit(socket(8080), Spoken::Http2);
    let order = order(Subject::All(None));
    begin(&registry, &order);
    assert!(busy.is_asked());
    assert_eq!(order.progress.remaining(), 0);
}

#[test]
fn an_order_about_a_route_or_an_endpoint_asks_no_client() {
    let registry = Rc::<Registry>::default();
    let visiting = idle(&registry, 8080);
    visiting.went_to(VersionId(7), SiteId(1));
    begin(&registry, &order(Subject::Place(route("shop"), SiteId(1))));
    begin(&registry, &order(Subject::All(Some(route("shop")))));
    begin(&registry, &order(Subject::Listener(socket(8080), Some(route("shop")))));
    assert!(!visiting.is_asked());
}

#[test]
fn one_that_comes_while_its_listener_goes_is_asked_and_one_that_comes_after_is_not() {
    let registry = Rc::<Registry>::default();
    let subject = Subject::Listener(socket(8080), None);
    begin(&registry, &order(subject.clone()));
    assert!(idle(&registry, 8080).is_asked());
    registry.recall(&subject);
    assert!(!idle(&registry, 8080).is_asked());
}

#[test]
fn a_census_has_what_idles_and_what_lives_long_by_what_they_have_in_common() {
    let registry = Rc::<Registry>::default();
    let (first, second, _fresh) = (idle(&registry, 8080), idle(&registry, 8080), idle(&registry, 8080));
    first.went_to(VersionId(7), SiteId(1));
    second.went_to(VersionId(7), SiteId(1));
    let _busy = registry.admit(socket(8080), Spoken::Http1);
    let resident = Resident {
        route: route("shop"),
        version: "v".into(),
        site: SiteId(1),
        listener: socket(8080),
        protocol: StreamProtocol::Sse,
        generation: 1,
    };
    let _stream = registry.register(resident);
    let mut census = registry.census();
    let count = |census: &crate::drain::Census, protocol: &str, way: Way| {
        let meant = census.0.iter().find(|(alike, _)| alike.protocol == protocol && alike.way == way);
        meant.map(|(_, group)| (group.count, group.oldest))
    };
    let last = Way::Last(VersionId(7), SiteId(1));
    assert_eq!(count(&census, "http1", last.clone()), Some((2, first.since)));
    assert_eq!(count(&census, "http1", Way::Nowhere).unwrap().0, 1);
    assert_eq!(count(&census, "sse", Way::Long((route("shop"), "v".into()), SiteId(1))).unwrap().0, 1);
    assert_eq!(census.0.len(), 3);
    census.join(registry.census());
    assert_eq!(count(&census, "http1", last), Some((4, first.since)));
}

/// Thousands of them idle.
#[test]
fn one_takes_little_room() {
    let size = size_of::<Visitor>();
    assert!(size <= 192, "{size} bytes");
}
