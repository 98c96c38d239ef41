//! The long-lived connections of one worker, and the drains that ask them to end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::order::{Closed, Order, Progress, Subject};
use super::pace::Pace;
use super::visitors::{Spoken, Visiting, Visitors};
use crate::endpoint::SiteId;
use crate::model::{RouteKey, SocketKey};
use crate::record::StreamProtocol;

/// A long-lived connection: a tunnel after an upgrade, an event stream, a gRPC stream.
#[derive(Clone, Debug)]
pub struct Resident {
    /// Its route.
    pub route: RouteKey,
    /// Its version.
    pub version: Arc<str>,
    /// Where it goes.
    pub site: SiteId,
    /// Where its client came in.
    pub listener: SocketKey,
    /// What is spoken on it.
    pub protocol: StreamProtocol,
    /// Generation that it was decided at.
    pub generation: u64,
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// To end, in the way of its protocol; a WebSocket with this code, if there is one.
    ToEnd(Option<u16>),
    /// That it is cut.
    Cut,
}

struct Entry {
    resident: Resident,
    /// When it was opened.
    since: Instant,
    /// Grows when something moves on it.
    activity: Cell<u32>,
    /// What that was at the last look, and when it was last seen to have grown.
    noticed: Cell<(u32, Instant)>,
    asked: Cell<Option<Asked>>,
    progress: RefCell<Option<Share>>,
    waker: RefCell<Option<Waker>>,
    gone: Cell<bool>,
}

/// Where the connections of a drain on this worker are counted.
pub(super) struct Share {
    pub(super) whole: Arc<Progress>,
    pub(super) part: Option<Arc<Progress>>,
}

impl Share {
    pub(super) fn each(&self, count: impl Fn(&Progress)) {
        count(&self.whole);
        self.part.iter().for_each(|part| count(part));
    }
}

/// A drain at work.
struct Drain {
    order: Order,
    pace: Pace,
    /// Those to be asked, in this order.
    queue: VecDeque<Rc<Entry>>,
    /// Whether any came since it was last looked: the pace may be too slow for them.
    joined: bool,
    /// Those that were asked, and since when they have time to answer.
    asked: Vec<(Rc<Entry>, Instant)>,
}

/// The long-lived connections of a worker.
#[derive(Default)]
pub struct Registry {
    entries: RefCell<Slab<Rc<Entry>>>,
    drains: RefCell<Vec<Drain>>,
    pub(super) visitors: Visitors,
}

impl Registry {
    /// Takes up a connection, for as long as the answer lives.
    pub fn register(self: &Rc<Self>, resident: Resident) -> Registered {
        let now = Instant::now();
        let entry = Rc::new(Entry {
            resident,
            since: now,
            activity: Cell::new(0),
            noticed: Cell::new((0, now)),
            asked: Cell::new(None),
            progress: RefCell::default(),
            waker: RefCell::default(),
            gone: Cell::new(false),
        });
        // It was decided before a drain began, and comes to it late.
        // The last one that means it would have taken it from those before.
        if let Some(drain) = self.drains.borrow_mut().iter_mut().rfind(|drain| drain.order.means(&entry.resident)) {
            drain.take(&entry, now);
            drain.joined = true;
        }
        let key = self.entries.borrow_mut().insert(Rc::clone(&entry));
        Registered { registry: Rc::clone(self), key, entry }
    }

    /// Takes up a client's connection, for as long as the answer lives. One that comes while its listener or the process
    /// drains is asked to end at once.
    pub fn admit(self: &Rc<Self>, listener: SocketKey, spoken: Spoken) -> Visiting {
        let (key, visitor) = self.visitors.admit(listener, spoken);
        if self.drains.borrow().iter().any(|drain| drain.order.subject.means_visitor(&visitor)) {
            visitor.ask();
        }
        Visiting::new(Rc::clone(self), (key, visitor))
    }

    /// Calls with each long-lived connection, and when it was opened.
    pub(super) fn each(&self, mut look: impl FnMut(&Resident, Instant)) {
        self.entries.borrow().iter().for_each(|(_, entry)| look(&entry.resident, entry.since));
    }

