//! Requests that wait for an endpoint (`onEmpty: hold`): a queue on each worker, with a bound for the whole process.
//!
//! They go on in the order in which they came, as soon as an endpoint appears in what is served: at first as many at a time
//! as [`ABREAST`], then two for each that has its answer, so that a server which has just started is not flooded, and one
//! that keeps up soon gets all that comes. Where an endpoint is named but takes no connection, the first in line tries it
//! every [`PROBE`], and where checks find it unhealthy the first looks whether they still do; when it gets an answer, all go.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Fault;
use crate::endpoint::SplitId;
use crate::io::Alarm;
use crate::record::{self, Recorder};
use crate::snapshot::{Rule, Snapshot};

/// Held requests of a worker that are on their way to their answers at a time, at first.
const ABREAST: usize = 64;
/// How often an endpoint is tried that took no connection, or looked at that is unhealthy.
const PROBE: Duration = Duration::from_millis(250);

/// The requests that wait on a worker.
pub struct Queue {
    recorder: Arc<Recorder>,
    /// Requests that the process holds at most.
    most: usize,
    next: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Ticket>>,
    lines: RefCell<HashMap<(SplitId, usize), Line>>,
    /// Those that may go, in order; some may have left.
    ready: RefCell<VecDeque<u64>>,
    going: Cell<usize>,
    /// How many may be going.
    abreast: Cell<usize>,
    /// Splits whose endpoints are tried now and then.
    probed: RefCell<HashSet<SplitId>>,
}

/// A request in line.
struct Ticket {
    wanted: Wanted,
    ready: bool,
    called: bool,
    waker: Option<Waker>,
}

/// The requests for one version that wait.
#[derive(Clone, Copy, Default)]
struct Line {
    waiting: usize,
    /// Those of them that wait for endpoints which take no connection.
    probing: usize,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its split.
    pub split: SplitId,
    /// Index of the version that was chosen for it.
    pub version: usize,
    /// The weights that chose it.
    pub epoch: u64,
    /// What keeps it waiting.
    pub because: Because,
}

/// Why a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The version has no endpoint.
    Empty,
    /// None of its endpoints takes a connection, or checks find every one unhealthy.
    Unreachable,
    /// Others wait that came before it.
    Others,
}

/// A place in the queue, kept until the request has its answer.
pub struct Place {
    queue: Rc<Queue>,
    number: u64,
    /// When the request has waited long enough.
    until: Instant,
    cell: Arc<record::Cell>,
    going: bool,
}

impl Queue {
    /// A queue without requests. `most`: requests that all queues of the process hold together.
    pub fn new(recorder: Arc<Recorder>, most: usize) -> Self {
        Self {
            recorder,
            most,
            next: Cell::new(0),
            waiting: RefCell::default(),
            lines: RefCell::default(),
            ready: RefCell::default(),
            going: Cell::new(0),
            abreast: Cell::new(ABREAST),
            probed: RefCell::default(),
        }
    }

    /// A place at the end of the queue, unless the process holds as many as it may. `cell`: where it is counted.
    pub fn enter(self: &Rc<Self>, cell: Arc<record::Cell>, timeout: Duration) -> Option<Place> {
        if !self.recorder.hold(self.most) {
            return None;
        }
        let number = self.next.replace(self.next.get() + 1);
        cell.held();
        Some(Place { queue: Rc::clone(self), number, until: Instant::now() + timeout, cell, going: false })
    }

    /// Why a request for this version that comes now has to wait behind those that do, if it has to.
    pub fn keeps(&self, split: SplitId, version: usize) -> Option<Because> {
        let line = self.lines.borrow().get(&(split, version)).copied()?;
        Some(if line.probing > 0 { Because::Unreachable } else { Because::Others })
    }

    fn insert(&self, number: u64, wanted: Wanted) {
        let mut lines = self.lines.borrow_mut();
        let line = lines.entry(wanted.line()).or_default();
        line.waiting += 1;
        line.probing += usize::from(wanted.probes());
        let ticket = Ticket { wanted, ready: false, called: false, waker: None };
        self.waiting.borrow_mut().insert(number, ticket);
    }

    fn remove(&self, number: u64) -> Option<Ticket> {
        let ticket = self.waiting.borrow_mut().remove(&number)?;
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.get_mut(&ticket.wanted.line()) {
            line.waiting -= 1;
            line.probing -= usize::from(ticket.wanted.probes());
            if line.waiting == 0 {
                lines.remove(&ticket.wanted.line());
            }
        }
        if lines.is_empty() {
            self.abreast.set(ABREAST);
        }
        Some(ticket)
    }

