//! Watches: every kind of object is listed and followed, each by a task of its own, and all tell one channel.
//!
//! A server that is gone, restarts, stalls or forgets where a watch stood (410) costs nothing but time: the objects that are
//! known stay, and a new list says what changed meanwhile.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt as _;
use kube::api::Api;
use kube::core::{ApiResource, DynamicResourceScope, Status};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::connection::Connection;
use super::definition::Definition;
use super::index::Change;
use super::object::{Body, Id, Object, ObjectKind, Told, Watched};
use super::trouble::Trouble;

/// How long a watch is followed before the server ends it, seconds. It is then begun anew where it stood; one that has told nothing
/// by 5 s later, too. Otherwise one that something on the way holds open, and that tells nothing any more, would look like a cluster
/// in which nothing happens.
pub const WATCH_SECONDS: u32 = 60;

/// Objects that are asked for at a time when a kind is listed: an object takes several times as much memory while it is read
/// as it does afterwards, and what is in use meanwhile is not all given back.
const PAGE: u32 = 50;

/// Where objects are watched.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Namespaces; empty: all.
    pub namespaces: Vec<String>,
    /// That of the proxy itself: Services and their slices there are looked at in any case, by which Gateways and replicas are found.
    pub own: String,
}

impl Scope {
    /// Where objects of a kind are looked at: everywhere, or in each namespace by itself, which needs no right anywhere else.
    pub fn of(&self, kind: ObjectKind) -> Vec<Watched> {
        if self.namespaces.is_empty() || kind.cluster_wide() {
            return vec![kind.into()];
        }
        let mut namespaces: BTreeSet<&str> = self.namespaces.iter().map(String::as_str).collect();
        if matches!(kind, ObjectKind::Service | ObjectKind::Slice) {
            namespaces.insert(&self.own);
        }
        namespaces.into_iter().map(|namespace| Watched { kind, namespace: Some(namespace.into()) }).collect()
    }
}

/// Follows every kind of object for as long as the channel has a reader, but for those that are read [by
/// name](ObjectKind::by_name).
pub fn watch(connection: &Connection, scope: &Scope, changes: &UnboundedSender<Change>) {
    for kind in ObjectKind::ALL.iter().filter(|kind| !kind.by_name()) {
        let definition = Arc::new(Definition::default());
        for watched in scope.of(*kind) {
            tokio::spawn(follow(connection.clone(), watched, Arc::clone(&definition), changes.clone()));
        }
    }
}

/// Follows objects of a kind in the first version of its API that the server has. `definition`: that of the kind.
pub async fn follow(
    connection: Connection,
    watched: Watched,
    definition: Arc<Definition>,
    changes: UnboundedSender<Change>,
) {
    let kind = watched.kind;
    let mut finding = definition.finding();
    let mut trouble = Trouble::new(kind, "list, watch").within(watched.namespace.clone()).counted(&connection);
    for version in kind.versions().iter().cycle() {
        let resource = kind.resource_in(version);
        if Some(version) == kind.versions().first() {
            finding.ask();
        }
        let mut ended = Ended::Forgotten;
        while matches!(ended, Ended::Forgotten) {
            ended = follow_in(&connection, (&watched, &resource), &definition, &changes, &mut trouble).await;
        }
        match ended {
            Ended::NoListener => return,
            // Whoever waits for all kinds need not wait for one that cannot be had.
            Ended::NotInstalled if Some(version) == kind.versions().last() => {
                if changes.send(Change::Absent(watched.clone())).is_err() {
                    return;
                }
                finding.wait().await;
            }
            Ended::NotInstalled | Ended::Forgotten => {}
        }
    }
}

async fn follow_in(
    connection: &Connection,
    (watched, resource): (&Watched, &ApiResource),
    definition: &Definition,
    changes: &UnboundedSender<Change>,
    trouble: &mut Trouble,
) -> Ended {
    let (kind, namespace) = (watched.kind, watched.namespace.as_deref());
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let client = connection.watching();
    if kind.metadata_only() {
        let convert = |object: Told<true>| {
            let name = object.name_any();
            let id = Id::new(kind, object.metadata.namespace.as_deref().unwrap_or_default(), name.as_str());
            Ok((id, Object::with_body(kind, object.metadata, Body::None)))
        };
        let api = api(client, namespace, resource);
        let answered = connection.answered(api.resource_url());
        let follower = Follower { watched, definition, convert, changes, trouble, answered };
        follower.run(watcher::watcher(api, config)).await
    } else {
        let convert = |object| Object::new(kind, object);
        let api = api(client, namespace, resource);
        let answered = connection.answered(api.resource_url());
        let follower = Follower { watched, definition, convert, changes, trouble, answered };
        follower.run(watcher::watcher(api, config)).await
    }
}

/// Why a kind is no longer followed in a version of its API.
enum Ended {
    /// The server does not have it.
    NotInstalled,
    /// The server does not know any more where the watch stood: list anew.
    Forgotten,
    /// Nobody listens any more.
    NoListener,
}

/// Objects of a kind, in a namespace or everywhere.
fn api<K>(client: Client, namespace: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// Follows one kind.
struct Follower<'a, C> {
    watched: &'a Watched,
    definition: &'a Definition,
    convert: C,
    changes: &'a UnboundedSender<Change>,
    trouble: &'a mut Trouble,
    /// Told when the watch was answered.
    answered: Arc<Notify>,
}

impl<C> Follower<'_, C> {
    async fn run<K>(self, events: impl futures_util::Stream<Item = watcher::Result<Event<K>>>) -> Ended
    where
        K: DeserializeOwned + Debug,
        C: Fn(K) -> Result<(Id, Object), (Id, String)>,
    {
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                biased;
                () = self.answered.notified() => {
                    self.trouble.answered();
                    continue;
                }
                event = events.next() => event,
            };
            let Some(event) = event else { break };
            let told = match event {
                Ok(event) => {
                    let listed = matches!(event, Event::InitDone | Event::Apply(_) | Event::Delete(_));
                    self.trouble.over(listed);
                    self.tell(event)
                }
                Err(error) => {
                    let status = status(&error);
                    let code = status.map(|status| status.code);
                    let told = code != Some(403) || self.changes.send(Change::Absent(self.watched.clone())).is_ok();
                    let wait = self.trouble.wait(&error, status);
                    if code == Some(404) && !self.watched.kind.built_in() {
                        return Ended::NotInstalled;
                    }
                    tokio::time::sleep(wait).await;
                    // The watcher lists anew by itself when an event says so, but asks for ever when a status does.
                    if code == Some(410) {
                        return Ended::Forgotten;
                    }
                    told
                }
            };
            if !told {
                break;
            }
        }
        Ended::NoListener
    }

    /// Whether anybody still listens.
    fn tell<K>(&self, event: Event<K>) -> bool
    where
        C: Fn(K) -> Result<(Id, Object), (Id, String)>,
    {
        let change = match event {
            Event::Init => Change::Listing(self.watched.clone()),
            Event::InitDone => {
                self.definition.found();
                Change::Listed(self.watched.clone())
            }
            Event::InitApply(object) | Event::Apply(object) => match (self.convert)(object) {
                Ok((id, object)) => Change::Set(id, object),
                Err((id, message)) => Change::Malformed(id, message),
            },
            Event::Delete(object) => match (self.convert)(object) {
                Ok((id, _)) | Err((id, _)) => Change::Gone(id),
            },
        };
        self.changes.send(change).is_ok()
    }
}

/// The status that the server answered with.
fn status(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
