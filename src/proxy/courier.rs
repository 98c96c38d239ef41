//! Tasks that carry requests of HTTP/2, one after the other: a stream is shorter than what it costs to begin a task and to end
//! it. A thread keeps some that have nothing to do, with the room that an exchange needs, for the requests that come next.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::client::{Client, Http2Client};
use super::exchange::{self, ConnectionInfo};
use super::worker::Worker;
use crate::io::Alarm;
use crate::message::{Request, halve};

/// Couriers that a thread keeps; each takes a few kilobytes.
const KEPT: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<Idle>> = const { RefCell::new(Vec::new()) };
}

/// A request, and who waits for its answer.
pub struct Errand {
    /// The worker that it came to.
    pub worker: Rc<Worker>,
    /// The connection that it came on.
    pub info: Rc<ConnectionInfo>,
    /// Who gets the answer.
    pub client: Http2Client,
    /// The head.
    pub request: Request,
}

/// Where a courier is told.
#[derive(Default)]
struct Desk {
    errand: Cell<Option<Errand>>,
    /// It was told: there is an errand, or it is to leave.
    told: Cell<bool>,
    /// Its task, once it has run; none again once that has ended, at the latest with its runtime.
    task: RefCell<Option<Waker>>,
}

/// A courier that has nothing to do; dropped, it leaves.
struct Idle(Option<Rc<Desk>>);

impl Idle {
    fn tell(&mut self, errand: Option<Errand>) {
        let Some(desk) = self.0.take() else { return };
        desk.errand.set(errand);
        desk.told.set(true);
        if let Some(task) = &*desk.task.borrow() {
            task.wake_by_ref();
        }
    }

    fn lives(&self) -> bool {
        self.0.as_ref().is_some_and(|desk| desk.task.borrow().is_some())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// Lets half of the couriers go that the thread keeps, those used longest ago.
pub fn trim() {
    let mut kept = POOL.take();
    halve(&mut kept);
    POOL.set(kept);
}

/// Has a request carried to its end.
pub fn send(errand: Errand) {
    while let Some(mut idle) = POOL.with_borrow_mut(Vec::pop) {
        if idle.lives() {
            return idle.tell(Some(errand));
        }
    }
    let desk = Rc::new(Desk::default());
    desk.errand.set(Some(errand));
    desk.told.set(true);
    tokio::task::spawn_local(work(AtDesk(desk)));
}

/// A courier's place at its desk.
struct AtDesk(Rc<Desk>);

impl Drop for AtDesk {
    fn drop(&mut self) {
        self.0.task.take();
        // What nobody will carry is given up.
        self.0.errand.take();
    }
}

impl AtDesk {
    /// Waits to be told.
    async fn is_told(&self) {
        poll_fn(|context| {
            if self.0.told.take() {
                return Poll::Ready(());
            }
            self.0.task.borrow_mut().get_or_insert_with(|| context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits for the next errand, if the thread keeps this one.
    fn rests(&self) -> bool {
        POOL.with_borrow_mut(|pool| {
            let room = pool.len() < KEPT;
            if room {
                pool.push(Idle(Some(Rc::clone(&self.0))));
            }
            room
        })
    }
}

async fn work(desk: AtDesk) {
    // It stays, still set, and knows whom to wake.
    let mut alarm = Alarm::default();
    loop {
        desk.is_told().await;
        {
            let Some(mut errand) = desk.0.errand.take() else { return };
            errand.client.alarm = alarm;
            let Errand { worker, info, client, request } = &mut errand;
            exchange::exchange(worker, info, Client::Http2(client), request).await;
            alarm = std::mem::take(&mut errand.client.alarm);
        }
        if !desk.rests() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    fn poll(desk: &AtDesk) -> Poll<()> {
        let mut told = std::pin::pin!(desk.is_told());
        told.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_that_is_not_kept_any_longer_leaves() {
        let desk = AtDesk(Rc::default());
        assert!(desk.rests());
        assert!(poll(&desk).is_pending());
        trim();
        assert!(poll(&desk).is_ready());
        assert!(desk.0.errand.take().is_none());
    }

    #[test]
    fn one_whose_task_has_gone_is_given_nothing() {
        let desk = AtDesk(Rc::default());
        let idle = Idle(Some(Rc::clone(&desk.0)));
        assert!(poll(&desk).is_pending());
        assert!(idle.lives());
        drop(desk);
        assert!(!idle.lives());
    }

    #[test]
    fn a_thread_keeps_a_bounded_number() {
        let desks: Vec<AtDesk> = (0..=KEPT).map(|_| AtDesk(Rc::default())).collect();
        let kept = desks.iter().filter(|desk| desk.rests()).count();
        assert_eq!(kept, KEPT);
    }
}