    /// Lets those go that may have an endpoint in what is served now.
    pub fn look(self: &Rc<Self>, snapshot: &Snapshot) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let rules: HashMap<SplitId, &Rule> = snapshot.rules.iter().map(|rule| (rule.body.split_id, rule)).collect();
        let mut tried = HashSet::new();
        self.release(|wanted| {
            let rule = rules.get(&wanted.split).copied();
            // One is enough to find out whether an endpoint takes connections.
            wanted.may_go(rule) && (!wanted.probes() || tried.insert(wanted.split))
        });
    }

    /// Lets all go, whatever becomes of them.
    pub fn dissolve(&self) {
        self.release(|_| true);
    }

    fn release(&self, mut goes: impl FnMut(Wanted) -> bool) {
        for (number, ticket) in self.waiting.borrow_mut().iter_mut().filter(|(_, ticket)| !ticket.ready) {
            if goes(ticket.wanted) {
                ticket.ready = true;
                self.ready.borrow_mut().push_back(*number);
            }
        }
        self.call();
    }

    /// Calls the next ones, as far as there is room beside those that are going.
    fn call(&self) {
        while self.going.get() < self.abreast.get() {
            let Some(number) = self.ready.borrow_mut().pop_front() else { return };
            let mut waiting = self.waiting.borrow_mut();
            // It may have left.
            let Some(ticket) = waiting.get_mut(&number) else { continue };
            ticket.called = true;
            self.going.set(self.going.get() + 1);
            if let Some(waker) = ticket.waker.take() {
                waker.wake();
            }
        }
    }

    fn goes_on(&self) {
        self.going.set(self.going.get() - 1);
        if !self.waiting.borrow().is_empty() {
            self.abreast.set(self.abreast.get() + 1);
        }
        self.call();
    }

    /// Has the first in line try the endpoints of a split now and then, for as long as any waits for that.
    fn probe(self: &Rc<Self>, split: SplitId) {
        if !self.probed.borrow_mut().insert(split) {
            return;
        }
        let queue = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(PROBE).await;
                let mut one = true;
                queue.release(|wanted| wanted.split == split && wanted.probes() && std::mem::take(&mut one));
                let probing = queue.lines.borrow().iter().any(|((of, _), line)| *of == split && line.probing > 0);
                if !probing {
                    queue.probed.borrow_mut().remove(&split);
                    return;
                }
            }
        });
    }
}

impl Wanted {
    fn line(self) -> (SplitId, usize) {
        (self.split, self.version)
    }

    fn probes(self) -> bool {
        self.because == Because::Unreachable
    }

    /// Whether it is worth deciding anew: there is an endpoint, or another version may be chosen.
    fn may_go(self, rule: Option<&Rule>) -> bool {
        rule.is_none_or(|rule| {
            let version = rule.body.versions.get(self.version);
            rule.weights.epoch != self.epoch || version.is_none_or(|version| !version.endpoints.is_empty())
        })
    }
}

impl Place {
    /// Waits until the request may go on. `gone` is ready once its client has left.
    ///
    /// # Errors
    ///
    /// It has waited too long, or its client has gone.
    pub async fn wait(
        &mut self,
        wanted: Wanted,
        gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
        alarm: &mut Alarm,
    ) -> Result<(), Fault> {
        if std::mem::take(&mut self.going) {
            self.queue.goes_on();
        }
        self.queue.insert(self.number, wanted);
        match wanted.because {
            Because::Empty => {}
            Because::Unreachable => self.queue.probe(wanted.split),
            Because::Others => self.queue.release(|other| other == wanted),
        }
        let waited = self.called(gone, alarm).await;
        let ticket = self.queue.remove(self.number);
        self.going = ticket.is_some_and(|ticket| ticket.called);
        waited
    }

    async fn called(&self, mut gone: impl FnMut(&mut Context<'_>) -> Poll<()>, alarm: &mut Alarm) -> Result<(), Fault> {
        poll_fn(|context| {
            if let Some(ticket) = self.queue.waiting.borrow_mut().get_mut(&self.number) {
                if ticket.called {
                    return Poll::Ready(Ok(()));
                }
                ticket.waker = Some(context.waker().clone());
            }
            if gone(context).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            alarm.poll(self.until, context).map(|()| Err(Fault::HoldTimeout))
        })
        .await
    }

    /// An endpoint of the split has answered: who waits to hear that may go, too.
    pub fn succeeded(&self, split: SplitId) {
        self.queue.release(|wanted| wanted.split == split && wanted.probes());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.recorder.let_go();
        self.cell.let_go();
        let left = self.queue.remove(self.number);
        if self.going || left.is_some_and(|ticket| ticket.called) {
            self.queue.goes_on();
        }
    }
}

#[cfg(test)]
mod tests;
