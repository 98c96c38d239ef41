//! Watches: every kind of object is listed and followed, each by a task of its own, and all tell one channel.
//!
//! A server that is gone, restarts, stalls or forgets where a watch stood (410) costs nothing but time: the objects that are
//! known stay, and a new list says what changed meanwhile.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::Api;
use kube::core::{ApiResource, DynamicResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::index::Change;
use super::object::{Body, Id, Object, ObjectKind, Told};

/// The first wait after a failed list or watch; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after a failed list or watch.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often it is looked whether a kind that the server does not know has been installed.
const NOT_INSTALLED: Duration = Duration::from_secs(5);
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
    /// Only the object of this name; none: all.
    pub name: Option<Arc<str>>,
}

/// Follows every kind of object for as long as the channel has a reader.
pub fn watch(client: &Client, scope: &Scope, changes: &UnboundedSender<Change>) {
    for kind in ObjectKind::ALL.iter().filter(|kind| !kind.by_name()) {
        tokio::spawn(follow(client.clone(), *kind, scope.clone(), changes.clone()));
    }
}

/// Follows one object; that it is not there is told like its end.
pub async fn watch_named(client: Client, id: Id, changes: UnboundedSender<Change>) {
    let scope = Scope { namespaces: vec![id.namespace.to_string()], name: Some(Arc::clone(&id.name)) };
    let (sender, mut told) = unbounded_channel();
    let hand_on = async {
        let mut seen = false;
        while let Some(change) = told.recv().await {
            let change = match change {
                Change::Listing(_) => {
                    seen = false;
                    continue;
                }
                Change::Listed(_) if seen => continue,
                Change::Listed(_) | Change::Absent(_) => Change::Gone(id.clone()),
                other => other,
            };
            seen = !matches!(change, Change::Gone(_));
            if changes.send(change).is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = follow(client, id.kind, scope, sender) => {}
        () = hand_on => {}
    }
}

/// Follows a kind in the first version of its API that the server has.
async fn follow(client: Client, kind: ObjectKind, scope: Scope, changes: UnboundedSender<Change>) {
    let mut trouble = Trouble::default();
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
    let namespace = match &scope.namespaces[..] {
        [only] if !kind.cluster_wide() => Some(only.clone()),
        _ => None,
    };
    let wanted = move |id: &Id| {
        kind.cluster_wide()
            || scope.namespaces.is_empty()
            || scope.namespaces.iter().any(|name| **name == *id.namespace)
    };
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let config = match (kind, &scope.name) {
        (_, Some(name)) => config.fields(&format!("metadata.name={name}")),
        (ObjectKind::Secret, None) => config.fields("type=kubernetes.io/tls"),
        _ => config,
    };
    if kind.metadata_only() {
        let convert = |object: PartialObjectMeta<Told>| {
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
                    self.trouble.over(self.kind, listed);
                    self.tell(event)
                }
                Err(error) => {
                    let code = status(&error).map(|(code, _)| code);
                    let told = code != Some(403) || self.changes.send(Change::Absent(self.kind)).is_ok();
                    let wait = self.trouble.wait(self.kind, &error);
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

/// What stands between us and the server.
#[derive(Default)]
struct Trouble {
    failures: u32,
    told: Option<String>,
}

impl Trouble {
    /// How long to wait after an error, which is told when it is a new one.
    fn wait(&mut self, kind: ObjectKind, error: &watcher::Error) -> Duration {
        let (message, wait) = match status(error) {
            Some((404, _)) if !kind.built_in() => {
                let message = format!("{} is not installed: waiting for its CustomResourceDefinition", kind.name());
                (message, NOT_INSTALLED)
            }
            Some((403, detail)) => {
                let resource = kind.resource();
                let (group, plural) = (resource.group, resource.plural);
                let message = format!(
                    "{plural} cannot be watched: give the service account a ClusterRole with the rule \
                     {{apiGroups: [\"{group}\"], resources: [{plural}], verbs: [list, watch]}} ({detail})"
                );
                (message, LONGEST_WAIT)
            }
            // A watch that the server has forgotten is listed anew, which is nothing to tell anybody.
            Some((410, _)) => (String::new(), self.backoff()),
            _ => (describe(kind, error), self.backoff()),
        };
        self.failures += 1;
        if !message.is_empty() && self.told.as_ref() != Some(&message) {
            tracing::warn!("{message}");
            self.told = Some(message);
        }
        wait
    }

    fn backoff(&self) -> Duration {
        let wait = FIRST_WAIT * 2u32.saturating_pow(self.failures.min(10));
        // Replicas, and kinds, must not all come back at once.
        wait.min(LONGEST_WAIT).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    fn over(&mut self, kind: ObjectKind, listed: bool) {
        if listed {
            self.failures = 0;
            if self.told.take().is_some() {
                tracing::info!("{}: watched again", kind.resource().plural);
            }
        }
    }
}

fn describe(kind: ObjectKind, error: &watcher::Error) -> String {
    let mut text = format!("{}: {error}", kind.resource().plural);
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    format!("{text}; what is known is served on")
}

/// The status that the server answered with.
fn status(error: &watcher::Error) -> Option<(u16, String)> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status,
        watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    Some((status.code, status.message.clone()))
}
