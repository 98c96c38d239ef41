use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::decide::{Cursors, Outcome, decide};
use crate::model::{self, HostPattern, Match, Model, Route, Split, TlsClient, Transport, UpstreamProtocol, Weight};
use crate::testing::{Asked, compiled, endpoint, exact, fixed, key, model, prefix, regex, route, split};

/// A source that changes over time.
#[derive(Default)]
struct Source {
    snapshot: Snapshot,
    interner: Interner,
}

impl Source {
    fn serve(&mut self, routes: impl IntoIterator<Item = Route>) -> Snapshot {
        self.snapshot = compile(&model(routes), &self.snapshot, &mut self.interner).expect("it compiles");
        self.snapshot.clone()
    }
}

fn shop(split: Split) -> Route {
    route("shop", &["shop.example.com"], split)
}

fn halves() -> Split {
    split(&[("stable", 50), ("canary", 50)])
}

fn version_ids(snapshot: &Snapshot) -> Vec<VersionId> {
    snapshot.rules.iter().flat_map(|rule| rule.body.versions.iter().map(|version| version.id)).collect()
}

fn endpoint_of(snapshot: &Snapshot, rule: usize, version: usize, index: usize) -> &Arc<Endpoint> {
    &snapshot.rules[rule].body.versions[version].endpoints[index]
}

/// What becomes of requests, by names rather than positions.
fn behaviour(snapshot: &Snapshot, requests: &[Asked]) -> Vec<String> {
    let mut cursors = Cursors::new(11);
    let mut tell = |asked: &Asked| match decide(snapshot, &mut cursors, &asked.head()) {
        Outcome::Forward(decision) => {
            let (rule, version) = (decision.rule(snapshot), decision.version(snapshot));
            let endpoint = decision.endpoint(snapshot).address;
            format!("{} {} {endpoint} {:?} {:?}", rule.body.route, version.name, decision.why, decision.cookie)
        }
        Outcome::Hold { version, .. } => format!("version {version} is waited for"),
        Outcome::Respond(found) => format!("answered by {}", snapshot.rules[found.rule].body.route),
        Outcome::Reject(refusal) => format!("{refusal:?}"),
    };
    requests.iter().map(&mut tell).collect()
}

fn splits() -> Vec<Split> {
    vec![
        halves(),
        split(&[("stable", 99), ("canary", 1)]).by_sticky_cookie(model::StickyMode::Share),
        split(&[("a", 3), ("b", 2), ("c", 1)]).by_header("x-b", model::ValueMatch::Present, 1),
        split(&[("only", 1)]),
    ]
}

/// Routes for distinct hosts, some with several rules.
fn many_routes() -> Vec<Route> {
    static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(make_many_routes);
    ROUTES.clone()
}

fn make_many_routes() -> Vec<Route> {
    let hosts = ["a.test", "b.test", "*.test", "*.a.test", "c.example.com", "*.example.com", "d.e.f", "192.0.2.1"];
    let mut routes = Vec::new();
    for (index, name) in hosts.iter().enumerate() {
        let splits = splits();
        let mut route = route(&format!("route-{index}"), &[name], splits[index % splits.len()].clone());
        if index % 2 == 0 {
            let mut second = route.rules[0].clone();
            second.matches =
                [Match::path(prefix("/api")), Match::path(exact("/login")), Match::path(regex("/v[0-9]+"))].into();
            second.split = Arc::new(splits[(index + 1) % splits.len()].clone());
            route.rules.push(second);
        }
        routes.push(route);
    }
    routes
}

fn many_requests() -> Vec<Asked> {
    let hosts =
        ["a.test", "b.test", "c.test", "x.a.test", "c.example.com", "y.example.com", "d.e.f", "192.0.2.1", "none"];
    let mut requests = Vec::new();
    for _ in 0..5 {
        for host in hosts {
            for path in ["/", "/api/x", "/apix", "/login", "/v12"] {
                requests.push(Asked::get(&format!("{host}{path}")));
                requests.push(Asked::get(&format!("{host}{path}")).header("x-b", "1"));
            }
        }
    }
    requests
}

