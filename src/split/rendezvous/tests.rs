use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const IDS: usize = 100_000;

fn salt(revisions: &[&str]) -> Salt {
    Salt::new(revisions.iter().copied())
}

fn pick(id: &str, salt: Salt, versions: &[(&str, u32)]) -> Option<usize> {
    choose(id.as_bytes(), salt, versions.iter().copied())
}

/// The ids among `IDS` that belong to the version at `position`.
fn cohort(position: usize, salt: Salt, versions: &[(&str, u32)]) -> HashSet<usize> {
    (0..IDS).filter(|id| pick(&format!("client-{id}"), salt, versions) == Some(position)).collect()
}

/// The bytes of a base64url string without padding, digit by digit as RFC 4648 has it.
fn decode(id: &ClientId) -> u128 {
    let digits = id.iter().map(|digit| DIGITS.iter().position(|known| known == digit).expect("a digit") as u128);
    let (value, last) = digits.enumerate().fold((0, 0), |(value, _), (at, digit)| {
        if at < 21 { ((value << 6) | digit, digit) } else { ((value << 2) | (digit >> 4), digit) }
    });
    assert_eq!(last & 15, 0, "unused bits are zero");
    value
}

#[test]
fn hashes_are_fixed_forever() {
    let none = salt(&[]);
    let one = salt(&["r2"]);
    let two = salt(&["r2", "r3"]);
    assert_eq!((none.0, one.0, two.0), (0x7765_6972_2F31_0000, 0xC78C_E9E2_3CD4_0959, 0x836A_4A63_294F_3EB7));
    // Computed with the reference implementation of xxHash, not with this program.
    let golden = [
        ("", none, "stable", 0x266B_A991_4E6C_0A92),
        ("alice", none, "stable", 0x66D3_65F1_FC0B_F19A),
        ("alice", one, "stable", 0x927F_C043_0FAA_7D33),
        ("alice", one, "canary", 0x4720_6220_DB57_DB59),
        ("0123456789abcdefghijkl", two, "canary", 0xE579_6BAD_220C_9B82),
        ("an id that is longer than two hundred and forty bytes", two, "v2", 0xADD0_0F71_55A3_69CF),
    ];
    for (id, salt, name, expected) in golden {
        let id = if id.len() > 22 { id.repeat(5) } else { id.to_owned() };
        let found = hash(id.as_bytes(), salt, name);
        assert_eq!(found, expected, "{id} {name}: {found:#018X}");
    }
}

#[test]
fn choices_are_fixed_forever() {
    let versions = [("stable", 50), ("canary", 30), ("beta", 20)];
    let salt = salt(&["r2", "r3"]);
    let chosen: Vec<_> = (0..24).filter_map(|id| pick(&format!("client-{id}"), salt, &versions)).collect();
    assert_eq!(chosen, [1, 2, 0, 1, 1, 0, 2, 1, 2, 2, 0, 0, 1, 0, 2, 2, 2, 0, 2, 0, 0, 1, 1, 0]);
}

#[test]
fn the_number_from_a_hash_is_strictly_between_0_and_1() {
    assert_eq!(unit(0), 0.5 / 4_503_599_627_370_496.0);
    assert!(unit(0) > 0.0 && unit(u64::MAX) < 1.0);
    assert!((1.0 / unit(u64::MAX).ln()).is_finite());
    assert_eq!(unit(1 << 63), 0.5 + unit(0));
}

#[test]
fn shares_follow_the_weights() {
    let sets: [&[(&str, u32)]; 4] = [
        &[("stable", 90), ("canary", 10)],
        &[("stable", 990_000), ("canary", 10_000)],
        &[("a", 50), ("b", 30), ("c", 20)],
        &[("a", 1), ("b", 1), ("c", 1), ("d", 1)],
    ];
    for versions in sets {
        let total: u32 = versions.iter().map(|(_, weight)| weight).sum();
        for (position, (name, weight)) in versions.iter().enumerate() {
            let share = cohort(position, salt(&["r2"]), versions).len() as f64 / IDS as f64;
            let wanted = f64::from(*weight) / f64::from(total);
            assert!((share - wanted).abs() < 0.005, "{name} of {versions:?}: {share}");
        }
    }
}

