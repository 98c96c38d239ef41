use std::collections::BTreeSet;

use super::*;

fn split(number: usize) -> Id {
    Id::new(ObjectKind::Split, "shop", format!("{number:03}"))
}

/// All of so many Splits, whose numbers changed.
fn counted(splits: usize) -> Vec<(Id, Difference, ())> {
    (0..splits).map(|number| (split(number), Difference::Numbers, ())).collect()
}

fn chosen(turns: &mut Turns, changed: Vec<(Id, Difference, ())>) -> Vec<Id> {
    turns.choose(changed).into_iter().map(|(id, ())| id).collect()
}

#[test]
fn some_are_told_at_a_time() {
    assert_eq!(chosen(&mut Turns::default(), counted(AT_ONCE * 2)).len(), AT_ONCE);
}

#[test]
fn each_has_its_turn_although_all_of_them_change_all_the_time() {
    let mut turns = Turns::default();
    let all = AT_ONCE * 2 + 20;
    let told: BTreeSet<Id> = (0..3).flat_map(|_| chosen(&mut turns, counted(all))).collect();
    assert_eq!(told.len(), all);
    let next = chosen(&mut turns, counted(all));
    assert!(next.contains(&split(40)), "from where it stopped: {next:?}");
}

#[test]
fn a_condition_that_turns_waits_for_nobody() {
    let mut turns = Turns::default();
    let mut changed = counted(AT_ONCE * 2);
    let last = changed.len() - 1;
    changed[last].1 = Difference::Conditions;
    let told = chosen(&mut turns, changed);
    assert_eq!(told[0], split(last));
    let next = chosen(&mut turns, counted(AT_ONCE * 2));
    assert_eq!(next[0], split(AT_ONCE - 1), "the others go on from where they stopped");
}
