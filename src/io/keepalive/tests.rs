use std::future::poll_fn;
use std::time::Duration;

use tokio::time::Instant;

use crate::io::{Due, KeepAlive};

const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch over an end, and what the test knows of it.
struct End {
    alive: KeepAlive,
    begun: Instant,
    matters: bool,
}

impl End {
    fn new() -> Self {
        Self { alive: KeepAlive::new(SILENCE, PATIENCE), begun: Instant::now(), matters: true }
    }

    /// What is due next, and after how many seconds in all.
    async fn next(&mut self) -> (Due, u64) {
        let due = poll_fn(|context| self.alive.poll(self.matters, context)).await;
        (due, self.begun.elapsed().as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_asked_after_a_silence() {
    assert_eq!(End::new().next().await, (Due::Asking, 30));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_asked_and_says_nothing_has_gone() {
    let mut end = End::new();
    end.next().await;
    assert_eq!(end.next().await, (Due::Burial, 50));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_answers_every_time_is_there() {
    let mut end = End::new();
    for n in 0..20 {
        assert_eq!(end.next().await, (Due::Asking, 30 + n * 50));
        end.alive.hears();
        assert_eq!(end.next().await, (Due::Nothing, 50 + n * 50));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_answers_once_and_then_goes_is_found_out() {
    let mut end = End::new();
    end.next().await;
    end.alive.hears();
    assert_eq!(end.next().await, (Due::Nothing, 50));
    assert_eq!(end.next().await, (Due::Asking, 80));
    assert_eq!(end.next().await, (Due::Burial, 100));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_heard_is_not_asked() {
    let mut end = End::new();
    for n in 1..20 {
        end.alive.hears();
        assert_eq!(end.next().await, (Due::Nothing, 30 * n));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_waits_for_is_left_alone() {
    let mut end = End::new();
    end.matters = false;
    for n in 1..20 {
        assert_eq!(end.next().await, (Due::Nothing, 30 * n));
    }
    // Once somebody does, it is asked.
    end.matters = true;
    assert_eq!(end.next().await, (Due::Asking, 600));
}
