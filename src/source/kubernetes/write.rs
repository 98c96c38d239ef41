//! What is written back: statuses, Events, the Services of Gateways. All in the background, by the holder of a Lease, and
//! coalesced: of several reports about an object only the last one is written, once every ready replica serves what it is
//! about, or lags for too long.

mod event;
mod hand;
mod lease;
mod pending;
mod programmed;
mod retries;
mod service;
mod status;
mod withdraw;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::Api;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use self::hand::{Hand, Outcome};
use self::pending::{Pending, Serving, counts_replicas};
use self::retries::Retries;
use super::Options;
use super::object::{Id, ObjectKind, Strings};
use super::report::{Note, Report};
use crate::cluster::{Applied, Replicas};

/// Objects that are written at a time.
const AT_ONCE: usize = 16;
/// Objects that are written before what has come meanwhile is looked at.
const IN_TURN: usize = 64;
/// How long replicas that come and go are left to settle before they are counted again.
const SETTLE: Duration = Duration::from_secs(2);

/// What is to be said about an object, as it is known now.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The object's identity over its life.
    pub uid: Arc<str>,
    /// The generation that it is about.
    pub generation: i64,
    /// What is said.
    pub report: Arc<Report>,
}

impl Statement {
    /// The object at this generation, as replicas tell one another that they serve it.
    pub fn applied(&self, id: &Id) -> Applied {
        Applied::new(&id.to_string(), &self.uid, self.generation)
    }
}

/// What the writer is told.
enum Order {
    State(Id, Option<Statement>),
    Selector(Strings),
    Remove(Vec<Id>),
}

/// Writes in the background for as long as it lives.
pub struct Writer {
    orders: UnboundedSender<Order>,
    leading: watch::Receiver<bool>,
    /// Told, or dropped, when the Lease is to be given up.
    resign: Option<oneshot::Sender<()>>,
}

impl Writer {
    /// Begins to run for the Lease. `replicas`: who serves what.
    pub fn start(client: Client, options: &Options, replicas: Replicas) -> Self {
        let (orders, received) = unbounded_channel();
        let (leads, leading) = watch::channel(false);
        let (resign, resigned) = oneshot::channel();
        let leases: Api<Lease> = Api::namespaced(client.clone(), &options.namespace);
        tokio::spawn(lease::hold(leases, options.identity.clone(), leads, resigned));
        let committer = Committer {
            hand: Hand {
                client,
                namespace: options.namespace.to_string(),
                identity: options.identity.clone(),
                manager: format!("weir/{}", options.namespace),
                selector: Strings::default(),
            },
            replicas,
            leading: leading.clone(),
            pending: Pending::default(),
            held: HashMap::new(),
            recount: None,
            known: HashMap::new(),
            dirty: BTreeSet::new(),
            told: HashMap::new(),
            retries: Retries::default(),
        };
        tokio::spawn(committer.run(received));
        Self { orders, leading, resign: Some(resign) }
    }

    /// What is said about an object from now on; none: it has gone.
    pub fn state(&self, id: Id, statement: Option<Statement>) {
        // The other end lives as long as the runtime.
        let _ = self.orders.send(Order::State(id, statement));
    }

    /// Whether this replica holds the Lease.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// The Services that are to be removed, in the place of those that were.
    pub fn remove(&self, services: Vec<Id>) {
        let _ = self.orders.send(Order::Remove(services));
    }

    /// Gives the Lease up for good, so that another replica may have it at once; nothing is written any more.
    pub fn resign(&mut self) {
        self.resign = None;
    }

    /// The labels of the replicas' pods, by which Services of Gateways made from now on find them.
    pub fn selector(&self, selector: &Strings) {
        let _ = self.orders.send(Order::Selector(selector.clone()));
    }
}

/// A statement that may be made, and who serves what it is about.
struct Known {
    statement: Statement,
    serving: Arc<Serving>,
}

struct Committer {
    hand: Hand,
    replicas: Replicas,
    leading: watch::Receiver<bool>,
    pending: Pending,
    /// Statements that wait for replicas.
    held: HashMap<Id, Statement>,
    /// When replicas are counted again, which have come or gone.
    recount: Option<Instant>,
    /// What may be said and was not yet, and what is said again when replicas come or go.
    known: HashMap<Id, Known>,
    dirty: BTreeSet<Id>,
    /// Those notes of each object that were told already; what is no longer so is told anew when it comes back.
    told: HashMap<Id, Vec<Note>>,
    /// What could not be written.
    retries: Retries,
}

