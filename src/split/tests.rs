use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::model::{Split, ValueMatch, Weight};
use crate::snapshot::{Snapshot, WeightSource, Weights};
use crate::testing::{Asked, cookie, divert, is, serving, split};

/// One split, as one worker serves it.
struct Worker {
    snapshot: Snapshot,
    schedule: Schedule,
    rng: fastrand::Rng,
}

impl Worker {
    fn of(split: Split) -> Self {
        Self { snapshot: serving(split), schedule: Schedule::new(), rng: fastrand::Rng::with_seed(7) }
    }

    fn diverted(split: Split, version: usize) -> Self {
        let mut worker = Self::of(split);
        divert(&mut worker.snapshot, 0, version);
        worker
    }

    fn reweigh(&mut self, weights: &[i64]) {
        let desired = weights.iter().map(|weight| Weight::try_from(*weight).unwrap()).collect();
        let epoch = self.snapshot.rules[0].weights.epoch + 1;
        self.snapshot.rules[0].weights = std::sync::Arc::new(Weights::new(epoch, desired, WeightSource::Hand));
    }

    fn choice(&mut self, asked: &Asked) -> Option<Choice> {
        choose(&self.snapshot.rules[0], &asked.head(), &mut self.schedule, &mut self.rng)
    }

    /// Version and reason; the choice must be possible.
    fn chosen(&mut self, asked: &Asked) -> (usize, Why) {
        let choice = self.choice(asked).expect("a version");
        (choice.version, choice.why)
    }

    /// A newcomer's version, and the request of its next visit.
    fn visit(&mut self) -> (usize, Asked) {
        let choice = self.choice(&asked()).expect("a version");
        let value = value_of(&choice.cookie.expect("a cookie"));
        (choice.version, returning(&value))
    }
}

fn asked() -> Asked {
    Asked::get("shop.example.com/")
}

fn returning(value: &str) -> Asked {
    asked().header("cookie", &format!("weir={value}"))
}

fn set_cookie(cookie: &SetCookie) -> String {
    cookie.header(false).expect("a header").to_str().expect("text").to_owned()
}

fn value_of(cookie: &SetCookie) -> String {
    let header = set_cookie(cookie);
    let (pair, _) = header.split_once(';').expect("attributes");
    pair.strip_prefix("weir=").expect("its name").to_owned()
}

fn expression(text: &str) -> ValueMatch {
    OverrideMatch::pattern(text).unwrap()
}

fn halves() -> Split {
    split(&[("stable", 50), ("canary", 50)])
}

fn stable_only() -> Split {
    split(&[("stable", 100), ("canary", 0)])
}

// Overrides.

#[test]
fn the_first_override_that_matches_wins() {
    let split = split(&[("a", 1), ("b", 0), ("c", 0)]).by_header("x-b", is("1"), 1).by_header("x-c", is("1"), 2);
    let mut worker = Worker::of(split);
    let (b, c) = (asked().header("x-b", "1"), asked().header("x-c", "1"));
    assert_eq!(worker.chosen(&b), (1, Why::Override));
    assert_eq!(worker.chosen(&c), (2, Why::Override));
    assert_eq!(worker.chosen(&c.header("x-b", "1")), (1, Why::Override));
    assert_eq!(worker.chosen(&asked()), (0, Why::Weight));
}

#[test]
fn an_override_by_header_takes_presence_a_value_or_an_expression() {
    for (condition, takes, leaves) in [
        (ValueMatch::Present, vec!["", "x"], vec![]),
        (is("always"), vec!["always"], vec!["", "Always", "always "]),
        (expression("^beta-.*$"), vec!["beta-", "beta-7"], vec!["beta", "xbeta-7"]),
        (expression("beta"), vec!["beta", "xbetax"], vec!["bet"]),
    ] {
        let mut worker = Worker::of(stable_only().by_header("x-canary", condition.clone(), 1));
        for value in takes {
            let asked = asked().header("x-canary", value);
            assert_eq!(worker.chosen(&asked), (1, Why::Override), "{condition:?} {value:?}");
        }
        for value in leaves {
            let asked = asked().header("x-canary", value);
            assert_eq!(worker.chosen(&asked), (0, Why::Weight), "{condition:?} {value:?}");
        }
        assert_eq!(worker.chosen(&asked()), (0, Why::Weight), "{condition:?} without the header");
    }
}

