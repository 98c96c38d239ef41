//! What a decision costs: time by criterion, and allocations, of which the common path has none.

// A counting allocator is unsafe by its trait; the rest is a program that may end on a surprise.
#![allow(unsafe_code, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::Criterion;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use weir::decide::{Cursors, Decision, Outcome, decide};
use weir::head::RequestHead;
use weir::model::{
    Attachment, Balance, ClientId, Endpoint, EndpointPolicy, HostPattern, Kind, Limits, Listener, Match, Model,
    OnEmpty, Order, Override, OverrideMatch, PathMatch, Retry, Route, RouteKey, Rule, Shared as _, Split, Sticky,
    StickyMode, StickyTo, Timeouts, Transport, ValueMatch, Version, Weight,
};
use weir::snapshot::{Interner, Snapshot, compile};

/// Counts what is allocated.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A snapshot and a request to decide about.
struct Case {
    name: &'static str,
    snapshot: Snapshot,
    host: String,
    path: String,
    headers: HeaderMap,
    /// Whether this is the common path: a request like most of the others.
    common: bool,
}

impl Case {
    fn new(name: &'static str, routes: Vec<Route>, host: &str, path: &str) -> Self {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        let listener = Listener {
            name: "http".into(),
            address,
            tls: None,
            proxy_protocol: false,
            advertised_port: None,
            reserved: false,
            isolated: Vec::new(),
        };
        let model = Model {
            listeners: vec![Arc::new(listener)],
            routes: routes.into_iter().map(Arc::new).collect(),
            ..Model::default()
        };
        let snapshot = compile(&model, &Snapshot::default(), &mut Interner::default()).expect("a model");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", host),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("accept-language", "en-US,en;q=0.5"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("cookie", "session=0123456789abcdef; theme=dark"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).expect("a value"));
        }
        Self { name, snapshot, host: host.to_owned(), path: path.to_owned(), headers, common: true }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).expect("a value"));
        self
    }

    /// As a client that has been here before.
    fn returning(self) -> Self {
        let mut cursors = Cursors::new(7);
        let Outcome::Forward(Decision { cookie: Some(cookie), .. }) = self.decide(&mut cursors) else {
            panic!("a newcomer gets a cookie");
        };
        let header = cookie.header(false).expect("a header");
        let pair = header.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        self.header("cookie", &format!("session=0123456789abcdef; theme=dark; {pair}"))
    }

    fn rare(mut self) -> Self {
        self.common = false;
        self
    }

    fn decide(&self, cursors: &mut Cursors) -> Outcome {
        let head = RequestHead {
            secure: false,
            listener: 0,
            method: &Method::GET,
            host: &self.host,
            path: &self.path,
            query: Some("page=2&sort=price"),
            fields: &self.headers,
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        };
        decide(black_box(&self.snapshot), cursors, black_box(&head))
    }
}

fn split(weights: &[i64]) -> Split {
    let transport = Arc::new(Transport::default());
    let endpoint = |version: usize, n: u8| Endpoint {
        address: SocketAddr::from(([10, 0, version as u8, n], 80)),
        host: None,
        pod: None,
    };
    let version = |(index, weight): (usize, &i64)| Version {
        name: format!("v{index}").into(),
        revision: format!("r{index}").into(),
        weight: Weight::try_from(*weight).expect("a weight"),
        endpoints: (1..=3).map(|n| endpoint(index, n)).collect(),
        transport: Arc::clone(&transport),
        filters: Vec::new(),
        invalid: false,
        origin: None,
    };
    Split {
        versions: weights.iter().enumerate().map(version).collect(),
        overrides: Vec::new(),
        order: Order::OverridesFirst,
        sticky: None,
        on_empty: OnEmpty::Sibling,
        ramp: Duration::ZERO,
        balance: Balance::RoundRobin,
        endpoints: EndpointPolicy::default().shared(),
        timeouts: Timeouts::default().shared(),
        retry: Retry::default().shared(),
        rescue: None,
        guard: None,
        limits: Limits::default().shared(),
        mirrors: Vec::new(),
        drain: None,
    }
}

