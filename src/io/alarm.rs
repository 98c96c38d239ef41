//! Deadlines without a timer for each: an alarm that is set for an earlier time than the one asked for rings, sees that,
//! and is set again. Alarms that are not needed any more are kept, still set, for whoever comes next.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

use crate::message::halve;

/// Alarms that a thread keeps.
const KEPT: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<Pin<Box<Sleep>>>> = const { RefCell::new(Vec::new()) };
}

/// An alarm; it costs nothing until it is first waited for.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` has come.
    pub fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| {
            let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
            kept.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(deadline)))
        });
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// Lets half of the alarms go that the thread keeps.
pub fn trim() {
    POOL.with_borrow_mut(halve);
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(sleep) = self.0.take().filter(|sleep| !sleep.is_elapsed()) else { return };
        // The thread may be ending.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut()
                && pool.len() < KEPT
            {
                pool.push(sleep);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_its_deadline_whatever_it_was_set_for_before() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        let deadline = begun + Duration::from_secs(60);
        assert!(poll_fn(|context| Poll::Ready(alarm.poll(deadline, context).is_pending())).await);
        poll_fn(|context| alarm.poll(begun + Duration::from_secs(10), context)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        poll_fn(|context| alarm.poll(begun + Duration::from_secs(30), context)).await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_kept_rings_for_its_next_owner() {
        let begun = Instant::now();
        for seconds in [50, 20, 40] {
            let mut alarm = Alarm::default();
            let deadline = begun + Duration::from_secs(seconds);
            assert!(poll_fn(|context| Poll::Ready(alarm.poll(deadline, context).is_pending())).await);
        }
        let mut alarm = Alarm::default();
        poll_fn(|context| alarm.poll(begun + Duration::from_secs(45), context)).await;
        assert_eq!(begun.elapsed().as_secs(), 45);
    }
}
