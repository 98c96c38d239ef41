use super::*;
use crate::cluster::frame::Lines;

fn frames(lines: impl IntoIterator<Item = Bytes>) -> Vec<Frame> {
    let mut all = Lines::default();
    lines.into_iter().for_each(|line| all.push(&line));
    std::iter::from_fn(|| all.next().unwrap()).collect()
}

fn pending(receiver: &mut broadcast::Receiver<Bytes>) -> Vec<Frame> {
    frames(std::iter::from_fn(|| receiver.try_recv().ok()))
}

fn applied(object: u64, generation: i64) -> Applied {
    Applied(object, 1, generation)
}

#[test]
fn who_connects_is_told_everything_then_only_changes() {
    let hub = Hub::new("a".into());
    hub.applied(vec![applied(1, 1), applied(2, 1)], vec![]);
    hub.applied(vec![applied(1, 2)], vec![2]);
    let (first, mut then) = hub.connect();
    assert_eq!(
        frames(first),
        [
            Frame::Hello { name: "a".to_owned() },
            Frame::Beat { judges: false },
            Frame::Applied { set: vec![applied(1, 2)], gone: vec![] }
        ]
    );
    hub.applied(vec![applied(1, 2), applied(3, 1)], vec![]);
    assert_eq!(pending(&mut then), [Frame::Applied { set: vec![applied(3, 1)], gone: vec![] }]);
    hub.applied(vec![], vec![3]);
    assert_eq!(pending(&mut then), [Frame::Applied { set: vec![], gone: vec![3] }]);
}

#[test]
fn thousands_of_objects_are_told_in_several_lines() {
    let hub = Hub::new("a".into());
    hub.applied((0..5000).map(|object| applied(object, 1)).collect(), vec![]);
    let (first, _then) = hub.connect();
    assert!(first.iter().all(|line| line.len() < 64 * 1024), "{:?}", first.iter().map(Bytes::len).max());
    let told = |frame: &Frame| if let Frame::Applied { set, .. } = frame { set.len() } else { 0 };
    assert_eq!(frames(first).iter().map(told).sum::<usize>(), 5000);
}

#[test]
fn a_peer_that_falls_behind_is_cut_off() {
    let hub = Hub::new("a".into());
    let (_, mut then) = hub.connect();
    (0..=BEHIND).for_each(|_| hub.beat());
    assert!(matches!(then.try_recv(), Err(broadcast::error::TryRecvError::Lagged(1))));
}

#[test]
fn that_it_judges_is_told_once_and_to_who_comes_later() {
    let hub = Hub::new("a".into());
    let (_, mut then) = hub.connect();
    hub.judging(true);
    hub.judging(true);
    assert_eq!(pending(&mut then), [Frame::Beat { judges: true }]);
    assert!(frames(hub.connect().0).contains(&Frame::Beat { judges: true }));
}