    /// How many live long.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Begins a drain. Connections of an earlier one that were not asked yet belong to it from now on, and so do those that
    /// were asked by one that was ended meanwhile: they are not asked again, but cut.
    pub fn begin(&self, order: Order, now: Instant, rng: &mut fastrand::Rng) {
        let mut drains = self.drains.borrow_mut();
        let is_free = |entry: &Entry| match entry.asked.get() {
            None => true,
            Some(Asked::ToEnd(_)) => !drains.iter().any(|drain| drain.has(entry)),
            Some(Asked::Cut) => false,
        };
        let entries = self.entries.borrow();
        let meant =
            entries.iter().map(|(_, entry)| entry).filter(|entry| order.means(&entry.resident) && is_free(entry));
        let (asked, mut waiting): (Vec<_>, Vec<_>) = meant.cloned().partition(|entry| entry.asked.get().is_some());
        waiting.sort_by_key(|entry| (entry.idle_since(now), entry.since));
        let pace = Pace::new(waiting.len(), (order.patience(now), order.slowest), now, rng);
        let mut drain = Drain { order, pace, queue: VecDeque::new(), joined: false, asked: Vec::new() };
        asked.iter().chain(&waiting).for_each(|entry| drain.take(entry, now));
        self.visitors.ask(&drain.order);
        drain.order.progress.begin();
        drains.push(drain);
    }

    /// A drain cuts what is left at another time than was said. It becomes as fast as that asks for, or as slow as its spread
    /// lets it.
    pub fn retime(&self, subject: &Subject, deadline: Instant, now: Instant, rng: &mut fastrand::Rng) {
        for drain in self.drains.borrow_mut().iter_mut().filter(|drain| drain.order.subject == *subject) {
            drain.retime(deadline, now, rng);
        }
    }

    /// Ends a drain: connections that were not asked are kept.
    pub fn recall(&self, subject: &Subject) {
        for drain in self.drains.borrow_mut().extract_if(.., |drain| drain.order.subject == *subject) {
            for entry in drain.queue.iter().filter(|entry| !entry.gone.get() && drain.has(entry)) {
                if let Some(share) = entry.progress.take() {
                    share.each(|progress| progress.keep(entry.since));
                }
            }
        }
    }

    /// Whether [`Registry::tick`] has anything to do.
    pub fn is_draining(&self) -> bool {
        !self.drains.borrow().is_empty()
    }

    /// Asks those whose time has come, and cuts those whose time is over.
    pub fn tick(&self, now: Instant, rng: &mut fastrand::Rng) {
        for drain in self.drains.borrow_mut().iter_mut() {
            drain.tick(now, rng);
        }
    }

    /// Looks which connections idle.
    pub fn sweep(&self, now: Instant) {
        for (_, entry) in self.entries.borrow().iter() {
            entry.idle_since(now);
        }
    }

    /// A long-lived connection that was decided at `generation` was opened on a route, or refused: what those who were asked
    /// to go find elsewhere.
    pub fn opened(&self, decided: (&RouteKey, u64), ok: bool, took: Duration) {
        self.leaving(decided, |progress| progress.opened(ok, took, Instant::now()));
    }

    /// A call that was decided at a generation was answered on a route, or refused: it may have been a stream of one who was
    /// asked to go.
    pub fn called(&self, decided: (&RouteKey, u64), ok: bool) {
        self.leaving(decided, |progress| progress.called(ok, Instant::now()));
    }

    /// Tells the drains whose connections find another place on a route.
    fn leaving(&self, (route, generation): (&RouteKey, u64), tell: impl Fn(&Progress)) {
        for drain in self.drains.borrow().iter().filter(|drain| generation >= drain.order.generation) {
            if matches!(&drain.order.subject, Subject::Place(drained, _) if drained == route) {
                tell(&drain.order.progress);
            }
        }
    }
}

impl Order {
    fn means(&self, resident: &Resident) -> bool {
        resident.generation < self.generation && self.subject.means(resident)
    }
}

impl Drain {
    fn take(&mut self, entry: &Rc<Entry>, now: Instant) {
        let part = self.order.parts.as_ref().map(|parts| parts.of(&entry.resident));
        let share = Share { whole: Arc::clone(&self.order.progress), part };
        share.each(|progress| progress.join(entry.since));
        if let Some(former) = entry.progress.replace(Some(share)) {
            former.each(|progress| progress.keep(entry.since));
        }
        match entry.asked.get() {
            None => self.queue.push_back(Rc::clone(entry)),
            Some(_) => self.asked.push((Rc::clone(entry), now)),
        }
    }

    /// Whether a connection belongs to it still.
    fn has(&self, entry: &Entry) -> bool {
        entry.is_counted_by(&self.order.progress)
    }

