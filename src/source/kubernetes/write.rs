//! What is written back: statuses, Events, the Services of Gateways. All in the background, by the holder of a Lease, and
//! coalesced: of several reports about an object only the last one is written, once every ready replica serves what it is
//! about, or lags for too long.

mod event;
mod lease;
mod pending;
mod programmed;
mod service;
mod status;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use self::pending::{Pending, Serving, counts_replicas};
use self::status::Moment;
use super::Options;
use super::object::{Id, ObjectKind, Strings};
use super::report::{Note, Report};
use crate::cluster::{Applied, Replicas};

/// Objects that are written at a time.
const AT_ONCE: usize = 16;
/// Objects that are written before what has come meanwhile is looked at.
const IN_TURN: usize = 64;
/// How long what could not be written waits for its next try.
const AGAIN: Duration = Duration::from_secs(2);
/// How often an object is read again because somebody else has changed it.
const CONFLICTS: usize = 5;

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
}

/// Writes in the background for as long as it lives.
pub struct Writer {
    orders: UnboundedSender<Order>,
    leading: watch::Receiver<bool>,
}

impl Writer {
    /// Begins to run for the Lease. `replicas`: who serves what.
    pub fn start(client: Client, options: &Options, replicas: Replicas) -> Self {
        let (orders, received) = unbounded_channel();
        let (leads, leading) = watch::channel(false);
        let leases: Api<Lease> = Api::namespaced(client.clone(), &options.namespace);
        tokio::spawn(lease::hold(leases, options.identity.clone(), leads));
        let committer = Committer {
            client,
            namespace: options.namespace.to_string(),
            identity: options.identity.clone(),
            selector: Strings::default(),
            replicas,
            leading: leading.clone(),
            pending: Pending::default(),
            held: HashMap::new(),
            recount: None,
            known: HashMap::new(),
            dirty: BTreeSet::new(),
            told: HashSet::new(),
        };
        tokio::spawn(committer.run(received));
        Self { orders, leading }
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
    client: Client,
    namespace: String,
    identity: String,
    selector: Strings,
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
    /// Notes that were told already.
    told: HashSet<(Id, Note)>,
}

impl Committer {
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        let mut again = tokio::time::interval(AGAIN);
        let mut failed: Vec<Id> = Vec::new();
        loop {
            let leads = *self.leading.borrow();
            let wake = self.pending.deadline().into_iter().chain(self.recount).min();
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
                        self.known.retain(|id, _| counts_replicas(id));
                    }
                }
                () = self.replicas.changed() => {
                    self.recount.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = sleep_until(wake) => {}
                () = std::future::ready(()), if leads && !self.dirty.is_empty() => {}
                _ = again.tick(), if !failed.is_empty() => self.dirty.extend(failed.drain(..)),
            }
            while let Ok(order) = orders.try_recv() {
                self.take(order);
            }
            self.release(Instant::now());
            if *self.leading.borrow() {
                failed.extend(self.write().await);
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
                self.told.retain(|(known, _)| *known != id);
                if id.kind == ObjectKind::Gateway {
                    self.dirty.insert(id);
                }
            }
            Order::Selector(selector) => self.selector = selector,
        }
    }

    /// Writes some of what is due; gives what could not be written.
    async fn write(&mut self) -> Vec<Id> {
        // Gateways come before the routes on them, and what is new does not wait behind all that is left.
        let due: Vec<Id> = std::iter::from_fn(|| self.dirty.pop_first()).take(IN_TURN).collect();
        let results: Vec<(Id, kube::Result<()>)> = {
            let this = &*self;
            let write = |id: Id| async move {
                let result = this.commit(&id).await;
                (id, result)
            };
            futures_util::stream::iter(due).map(write).buffer_unordered(AT_ONCE).collect().await
        };
        let mut failed = Vec::new();
        for (id, result) in results {
            match result {
                Ok(()) => {
                    if let Some(Known { statement, .. }) = self.known.get(&id) {
                        self.told.extend(statement.report.notes.iter().map(|note| (id.clone(), note.clone())));
                    }
                    if !counts_replicas(&id) {
                        self.known.remove(&id);
                    }
                }
                Err(error) => {
                    tracing::warn!(object = %id, %error, "its status could not be written; it is tried again");
                    failed.push(id);
                }
            }
        }
        if self.dirty.is_empty() {
            self.known.shrink_to_fit();
        }
        failed
    }

    async fn commit(&self, id: &Id) -> kube::Result<()> {
        let services: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &ObjectKind::Service.resource());
        let Some(Known { statement, serving }) = self.known.get(id) else {
            return service::remove(&services, &super::gateway::service_name(id)).await;
        };
        if let Some(wanted) = statement.report.service.as_ref().filter(|_| !self.selector.is_empty()) {
            service::ensure(&services, wanted, &self.selector).await?;
        }
        let events =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"), "events");
        for note in statement.report.notes.iter().filter(|note| !self.told.contains(&(id.clone(), (*note).clone()))) {
            let namespace = if id.namespace.is_empty() { "default" } else { &id.namespace };
            let events = Api::namespaced_with(self.client.clone(), namespace, &events);
            event::tell(&events, (id, &statement.uid), note, &self.identity).await?;
        }
        self.status(id, statement, &programmed::report(id.kind, &statement.report, serving)).await
    }

    /// Reads the object, and writes its status if it says something else. What changed meanwhile is read again.
    async fn status(&self, id: &Id, statement: &Statement, report: &Report) -> kube::Result<()> {
        let resource = id.kind.resource();
        let api: Api<DynamicObject> = match id.kind.cluster_wide() {
            true => Api::all_with(self.client.clone(), &resource),
            false => Api::namespaced_with(self.client.clone(), &id.namespace, &resource),
        };
        for _ in 0..CONFLICTS {
            let Some(object) = api.get_opt(&id.name).await? else { return Ok(()) };
            if object.metadata.uid.as_deref() != Some(&*statement.uid) {
                return Ok(());
            }
            let now = format!("{:.0}", Timestamp::now());
            let before = object.data.get("status").unwrap_or(&Value::Null);
            let moment = Moment { generation: statement.generation, now: &now };
            let Some(wanted) = status::status(id.kind, report, before, moment) else { return Ok(()) };
            if status::is_same(&wanted, before) {
                return Ok(());
            }
            let patch = json!({
                "metadata": {"resourceVersion": object.metadata.resource_version},
                "status": wanted,
            });
            match api.patch_status(&id.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                result => return result.map(|_| ()),
            }
        }
        // Others write it all the time; the next report, or the next try, has another chance.
        self.conflict(id)
    }

    fn conflict(&self, id: &Id) -> kube::Result<()> {
        let message = format!("{id} changed each of the {CONFLICTS} times that its status was to be written");
        Err(kube::Error::Service(message.into()))
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