// Compiling is a function.

#[test]
fn compiling_twice_gives_equal_behaviour() {
    let model = model(many_routes());
    let expected = behaviour(&compiled(&model), &many_requests());
    assert!(expected.iter().collect::<HashSet<_>>().len() > 20, "the requests tell routes apart");
    // Every hash map of every round has an order of its own.
    for _ in 0..10 {
        let again = compiled(&model);
        assert_eq!(behaviour(&again, &many_requests()), expected);
        assert_eq!(version_ids(&again), version_ids(&compiled(&model)));
    }
}

#[test]
fn compiling_the_same_model_again_changes_nothing_but_the_generation() {
    let mut source = Source::default();
    let first = source.serve(many_routes());
    let second = source.serve(many_routes());
    assert_eq!((first.generation, second.generation), (1, 2));
    assert_eq!(version_ids(&first), version_ids(&second));
    assert_eq!(behaviour(&first, &many_requests()), behaviour(&second, &many_requests()));
    for (before, after) in first.rules.iter().zip(&second.rules) {
        assert_eq!(before.body.split_id, after.body.split_id);
        assert_eq!(before.body.salt, after.body.salt);
        assert!(Arc::ptr_eq(&before.weights, &after.weights));
    }
}

#[test]
fn a_route_that_is_the_same_object_keeps_its_rules_and_one_that_only_changes_weights_keeps_the_table() {
    let (mut first, mut interner) =
        (model([shop(halves()), route("other", &["other.test"], halves())]), Interner::default());
    let before = compile(&first, &Snapshot::default(), &mut interner).unwrap();
    let mut heavier = halves();
    heavier.versions[0].weight = Weight::try_from(9).unwrap();
    first.routes[0] = Arc::new(shop(heavier));
    let after = compile(&first, &before, &mut interner).unwrap();
    assert!(Arc::ptr_eq(&before.rules[1].body, &after.rules[1].body));
    assert!(!Arc::ptr_eq(&before.rules[0].body, &after.rules[0].body));
    assert_eq!(before.rules[0].body.split_id, after.rules[0].body.split_id);
    assert_eq!(after.rules[0].weights.desired[0].get(), 9);
    assert!(Arc::ptr_eq(&before.listeners[0].table, &after.listeners[0].table));
    first.routes.remove(0);
    let without = compile(&first, &after, &mut interner).unwrap();
    assert!(!Arc::ptr_eq(&after.listeners[0].table, &without.listeners[0].table));
    assert!(Arc::ptr_eq(&after.rules[1].body, &without.rules[0].body));
}

/// What a table says, in no order of its own.
fn told(table: &RouteTable) -> Vec<String> {
    fn list(paths: &Paths) -> Vec<(&str, &[Candidate])> {
        let names: Vec<&str> = match paths {
            Paths::Few(few) => few.iter().map(|(path, _)| &**path).collect(),
            Paths::Many(many) => many.by_path.keys().map(|path| &**path).collect(),
        };
        names.into_iter().map(|path| (path, paths.get(path).unwrap())).collect()
    }
    let tell = |host: String, paths: &PathTable| {
        let lists = [("=", list(&paths.exact)), ("^", list(&paths.prefixes))];
        let by_path = lists.into_iter().flat_map(|(kind, lists)| lists.into_iter().map(move |list| (kind, list)));
        let by_path = by_path.flat_map(|(kind, (path, list))| {
            list.iter()
                .enumerate()
                .map(move |(place, found)| (format!("{kind}{path} {place}"), found.rule, found.summary))
        });
        let regexes =
            paths.regexes.iter().map(|(pattern, found)| (pattern.as_str().to_owned(), found.rule, found.summary));
        let told = by_path.chain(regexes).map(|told| format!("{host} {} {told:?}", paths.isolated));
        told.collect::<Vec<String>>()
    };
    let exact = table.exact.iter().flat_map(|(host, paths)| tell(host.to_string(), paths));
    let wildcards = table.wildcards.iter().flat_map(|(suffix, paths)| tell(format!("*.{suffix}"), paths));
    let mut told: Vec<String> = exact.chain(wildcards).chain(tell("*".to_owned(), &table.any)).collect();
    told.sort();
    told
}