    fn tick(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        self.asked.retain(|(entry, _)| !entry.gone.get());
        self.cut(now);
        // Whoever is not asked by then would be cut without a word, which spares nobody anything.
        let all = now >= self.order.last_call();
        if !all && self.order.progress.is_strained(now) {
            return self.pace.hold(now);
        }
        self.hasten(now, rng);
        while let Some(next) = self.queue.front() {
            let left = next.gone.get() || !self.has(next);
            if !left && !all && !self.pace.take(now, rng) {
                break;
            }
            if let Some(entry) = self.queue.pop_front().filter(|_| !left) {
                entry.ask(Asked::ToEnd(self.order.close_code));
                self.asked.push((entry, now));
            }
        }
        if self.queue.is_empty() {
            self.pace.rest(now, rng);
        }
    }

    /// Cuts those that had their time to answer, once the deadline is over.
    fn cut(&self, now: Instant) {
        if now < self.order.deadline {
            return;
        }
        let grace = self.order.grace();
        for (entry, _) in self.asked.iter().filter(|(_, since)| now >= *since + grace) {
            if entry.asked.get() != Some(Asked::Cut) {
                entry.ask(Asked::Cut);
            }
        }
    }

    fn retime(&mut self, deadline: Instant, now: Instant, rng: &mut fastrand::Rng) {
        let later = deadline > std::mem::replace(&mut self.order.deadline, deadline);
        let left = (self.order.since + self.order.spread).min(self.order.last_call()).saturating_duration_since(now);
        // Where it is to be faster, that is seen at the next tick.
        if later && !left.is_zero() {
            self.forget_gone();
            self.pace = Pace::new(self.queue.len(), (left, self.order.slowest), now, rng);
        }
    }

    fn forget_gone(&mut self) {
        let Self { queue, order, .. } = self;
        queue.retain(|entry| !entry.gone.get() && entry.is_counted_by(&order.progress));
    }

    /// Makes the pace fast enough for those that came late, and for all to be asked by the last call.
    fn hasten(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        let left = self.order.last_call().saturating_duration_since(now);
        if !self.joined && self.pace.takes(self.queue.len()) <= left {
            return;
        }
        self.forget_gone();
        let time = if std::mem::take(&mut self.joined) { self.order.patience(now) } else { left };
        self.pace.hasten(self.queue.len(), time, now, rng);
    }
}

impl Entry {
    fn is_counted_by(&self, progress: &Arc<Progress>) -> bool {
        self.progress.borrow().as_ref().is_some_and(|share| Arc::ptr_eq(&share.whole, progress))
    }

    fn ask(&self, asked: Asked) {
        self.asked.set(Some(asked));
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Since when nothing has moved, as far as was looked.
    fn idle_since(&self, now: Instant) -> Instant {
        let (activity, since) = self.noticed.get();
        let current = self.activity.get();
        if activity == current {
            return since;
        }
        self.noticed.set((current, now));
        now
    }
}

/// A connection in the registry, until it is dropped.
pub struct Registered {
    registry: Rc<Registry>,
    key: usize,
    entry: Rc<Entry>,
}

impl Registered {
    /// Something moved on it.
    pub fn moved(&self) {
        self.entry.activity.set(self.entry.activity.get().wrapping_add(1));
    }

    /// Whether it has been told anything.
    pub fn is_asked(&self) -> bool {
        self.entry.asked.get().is_some()
    }

    /// It was of no use: the endpoint turned it away after all. `open`: it was a stream for certain.
    pub fn was_turned_away(&self, open: bool) {
        let resident = &self.entry.resident;
        let decided = (&resident.route, resident.generation);
        match open {
            true => self.registry.opened(decided, false, Duration::ZERO),
            false => self.registry.called(decided, false),
        }
    }

    /// What it has been told; the task is woken when that changes.
    pub fn asked(&self, context: &Context<'_>) -> Option<Asked> {
        let mut waker = self.entry.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        self.entry.asked.get()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.entry.gone.set(true);
        self.registry.entries.borrow_mut().try_remove(self.key);
        if let Some(share) = self.entry.progress.take() {
            let how = match self.entry.asked.get() {
                None => Closed::Finished,
                Some(Asked::ToEnd(_)) => Closed::Asked,
                Some(Asked::Cut) => Closed::Forced,
            };
            share.each(|progress| progress.close(how, self.entry.since));
        }
    }
}

#[cfg(test)]
mod tests;
