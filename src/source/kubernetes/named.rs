//! Objects that are read one by one, because something refers to them by name: the others are none of our business, and
//! may be as many and as large as they like. One watch of the metadata of all says when one of them is to be read again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::Api;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::Connection;
use super::definition::Definition;
use super::index::Change;
use super::object::{Id, Object, ObjectKind, Told, Watched};
use super::trouble::Trouble;
use super::watch::{Scope, follow};

/// Objects that are read at a time: each read in flight is a connection.
const AT_ONCE: usize = 4;

/// How long an answer is waited for: others wait for their turn meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever is to read an object again.
type Readers = Arc<Mutex<HashMap<Id, watch::Sender<()>>>>;

/// The objects that are read.
pub struct Named {
    client: Client,
    changes: UnboundedSender<Change>,
    read: HashMap<Id, Read>,
    readers: Readers,
    turns: Arc<Semaphore>,
    /// Ends when it is dropped.
    _watches: JoinSet<()>,
}

struct Read {
    /// Ends when it is dropped.
    _task: JoinSet<()>,
    /// The server has said what it is, or that it is not there.
    told: bool,
}

impl Named {
    /// Reads nothing yet; tells `changes`.
    pub fn new(connection: &Connection, scope: &Scope, changes: UnboundedSender<Change>) -> Self {
        let readers = Readers::default();
        let mut watches = JoinSet::new();
        for kind in ObjectKind::ALL.iter().filter(|kind| kind.by_name()) {
            let (sender, told) = unbounded_channel();
            let definition = Arc::new(Definition::default());
            for watched in scope.of(*kind) {
                watches.spawn(follow(connection.clone(), watched, Arc::clone(&definition), sender.clone()));
            }
            watches.spawn(hand_on(told, Arc::clone(&readers)));
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { client: connection.client(), changes, read: HashMap::new(), readers, turns, _watches: watches }
    }

    /// Reads these and no others; gives those that it no longer reads.
    pub fn want(&mut self, wanted: &BTreeSet<Id>) -> Vec<Id> {
        let gone: Vec<Id> = self.read.extract_if(|id, _| !wanted.contains(id)).map(|(id, _)| id).collect();
        let mut readers = lock(&self.readers);
        gone.iter().for_each(|id| _ = readers.remove(id));
        for id in wanted.iter().filter(|id| !self.read.contains_key(*id)).cloned().collect::<Vec<_>>() {
            // Before it is read for the first time, so that nothing is missed.
            let (sender, changed) = watch::channel(());
            readers.insert(id.clone(), sender);
            let mut task = JoinSet::new();
            let turns = Arc::clone(&self.turns);
            task.spawn(read(self.client.clone(), id.clone(), changed, turns, self.changes.clone()));
            self.read.insert(id, Read { _task: task, told: false });
        }
        gone
    }

    /// Takes note of a change. Whether anybody wants to know: what is no longer read may still be on its way.
    pub fn hear(&mut self, change: &Change) -> bool {
        let (Change::Set(id, _) | Change::Malformed(id, _) | Change::Gone(id)) = change else { return true };
        if !id.kind.by_name() {
            return true;
        }
        self.read.get_mut(id).is_some_and(|read| {
            read.told = true;
            true
        })
    }

    /// Whether all of them were told at least once.
    pub fn is_complete(&self) -> bool {
        self.read.values().all(|read| read.told)
    }
}

fn lock(readers: &Readers) -> std::sync::MutexGuard<'_, HashMap<Id, watch::Sender<()>>> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the readers what watches say of one kind. After a list every object that it covers may be another one, so what changes
/// meanwhile is read then. A list that fails is never told in full: it keeps none waiting that it does not cover.
async fn hand_on(mut told: UnboundedReceiver<Change>, readers: Readers) {
    let mut listing: HashSet<Watched> = HashSet::new();
    while let Some(change) = told.recv().await {
        match change {
            Change::Listing(watched) => _ = listing.insert(watched),
            Change::Listed(watched) => {
                listing.remove(&watched);
                let readers = lock(&readers);
                let covered = readers.iter().filter(|(id, _)| watched.covers(id));
                covered.for_each(|(_, reader)| reader.send_replace(()));
            }
            Change::Set(id, _) | Change::Malformed(id, _) | Change::Gone(id) => {
                if listing.iter().any(|watched| watched.covers(&id)) {
                    continue;
                }
                if let Some(reader) = lock(&readers).get(&id) {
                    reader.send_replace(());
                }
            }
            Change::Absent(_) => {}
        }
    }
}

/// Reads an object now, and whenever it may have changed.
async fn read(
    client: Client,
    id: Id,
    mut changed: watch::Receiver<()>,
    turns: Arc<Semaphore>,
    changes: UnboundedSender<Change>,
) {
    let api: Api<Told> = Api::namespaced_with(client, &id.namespace, &id.kind.resource());
    let mut trouble = Trouble::new(id.kind, "get").within(Some(Arc::clone(&id.namespace)));
    loop {
        changed.mark_unchanged();
        let found = {
            let _turn = turns.acquire().await;
            match timeout(PATIENCE, api.get_opt(&id.name)).await {
                Ok(found) => found,
                Err(_) => Err(kube::Error::Service(format!("no answer within {} s", PATIENCE.as_secs()).into())),
            }
        };
        let wait = match &found {
            Ok(_) => None,
            Err(error) => {
                let status = if let kube::Error::Api(status) = error { Some(&**status) } else { None };
                Some(trouble.wait(error, status))
            }
        };
        let change = match found {
            Ok(Some(object)) => Some(match Object::new(id.kind, object) {
                Ok((id, object)) => Change::Set(id, object),
                Err((id, message)) => Change::Malformed(id, message),
            }),
            Ok(None) => Some(Change::Gone(id.clone())),
            // What may not be read is not there for us; all else is a matter of time.
            Err(kube::Error::Api(status)) if status.code == 403 => Some(Change::Gone(id.clone())),
            Err(_) => None,
        };
        trouble.over(wait.is_none());
        if change.is_some_and(|change| changes.send(change).is_err()) {
            return;
        }
        let again = changed.changed();
        let heard = match wait {
            Some(wait) => tokio::time::timeout(wait, again).await.unwrap_or(Ok(())),
            None => again.await,
        };
        if heard.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