#[test]
fn any_one_of_repeated_headers_may_ask_for_an_override() {
    let mut worker = Worker::of(stable_only().by_header("x-canary", is("always"), 1));
    let asked = asked().header("x-canary", "never").header("x-canary", "always");
    assert_eq!(worker.chosen(&asked), (1, Why::Override));
}

#[test]
fn an_override_by_cookie_takes_presence_or_a_value() {
    let mut present = Worker::of(stable_only().by_cookie("beta", ValueMatch::Present, 1));
    let mut valued = Worker::of(stable_only().by_cookie("beta", is("1"), 1));
    for (line, presence, value) in [
        ("beta=1", true, true),
        ("beta=\"1\"", true, true),
        ("beta=2", true, false),
        ("beta=", true, false),
        ("xbeta=1", false, false),
        ("beta2=1", false, false),
        ("BETA=1", false, false),
        ("beta", false, false),
    ] {
        let asked = asked().header("cookie", line);
        assert_eq!(present.chosen(&asked).1 == Why::Override, presence, "{line}");
        assert_eq!(valued.chosen(&asked).1 == Why::Override, value, "{line}");
    }
}

#[test]
fn a_cookie_is_found_among_several_and_over_several_lines() {
    let mut worker = Worker::of(stable_only().by_cookie("beta", is("1"), 1));
    assert_eq!(worker.chosen(&asked().header("cookie", "a=1;beta=1; c=2")), (1, Why::Override));
    let split_lines = asked().header("cookie", "a=1").header("cookie", "c=2; beta=1");
    assert_eq!(worker.chosen(&split_lines), (1, Why::Override));
    let second = asked().header("cookie", "beta=0").header("cookie", "beta=1");
    assert_eq!(worker.chosen(&second), (0, Why::Weight), "the first of that name counts");
}

#[test]
fn an_override_reaches_a_version_of_weight_0_although_every_weight_is_0() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 0)]).by_header("x-b", ValueMatch::Present, 1));
    assert_eq!(worker.chosen(&asked().header("x-b", "")), (1, Why::Override));
    assert_eq!(worker.choice(&asked()), None);
}

#[test]
fn an_override_beats_stickiness_and_sets_no_cookie() {
    let split = stable_only().by_sticky_cookie(StickyMode::Share).by_header("x-canary", is("1"), 1);
    let mut worker = Worker::of(split);
    let (version, known) = worker.visit();
    assert_eq!(version, 0);
    assert_eq!(worker.chosen(&known), (0, Why::Sticky));
    let choice = worker.choice(&known.header("x-canary", "1")).unwrap();
    assert_eq!(choice, Choice { version: 1, why: Why::Override, cookie: None, home: None, key: 0 });
    assert_eq!(worker.choice(&asked().header("x-canary", "1")).unwrap().cookie, None);
}

#[test]
fn an_override_does_not_count_among_the_requests_that_weights_decide() {
    let mut worker = Worker::of(split(&[("stable", 3), ("canary", 1)]).by_header("x-canary", ValueMatch::Present, 1));
    for _ in 0..25 {
        let mut counts = [0; 2];
        for _ in 0..4 {
            assert_eq!(worker.chosen(&asked().header("x-canary", "")), (1, Why::Override));
            counts[worker.chosen(&asked()).0] += 1;
        }
        assert_eq!(counts, [3, 1]);
    }
}

// Stickiness by cookie, mode share.

#[test]
fn a_newcomers_cookie_leads_to_the_same_version_from_then_on() {
    let mut worker = Worker::of(split(&[("a", 60), ("b", 30), ("c", 10)]).by_sticky_cookie(StickyMode::Share));
    let mut seen = [0; 3];
    for _ in 0..200 {
        let (version, known) = worker.visit();
        seen[version] += 1;
        for _ in 0..3 {
            let again = worker.choice(&known).unwrap();
            assert_eq!(again, Choice { version, why: Why::Sticky, cookie: None, home: None, key: 0 });
        }
    }
    assert_eq!(seen, [120, 60, 20]);
}

