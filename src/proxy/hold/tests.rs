use std::cell::RefCell;

use super::*;
use crate::testing::{serving, split};

const TIMEOUT: Duration = Duration::from_secs(30);

fn queue(most: usize) -> Rc<Queue> {
    Rc::new(Queue::new(Arc::default(), most))
}

fn wanted(because: Because) -> Wanted {
    let snapshot = served(false);
    let rule = &snapshot.rules[0];
    Wanted { split: rule.body.split_id, version: 0, epoch: rule.weights.epoch, because }
}

/// One version, with an endpoint or without.
fn served(endpoint: bool) -> Snapshot {
    let split = split(&[("stable", 1)]);
    serving(if endpoint { split } else { split.empty(0) })
}

fn stays(_: &mut Context<'_>) -> Poll<()> {
    Poll::Pending
}

type Log = Rc<RefCell<Vec<String>>>;

/// A request that waits, notes what becomes of it, and keeps its place for a second.
fn wait(queue: &Rc<Queue>, name: usize, because: Because, log: &Log) -> tokio::task::JoinHandle<()> {
    let mut place = queue.enter(Arc::default(), TIMEOUT).expect("room");
    let log = Rc::clone(log);
    tokio::task::spawn_local(async move {
        let waited = place.wait(wanted(because), stays, &mut Alarm::default()).await;
        log.borrow_mut().push(match waited {
            Ok(()) => format!("{name}"),
            Err(fault) => format!("{name} {fault:?}"),
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn local<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

fn noted(log: &Log) -> Vec<String> {
    log.borrow().clone()
}

#[tokio::test(start_paused = true)]
async fn they_go_in_order_and_not_all_at_once() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        for name in 0..300 {
            wait(&queue, name, Because::Empty, &log);
        }
        settle().await;
        queue.look(&served(false));
        settle().await;
        assert!(noted(&log).is_empty(), "there is no endpoint");
        queue.look(&served(true));
        settle().await;
        let expected: Vec<String> = (0..300).map(|name| name.to_string()).collect();
        assert_eq!(noted(&log), expected[..64]);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(noted(&log), expected[..64 + 128]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(noted(&log), expected);
        assert!(queue.keeps(wanted(Because::Empty).split, 0).is_none());
        assert_eq!(queue.abreast.get(), ABREAST, "the next queue begins as this one did");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_allowed() {
    local(async {
        let (queue, log) = (queue(10), Log::default());
        let begun = Instant::now();
        let waiting = wait(&queue, 0, Because::Empty, &log);
        while log.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 30);
        assert_eq!(noted(&log), ["0 HoldTimeout"]);
        waiting.await.unwrap();
        assert_eq!(queue.recorder.holding(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_process_holds_a_bounded_number() {
    local(async {
        let recorder = Arc::<Recorder>::default();
        let queues = [(); 2].map(|()| Rc::new(Queue::new(Arc::clone(&recorder), 3)));
        let places: Vec<Place> = (0..3).map(|n| queues[n % 2].enter(Arc::default(), TIMEOUT).expect("room")).collect();
        assert!(queues[0].enter(Arc::default(), TIMEOUT).is_none());
        drop(places);
        assert!(queues[1].enter(Arc::default(), TIMEOUT).is_some());
        assert_eq!(recorder.holding(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_frees_its_place_and_holds_up_nobody() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        let mut place = queue.enter(Arc::default(), TIMEOUT).expect("room");
        let left = place.wait(wanted(Because::Empty), |_| Poll::Ready(()), &mut Alarm::default()).await;
        assert_eq!(left, Err(Fault::ClientGone));
        drop(place);
        // The first ones are dropped while they wait, and after they were called.
        let gone: Vec<_> = (0..100).map(|name| wait(&queue, name, Because::Empty, &log)).collect();
        wait(&queue, 100, Because::Empty, &log);
        settle().await;
        gone[..50].iter().for_each(|task| task.abort());
        queue.look(&served(true));
        gone[50..].iter().for_each(|task| task.abort());
        settle().await;
        assert_eq!(noted(&log), ["100"]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!((queue.recorder.holding(), queue.going.get()), (0, 0));
        assert!(queue.lines.borrow().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_tries_endpoints_that_take_no_connection() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        for name in 0..5 {
            wait(&queue, name, Because::Unreachable, &log);
        }
        tokio::time::sleep(PROBE * 2 + PROBE / 2).await;
        assert_eq!(noted(&log), ["0", "1"]);
        // A change tells nothing about whether connections are taken.
        queue.look(&served(true));
        settle().await;
        assert_eq!(noted(&log), ["0", "1", "2"]);
        let place = queue.enter(Arc::default(), TIMEOUT).expect("room");
        place.succeeded(wanted(Because::Empty).split);
        settle().await;
        assert_eq!(noted(&log), ["0", "1", "2", "3", "4"]);
        tokio::time::sleep(PROBE * 2).await;
        assert!(queue.probed.borrow().is_empty(), "nobody is left to try anything");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_has_to_wait_again_keeps_its_place() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        let mut first = queue.enter(Arc::default(), TIMEOUT).expect("room");
        let noting = Rc::clone(&log);
        tokio::task::spawn_local(async move {
            let mut alarm = Alarm::default();
            first.wait(wanted(Because::Empty), stays, &mut alarm).await.unwrap();
            first.wait(wanted(Because::Empty), stays, &mut alarm).await.unwrap();
            noting.borrow_mut().push("0".to_owned());
        });
        wait(&queue, 1, Because::Empty, &log);
        settle().await;
        let mut one = true;
        queue.release(|_| std::mem::take(&mut one));
        settle().await;
        assert!(noted(&log).is_empty());
        queue.look(&served(true));
        settle().await;
        assert_eq!(noted(&log), ["0", "1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_waits_behind_those_that_wait() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        let split = wanted(Because::Empty).split;
        assert_eq!(queue.keeps(split, 0), None);
        for name in 0..70 {
            wait(&queue, name, Because::Empty, &log);
        }
        settle().await;
        queue.look(&served(true));
        settle().await;
        assert_eq!(queue.keeps(split, 0), Some(Because::Others));
        assert_eq!(queue.keeps(split, 1), None, "another version has endpoints of its own");
        wait(&queue, 70, Because::Others, &log);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(noted(&log).last().map(String::as_str), Some("70"));
        assert_eq!(queue.keeps(split, 0), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_weights_are_worth_a_look() {
    local(async {
        let (queue, log) = (queue(1000), Log::default());
        wait(&queue, 0, Because::Empty, &log);
        settle().await;
        let mut snapshot = served(false);
        let before = &snapshot.rules[0].weights;
        let weights = crate::snapshot::Weights { epoch: before.epoch + 1, ..(**before).clone() };
        snapshot.rules[0].weights = Arc::new(weights);
        queue.look(&snapshot);
        settle().await;
        assert_eq!(noted(&log), ["0"]);
    })
    .await;
}
