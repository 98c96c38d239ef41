mod explained;
mod home;
mod mirrors;
mod repeats;
mod residents;
mod unhealthy;

use super::*;
use crate::endpoint::EndpointId;
use crate::model::{Access, Filter, Match, Redirect, StickyMode, ValueMatch};
use crate::snapshot::Snapshot;
use crate::testing::{Asked, compiled, divert, endpoint, is, key, listener, model, prefix, route, serving, split};

fn asked() -> Asked {
    Asked::get("shop.example.com/")
}

#[track_caller]
fn forwarded(outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Forward(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// Decides about plain requests.
struct Worker {
    snapshot: Snapshot,
    cursors: Cursors,
}

impl Worker {
    fn of(split: Split) -> Self {
        Self { snapshot: serving(split), cursors: Cursors::new(7) }
    }

    fn outcome(&mut self, asked: &Asked) -> Outcome {
        decide(&self.snapshot, &mut self.cursors, &asked.head())
    }

    #[track_caller]
    fn decision(&mut self, asked: &Asked) -> Decision {
        forwarded(self.outcome(asked))
    }

    /// Tries endpoints as long as there is another; none of them may be tried twice.
    fn journey(&mut self, asked: &Asked) -> Vec<(usize, Why)> {
        let mut decision = self.decision(asked);
        let mut tried = Tried::default();
        let mut journey = Vec::new();
        loop {
            let endpoint = decision.endpoint(&self.snapshot).id;
            assert!(!tried.contains(endpoint), "{endpoint:?} is tried twice");
            tried.add(endpoint);
            journey.push((decision.version, decision.why));
            match again(&self.snapshot, &mut self.cursors, &decision, &tried) {
                Some(next) => decision = next,
                None => return journey,
            }
        }
    }
}

fn redirecting(split: Split) -> Snapshot {
    let redirect = Redirect { scheme: None, host: None, port: None, path: None, status: http::StatusCode::FOUND };
    let mut route = route("shop", &[], split);
    route.rules[0].filters.push(Filter::Redirect(redirect));
    compiled(&model([route]))
}

// Which way a request takes.

#[test]
fn a_request_that_no_route_takes_is_refused() {
    let snapshot = compiled(&model([route("shop", &["shop.example.com"], split(&[("stable", 1)]))]));
    let outcome = decide(&snapshot, &mut Cursors::new(1), &Asked::get("other.example.com/").head());
    assert_eq!(outcome, Outcome::Reject(Refusal::NoRoute));
}

#[test]
fn a_request_on_a_listener_that_has_gone_is_refused() {
    let snapshot = serving(split(&[("stable", 1)]));
    let asked = asked();
    let head = RequestHead { listener: usize::MAX, ..asked.head() };
    assert_eq!(decide(&snapshot, &mut Cursors::new(1), &head), Outcome::Reject(Refusal::NoRoute));
}

#[test]
fn a_route_takes_requests_on_its_own_listeners_only() {
    let mut inner = route("inner", &[], split(&[("stable", 1)]));
    inner.attachments[0].listeners = Some(["internal".into()].into());
    let mut model = model([inner]);
    model.listeners.push(listener("internal").into());
    let snapshot = compiled(&model);
    let asked = asked();
    let on = |listener| decide(&snapshot, &mut Cursors::new(1), &RequestHead { listener, ..asked.head() });
    assert_eq!(on(0), Outcome::Reject(Refusal::NoRoute));
    assert_eq!(forwarded(on(1)).rule(&snapshot).body.route, key("inner"));
}

#[test]
fn a_reserved_listener_has_only_the_routes_that_name_it() {
    let mut model = model([route("everywhere", &[], split(&[("stable", 1)]))]);
    model.listeners.push(Arc::new(crate::model::Listener { reserved: true, ..listener("gateway") }));
    let snapshot = compiled(&model);
    let asked = asked();
    let on = |listener| decide(&snapshot, &mut Cursors::new(1), &RequestHead { listener, ..asked.head() });
    assert_eq!(forwarded(on(0)).rule(&snapshot).body.route, key("everywhere"));
    assert_eq!(on(1), Outcome::Reject(Refusal::NoRoute));
}

#[test]
fn a_version_that_points_nowhere_keeps_its_share_and_refuses_it() {
    let mut halves = split(&[("stable", 1), ("gone", 1)]);
    halves.versions[1].invalid = true;
    let snapshot = serving(halves);
    let asked = asked();
    let mut cursors = Cursors::new(1);
    let outcomes: Vec<Outcome> = (0..10).map(|_| decide(&snapshot, &mut cursors, &asked.head())).collect();
    let refused = outcomes.iter().filter(|o| matches!(o, Outcome::Reject(Refusal::Invalid { version: 1, .. }))).count();
    let served = outcomes.into_iter().filter(|o| matches!(o, Outcome::Forward(d) if d.version == 0)).count();
    assert_eq!((served, refused), (5, 5));
}

#[test]
fn a_redirect_answers_before_any_version_is_chosen() {
    let snapshot = redirecting(split(&[("stable", 0)]));
    let outcome = decide(&snapshot, &mut Cursors::new(1), &asked().head());
    assert_eq!(outcome, Outcome::Respond(Found { rule: 0, prefix: 0 }));
}

#[test]
fn a_decision_names_rule_version_and_endpoint() {
    let split = split(&[("stable", 0), ("canary", 1)]);
    let snapshot = compiled(&model([route("other", &["other.test"], split.clone()), route("shop", &[], split)]));
    let decision = forwarded(decide(&snapshot, &mut Cursors::new(1), &asked().head()));
    assert_eq!(decision.rule(&snapshot).body.route, key("shop"));
    assert_eq!(&*decision.version(&snapshot).name, "canary");
    let address = decision.endpoint(&snapshot).address;
    assert!([endpoint([10, 0, 1, 1]).address, endpoint([10, 0, 1, 2]).address].contains(&address), "{address}");
}

#[test]
fn the_endpoints_of_a_version_take_turns() {
    let mut worker = Worker::of(split(&[("stable", 1)]));
    let endpoints: Vec<usize> = (0..6).map(|_| worker.decision(&asked()).endpoint).collect();
    assert!(endpoints.windows(2).all(|pair| pair[0] != pair[1]), "{endpoints:?}");
}

#[test]
fn the_same_seed_gives_the_same_decisions() {
    let of = |seed| {
        let mut worker = Worker::of(split(&[("a", 3), ("b", 2), ("c", 2)]).by_sticky_cookie(StickyMode::Share));
        worker.cursors = Cursors::new(seed);
        (0..100).map(|_| worker.outcome(&asked())).collect::<Vec<_>>()
    };
    assert_eq!(of(5), of(5));
    assert_ne!(of(5), of(6));
}

// Versions without endpoints.

#[test]
fn siblings_take_the_share_of_a_version_without_endpoints() {
    let mut worker = Worker::of(split(&[("stable", 95), ("canary", 5)]).empty(1));
    let decisions: Vec<Decision> = (0..100).map(|_| worker.decision(&asked())).collect();
    assert!(decisions.iter().all(|decision| decision.version == 0));
    assert_eq!(decisions.iter().filter(|decision| decision.why == Why::Sibling).count(), 5);
    assert_eq!(decisions.iter().filter(|decision| decision.why == Why::Weight).count(), 95);
}

#[test]
fn siblings_are_chosen_by_weight() {
    let mut worker = Worker::of(split(&[("a", 1), ("b", 3), ("c", 4), ("d", 0)]).empty(2));
    let mut counts = [0_u32; 4];
    for _ in 0..8000 {
        let decision = worker.decision(&asked());
        if decision.why == Why::Sibling {
            counts[decision.version] += 1;
        }
    }
    assert_eq!((counts.iter().sum::<u32>(), counts[2], counts[3]), (4000, 0, 0));
    // A quarter of 4000 and five standard deviations.
    assert!((863..=1137).contains(&counts[0]), "{counts:?}");
}

#[test]
fn a_version_whose_weight_is_0_is_a_sibling_only_where_there_is_no_other() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 0), ("c", 1)]).empty(0).empty(2));
    let decision = worker.decision(&asked());
    assert_eq!((decision.version, decision.why), (1, Why::Sibling));
    let mut worker = Worker::of(split(&[("a", 0), ("b", 1), ("c", 1)]).empty(2));
    let decision = worker.decision(&asked());
    assert_eq!(decision.version, 1);
}