impl Committer {
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        loop {
            let leads = *self.leading.borrow();
            let retry = if leads { self.retries.next() } else { None };
            let wake = [self.pending.deadline(), self.recount, retry].into_iter().flatten().min();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => return,
                },
                changed = self.leading.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // Who holds the Lease is told everything anew, so what is not written by then need not be kept.
                    if !*self.leading.borrow() {
                        self.dirty.clear();
                        self.retries.clear();
                        self.known.retain(|id, _| counts_replicas(id));
                    }
                }
                () = self.replicas.changed() => {
                    self.recount.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = sleep_until(wake) => {}
                () = std::future::ready(()), if leads && !self.dirty.is_empty() => {}
            }
            while let Ok(order) = orders.try_recv() {
                self.take(order);
            }
            self.release(Instant::now());
            if *self.leading.borrow() {
                self.dirty.extend(self.retries.due(Instant::now()));
                self.write().await;
            }
        }
    }

    /// What may be said now becomes known, and is to be written.
    fn release(&mut self, now: Instant) {
        let standing = |object: &Applied| self.replicas.standing(object);
        let mut due = self.pending.review(now, standing);
        if self.recount.is_some_and(|at| at <= now) {
            self.recount = None;
            due.extend(self.pending.recount(standing));
        }
        let leads = *self.leading.borrow();
        for (id, serving) in due {
            let known = self.known.remove(&id).map(|known| known.statement);
            let Some(statement) = self.held.remove(&id).or(known) else { continue };
            if leads || counts_replicas(&id) {
                self.known.insert(id.clone(), Known { statement, serving });
                self.dirty.insert(id);
            }
        }
        // After the first list it had everything once.
        if self.held.is_empty() {
            self.held.shrink_to_fit();
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::State(id, Some(statement)) => {
                self.pending.say(&id, statement.applied(&id), Instant::now());
                self.held.insert(id, statement);
            }
            Order::State(id, None) => {
                self.pending.gone(&id);
                self.held.remove(&id);
                self.known.remove(&id);
                self.told.remove(&id);
                self.retries.over(&id);
                match id.kind {
                    ObjectKind::Gateway => _ = self.dirty.insert(id),
                    _ => _ = self.dirty.remove(&id),
                }
            }
            Order::Remove(services) => {
                self.dirty.retain(|id| id.kind != ObjectKind::Service);
                self.retries.forget(ObjectKind::Service);
                self.dirty.extend(services);
            }
            Order::Selector(selector) => self.hand.selector = selector,
        }
    }

    /// Writes some of what is due.
    async fn write(&mut self) {
        // Gateways come before the routes on them, and what is new does not wait behind all that is left.
        let due: Vec<Id> = std::iter::from_fn(|| self.dirty.pop_first()).take(IN_TURN).collect();
        let outcomes: Vec<(Id, Outcome)> = {
            let this = &*self;
            let write = |id: Id| async move {
                let outcome = this.commit(&id).await;
                (id, outcome)
            };
            futures_util::stream::iter(due).map(write).buffer_unordered(AT_ONCE).collect().await
        };
        for (id, Outcome { told, failures }) in outcomes {
            match told.is_empty() {
                true => _ = self.told.remove(&id),
                false => _ = self.told.insert(id.clone(), told),
            }
            if !failures.is_empty() {
                self.failed(&id, &failures);
                continue;
            }
            self.retries.over(&id);
            if !counts_replicas(&id) {
                self.known.remove(&id);
            }
        }
        if self.dirty.is_empty() {
            self.known.shrink_to_fit();
        }
    }

    /// It is tried again, and said once.
    fn failed(&mut self, id: &Id, failures: &[(&'static str, String)]) {
        if self.retries.failed(id, Instant::now()) > 1 {
            return;
        }
        for (what, error) in failures {
            tracing::warn!(object = %id, "its {what} could not be written, and is tried again: {error}");
        }
    }

    async fn commit(&self, id: &Id) -> Outcome {
        // Whoever leads next says everything anew.
        if !*self.leading.borrow() {
            return Outcome::default();
        }
        let Some(Known { statement, serving }) = self.known.get(id) else {
            return match id.kind {
                ObjectKind::Gateway => self.hand.remove_service(&super::gateway::service_name(id)).await,
                ObjectKind::Service => self.hand.remove_service(&id.name).await,
                _ => Outcome::default(),
            };
        };
        let report = programmed::report(id.kind, &statement.report, serving);
        let told = self.told.get(id).map_or(&[][..], Vec::as_slice);
        let (old, new): (Vec<&Note>, Vec<&Note>) = report.notes.iter().partition(|note| told.contains(note));
        let mut outcome = self.hand.write(id, statement, &report, &new).await;
        outcome.told.extend(old.into_iter().cloned());
        outcome
    }
}

/// Waits for a moment, or for ever.
pub async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