#[test]
fn where_hosts_change_only_what_is_for_them_is_made_anew() {
    let mut model = model([
        route("a", &["a.test", "shared.test"], halves()),
        route("b", &["b.test", "*.test", "shared.test"], halves()),
        route("all", &[], halves()),
        route("c", &["c.test"], halves()),
    ]);
    let mut listener = crate::testing::listener("http");
    listener.isolated = vec![HostPattern::parse("b.test").unwrap(), HostPattern::parse("new.test").unwrap()];
    model.listeners = vec![Arc::new(listener)];
    let mut interner = Interner::default();
    let mut snapshot = compile(&model, &Snapshot::default(), &mut interner).unwrap();
    let changes: [(usize, &[&str]); 6] = [
        (1, &["b.test", "new.test"]),
        (0, &["shared.test", "*.test"]),
        (2, &["b.test"]),
        (1, &[]),
        (2, &[]),
        (0, &["a.test", "shared.test"]),
    ];
    for (place, hosts) in changes {
        let kept = Arc::clone(&snapshot.listeners[0].table.exact["c.test"]);
        let key = model.routes[place].key.name.to_string();
        model.routes[place] = Arc::new(route(&key, hosts, halves()));
        snapshot = compile(&model, &snapshot, &mut interner).unwrap();
        let fresh = compiled(&model);
        assert_eq!(told(&snapshot.listeners[0].table), told(&fresh.listeners[0].table), "{place} {hosts:?}");
        assert!(Arc::ptr_eq(&kept, &snapshot.listeners[0].table.exact["c.test"]), "{place} {hosts:?}");
    }
}

#[test]
fn where_rules_move_the_whole_table_is_made_anew() {
    let mut model = model([route("a", &["a.test"], halves()), route("b", &["b.test"], halves())]);
    let mut interner = Interner::default();
    let before = compile(&model, &Snapshot::default(), &mut interner).unwrap();
    let mut longer = route("a", &["a.test"], halves());
    let another = longer.rules[0].clone();
    longer.rules.push(another);
    model.routes[0] = Arc::new(longer);
    let after = compile(&model, &before, &mut interner).unwrap();
    assert_eq!(told(&after.listeners[0].table), told(&compiled(&model).listeners[0].table));
}

#[test]
fn listeners_with_the_same_routes_share_one_table() {
    let mut inner = route("inner", &["inner.test"], halves());
    inner.attachments[0].listeners = Some(["c".into()].into());
    let mut model = model([shop(halves()), inner]);
    model.listeners = ["a", "b", "c"].map(|name| Arc::new(crate::testing::listener(name))).to_vec();
    let snapshot = compiled(&model);
    let table = |index: usize| &snapshot.listeners[index].table;
    assert!(Arc::ptr_eq(table(0), table(1)));
    assert!(!Arc::ptr_eq(table(0), table(2)));
}

#[test]
fn an_earlier_route_wins_where_precedence_is_equal() {
    let here = || route("here", &["shop.example.com"], split(&[("only", 1)]));
    let there = || route("there", &["shop.example.com"], split(&[("only", 1)]));
    let asked = Asked::get("shop.example.com/");
    let first = behaviour(&compiled(&model([here(), there()])), std::slice::from_ref(&asked));
    let second = behaviour(&compiled(&model([there(), here()])), std::slice::from_ref(&asked));
    assert!(first[0].starts_with("here ") && second[0].starts_with("there "), "{first:?} {second:?}");
}

