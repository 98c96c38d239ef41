//! Where exchanges of HTTP/1.1 run. The future of one is large, so a connection has it only while it has a request; a thread
//! keeps some that have finished, room and all, for the requests that come next.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::client::{Client, Http1Client};
use super::exchange::{self, ConnectionInfo};
use super::worker::Worker;
use crate::message::halve;

/// Carriers that a thread keeps; each takes a few kilobytes.
const KEPT: usize = 1024;

thread_local! {
    static POOL: RefCell<Vec<Carrier>> = const { RefCell::new(Vec::new()) };
}

/// A request, and who waits for its answer.
pub struct Errand {
    /// The worker that it came to.
    pub worker: Rc<Worker>,
    /// The connection that it came on.
    pub info: Rc<ConnectionInfo>,
    /// Who is given back once the request has ended.
    pub client: Box<Http1Client>,
}

/// Lets half of the carriers go that the thread keeps, those used longest ago.
pub fn trim() {
    POOL.with_borrow_mut(halve);
}

/// Carries a request to its end.
pub fn carry(errand: Errand) -> Carrying {
    let kept = POOL.with_borrow_mut(Vec::pop);
    let carrier = kept.unwrap_or_else(Carrier::new);
    carrier.desk.asked.set(Some(errand));
    Carrying(Some(carrier))
}

/// A request that is carried; dropped, it is given up.
pub struct Carrying(Option<Carrier>);

/// Carries one request after the other.
struct Carrier {
    desk: Rc<Desk>,
    work: Pin<Box<dyn Future<Output = ()>>>,
}

/// Where requests are handed over, and clients given back.
#[derive(Default)]
struct Desk {
    asked: Cell<Option<Errand>>,
    done: Cell<Option<Box<Http1Client>>>,
}

impl Carrier {
    fn new() -> Self {
        let desk = Rc::new(Desk::default());
        Self { work: Box::pin(work(Rc::clone(&desk))), desk }
    }
}

async fn work(desk: Rc<Desk>) {
    loop {
        let next = poll_fn(|_| desk.asked.take().map_or(Poll::Pending, Poll::Ready));
        let Errand { worker, info, mut client } = next.await;
        if let Some(mut request) = client.request.take() {
            exchange::exchange(&worker, &info, Client::Http1(&mut client), &mut request).await;
        }
        desk.done.set(Some(client));
    }
}

impl Future for Carrying {
    type Output = Box<Http1Client>;

    /// # Panics
    ///
    /// After it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Box<Http1Client>> {
        let Some(carrier) = &mut self.0 else { unreachable!("polled after it was ready") };
        let _ = carrier.work.as_mut().poll(context);
        let Some(client) = carrier.desk.done.take() else { return Poll::Pending };
        if let Some(carrier) = self.0.take() {
            keep(carrier);
        }
        Poll::Ready(client)
    }
}

fn keep(carrier: Carrier) {
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(carrier);
        }
    });
}
