use std::cell::Cell;
use std::future::pending;
use std::pin::pin;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn begin() -> (Ending, Instant) {
    (Ending::begin(SECOND * 5, SECOND * 60), Instant::now())
}

fn after(seconds: u64) -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn it_serves_for_its_delay_and_ends_once_nothing_is_left() {
    let ((mut ending, begun), mut never) = (begin(), pin!(pending()));
    assert!(ending.settled(&mut never).await);
    assert_eq!(begun.elapsed().as_secs(), 5);
    let looks = Cell::new(0);
    let is_empty = || looks.replace(looks.get() + 1) == 300;
    assert_eq!(ending.drained(is_empty, &mut never).await, Why::Empty);
    assert_eq!(begun.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_its_deadline_whatever_is_left() {
    let ((mut ending, begun), mut never) = (begin(), pin!(pending()));
    assert!(ending.settled(&mut never).await);
    assert_eq!(ending.drained(|| false, &mut never).await, Why::Deadline);
    assert_eq!(begun.elapsed().as_secs(), 65);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_the_delay_and_with_it_all() {
    let ((mut ending, begun), mut hurry) = (begin(), pin!(after(2)));
    assert!(!ending.settled(&mut hurry).await);
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_the_drain() {
    let ((mut ending, begun), mut hurry) = (begin(), pin!(after(20)));
    assert!(ending.settled(&mut hurry).await);
    assert_eq!(ending.drained(|| false, &mut hurry).await, Why::Hurry);
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_it_drains_at_once() {
    let (mut ending, mut never) = (Ending::begin(Duration::ZERO, SECOND), pin!(pending()));
    let begun = Instant::now();
    assert!(ending.settled(&mut never).await);
    assert_eq!(ending.drained(|| true, &mut never).await, Why::Empty);
    assert!(begun.elapsed() < SECOND / 10);
}