proptest! {
    #![proptest_config(fixed(32))]

    /// The order of routes for distinct hosts does not matter.
    #[test]
    fn the_order_of_routes_matters_only_where_precedence_is_equal(routes in Just(many_routes()).prop_shuffle()) {
        let expected = behaviour(&compiled(&model(many_routes())), &many_requests());
        prop_assert_eq!(behaviour(&compiled(&model(routes)), &many_requests()), expected);
    }

    /// Whatever comes and goes in between, a version that comes back has its old id, and no two share one.
    #[test]
    fn ids_are_never_given_to_another(picks in proptest::collection::vec(proptest::sample::subsequence((0..8).collect::<Vec<usize>>(), 0..8), 1..12)) {
        let mut source = Source::default();
        let mut known: std::collections::HashMap<(RouteKey, Arc<str>, usize), (VersionId, SplitId)> = Default::default();
        for pick in picks {
            let routes: Vec<Route> = many_routes().into_iter().enumerate().filter(|(i, _)| pick.contains(i)).map(|(_, r)| r).collect();
            let snapshot = source.serve(routes);
            for (rule, entry) in snapshot.rules.iter().enumerate() {
                let nth = snapshot.rules_of(&entry.body.route).position(|(index, _)| index == rule).unwrap();
                for version in &entry.body.versions {
                    let ids = (version.id, entry.body.split_id);
                    let key = (entry.body.route.clone(), Arc::clone(&version.name), nth);
                    prop_assert_eq!(*known.entry(key).or_insert(ids), ids);
                }
            }
        }
        let splits: HashSet<(RouteKey, usize)> = known.keys().map(|(route, _, nth)| (route.clone(), *nth)).collect();
        let ids: HashSet<u32> = known.values().map(|(_, split)| split.0).collect();
        prop_assert_eq!(splits.len(), ids.len());
    }
}

// Identities.

#[test]
fn a_version_keeps_its_id_when_weights_endpoints_and_position_change() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let (stable, canary) = (version_ids(&first)[0], version_ids(&first)[1]);
    let mut changed = split(&[("new", 1), ("canary", 5), ("stable", 95)]);
    changed.versions[1].endpoints = vec![endpoint([10, 9, 9, 9])];
    let second = source.serve([route("other", &["other.test"], halves()), shop(changed)]);
    let ids = version_ids(&second);
    assert_eq!((ids[4], ids[3]), (stable, canary));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn a_new_revision_is_a_new_version_and_the_old_one_comes_back_as_itself() {
    let mut source = Source::default();
    let of = |revision| shop(halves().revisions(&["r1", revision]));
    let first = version_ids(&source.serve([of("r2")]));
    let second = version_ids(&source.serve([of("r3")]));
    let third = version_ids(&source.serve([of("r2")]));
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
    assert_eq!(first, third);
}

#[test]
fn no_version_has_a_reserved_id() {
    for id in version_ids(&compiled(&model(many_routes()))) {
        assert!(id != VersionId::UNROUTED && id != VersionId::OVERFLOW);
    }
}

#[test]
fn versions_beyond_the_bound_count_together() {
    let mut interner = Interner::default();
    let version = |interner: &mut Interner, n: usize| {
        interner.version(VersionKey { route: key("shop"), version: format!("v{n}").into(), revision: "".into() })
    };
    let room = MAX_VERSIONS - 2;
    let ids: HashSet<VersionId> = (0..room).map(|n| version(&mut interner, n)).collect();
    assert_eq!(ids.len(), room);
    assert!(ids.iter().all(|id| id.index() < MAX_VERSIONS && *id != VersionId::OVERFLOW));
    assert_eq!(version(&mut interner, room), VersionId::OVERFLOW);
    assert_eq!(version(&mut interner, room + 1), VersionId::OVERFLOW);
    assert_eq!(version(&mut interner, 0), VersionId(2), "known ones keep their ids");
    assert_eq!(version(&mut interner, room - 1).index(), MAX_VERSIONS - 1);
}