#[test]
fn without_a_sibling_that_has_a_share_the_first_that_was_meant_to_have_one_takes_it() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 1), ("c", 1)]).empty(2));
    divert(&mut worker.snapshot, 0, 1);
    let decision = worker.decision(&asked());
    assert_eq!((decision.version, decision.why), (1, Why::Sibling));
}

#[test]
fn a_diverted_version_is_no_sibling_while_another_has_weight() {
    let mut worker = Worker::of(split(&[("a", 1), ("b", 98), ("c", 1)]).empty(0));
    divert(&mut worker.snapshot, 0, 1);
    for _ in 0..100 {
        assert_eq!(worker.decision(&asked()).version, 2);
    }
}

#[test]
fn a_split_that_rejects_refuses_what_is_for_a_version_without_endpoints() {
    let mut split = split(&[("stable", 95), ("canary", 5)]).empty(1);
    split.on_empty = OnEmpty::Reject;
    let mut worker = Worker::of(split);
    let refused = Outcome::Reject(Refusal::NoEndpoint { found: Found { rule: 0, prefix: 0 }, version: 1 });
    let outcomes: Vec<Outcome> = (0..100).map(|_| worker.outcome(&asked())).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == refused).count(), 5);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Forward(_))).count(), 95);
}

#[test]
fn without_any_endpoint_a_request_is_refused_for_the_version_it_was_for() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 1)]).empty(0).empty(1));
    let refused = Outcome::Reject(Refusal::NoEndpoint { found: Found { rule: 0, prefix: 0 }, version: 1 });
    assert_eq!(worker.outcome(&asked()), refused);
}