#[test]
fn another_worker_and_another_replica_agree_on_a_cookie() {
    let stickily = || halves().revisions(&["r1", "r2"]).by_sticky_cookie(StickyMode::Share);
    let mut here = Worker::of(stickily());
    let mut there = Worker::of(stickily());
    there.rng = fastrand::Rng::with_seed(99);
    for _ in 0..100 {
        let (version, known) = here.visit();
        assert_eq!(there.chosen(&known), (version, Why::Sticky));
    }
}

#[test]
fn newcomers_are_divided_exactly_by_weight() {
    let mut worker = Worker::of(split(&[("stable", 99), ("canary", 1)]).by_sticky_cookie(StickyMode::Share));
    for block in 0..5 {
        let canaries = (0..100).filter(|_| worker.visit().0 == 1).count();
        assert_eq!(canaries, 1, "block {block}");
    }
}

#[test]
fn returning_clients_do_not_count_among_newcomers() {
    let mut worker = Worker::of(split(&[("stable", 9), ("canary", 1)]).by_sticky_cookie(StickyMode::Share));
    let (first, known) = worker.visit();
    let mut canaries = usize::from(first == 1);
    for _ in 0..9 {
        for _ in 0..7 {
            assert_eq!(worker.chosen(&known), (first, Why::Sticky));
        }
        canaries += usize::from(worker.visit().0 == 1);
    }
    assert_eq!(canaries, 1, "of ten newcomers");
}

#[test]
fn raising_the_canary_moves_clients_only_to_the_canary() {
    let mut worker = Worker::of(split(&[("stable", 90), ("canary", 10)]).by_sticky_cookie(StickyMode::Share));
    let clients: Vec<(usize, Asked)> = (0..500).map(|_| worker.visit()).collect();
    worker.reweigh(&[50, 50]);
    let mut moved = 0;
    for (before, known) in &clients {
        let (after, why) = worker.chosen(known);
        assert_eq!(why, Why::Sticky);
        assert!(after >= *before, "nobody leaves the canary");
        moved += usize::from(after != *before);
    }
    // 40 of 100 are expected; the bounds are five standard deviations.
    assert!((145..=255).contains(&moved), "{moved}");
}

#[test]
fn a_share_cookie_of_a_version_at_weight_0_leads_elsewhere() {
    let mut worker = Worker::of(halves().by_sticky_cookie(StickyMode::Share));
    let known: Vec<Asked> = (0..50).map(|_| worker.visit()).filter(|(version, _)| *version == 1).map(|v| v.1).collect();
    assert_eq!(known.len(), 25);
    worker.reweigh(&[100, 0]);
    for known in known {
        assert_eq!(worker.chosen(&known), (0, Why::Sticky));
    }
}

#[test]
fn a_new_revision_of_the_canary_draws_a_new_cohort() {
    let of = |revision| Worker::of(halves().revisions(&["r1", revision]).by_sticky_cookie(StickyMode::Share));
    let (mut before, mut after) = (of("r2"), of("r3"));
    let moved = (0..400).filter(|_| {
        let (version, known) = before.visit();
        after.chosen(&known).0 != version
    });
    let moved = moved.count();
    // Half of them are expected; the bounds are five standard deviations.
    assert!((150..=250).contains(&moved), "{moved}");
}

#[test]
fn a_new_revision_of_the_first_version_moves_nobody() {
    let of = |revision| Worker::of(halves().revisions(&[revision, "r9"]).by_sticky_cookie(StickyMode::Share));
    let (mut before, mut after) = (of("r1"), of("r2"));
    for _ in 0..200 {
        let (version, known) = before.visit();
        assert_eq!(after.chosen(&known), (version, Why::Sticky));
    }
}

