//! Where exchanges run. The future of one is large, so a connection has it only while it has a request; a thread keeps some
//! that have finished, room and all, for the requests that come next.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::client::{Client, Http1Client, Http2Client};
use super::exchange::{self, ConnectionInfo};
use super::worker::Worker;
use crate::message::{Request, halve};

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
    pub sender: Sender,
}

/// A client with its request, as long as that is carried.
pub enum Sender {
    /// On HTTP/1.0 or 1.1.
    Http1(Box<Http1Client>),
    /// On a stream of HTTP/2.
    Http2(Box<Http2Client>),
}

impl Sender {
    fn take_request(&mut self) -> Option<Request> {
        match self {
            Self::Http1(client) => client.request.take(),
            Self::Http2(client) => client.request.take(),
        }
    }

    fn client(&mut self) -> Client<'_> {
        match self {
            Self::Http1(client) => Client::Http1(client),
            Self::Http2(client) => Client::Http2(client),
        }
    }
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
    done: Cell<Option<Sender>>,
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
        let Errand { worker, info, mut sender } = next.await;
        if let Some(mut request) = sender.take_request() {
            exchange::exchange(&worker, &info, sender.client(), &mut request).await;
        }
        desk.done.set(Some(sender));
    }
}

impl Future for Carrying {
    type Output = Sender;

    /// # Panics
    ///
    /// After it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Sender> {
        let Some(carrier) = &mut self.0 else { unreachable!("polled after it was ready") };
        let _ = carrier.work.as_mut().poll(context);
        let Some(sender) = carrier.desk.done.take() else { return Poll::Pending };
        if let Some(carrier) = self.0.take() {
            keep(carrier);
        }
        Poll::Ready(sender)
    }
}

fn keep(carrier: Carrier) {
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(carrier);
        }
    });
}