#[test]
fn without_any_weight_a_request_is_refused() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 0)]));
    assert!(matches!(worker.outcome(&asked()), Outcome::Reject(Refusal::NoEndpoint { .. })));
}

#[test]
fn an_override_to_a_version_without_endpoints_goes_to_a_sibling() {
    let split = split(&[("stable", 1), ("canary", 0)]).by_header("x-canary", ValueMatch::Present, 1).empty(1);
    let decision = Worker::of(split).decision(&asked().header("x-canary", "1"));
    assert_eq!((decision.version, decision.why), (0, Why::Sibling));
}

#[test]
fn a_newcomer_served_by_a_sibling_is_still_given_its_cookie() {
    let mut worker =
        Worker::of(split(&[("stable", 1), ("canary", 1_000_000)]).empty(1).by_sticky_cookie(StickyMode::Share));
    let decision = worker.decision(&asked());
    assert_eq!((decision.version, decision.why), (0, Why::Sibling));
    assert!(decision.cookie.is_some());
}

// Other tries.

#[test]
fn another_try_stays_in_the_version_while_it_has_another_endpoint() {
    let mut worker = Worker::of(split(&[("stable", 1), ("canary", 1)]));
    let journey = worker.journey(&asked());
    let first = journey[0].0;
    assert_eq!(journey[..2], [(first, Why::Weight); 2]);
    assert_eq!(journey[2..], [(1 - first, Why::Sibling); 2]);
}