#[test]
fn a_split_keeps_its_id_whatever_its_versions() {
    let mut source = Source::default();
    let first = source.serve([shop(halves()), route("other", &["other.test"], halves())]);
    let second = source.serve([route("other", &["other.test"], split(&[("x", 1)])), shop(split(&[("y", 1)]))]);
    assert_eq!(first.rules[0].body.split_id, second.rules[1].body.split_id);
    assert_eq!(first.rules[1].body.split_id, second.rules[0].body.split_id);
    assert_ne!(first.rules[0].body.split_id, first.rules[1].body.split_id);
}

#[test]
fn an_endpoint_is_the_same_object_over_recompiles() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let _busy = endpoint_of(&first, 0, 0, 0).begin();
    let second = source.serve([shop(split(&[("stable", 1), ("canary", 99)]))]);
    assert!(Arc::ptr_eq(endpoint_of(&first, 0, 0, 0), endpoint_of(&second, 0, 0, 0)));
    assert_eq!(endpoint_of(&second, 0, 0, 0).in_flight(), 1);
}

#[test]
fn an_endpoint_that_moves_to_another_version_stays_the_same_object() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let mut promoted = halves();
    promoted.versions[0].endpoints = halves().versions[1].endpoints.clone();
    promoted.versions[1].endpoints.clear();
    let second = source.serve([shop(promoted)]);
    for index in 0..2 {
        assert!(Arc::ptr_eq(endpoint_of(&first, 0, 1, index), endpoint_of(&second, 0, 0, index)));
    }
}

#[test]
fn an_endpoint_of_several_versions_and_routes_is_one_object() {
    let mut twice = halves();
    twice.versions[1].endpoints = twice.versions[0].endpoints.clone();
    let snapshot = Source::default().serve([shop(twice), route("other", &["other.test"], halves())]);
    assert!(Arc::ptr_eq(endpoint_of(&snapshot, 0, 0, 0), endpoint_of(&snapshot, 0, 1, 0)));
    assert!(Arc::ptr_eq(endpoint_of(&snapshot, 0, 0, 0), endpoint_of(&snapshot, 1, 0, 0)));
}

#[test]
fn an_address_that_is_spoken_to_otherwise_is_another_endpoint() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let mut changed = halves();
    changed.versions[0].transport = Arc::new(Transport { protocol: UpstreamProtocol::Http2, tls: None });
    changed.versions[1].endpoints[0].host = Some("canary.internal".into());
    let second = source.serve([shop(changed)]);
    assert_ne!(endpoint_of(&first, 0, 0, 0).id, endpoint_of(&second, 0, 0, 0).id);
    assert_ne!(endpoint_of(&first, 0, 1, 0).id, endpoint_of(&second, 0, 1, 0).id);
    assert_eq!(endpoint_of(&first, 0, 1, 1).id, endpoint_of(&second, 0, 1, 1).id);
}

#[test]
fn an_equal_transport_made_anew_keeps_the_endpoint() {
    let transport = || {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let tls = TlsClient { config: Arc::new(config), server_name: None, fingerprint: "f".into() };
        Arc::new(Transport { protocol: UpstreamProtocol::Auto, tls: Some(tls) })
    };
    let secured = || {
        let mut split = halves();
        split.versions.iter_mut().for_each(|version| version.transport = transport());
        split
    };
    let mut source = Source::default();
    let first = source.serve([shop(secured())]);
    let second = source.serve([shop(secured())]);
    assert!(Arc::ptr_eq(endpoint_of(&first, 0, 0, 0), endpoint_of(&second, 0, 0, 0)));
}

#[test]
fn an_endpoint_that_was_gone_is_another_unless_something_goes_to_it_still() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let in_flight = endpoint_of(&first, 0, 0, 0).begin();
    let [kept, gone] = [0, 1].map(|index| endpoint_of(&first, 0, 0, index).id);
    drop(first);
    source.serve([]);
    source.serve([]);
    let back = source.serve([shop(halves())]);
    assert_eq!(endpoint_of(&back, 0, 0, 0).id, kept);
    assert_ne!(endpoint_of(&back, 0, 0, 1).id, gone);
    drop(in_flight);
}

