use super::*;

fn member(name: &str, ready: bool) -> Member {
    Member { name: name.into(), address: ([127, 0, 0, 1], 1).into(), ready }
}

fn shop(generation: i64) -> Applied {
    Applied::new("Split default/shop", "uid-1", generation)
}

fn three() -> Acknowledgements {
    let mut acks = Acknowledgements::new("a".into());
    acks.members(&[member("a", true), member("b", true), member("c", false)]);
    acks
}

fn lagging(acks: &Acknowledgements, generation: i64) -> Vec<String> {
    acks.standing(&shop(generation)).lagging.iter().map(ToString::to_string).collect()
}

#[test]
fn every_ready_replica_counts_and_no_other() {
    let mut acks = three();
    acks.told(&"a".into(), &[shop(2)], &[]);
    assert_eq!(acks.standing(&shop(2)), Standing { ready: 2, programmed: 1, lagging: vec!["b".into()] });
    acks.told(&"b".into(), &[shop(2)], &[]);
    assert!(acks.standing(&shop(2)).is_complete());
    acks.members(&[member("a", true), member("b", true), member("c", true)]);
    assert_eq!(lagging(&acks, 2), ["c"]);
}

#[test]
fn a_later_generation_serves_an_earlier_one_and_not_the_other_way_round() {
    let mut acks = three();
    acks.told(&"a".into(), &[shop(3)], &[]);
    acks.told(&"b".into(), &[shop(1)], &[]);
    assert_eq!(lagging(&acks, 1), Vec::<String>::new());
    assert_eq!(lagging(&acks, 2), ["b"]);
}

#[test]
fn an_object_of_the_same_name_that_was_made_anew_is_another_one() {
    let mut acks = three();
    let anew = Applied::new("Split default/shop", "uid-2", 1);
    acks.told(&"a".into(), &[anew], &[]);
    acks.told(&"b".into(), &[shop(7)], &[]);
    assert_eq!(acks.standing(&anew).lagging, ["b".into()]);
}

#[test]
fn what_has_gone_or_is_no_longer_heard_is_not_served() {
    let mut acks = three();
    for name in ["a", "b"] {
        acks.told(&name.into(), &[shop(1)], &[]);
    }
    acks.told(&"b".into(), &[], &[shop(1).0]);
    assert_eq!(lagging(&acks, 1), ["b"]);
    acks.told(&"b".into(), &[shop(1)], &[]);
    acks.forget("b");
    assert_eq!(lagging(&acks, 1), ["b"]);
}

#[test]
fn a_replica_that_has_left_is_waited_for_no_more() {
    let mut acks = three();
    acks.told(&"a".into(), &[shop(1)], &[]);
    assert!(acks.members(&[member("a", true)]));
    assert!(!acks.members(&[member("a", true)]));
    assert!(acks.standing(&shop(1)).is_complete());
}

#[test]
fn this_replica_counts_even_where_nobody_names_it() {
    let mut acks = Acknowledgements::new("a".into());
    assert_eq!(lagging(&acks, 1), ["a"]);
    acks.members(&[]);
    acks.told(&"a".into(), &[shop(1)], &[]);
    assert_eq!(acks.standing(&shop(1)), Standing { ready: 1, programmed: 1, lagging: Vec::new() });
}

#[test]
fn replicas_beyond_the_bound_are_not_remembered() {
    let mut acks = Acknowledgements::new("a".into());
    for index in 0..200 {
        acks.told(&format!("r{index}").into(), &[shop(1)], &[]);
    }
    assert!(acks.served.len() <= MOST_PEERS + 1);
}
