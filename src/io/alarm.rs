//! Deadlines without a timer for each: an alarm that is set for an earlier time than the one asked for rings, sees that,
//! and is set again. Alarms that are not needed any more are kept, still set, for whoever comes next.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop;
use tokio::time::{Instant, Sleep};

use crate::message::halve;

/// Alarms that a thread keeps.
const KEPT: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<Pin<Box<Sleep>>>> = const { RefCell::new(Vec::new()) };
}

/// An alarm; it costs nothing until it is first waited for.
#[derive(Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The task that it wakes.
    wakes: Option<Waker>,
}

impl Alarm {
    /// Ready once `deadline` has come. One that is set early enough, and wakes who asks, is left as it is.
    pub fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
            kept.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(deadline)))
        });
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        } else if !sleep.is_elapsed() && self.wakes.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            return Poll::Pending;
        }
        // A task that has used up its turn is not noted.
        let noted = coop::has_budget_remaining();
        while sleep.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        self.wakes = noted.then(|| context.waker().clone());
        Poll::Pending
    }
}

/// Lets half of the alarms go that the thread keeps.
pub fn trim() {
    POOL.with_borrow_mut(halve);
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(sleep) = self.sleep.take().filter(|sleep| !sleep.is_elapsed()) else { return };
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

    #[tokio::test(start_paused = true)]
    async fn one_that_is_set_wakes_whoever_asked_last() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let alarm = std::rc::Rc::new(std::cell::RefCell::new(Alarm::default()));
        let waits = |alarm: &std::rc::Rc<std::cell::RefCell<Alarm>>| {
            let alarm = std::rc::Rc::clone(alarm);
            poll_fn(move |context| alarm.borrow_mut().poll(deadline, context))
        };
        let local = tokio::task::LocalSet::new();
        let first = local.spawn_local(waits(&alarm));
        local.run_until(tokio::task::yield_now()).await;
        first.abort();
        let second = local.spawn_local(waits(&alarm));
        local.run_until(second).await.unwrap();
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_used_up_its_turn_is_woken_all_the_same() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut alarm = Alarm::default();
        let mut spent = false;
        poll_fn(|context| {
            if !std::mem::replace(&mut spent, true) {
                while coop::poll_proceed(context).map(|proceed| proceed.made_progress()).is_ready() {}
            }
            alarm.poll(deadline, context)
        })
        .await;
        assert_eq!(Instant::now(), deadline);
    }
}
