//! The connections of clients on one worker, as long as HTTP is spoken on them: idle between requests, or busy.
//!
//! They are asked to end by drains of a listener and of the process alone: HTTP/1.1 ends with the answer to the next request
//! (`Connection: close`, RFC 9112 section 9.6) or, if none comes, by being closed; HTTP/2 with a GOAWAY (RFC 9113 section
//! 6.8). All are asked at once and none is cut: a client that idles comes back with its next request and no sooner, so that
//! there is no crowd to spread, and what is busy is a request in flight, which ends by its own deadlines.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use slab::Slab;
use tokio::time::Instant;

use super::order::{Closed, Order, Progress};
use super::registry::{Registry, Share};
use crate::endpoint::{SiteId, VersionId};
use crate::model::SocketKey;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Spoken {
    /// As the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

/// A client's connection.
pub struct Visitor {
    /// Where it came in.
    pub listener: SocketKey,
    /// What is spoken on it.
    pub spoken: Spoken,
    /// When it was opened.
    pub since: Instant,
    idle: Cell<bool>,
    asked: Cell<bool>,
    last: Cell<Option<(VersionId, SiteId)>>,
    waker: RefCell<Option<Waker>>,
    progress: RefCell<Option<Share>>,
}

impl Visitor {
    /// Its last request went to this version and endpoint.
    pub fn went_to(&self, version: VersionId, site: SiteId) {
        self.last.set(Some((version, site)));
    }

    /// Where its last request went, if it has had one that went anywhere.
    pub fn last(&self) -> Option<(VersionId, SiteId)> {
        self.last.get()
    }

    /// Whether no request is under way on it from now on.
    pub fn idles(&self, idle: bool) {
        self.idle.set(idle);
    }

    /// Whether no request is under way on it.
    pub fn is_idle(&self) -> bool {
        self.idle.get()
    }

    /// Whether it has been asked to end; nobody is woken when it is.
    pub fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// The same; the task of the first call is woken when it is.
    pub fn asked(&self, context: &Context<'_>) -> bool {
        self.waker.borrow_mut().get_or_insert_with(|| context.waker().clone());
        self.asked.get()
    }

    /// Asks it to end.
    pub(super) fn ask(&self) {
        self.asked.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// All of them on a worker.
#[derive(Default)]
pub struct Visitors(RefCell<Slab<Rc<Visitor>>>);

impl Visitors {
    pub(super) fn admit(&self, listener: SocketKey, spoken: Spoken) -> (usize, Rc<Visitor>) {
        let visitor = Rc::new(Visitor {
            listener,
            spoken,
            since: Instant::now(),
            idle: Cell::new(false),
            asked: Cell::new(false),
            last: Cell::new(None),
            waker: RefCell::default(),
            progress: RefCell::default(),
        });
        (self.0.borrow_mut().insert(Rc::clone(&visitor)), visitor)
    }

    /// Asks those that an order means. Those that idle are counted by it; the others end with their requests.
    pub(super) fn ask(&self, order: &Order) {
        for (_, visitor) in self.0.borrow().iter().filter(|(_, visitor)| order.subject.means_visitor(visitor)) {
            if visitor.is_idle() && !visitor.is_asked() {
                let part = order.parts.as_ref().map(|parts| parts.of_none());
                let share = Share { whole: Arc::clone(&order.progress), part };
                share.each(|progress| progress.join(visitor.since));
                visitor.progress.replace(Some(share));
            }
            visitor.ask();
        }
    }

    /// Calls with each that idles.
    pub(super) fn each_idle(&self, mut look: impl FnMut(&Visitor)) {
        self.0.borrow().iter().filter(|(_, visitor)| visitor.is_idle()).for_each(|(_, visitor)| look(visitor));
    }
}

/// A connection in the registry, until it is dropped.
pub struct Visiting {
    registry: Rc<Registry>,
    key: usize,
    visitor: Rc<Visitor>,
}

impl Visiting {
    pub(super) fn new(registry: Rc<Registry>, (key, visitor): (usize, Rc<Visitor>)) -> Self {
        Self { registry, key, visitor }
    }

    /// What is known of it.
    pub fn visitor(&self) -> &Rc<Visitor> {
        &self.visitor
    }
}

impl std::ops::Deref for Visiting {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl Drop for Visiting {
    fn drop(&mut self) {
        self.registry.visitors.0.borrow_mut().try_remove(self.key);
        if let Some(share) = self.visitor.progress.take() {
            share.each(|progress: &Progress| progress.close(Closed::Asked, self.visitor.since));
        }
    }
}

#[cfg(test)]
mod tests;