// Weights.

#[test]
fn weights_are_kept_while_desired_weights_and_names_are_unchanged() {
    let mut source = Source::default();
    let first = source.serve([shop(halves())]);
    let mut changed = halves().revisions(&["r1", "r2"]).empty(1).by_sticky_cookie(model::StickyMode::Share);
    changed.versions[0].endpoints.push(endpoint([10, 9, 9, 9]));
    let second = source.serve([route("before", &["before.test"], halves()), shop(changed)]);
    assert!(Arc::ptr_eq(&first.rules[0].weights, &second.rules[1].weights));
}

#[test]
fn other_weights_or_names_begin_a_new_epoch() {
    for changed in [
        split(&[("stable", 51), ("canary", 50)]),
        split(&[("stable", 50), ("beta", 50)]),
        split(&[("canary", 50), ("stable", 50)]),
        split(&[("stable", 50)]),
    ] {
        let mut source = Source::default();
        let first = source.serve([shop(halves())]);
        let second = source.serve([shop(changed)]);
        assert_ne!(first.rules[0].weights.epoch, second.rules[0].weights.epoch);
        let versions = &second.rules[0].body.split.versions;
        let expected: Vec<Weight> = versions.iter().map(|version| version.weight).collect();
        assert_eq!(*second.rules[0].weights.desired, *expected);
    }
}

#[test]
fn no_two_splits_share_an_epoch() {
    let snapshot = compiled(&model(many_routes()));
    let epochs: HashSet<u64> = snapshot.rules.iter().map(|rule| rule.weights.epoch).collect();
    assert_eq!(epochs.len(), snapshot.rules.len());
}

#[test]
fn a_diversion_outlives_a_recompile_that_leaves_the_weights_alone() {
    let mut source = Source::default();
    source.serve([shop(halves())]);
    crate::testing::divert(&mut source.snapshot, 0, 1);
    let second = source.serve([shop(halves().empty(1))]);
    assert_eq!(*second.rules[0].weights.diverted, [false, true]);
}

fn weights(desired: &[i64]) -> Weights {
    let desired = desired.iter().map(|weight| Weight::try_from(*weight).unwrap()).collect();
    Weights::new(1, desired, WeightSource::Configured)
}

fn effective(weights: &Weights) -> Vec<f64> {
    (0..weights.desired.len()).map(|version| weights.effective_share(version)).collect()
}

#[test]
fn the_effective_share_is_weight_by_sum() {
    assert_eq!(effective(&weights(&[90, 7, 3])), [0.9, 0.07, 0.03]);
    assert_eq!(effective(&weights(&[1, 1])), [0.5, 0.5]);
    assert_eq!(effective(&weights(&[0, 5])), [0.0, 1.0]);
}

#[test]
fn the_first_version_has_the_share_of_all_that_are_diverted() {
    let mut weights = weights(&[50, 30, 15, 5]);
    weights.diverted = vec![false, true, false, true].into();
    assert_eq!(effective(&weights), [0.85, 0.0, 0.15, 0.0]);
    assert_eq!(weights.desired_share(1), 0.3, "the desired share stays what was asked for");
    assert_eq!((weights.effective(0), weights.effective(1), weights.effective(2)), (85.0, 0.0, 15.0));
}

#[test]
fn without_any_weight_every_share_is_0() {
    let weights = weights(&[0, 0]);
    assert_eq!((effective(&weights), weights.desired_share(0)), (vec![0.0, 0.0], 0.0));
}

#[test]
fn the_effective_share_follows_a_ramp_on_its_way() {
    let mut weights = weights(&[0, 100]);
    weights.current = vec![75, 25].into();
    assert_eq!(effective(&weights), [0.75, 0.25]);
    assert_eq!((weights.desired_share(1), weights.effective(1)), (1.0, 25.0));
}