#[test]
fn a_cookie_of_another_form_counts_as_none() {
    let mut worker = Worker::of(halves().by_sticky_cookie(StickyMode::Share));
    let long = "A".repeat(4000);
    for value in ["", "x", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA.r1", ".", &long]
    {
        let choice = worker.choice(&returning(value)).unwrap();
        assert_eq!(choice.why, Why::Weight, "{value}");
        assert!(choice.cookie.is_some(), "{value}");
    }
    let mut odd = asked();
    odd.headers.insert("cookie", http::HeaderValue::from_bytes(b"weir=\xff\xfeAAAAAAAAAAAAAAAAAAAA").unwrap());
    assert_eq!(worker.chosen(&odd).1, Why::Weight);
}

#[test]
fn forged_cookies_shift_no_share_of_honest_newcomers() {
    let mut worker = Worker::of(split(&[("stable", 9), ("canary", 1)]).by_sticky_cookie(StickyMode::Share));
    for _ in 0..20 {
        let canaries = (0..10)
            .filter(|n| {
                let forged = returning(&format!("{n:022}"));
                assert_eq!(worker.chosen(&forged).1, Why::Sticky);
                worker.visit().0 == 1
            })
            .count();
        assert_eq!(canaries, 1);
    }
}

#[test]
fn without_any_weight_a_newcomer_goes_nowhere() {
    let mut worker = Worker::of(split(&[("a", 0), ("b", 0)]).by_sticky_cookie(StickyMode::Share));
    assert_eq!(worker.choice(&asked()), None);
    assert_eq!(worker.choice(&returning(&"A".repeat(22))), None);
}

// Signed cookies.

#[test]
fn a_signed_cookie_that_was_altered_counts_as_none() {
    let mut worker = Worker::of(halves().sticky_by(cookie(&["k1"]), StickyMode::Share));
    let choice = worker.choice(&asked()).unwrap();
    let genuine = value_of(&choice.cookie.unwrap());
    assert_eq!(worker.chosen(&returning(&genuine)), (choice.version, Why::Sticky));
    let altered = |at: usize| {
        let mut bytes = genuine.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let mut forgeries: Vec<String> = (0..genuine.len()).map(altered).collect();
    let (id, mac) = genuine.split_once('.').unwrap();
    forgeries.extend([
        id.to_owned(),
        format!("{id}."),
        format!("{id}..{mac}"),
        format!("{id}.{}", &mac[..mac.len() - 2]),
        format!("{genuine}="),
        format!("{genuine}.{mac}"),
        mac.to_owned(),
    ]);
    for forged in forgeries {
        let choice = worker.choice(&returning(&forged)).unwrap();
        assert_eq!(choice.why, Why::Weight, "{forged}");
        assert!(choice.cookie.is_some(), "{forged}");
    }
}

#[test]
fn the_first_key_signs_and_every_key_verifies() {
    let mut old = Worker::of(halves().sticky_by(cookie(&["old"]), StickyMode::Share));
    let mut both = Worker::of(halves().sticky_by(cookie(&["new", "old"]), StickyMode::Share));
    let mut new = Worker::of(halves().sticky_by(cookie(&["new"]), StickyMode::Share));
    let (version, known) = old.visit();
    assert_eq!(both.chosen(&known), (version, Why::Sticky));
    assert_eq!(new.chosen(&known).1, Why::Weight);
    let (version, known) = both.visit();
    assert_eq!(new.chosen(&known), (version, Why::Sticky));
    assert_eq!(old.chosen(&known).1, Why::Weight);
}

#[test]
fn an_unsigned_cookie_counts_as_none_where_there_are_keys() {
    let mut unsigned = Worker::of(halves().by_sticky_cookie(StickyMode::Share));
    let mut signed = Worker::of(halves().sticky_by(cookie(&["k"]), StickyMode::Share));
    assert_eq!(signed.chosen(&unsigned.visit().1).1, Why::Weight);
    assert_eq!(unsigned.chosen(&signed.visit().1).1, Why::Weight);
}

#[test]
fn a_signed_pin_cannot_be_moved_to_another_revision() {
    let split = halves().revisions(&["r1", "r2"]).sticky_by(cookie(&["k"]), StickyMode::Pin);
    let mut worker = Worker::of(split);
    let (version, _) = worker.visit();
    let genuine = value_of(
        &SetCookie::new(worker.snapshot.rules[0].body.split.sticky.as_ref().unwrap(), &[b'A'; 22], "r1", None).unwrap(),
    );
    assert_eq!(worker.chosen(&returning(&genuine)), (0, Why::Sticky), "first newcomer went to {version}");
    let moved = genuine.replacen(".r1.", ".r2.", 1);
    assert_ne!(moved, genuine);
    assert_eq!(worker.chosen(&returning(&moved)).1, Why::Weight);
}

// Stickiness by cookie, mode pin.

#[test]
fn a_pin_is_honoured_at_weight_0() {
    let mut worker = Worker::of(halves().revisions(&["r1", "r2"]).by_sticky_cookie(StickyMode::Pin));
    let clients: Vec<(usize, Asked)> = (0..20).map(|_| worker.visit()).collect();
    assert_eq!(clients.iter().filter(|(version, _)| *version == 1).count(), 10);
    for weights in [[100, 0], [0, 100], [0, 0]] {
        worker.reweigh(&weights);
        for (version, known) in &clients {
            let choice = worker.choice(known).unwrap();
            assert_eq!(choice, Choice { version: *version, why: Why::Sticky, cookie: None, home: None, key: 0 });
        }
    }
}

#[test]
fn a_pin_to_a_revision_that_is_gone_is_drawn_anew_with_a_new_cookie() {
    let mut before = Worker::of(stable_only().revisions(&["r1", "r2"]).by_sticky_cookie(StickyMode::Pin));
    let (_, known) = before.visit();
    let mut after =
        Worker::of(split(&[("stable", 0), ("canary", 1)]).revisions(&["r3", "r4"]).by_sticky_cookie(StickyMode::Pin));
    let choice = after.choice(&known).unwrap();
    assert_eq!((choice.version, choice.why), (1, Why::Weight));
    let renewed = returning(&value_of(&choice.cookie.unwrap()));
    assert_eq!(after.chosen(&renewed), (1, Why::Sticky));
}

#[test]
fn a_pin_follows_its_revision_to_another_version() {
    let mut before =
        Worker::of(split(&[("stable", 0), ("canary", 1)]).revisions(&["r1", "r2"]).by_sticky_cookie(StickyMode::Pin));
    let (version, known) = before.visit();
    assert_eq!(version, 1);
    let mut promoted = Worker::of(stable_only().revisions(&["r2", "r3"]).by_sticky_cookie(StickyMode::Pin));
    assert_eq!(promoted.chosen(&known), (0, Why::Sticky));
}

#[test]
fn a_pin_is_to_the_name_where_nobody_tells_revisions() {
    let mut worker = Worker::of(halves().by_sticky_cookie(StickyMode::Pin));
    let (version, known) = worker.visit();
    worker.reweigh(if version == 0 { &[0, 1] } else { &[1, 0] });
    assert_eq!(worker.chosen(&known), (version, Why::Sticky));
}

#[test]
fn a_pin_may_be_to_any_text() {
    for revision in ["a.b", "x;y", "ü", "50%", "a b=c", "\"q\""] {
        let mut worker = Worker::of(halves().revisions(&["plain", revision]).by_sticky_cookie(StickyMode::Pin));
        worker.reweigh(&[0, 1]);
        let (version, known) = worker.visit();
        assert_eq!(version, 1);
        worker.reweigh(&[1, 0]);
        assert_eq!(worker.chosen(&known), (1, Why::Sticky), "{revision}");
    }
}

#[test]
fn pinned_newcomers_are_divided_exactly_by_weight() {
    let mut worker = Worker::of(split(&[("stable", 19), ("canary", 1)]).by_sticky_cookie(StickyMode::Pin));
    for _ in 0..10 {
        assert_eq!((0..20).filter(|_| worker.visit().0 == 1).count(), 1);
    }
}

// Stickiness by header and by address.

#[test]
fn clients_are_told_apart_by_a_header() {
    let client = ClientId::Header(http::HeaderName::from_static("x-user"));
    let mut worker = Worker::of(halves().sticky_by(client, StickyMode::Share));
    let mut counts = [0; 2];
    for user in 0..1000 {
        let asked = asked().header("x-user", &format!("user-{user}"));
        let choice = worker.choice(&asked).unwrap();
        assert_eq!((choice.why, &choice.cookie), (Why::Sticky, &None));
        assert_eq!(worker.choice(&asked).unwrap(), choice);
        counts[choice.version] += 1;
    }
    // Five standard deviations around one half.
    assert!((420..=580).contains(&counts[1]), "{counts:?}");
}

#[test]
fn without_the_header_weights_decide_and_no_cookie_is_set() {
    let client = ClientId::Header(http::HeaderName::from_static("x-user"));
    let mut worker = Worker::of(split(&[("stable", 9), ("canary", 1)]).sticky_by(client, StickyMode::Share));
    let choices: Vec<Choice> = (0..10).map(|_| worker.choice(&asked()).unwrap()).collect();
    assert!(choices.iter().all(|choice| choice.why == Why::Weight && choice.cookie.is_none()));
    assert_eq!(choices.iter().filter(|choice| choice.version == 1).count(), 1);
}

#[test]
fn clients_are_told_apart_by_their_address() {
    let mut worker = Worker::of(halves().sticky_by(ClientId::SourceAddress, StickyMode::Share));
    let mut versions = HashMap::new();
    for n in 0..500_u16 {
        let [high, low] = n.to_be_bytes();
        for asked in [
            asked().from(Ipv4Addr::new(198, 51, high, low)),
            asked().from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, n)),
        ] {
            let (version, why) = worker.chosen(&asked);
            assert_eq!(why, Why::Sticky);
            assert_eq!(worker.chosen(&asked.clone().header("x-other", "1")), (version, why));
            *versions.entry(version).or_insert(0) += 1;
        }
    }
    assert!((420..=580).contains(&versions[&1]), "{versions:?}");
}