#[test]
fn another_canary_revision_draws_the_cohort_anew() {
    let versions = [("stable", 90), ("canary", 10)];
    let before = cohort(1, salt(&["r2"]), &versions);
    let after = cohort(1, salt(&["r3"]), &versions);
    let overlap = before.intersection(&after).count() as f64 / before.len() as f64;
    assert!((0.085..0.115).contains(&overlap), "{overlap}");
}

#[test]
fn the_revisions_are_kept_apart_and_in_order() {
    let all: [&[&str]; 8] = [&[], &[""], &["", ""], &["ab", "c"], &["a", "bc"], &["abc"], &["c", "ab"], &["abc", ""]];
    let distinct: HashSet<Salt> = all.iter().map(|revisions| salt(revisions)).collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn the_revision_of_the_first_version_does_not_matter() {
    let revisions = |first| [first, "r2", "r3"];
    let of = |all: [&'static str; 3]| Salt::new(all.into_iter().skip(1));
    assert_eq!(of(revisions("r0")), of(revisions("r1")));
}

#[test]
fn nobody_is_chosen_without_a_positive_weight() {
    assert_eq!(pick("alice", salt(&[]), &[("stable", 0), ("canary", 0)]), None);
    assert_eq!(pick("alice", salt(&[]), &[]), None);
}

#[test]
fn the_names_and_the_id_are_kept_apart() {
    let salt = salt(&[]);
    assert_ne!(hash(b"bc", salt, "a"), hash(b"c", salt, "ab"));
}

const NAMES: [&str; 6] = ["stable", "canary", "beta", "v4", "v5", "v6"];

/// Two to six versions with their weights.
fn versions() -> impl Strategy<Value = Vec<(&'static str, u32)>> {
    prop::collection::vec(prop_oneof![Just(0), 1..=100_u32, 1..=1_000_000_u32], 2..=6)
        .prop_map(|weights| NAMES.into_iter().zip(weights).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn raising_a_weight_only_moves_clients_to_its_version(
        before in versions(), version: prop::sample::Index, more in 1..=1_000_000_u32, seed: u64,
    ) {
        let raised = version.index(before.len());
        let mut after = before.clone();
        after[raised].1 += more;
        for id in 0..50 {
            let id = format!("{seed}-{id}");
            let (old, new) = (pick(&id, salt(&["r2"]), &before), pick(&id, salt(&["r2"]), &after));
            prop_assert!(new == old || new == Some(raised), "{old:?} to {new:?}");
        }
    }

    #[test]
    fn lowering_a_weight_only_moves_clients_from_its_version(
        before in versions(), version: prop::sample::Index, less in 1..=1_000_000_u32, seed: u64,
    ) {
        let lowered = version.index(before.len());
        let mut after = before.clone();
        after[lowered].1 = after[lowered].1.saturating_sub(less);
        for id in 0..50 {
            let id = format!("{seed}-{id}");
            let (old, new) = (pick(&id, salt(&["r2"]), &before), pick(&id, salt(&["r2"]), &after));
            prop_assert!(new == old || old == Some(lowered), "{old:?} to {new:?}");
        }
    }

    #[test]
    fn shifting_weight_from_the_first_to_the_second_of_two_moves_clients_one_way(
        before in 0..=100_u32, after in 0..=100_u32, seed: u64,
    ) {
        let (low, high) = (before.min(after), before.max(after));
        for id in 0..50 {
            let id = format!("{seed}-{id}");
            let of = |canary| pick(&id, salt(&["r2"]), &[("stable", 100 - canary), ("canary", canary)]);
            prop_assert!(of(low) == Some(0) || of(high) == Some(1));
        }
    }

    #[test]
    fn a_weight_of_zero_gets_nobody(versions in versions(), id: Vec<u8>) {
        let chosen = choose(&id, salt(&[]), versions.iter().copied());
        prop_assert_eq!(chosen.is_some(), versions.iter().any(|(_, weight)| *weight > 0));
        prop_assert!(chosen.is_none_or(|chosen| versions[chosen].1 > 0));
    }

    #[test]
    fn the_order_of_the_versions_does_not_matter(
        (given, mixed) in versions().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())), id: Vec<u8>,
    ) {
        let name = |all: &[(&'static str, u32)]| choose(&id, salt(&["r2"]), all.iter().copied()).map(|at| all[at].0);
        prop_assert_eq!(name(&given), name(&mixed));
    }

    #[test]
    fn a_drawn_id_belongs_to_the_wanted_version(weights in prop::array::uniform3(10..=100_u32), wanted in 0..3_usize, seed: u64) {
        let versions = NAMES.into_iter().zip(weights);
        let (id, chosen) = draw(wanted, salt(&["r2"]), versions.clone(), &mut fastrand::Rng::with_seed(seed));
        prop_assert_eq!(chosen, wanted);
        prop_assert_eq!(choose(&id, salt(&["r2"]), versions), Some(wanted));
    }

    #[test]
    fn an_id_is_128_bits_in_base64url(bits: u128) {
        prop_assert_eq!(decode(&encode(bits)), bits);
    }
}

#[test]
fn an_id_matches_the_published_encoding() {
    assert_eq!(&encode(0), b"AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(&encode(u128::MAX), b"_____________________w");
    assert_eq!(&encode(0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F), b"AAECAwQFBgcICQoLDA0ODw");
}

#[test]
fn drawn_ids_differ() {
    let mut rng = fastrand::Rng::with_seed(4);
    let versions = [("stable", 1), ("canary", 1)];
    let ids: HashSet<_> = (0..1000).map(|_| draw(1, salt(&[]), versions.into_iter(), &mut rng).0).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn at_most_100_000_ids_are_drawn_and_the_last_is_returned_with_its_version() {
    let versions = [("stable", u32::MAX), ("canary", 1)];
    let mut rng = fastrand::Rng::with_seed(8);
    let (id, chosen) = draw(1, salt(&[]), versions.into_iter(), &mut rng);
    let mut same = fastrand::Rng::with_seed(8);
    let last = (0..100_000).map(|_| encode(same.u128(..))).last();
    assert_eq!((Some(id), chosen), (last, 0));
    assert_eq!(rng.get_seed(), same.get_seed());
}

#[test]
fn a_single_id_is_drawn_for_a_version_without_weight_or_none_at_all() {
    let versions = [("stable", 1), ("canary", 0)];
    for wanted in [1, 2] {
        let (mut rng, mut same) = (fastrand::Rng::with_seed(8), fastrand::Rng::with_seed(8));
        let (id, chosen) = draw(wanted, salt(&[]), versions.into_iter(), &mut rng);
        assert_eq!((id, chosen), (encode(same.u128(..)), 0));
    }
}

#[test]
fn the_wanted_version_is_returned_as_it_is_if_no_weight_is_positive() {
    let versions = [("stable", 0), ("canary", 0)];
    assert_eq!(draw(1, salt(&[]), versions.into_iter(), &mut fastrand::Rng::with_seed(8)).1, 1);
}

#[test]
fn random_ids_differ_and_belong_to_any_version() {
    let mut rng = fastrand::Rng::with_seed(6);
    let ids: HashSet<_> = (0..1000).map(|_| random_id(&mut rng)).collect();
    assert_eq!(ids.len(), 1000);
    let versions = [("stable", 1), ("canary", 1)];
    let canary = ids.iter().filter(|id| choose(*id, salt(&[]), versions.into_iter()) == Some(1));
    assert!((420..580).contains(&canary.count()));
}
