//! A cluster that is followed: changes in, models out.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::Connection;
use super::index::{Change, Difference, Index};
use super::named::Named;
use super::object::{Id, ObjectKind, Strings, Watched};
use super::refused::{self, Refused};
use super::write::{Statement, Writer, sleep_until};
use super::{Options, Scope};
use crate::cluster::Peers;
use crate::model::Model;

/// Changes that are taken before a model is made of them: a flood must not keep the first of them waiting.
const AT_ONCE: usize = 2000;

/// A cluster that is followed.
pub struct Cluster {
    index: Index,
    changes: UnboundedReceiver<Change>,
    /// What was neither told in full yet, nor cannot be had.
    missing: BTreeSet<Watched>,
    /// What was not told in full yet.
    unlisted: BTreeSet<Watched>,
    scope: Scope,
    /// Services of Gateways may be there that nobody has any more.
    leftovers: bool,
    /// What is followed by name.
    named: Named,
    /// A model was given.
    begun: bool,
    writer: Writer,
    /// Whether this replica holds the Lease.
    leading: watch::Receiver<bool>,
    /// The labels of the replicas' pods, as the writer knows them.
    selector: Strings,
    peers: Arc<Peers>,
    /// Listeners that could not be bound, and why.
    refused: Refused,
    /// What was not told to be served here, since a listener of it is refused.
    withheld: BTreeSet<Id>,
    /// There is a model that nobody was given, although no object changed.
    stale: bool,
    /// The replicas may be others.
    moved: bool,
    /// The last model that was given is in force: otherwise nothing is to be said of what it was made from.
    in_force: bool,
}

impl Cluster {
    /// Begins to follow a cluster. `base`: listeners and settings of the process; `peers`: the replicas, who are told what
    /// is in force here, and whom statements wait for.
    pub fn follow(connection: &Connection, options: Options, scope: &Scope, base: Model, peers: Arc<Peers>) -> Self {
        let (sender, changes) = unbounded_channel();
        super::watch::watch(connection, scope, &sender);
        let kinds = ObjectKind::ALL.iter().filter(|kind| !kind.by_name());
        let watched: BTreeSet<Watched> = kinds.flat_map(|kind| scope.of(*kind)).collect();
        let writer = Writer::start(connection.client(), &options, peers.replicas());
        Self {
            index: Index::new(options, base),
            changes,
            missing: watched.clone(),
            unlisted: watched,
            scope: scope.clone(),
            leftovers: false,
            named: Named::new(connection, scope, sender),
            begun: false,
            leading: writer.leading(),
            selector: Strings::default(),
            writer,
            peers,
            refused: Refused::default(),
            withheld: BTreeSet::new(),
            stale: false,
            moved: false,
            in_force: false,
        }
    }

    /// Whether this replica holds the Lease, by which one writes for all.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// Gives the Lease up for good, as a process that ends does: another replica writes from now on. What the cluster says is still
    /// followed.
    pub fn resign(&mut self) {
        self.writer.resign();
    }