fn route(index: usize, host: Option<String>, path: &str, split: Split) -> Route {
    let condition = Match::path(PathMatch::Prefix(path.into()));
    Route {
        key: RouteKey { namespace: "".into(), kind: Kind::Split, name: format!("route-{index}").into() },
        part: 0,
        attachments: vec![Attachment {
            listeners: None,
            hosts: host.iter().map(|host| HostPattern::parse(host).expect("a host")).collect(),
        }],
        rules: vec![Rule { matches: [condition].into(), filters: vec![], split: Arc::new(split) }],
    }
}

fn one(split: Split) -> Vec<Route> {
    vec![route(0, Some("shop.example.com".to_owned()), "/", split)]
}

fn overridden() -> Split {
    let header = |value: ValueMatch| OverrideMatch::Header(HeaderName::from_static("x-canary"), value);
    let conditions = [
        header(ValueMatch::Exact("always".into())),
        header(OverrideMatch::pattern("^beta-[0-9]+$").expect("an expression")),
        OverrideMatch::Cookie("beta".into(), ValueMatch::Exact("1".into())),
    ];
    let overrides = conditions.into_iter().map(|condition| Override { condition, to: 1 }).collect();
    Split { overrides, ..split(&[95, 5]) }
}

fn sticky(keys: &[&str]) -> Split {
    let keys = keys.iter().map(|key| Arc::from(key.as_bytes())).collect();
    let client = ClientId::Cookie { name: "weir".into(), ttl: None, keys, attributes: Default::default() };
    Split {
        sticky: Some(Box::new(Sticky { client, mode: StickyMode::Share, to: StickyTo::Version, forgets: Vec::new() })),
        ..split(&[95, 5])
    }
}

fn cases() -> Vec<Case> {
    let by_host = |n: usize| route(n, Some(format!("host-{n}.example.com")), "/", split(&[95, 5]));
    let by_path = |n: usize| route(n, None, &format!("/team/service-{n}"), split(&[95, 5]));
    let shop = |name, split| Case::new(name, one(split), "shop.example.com", "/products/42/reviews");
    vec![
        shop("1 route", split(&[95, 5])),
        shop("1 route, 5 versions", split(&[80, 10, 5, 3, 2])),
        Case::new("1,000 routes by host", (0..1000).map(by_host).collect(), "host-789.example.com", "/products/42"),
        Case::new("1,000 routes by path", (0..1000).map(by_path).collect(), "a.test", "/team/service-789/products/42"),
        shop("overrides, none fits", overridden()),
        shop("override by expression", overridden()).header("x-canary", "beta-17"),
        shop("override by cookie", overridden()).header("cookie", "session=0123456789abcdef; beta=1"),
        shop("sticky cookie", sticky(&[])).returning(),
        // One HMAC for each visit, one cookie for each client.
        shop("sticky cookie, signed", sticky(&["secret"])).returning().rare(),
        shop("sticky newcomer", sticky(&[])).rare(),
    ]
}

/// Prints what a decision allocates once everything has been used.
fn allocations(cases: &[Case]) {
    const WARM_UP: u64 = 2_000;
    const DECISIONS: u64 = 100_000;
    for case in cases {
        let mut cursors = Cursors::new(7);
        (0..WARM_UP).for_each(|_| drop(black_box(case.decide(&mut cursors))));
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..DECISIONS).for_each(|_| drop(black_box(case.decide(&mut cursors))));
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!("{}: {} allocations per decision", case.name, made as f64 / DECISIONS as f64);
        assert!(!case.common || made == 0, "{}: the common path allocates", case.name);
    }
}

/// Makes `decisions` for one case and nothing else, for a count of instructions (benches/callgrind).
fn count(case: &Case, decisions: u64) {
    let mut cursors = Cursors::new(7);
    (0..decisions).for_each(|_| drop(black_box(case.decide(&mut cursors))));
}

fn main() {
    let cases = cases();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, name, decisions] = &arguments[..]
        && flag == "--count"
    {
        let case = cases.iter().find(|case| case.name == *name).expect("a case of this name");
        return count(case, decisions.parse().expect("a number"));
    }
    allocations(&cases);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decide");
    for case in &cases {
        let mut cursors = Cursors::new(7);
        group.bench_function(case.name, |bencher| bencher.iter(|| case.decide(&mut cursors)));
    }
    group.finish();
    criterion.final_summary();
}