#[test]
fn a_version_that_does_not_exist_has_no_share() {
    let weights = weights(&[1]);
    assert_eq!((weights.effective_share(1), weights.desired_share(1)), (0.0, 0.0));
}

#[test]
fn an_empty_model_compiles_to_a_snapshot_that_takes_nothing() {
    let snapshot = compile(&Model::default(), &Snapshot::default(), &mut Interner::default()).unwrap();
    assert!(snapshot.rules.is_empty() && snapshot.listeners.is_empty());
    assert_eq!(behaviour(&snapshot, &[Asked::get("shop.example.com/")]), ["NoRoute"]);
}

// What a pinned client remembers.

#[test]
fn a_pin_is_the_revision_or_else_the_name() {
    let snapshot = compiled(&model([shop(halves().revisions(&["r1", ""]))]));
    let versions = &snapshot.rules[0].body.versions;
    assert_eq!((versions[0].pin(), versions[1].pin()), ("r1", "canary"));
}

#[test]
fn versions_that_have_gone_make_room_for_new_ones() {
    let mut interner = Interner::default();
    let mut snapshot = Snapshot::default();
    let mut seen = std::collections::HashSet::new();
    for release in 0..3 * MAX_VERSIONS {
        let shop = split(&[("stable", 9), ("canary", 1)]).revisions(&["", &format!("r{release}")]);
        snapshot = compile(&model([route("shop", &[], shop)]), &snapshot, &mut interner).unwrap();
        let canary = snapshot.rules[0].body.versions[1].id;
        assert_ne!(canary, VersionId::OVERFLOW, "release {release}");
        assert!(seen.insert(canary), "an id is never given twice");
    }
    let forgotten = interner.take_forgotten();
    assert!(!forgotten.contains(&snapshot.rules[0].body.versions[0].id), "what is served is kept");
    assert!(interner.known_versions().len() < MAX_VERSIONS);
}

// Mirrors.

fn mirroring(to: model::MirrorTarget) -> Split {
    let mirror = model::Mirror { to, fraction: model::Fraction::ALL, body_limit: 1 };
    Split { mirrors: vec![mirror], ..halves() }
}

#[test]
fn the_target_of_a_mirror_is_counted_apart_from_the_version_that_it_is() {
    let mut source = Source::default();
    let snapshot = source.serve([shop(mirroring(model::MirrorTarget::Version(1)))]);
    let body = &snapshot.rules[0].body;
    let (canary, target) = (&body.versions[1], &body.mirrors[0].target);
    assert_eq!((&target.name, body.mirrors[0].version), (&canary.name, Some(1)));
    assert_ne!(target.id, canary.id);
    assert!(Arc::ptr_eq(&target.endpoints[0], &canary.endpoints[0]), "they are the same endpoints");
    assert_ne!(body.mirrors[0].draws, body.split_id);
    let known = |ids: Vec<(VersionId, VersionKey)>| ids.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(known(source.interner.known_versions()), version_ids(&snapshot));
    assert_eq!(known(source.interner.known_mirrors()), [target.id]);
}

#[test]
fn the_backend_of_a_mirror_keeps_its_endpoints_over_recompiles() {
    let backend = || {
        let mut backend = split(&[("audit", 1)]).versions.remove(0);
        backend.endpoints = vec![endpoint([10, 9, 9, 9])];
        shop(mirroring(model::MirrorTarget::Backend(Box::new(backend))))
    };
    let mut source = Source::default();
    let (first, second) = (source.serve([backend()]), source.serve([backend()]));
    let target = |snapshot: &Snapshot| Arc::clone(&snapshot.rules[0].body.mirrors[0].target.endpoints[0]);
    assert!(Arc::ptr_eq(&target(&first), &target(&second)));
    assert_eq!(first.rules[0].body.mirrors[0].version, None);
}

#[test]
fn a_mirror_of_a_version_that_is_not_there_is_none() {
    assert!(compiled(&model([shop(mirroring(model::MirrorTarget::Version(2)))])).rules[0].body.mirrors.is_empty());
}