    /// Whether everything was told at least once, so that what is not known is not there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// The next model: as soon as the first one is complete, and then after every change. Never ends, and loses nothing when
    /// it is dropped while it waits.
    pub async fn model(&mut self) -> Model {
        loop {
            if self.changes.is_empty()
                && let Some(model) = self.due()
            {
                return model;
            }
            tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.take(change),
                    // The other end is here, too.
                    None => std::future::pending().await,
                },
                changed = self.leading.changed() => match changed {
                    Ok(()) => self.lead(),
                    // The writer lives as long as the runtime.
                    Err(_) => std::future::pending().await,
                },
                () = sleep_until(self.refused.next()) => self.stale |= self.refused.retry(Instant::now()),
            }
            for _ in 1..AT_ONCE {
                let Ok(change) = self.changes.try_recv() else { break };
                self.take(change);
            }
            if std::mem::take(&mut self.moved) {
                self.peers.set_members(self.index.replicas());
            }
            // With more still waiting, those that were taken come into force first.
            if let Some(model) = self.due() {
                return model;
            }
        }
    }

    /// The model, if there is one that nobody was given. The first one waits for what it refers to by name, too; after that,
    /// each object waits for itself.
    fn due(&mut self) -> Option<Model> {
        if !self.is_complete() || !(self.index.is_dirty() || self.stale) {
            return None;
        }
        let model = self.current();
        if let Some(wanted) = self.index.take_named() {
            let unwanted = self.named.want(&wanted);
            unwanted.iter().for_each(|id| self.index.forget_named(id));
        }
        self.begun |= self.named.is_complete();
        self.stale = !self.begun;
        self.begun.then_some(model)
    }

    /// Who has come to hold the Lease says everything: the writer keeps nothing that somebody else is to write.
    fn lead(&mut self) {
        if *self.leading.borrow() {
            self.index.say_all_again(|_| true);
            self.leftovers = true;
            self.state();
        }
    }

    fn take(&mut self, change: Change) {
        if !self.named.hear(&change) {
            return;
        }
        self.moved |= self.index.is_about_replicas(&change);
        match &change {
            Change::Listed(watched) | Change::Absent(watched) => {
                let was = self.missing.len();
                self.missing.remove(watched);
                self.stale |= was == 1 && self.missing.is_empty();
            }
            _ => {}
        }
        if let Change::Listed(watched) = &change {
            self.unlisted.remove(watched);
        }
        self.index.apply(change);
    }

    fn current(&mut self) -> Model {
        self.stale = false;
        self.in_force = false;
        let mut model = self.index.model();
        self.refused.leave_out(&mut model.listeners);
        model
    }

    /// The model is in force: what it was made from may be reported as served.
    pub fn applied(&mut self) {
        self.in_force = true;
        if self.refused.settle() {
            self.withheld.iter().for_each(|id| self.index.say_again(id));
        }
        self.state();
    }

    /// Hands on what is to be said.
    pub fn state(&mut self) {
        if !self.in_force {
            return;
        }
        if let Some(selector) = self.index.replica_labels().filter(|selector| **selector != self.selector) {
            self.selector = selector.clone();
            self.writer.selector(selector);
            self.index.say_all_again(|id| id.kind == ObjectKind::Gateway);
        }
        let statements = self.index.take_statements();
        self.leftovers |= statements.iter().any(|(id, _)| id.kind == ObjectKind::Gateway);
        let (mut set, mut gone) = (Vec::new(), Vec::new());
        for (id, statement) in &statements {
            let refused = self.index.listeners(id).any(|name| self.refused.why(name).is_some());
            match statement {
                Some(statement) if !refused => set.push(statement.applied(id)),
                _ => gone.push(crate::cluster::hash(&id.to_string())),
            }
            match refused {
                true => _ = self.withheld.insert(id.clone()),
                false => _ = self.withheld.remove(id),
            }
        }
        // Before anything is said: what is served here counts, too.
        self.peers.applied(set, gone);
        for (id, statement) in statements {
            let statement = statement.map(|statement| self.with_refusals(&id, statement));
            self.writer.state(id, statement);
        }
        self.remove_leftovers();
    }

    /// Who leads removes the Services of Gateways that nobody has any more, once all that may have them is known.
    fn remove_leftovers(&mut self) {
        let needed = [ObjectKind::Gateway, ObjectKind::GatewayClass, ObjectKind::Service];
        let is_known = !self.unlisted.iter().any(|watched| needed.contains(&watched.kind));
        if self.leftovers && *self.leading.borrow() && is_known {
            self.leftovers = false;
            self.writer.remove(self.index.leftovers(&self.scope.namespaces));
        }
    }

    /// A statement about an object of which listeners are refused says why.
    fn with_refusals(&self, id: &Id, mut statement: Statement) -> Statement {
        let why = |name: &Arc<str>| Some((name.rsplit_once('/')?.1.parse().ok()?, self.refused.why(name)?));
        let refused: Vec<(u16, &str)> = self.index.listeners(id).filter_map(why).collect();
        if !refused.is_empty() {
            refused::say(Arc::make_mut(&mut statement.report), &refused);
        }
        if self.index.has_certificates(id) {
            let unserved: Vec<_> = self.index.securing().filter_map(|name| self.refused.why(name)).collect();
            let notes = unserved.into_iter().map(refused::note);
            Arc::make_mut(&mut statement.report).notes.extend(notes);
        }
        statement
    }

    /// In what figures of a Split's versions are others than those that were told.
    pub fn figures_differ(&self, id: &Id, versions: &serde_json::Value) -> Option<Difference> {
        self.index.figures_differ(id, versions)
    }

    /// What is counted of the versions of a Split, for its status.
    pub fn figures(&mut self, id: &Id, versions: serde_json::Value) {
        self.index.set_figures(id, versions);
    }

    /// A listener could not be bound; gives the model without it. Nothing else is affected.
    pub fn refuse(&mut self, listener: &str, reason: String) -> Model {
        if self.refused.refuse(listener, reason.clone(), Instant::now()) {
            tracing::warn!(listener, "is not served, and tried again: {reason}");
        }
        // What is said of its Gateway says so.
        let ids: Vec<Id> = self.index.makers_of(listener).cloned().collect();
        ids.iter().for_each(|id| self.index.say_again(id));
        self.current()
    }

    /// Other listeners and settings of the process.
    pub fn set_base(&mut self, options: Options, base: Model) {
        self.index.set_base(options, base);
        self.refused.clear();
        // Perhaps they can be bound now, which changes nothing else that is said of them.
        self.withheld.iter().for_each(|id| self.index.say_again(id));
        self.stale = true;
    }
}
