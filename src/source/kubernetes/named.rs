//! Objects that are followed one by one, because something refers to them by name.

use std::collections::{BTreeSet, HashMap};

use kube::Client;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::index::Change;
use super::object::Id;
use super::watch::watch_named;

/// The objects that are followed.
pub struct Named {
    client: Client,
    changes: UnboundedSender<Change>,
    followed: HashMap<Id, Followed>,
}

struct Followed {
    /// Ends when it is dropped.
    _watch: JoinSet<()>,
    /// The server has said what it is, or that it is not there.
    told: bool,
}

impl Named {
    /// Follows nothing yet; tells `changes`.
    pub fn new(client: Client, changes: UnboundedSender<Change>) -> Self {
        Self { client, changes, followed: HashMap::new() }
    }

    /// Follows these and no others; gives those that it no longer follows.
    pub fn want(&mut self, wanted: BTreeSet<Id>) -> Vec<Id> {
        let gone: Vec<Id> = self.followed.extract_if(|id, _| !wanted.contains(id)).map(|(id, _)| id).collect();
        for id in wanted {
            let (client, changes) = (&self.client, &self.changes);
            self.followed.entry(id).or_insert_with_key(|id| {
                let mut watch = JoinSet::new();
                watch.spawn(watch_named(client.clone(), id.clone(), changes.clone()));
                Followed { _watch: watch, told: false }
            });
        }
        gone
    }

    /// Takes note of a change. Whether anybody wants to know: what is no longer followed may still be on its way.
    pub fn hear(&mut self, change: &Change) -> bool {
        let (Change::Set(id, _) | Change::Malformed(id, _) | Change::Gone(id)) = change else { return true };
        if !id.kind.by_name() {
            return true;
        }
        self.followed.get_mut(id).is_some_and(|followed| {
            followed.told = true;
            true
        })
    }

    /// Whether all of them were told at least once.
    pub fn is_complete(&self) -> bool {
        self.followed.values().all(|followed| followed.told)
    }
}
