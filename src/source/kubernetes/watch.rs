//! Watches: every kind of object is listed and followed, each by a task of its own, and all tell one channel.
//!
//! A server that is gone, restarts, stalls or forgets where a watch stood (410) costs nothing but time: the objects that are
//! known stay, and a new list says what changed meanwhile.

use std::fmt::Debug;

use futures_util::StreamExt as _;
use kube::api::Api;
use kube::core::{ApiResource, DynamicResourceScope, Status};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;

use super::index::Change;
use super::object::{Body, Id, Object, ObjectKind, Told};
use super::trouble::{NOT_INSTALLED, Trouble};

/// How long a watch is followed before the server ends it, seconds: it is then begun anew, where a half-open connection
/// would otherwise look like a cluster in which nothing happens.
pub const WATCH_SECONDS: u32 = 240;

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
    /// The namespaces in which objects of a kind are looked at; empty: all.
    fn of(&self, kind: ObjectKind) -> Vec<String> {
        let mut namespaces = self.namespaces.clone();
        let needed = matches!(kind, ObjectKind::Service | ObjectKind::Slice);
        if needed && !namespaces.is_empty() && !namespaces.contains(&self.own) {
            namespaces.push(self.own.clone());
        }
        namespaces
    }
}

/// Follows every kind of object for as long as the channel has a reader, but for those that are read [by
/// name](ObjectKind::by_name).
pub fn watch(client: &Client, scope: &Scope, changes: &UnboundedSender<Change>) {
    for kind in ObjectKind::ALL.iter().filter(|kind| !kind.by_name()) {
        tokio::spawn(follow(client.clone(), *kind, scope.clone(), changes.clone()));
    }
}

/// Follows a kind in the first version of its API that the server has.
pub async fn follow(client: Client, kind: ObjectKind, scope: Scope, changes: UnboundedSender<Change>) {
    let mut trouble = Trouble::new(kind, "list, watch");
    for version in kind.versions().iter().cycle() {
        let resource = kind.resource_in(version);
        let mut ended = Ended::Forgotten;
        while matches!(ended, Ended::Forgotten) {
            ended = follow_in(client.clone(), (kind, &resource), &scope, &changes, &mut trouble).await;
        }
        match ended {
            Ended::NoListener => return,
            // Whoever waits for all kinds need not wait for one that cannot be had.
            Ended::NotInstalled if Some(version) == kind.versions().last() => {
                if changes.send(Change::Absent(kind)).is_err() {
                    return;
                }
                tokio::time::sleep(NOT_INSTALLED).await;
            }
            Ended::NotInstalled | Ended::Forgotten => {}
        }
    }
}

async fn follow_in(
    client: Client,
    (kind, resource): (ObjectKind, &ApiResource),
    scope: &Scope,
    changes: &UnboundedSender<Change>,
    trouble: &mut Trouble,
) -> Ended {
    // Several namespaces would need several watches, whose lists must not remove what another one has.
    let namespaces = scope.of(kind);
    let namespace = match &namespaces[..] {
        [only] if !kind.cluster_wide() => Some(only.clone()),
        _ => None,
    };
    let wanted = move |id: &Id| {
        kind.cluster_wide() || namespaces.is_empty() || namespaces.iter().any(|name| **name == *id.namespace)
    };
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    if kind.metadata_only() {
        let convert = |object: Told<true>| {
            let name = object.name_any();
            let id = Id::new(kind, object.metadata.namespace.as_deref().unwrap_or_default(), name.as_str());
            Ok((id, Object::with_body(kind, object.metadata, Body::None)))
        };
        let follower = Follower { kind, wanted, convert, changes, trouble };
        follower.run(watcher::watcher(api(client, namespace.as_deref(), resource), config)).await
    } else {
        let follower = Follower { kind, wanted, convert: |object| Object::new(kind, object), changes, trouble };
        follower.run(watcher::watcher(api(client, namespace.as_deref(), resource), config)).await
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
struct Follower<'a, W, C> {
    kind: ObjectKind,
    wanted: W,
    convert: C,
    changes: &'a UnboundedSender<Change>,
    trouble: &'a mut Trouble,
}

impl<W: Fn(&Id) -> bool, C> Follower<'_, W, C> {
    async fn run<K>(self, events: impl futures_util::Stream<Item = watcher::Result<Event<K>>>) -> Ended
    where
        K: DeserializeOwned + Debug,
        C: Fn(K) -> Result<(Id, Object), (Id, String)>,
    {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let told = match event {
                Ok(event) => {
                    let listed = matches!(event, Event::InitDone | Event::Apply(_) | Event::Delete(_));
                    self.trouble.over(listed);
                    self.tell(event)
                }
                Err(error) => {
                    let status = status(&error);
                    let code = status.map(|status| status.code);
                    let told = code != Some(403) || self.changes.send(Change::Absent(self.kind)).is_ok();
                    let wait = self.trouble.wait(&error, status);
                    if code == Some(404) && !self.kind.built_in() {
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
            Event::Init => Change::Listing(self.kind),
            Event::InitDone => Change::Listed(self.kind),
            Event::InitApply(object) | Event::Apply(object) => match (self.convert)(object) {
                Ok((id, object)) => Change::Set(id, object),
                Err((id, message)) => Change::Malformed(id, message),
            },
            Event::Delete(object) => match (self.convert)(object) {
                Ok((id, _)) | Err((id, _)) => Change::Gone(id),
            },
        };
        match &change {
            Change::Set(id, _) | Change::Malformed(id, _) | Change::Gone(id) if !(self.wanted)(id) => true,
            _ => self.changes.send(change).is_ok(),
        }
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