#[test]
fn another_try_ends_when_every_endpoint_of_every_version_was_tried() {
    let mut worker = Worker::of(split(&[("a", 1), ("b", 1), ("c", 1)]));
    let mut versions: Vec<usize> = worker.journey(&asked()).into_iter().map(|(version, _)| version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn another_try_never_leaves_the_version_of_a_split_that_rejects() {
    let mut split = split(&[("stable", 1), ("canary", 1)]);
    split.on_empty = OnEmpty::Reject;
    let mut worker = Worker::of(split);
    let journey = worker.journey(&asked());
    assert_eq!(journey.len(), 2);
    assert_eq!(journey[0].0, journey[1].0);
}

#[test]
fn another_try_keeps_reason_and_cookie_within_the_version() {
    let mut worker = Worker::of(split(&[("stable", 1)]).by_sticky_cookie(StickyMode::Share));
    let first = worker.decision(&asked());
    let mut tried = Tried::default();
    tried.add(first.endpoint(&worker.snapshot).id);
    let second = again(&worker.snapshot, &mut worker.cursors, &first, &tried).unwrap();
    assert_ne!(second.endpoint, first.endpoint);
    assert_eq!(Decision { endpoint: first.endpoint, ..second }, first);
}

#[test]
fn another_try_moves_no_weights() {
    let mut worker = Worker::of(split(&[("stable", 9), ("canary", 1)]));
    for _ in 0..10 {
        let canaries = (0..10).filter(|_| worker.journey(&asked())[0].0 == 1).count();
        assert_eq!(canaries, 1);
    }
}

#[test]
fn a_rescue_goes_to_the_first_version() {
    let mut worker = Worker::of(split(&[("stable", 0), ("canary", 1)]).by_sticky_cookie(StickyMode::Share));
    let failed = worker.decision(&asked());
    assert_eq!(failed.version, 1);
    let rescued = rescue(&worker.snapshot, &mut worker.cursors, &failed, &Tried::default()).unwrap();
    assert_eq!((rescued.version, rescued.why), (0, Why::Sibling));
    assert_eq!((rescued.found, rescued.cookie), (failed.found, failed.cookie));
}

#[test]
fn a_rescue_tries_no_endpoint_twice() {
    let mut worker = Worker::of(split(&[("stable", 0), ("canary", 1)]));
    let failed = worker.decision(&asked());
    let mut tried = Tried::default();
    let mut rescued = 0;
    while let Some(decision) = rescue(&worker.snapshot, &mut worker.cursors, &failed, &tried) {
        let endpoint: EndpointId = decision.endpoint(&worker.snapshot).id;
        assert!(!tried.contains(endpoint));
        tried.add(endpoint);
        rescued += 1;
    }
    assert_eq!(rescued, 2);
}

// Shares.

#[test]
fn one_percent_is_one_of_every_aligned_hundred() {
    let mut worker = Worker::of(split(&[("stable", 99), ("canary", 1)]));
    for block in 0..100 {
        let canaries = (0..100).filter(|_| worker.decision(&asked()).version == 1).count();
        assert_eq!(canaries, 1, "block {block}");
    }
}

#[test]
fn a_client_that_asks_every_twentieth_time_sees_both_versions_of_a_canary_of_five_percent() {
    for seed in 0..20 {
        let mut worker = Worker::of(split(&[("stable", 95), ("canary", 5)]));
        worker.cursors = Cursors::new(seed);
        let versions: Vec<usize> = (0..4000).map(|_| worker.decision(&asked()).version).collect();
        for offset in 0..20 {
            let canaries = versions.iter().skip(offset).step_by(20).filter(|version| **version == 1).count();
            // Ten of 200 are expected.
            assert!((1..=30).contains(&canaries), "seed {seed}, offset {offset}: {canaries} of 200");
        }
    }
}

#[test]
fn over_four_workers_every_version_stays_within_one_request_per_worker() {
    let snapshot = serving(split(&[("a", 70), ("b", 25), ("c", 5)]));
    let mut workers: Vec<Cursors> = (0..4).map(Cursors::new).collect();
    let mut pick = fastrand::Rng::with_seed(3);
    let mut counts = [0_i64; 3];
    for n in 1..=100_000_i64 {
        let cursors = &mut workers[pick.usize(..4)];
        counts[forwarded(decide(&snapshot, cursors, &asked().head())).version] += 1;
        for (count, weight) in counts.iter().zip([70, 25, 5]) {
            assert!((count * 100 - n * weight).abs() < 400, "{counts:?} of {n}");
        }
    }
    for (count, share) in counts.iter().zip([0.7, 0.25, 0.05]) {
        assert!((*count as f64 / 100_000.0 - share).abs() < 0.001, "{counts:?}");
    }
}

#[test]
fn splits_do_not_disturb_each_other() {
    let split = || split(&[("stable", 99), ("canary", 1)]);
    let snapshot = compiled(&model([route("a", &["a.test"], split()), route("b", &["b.test"], split())]));
    let mut cursors = Cursors::new(1);
    let mut pick = fastrand::Rng::with_seed(2);
    let mut seen: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    while seen.iter().any(|versions| versions.len() < 1000) {
        let which = pick.usize(..2);
        let asked = Asked::get(["a.test/", "b.test/"][which]);
        seen[which].push(forwarded(decide(&snapshot, &mut cursors, &asked.head())).version);
    }
    for versions in seen {
        for block in versions.chunks_exact(100) {
            assert_eq!(block.iter().sum::<usize>(), 1);
        }
    }
}

#[test]
fn new_weights_count_from_the_next_request_on() {
    let mut interner = crate::snapshot::Interner::default();
    let before = model([route("shop", &[], split(&[("stable", 100), ("canary", 0)]))]);
    let after = model([route("shop", &[], split(&[("stable", 0), ("canary", 100)]))]);
    let first = crate::snapshot::compile(&before, &Snapshot::default(), &mut interner).unwrap();
    let second = crate::snapshot::compile(&after, &first, &mut interner).unwrap();
    let mut cursors = Cursors::new(1);
    for _ in 0..50 {
        assert_eq!(forwarded(decide(&first, &mut cursors, &asked().head())).version, 0);
    }
    for _ in 0..50 {
        assert_eq!(forwarded(decide(&second, &mut cursors, &asked().head())).version, 1);
    }
}

// Explanations.

fn shares(explanation: &Explanation) -> Vec<(&str, f64)> {
    explanation.versions.iter().map(|version| (&*version.version, version.share)).collect()
}

#[test]
fn explained_shares_are_those_of_the_weights_and_sum_to_1() {
    let snapshot = serving(split(&[("a", 90), ("b", 7), ("c", 3), ("d", 0)]));
    let explanation = explain(&snapshot, &asked().head());
    assert_eq!(explanation.why, Some("weight".to_owned()));
    assert_eq!(shares(&explanation), [("a", 0.9), ("b", 0.07), ("c", 0.03)]);
    let sum: f64 = explanation.versions.iter().map(|version| version.share).sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

#[test]
fn explained_shares_sum_to_1_while_a_version_is_diverted() {
    let mut snapshot = serving(split(&[("a", 90), ("b", 7), ("c", 3)]));
    divert(&mut snapshot, 0, 1);
    assert_eq!(shares(&explain(&snapshot, &asked().head())), [("a", 0.97), ("c", 0.03)]);
}

#[test]
fn an_explanation_advances_nothing() {
    let split = || split(&[("a", 3), ("b", 2), ("c", 2)]).by_sticky_cookie(StickyMode::Share);
    let (mut silent, mut explained) = (Worker::of(split()), Worker::of(split()));
    for _ in 0..200 {
        let explanation = explain(&explained.snapshot, &asked().head());
        assert_eq!(explain(&explained.snapshot, &asked().head()), explanation);
        assert_eq!(explained.outcome(&asked()), silent.outcome(&asked()));
    }
}

#[test]
fn an_explanation_names_listener_route_rule_revision_and_endpoints() {
    let mut shop = route("shop", &["shop.example.com"], split(&[("stable", 1)]).revisions(&["r1"]));
    shop.rules[0].matches = [Match::path(prefix("/api"))].into();
    let snapshot = compiled(&model([shop]));
    let explanation = explain(&snapshot, &Asked::get("shop.example.com/api/x").head());
    assert_eq!(explanation.listener, "http (0.0.0.0:8080)");
    assert_eq!(explanation.route.as_deref(), Some("shop"));
    assert_eq!(explanation.rule.as_deref(), Some("/api/*"));
    assert_eq!(explanation.versions[0].revision, "r1");
    assert_eq!(explanation.versions[0].endpoints, ["10.0.0.1:80", "10.0.0.2:80"]);
    assert_eq!(explanation.answer, None);
}

#[test]
fn an_override_is_explained_as_certain() {
    let snapshot = serving(split(&[("stable", 100), ("canary", 0)]).by_header("x-canary", is("always"), 1));
    let explanation = explain(&snapshot, &asked().header("x-canary", "always").head());
    assert_eq!(explanation.why, Some("override".to_owned()));
    assert_eq!(shares(&explanation), [("canary", 1.0)]);
}

#[test]
fn a_returning_client_is_explained_as_certain() {
    let mut worker = Worker::of(split(&[("stable", 1), ("canary", 1)]).by_sticky_cookie(StickyMode::Share));
    let first = worker.decision(&asked());
    let header = first.cookie.as_ref().unwrap().header(false).unwrap();
    let pair = header.to_str().unwrap().split(';').next().unwrap();
    let explanation = explain(&worker.snapshot, &asked().header("cookie", pair).head());
    assert_eq!(explanation.why, Some("sticky".to_owned()));
    assert_eq!(shares(&explanation), [(&*first.version(&worker.snapshot).name, 1.0)]);
}

#[test]
fn a_redirect_is_explained_as_an_answer_without_versions() {
    let explanation = explain(&redirecting(split(&[("stable", 1)])), &asked().head());
    assert!(explanation.answer.is_some_and(|answer| answer.contains("redirect")));
    assert_eq!(explanation.route.as_deref(), Some("shop"));
    assert!(explanation.versions.is_empty());
}

#[test]
fn a_request_that_no_route_takes_is_explained_as_404() {
    let snapshot = compiled(&model([route("shop", &["shop.example.com"], split(&[("stable", 1)]))]));
    let explanation = explain(&snapshot, &Asked::get("other.example.com/").head());
    assert!(explanation.answer.is_some_and(|answer| answer.starts_with("404")));
    assert_eq!((explanation.route, explanation.why), (None, None));
    assert!(explanation.versions.is_empty());
}

#[test]
fn what_is_explained_is_what_is_decided() {
    let mut worker = Worker::of(split(&[("a", 60), ("b", 30), ("c", 10)]));
    let explanation = explain(&worker.snapshot, &asked().head());
    let mut counts = [0_u32; 3];
    for _ in 0..1000 {
        counts[worker.decision(&asked()).version] += 1;
    }
    let decided: Vec<f64> = counts.iter().map(|count| f64::from(*count) / 1000.0).collect();
    assert_eq!(explanation.versions.iter().map(|version| version.share).collect::<Vec<_>>(), decided);
}

#[test]
fn a_rule_for_some_addresses_refuses_the_others() {
    let network = |text: &str, bits| (text.parse().unwrap(), bits);
    let allow = vec![network("192.0.2.0", 24)];
    let deny = vec![network("192.0.2.7", 32)];
    let mut shop = route("shop", &[], split(&[("stable", 1)]));
    shop.rules[0].filters.push(Filter::Access(Access::Addresses { allow, deny }));
    let snapshot = compiled(&model([shop]));
    for (client, allowed) in [([192, 0, 2, 1], true), ([192, 0, 2, 7], false), ([198, 51, 100, 1], false)] {
        let asked = Asked::get("shop.example.com/").from(client);
        let outcome = decide(&snapshot, &mut Cursors::new(1), &asked.head());
        assert_eq!(matches!(outcome, Outcome::Forward(_)), allowed, "{client:?}: {outcome:?}");
        assert!(allowed || outcome == Outcome::Reject(Refusal::Forbidden));
    }
}

#[test]
fn a_closed_rule_refuses_everybody_but_still_redirects_to_https() {
    let mut shop = route("shop", &[], split(&[("stable", 1)]));
    shop.rules[0].filters.push(Filter::RequireHttps(http::StatusCode::PERMANENT_REDIRECT));
    shop.rules[0].filters.push(Filter::Access(Access::Closed));
    let snapshot = compiled(&model([shop]));
    let ask = |asked: Asked| decide(&snapshot, &mut Cursors::new(1), &asked.head());
    assert!(matches!(ask(Asked::get("shop.example.com/")), Outcome::Respond(_)));
    assert_eq!(ask(Asked::get("shop.example.com/").secure()), Outcome::Reject(Refusal::Closed));
}