// A version that a guard took back.

#[test]
fn what_weights_give_to_a_diverted_version_goes_to_the_first() {
    let mut worker = Worker::diverted(halves(), 1);
    let chosen: Vec<(usize, Why)> = (0..100).map(|_| worker.chosen(&asked())).collect();
    assert!(chosen.iter().all(|(version, _)| *version == 0));
    assert_eq!(chosen.iter().filter(|(_, why)| *why == Why::Guard).count(), 50);
}

#[test]
fn clients_of_a_diverted_version_go_to_the_first_and_keep_their_cookie() {
    for mode in [StickyMode::Share, StickyMode::Pin] {
        let mut worker = Worker::of(halves().by_sticky_cookie(mode));
        let clients: Vec<(usize, Asked)> = (0..20).map(|_| worker.visit()).collect();
        divert(&mut worker.snapshot, 0, 1);
        for (version, known) in &clients {
            let expected = if *version == 1 { Why::Guard } else { Why::Sticky };
            assert_eq!(
                worker.choice(known),
                Some(Choice { version: 0, why: expected, cookie: None, home: None, key: 0 })
            );
        }
    }
}

#[test]
fn a_version_of_neither_first_nor_diverted_keeps_its_share() {
    let mut worker = Worker::diverted(split(&[("a", 50), ("b", 30), ("c", 20)]), 1);
    let mut counts = [0; 3];
    for _ in 0..100 {
        counts[worker.chosen(&asked()).0] += 1;
    }
    assert_eq!(counts, [80, 0, 20]);
}

#[test]
fn an_override_still_reaches_a_diverted_version() {
    let mut worker = Worker::diverted(halves().by_header("x-canary", is("1"), 1), 1);
    assert_eq!(worker.chosen(&asked().header("x-canary", "1")), (1, Why::Override));
}

// What is certain.

#[test]
fn what_is_certain_is_what_is_chosen() {
    let split = halves().by_sticky_cookie(StickyMode::Share).by_header("x-canary", is("1"), 1);
    let mut worker = Worker::of(split);
    let (_, known) = worker.visit();
    for asked in [known.clone(), asked().header("x-canary", "1"), known.header("x-canary", "1")] {
        let certain = certain(&worker.snapshot.rules[0], &asked.head());
        assert!(certain.is_some());
        assert_eq!(worker.choice(&asked), certain);
    }
    assert_eq!(certain(&worker.snapshot.rules[0], &asked().head()), None);
}

#[test]
fn reasons_stand_at_their_own_index() {
    for (index, why) in Why::ALL.into_iter().enumerate() {
        assert_eq!(why.index(), index);
    }
}
