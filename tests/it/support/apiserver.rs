//! An API server in this process: objects in memory, lists and watches over HTTP, and faults at the switch.
//!
//! It knows nothing of kinds: a resource is the last part of its path, such as `services` or `splits`, and answers 404 until
//! the test installs it. Every change of an object takes the next resource version, and every watch is told every change
//! after the version it asks for, however late it asks.

mod answer;
mod state;
mod watching;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use answer::answer;
use state::State;

use super::wait_until;

/// Resources of every cluster, with what stands before them in a path.
const BUILT_IN: [&str; 11] = [
    "configmaps",
    "endpointslices",
    "services",
    "pods",
    "replicasets",
    "secrets",
    "namespaces",
    "ingressclasses",
    "ingresses",
    "leases",
    "events",
];

/// A running API server; it ends when dropped.
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    /// Told at every change of the state.
    changed: watch::Sender<u64>,
    address: SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
    folder: TempDir,
}

impl ApiServer {
    /// A cluster without objects, in which `splits` are installed.
    pub async fn start() -> Self {
        let state = State {
            objects: BTreeMap::new(),
            log: Vec::new(),
            version: 1,
            oldest: 0,
            installed: BUILT_IN.iter().chain(&["splits"]).map(|name| (*name).to_owned()).collect(),
            refused: HashMap::new(),
            refused_writes: HashMap::new(),
            conflicts: HashMap::new(),
            stalled: HashSet::new(),
            gone_by_event: true,
            requests: Vec::new(),
            cut: 0,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Self {
            state: Arc::new(Mutex::new(state)),
            changed: watch::channel(0).0,
            address: listener.local_addr().unwrap(),
            task: Mutex::new(None),
            folder: TempDir::new().unwrap(),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let (state, changed) = (Arc::clone(&self.state), self.changed.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, changed) = (Arc::clone(&state), changed.clone());
                connections.spawn(async move {
                    let answer = service_fn(move |request| {
                        let (state, changed) = (Arc::clone(&state), changed.clone());
                        async move { Ok::<_, Infallible>(answer(&state, &changed, request).await) }
                    });
                    // Clients leave whenever they like.
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        *self.task.lock().unwrap() = Some(task);
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Makes or replaces an object, whatever version it had.
    pub fn set(&self, resource: &str, object: &Value) {
        let mut state = self.lock();
        state.put(resource, object.clone());
        self.tell(state);
    }

    /// Changes an object in place.
    pub fn change(&self, resource: &str, namespace: &str, name: &str, pointer: &str, value: Value) {
        let mut state = self.lock();
        let mut object = state.objects[&(resource.to_owned(), namespace.to_owned(), name.to_owned())].clone();
        *object.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in {name}")) = value;
        state.put(resource, object);
        self.tell(state);
    }

    /// Removes an object.
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) {
        let mut state = self.lock();
        state.delete(&(resource.to_owned(), namespace.to_owned(), name.to_owned()));
        self.tell(state);
    }

    /// An object as it is now.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.lock().objects.get(&(resource.to_owned(), namespace.to_owned(), name.to_owned())).cloned()
    }

    /// From now on the server knows a resource, as after its CustomResourceDefinition was made.
    pub fn install(&self, resource: &str) {
        self.lock().installed.insert(resource.to_owned());
    }

    /// Ends [`Self::install`].
    pub fn uninstall(&self, resource: &str) {
        self.lock().installed.remove(resource);
    }

    /// Lists and watches of a resource are answered with this status; those that are open stay.
    pub fn refuse(&self, resource: &str, status: u16, message: &str) {
        self.lock().refused.insert(resource.to_owned(), (status, message.to_owned()));
    }

    /// Writes of a resource are answered with this status; it can be read as before.
    pub fn refuse_writes(&self, resource: &str, status: u16, message: &str) {
        self.lock().refused_writes.insert(resource.to_owned(), (status, message.to_owned()));
    }

    /// So many writes of a resource meet a conflict from now on.
    pub fn conflict(&self, resource: &str, times: usize) {
        self.lock().conflicts.insert(resource.to_owned(), times);
    }

    /// Ends [`Self::refuse`] and [`Self::refuse_writes`].
    pub fn allow(&self, resource: &str) {
        let mut state = self.lock();
        state.refused.remove(resource);
        state.refused_writes.remove(resource);
    }

    /// All objects of a resource.
    pub fn all(&self, resource: &str) -> Vec<Value> {
        let state = self.lock();
        state.objects.iter().filter(|(key, _)| key.0 == resource).map(|(_, object)| object.clone()).collect()
    }

    /// Watches of a resource stay open and tell nothing.
    pub fn stall(&self, resource: &str) {
        self.lock().stalled.insert(resource.to_owned());
    }

    /// Ends [`Self::stall`]: what happened meanwhile is told.
    pub fn resume(&self, resource: &str) {
        let mut state = self.lock();
        state.stalled.remove(resource);
        self.tell(state);
    }

    /// Ends all watches, as a restart of the server does.
    pub fn cut_watches(&self) {
        let mut state = self.lock();
        state.cut += 1;
        self.tell(state);
    }

    /// Forgets all that has happened: watches from before now are answered with 410, by an event or by their status, and
    /// those that are open end.
    pub fn compact(&self, by_event: bool) {
        let mut state = self.lock();
        state.version += 1;
        state.oldest = state.version;
        state.gone_by_event = by_event;
        state.log.clear();
        state.cut += 1;
        self.tell(state);
    }

    /// Refuses connections, and closes those that are open.
    pub async fn down(&self) {
        let task = self.task.lock().unwrap().take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// Ends [`Self::down`].
    pub fn up(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(128).unwrap());
    }

    /// Every request so far whose method and path contain this.
    pub fn requests(&self, part: &str) -> Vec<String> {
        self.lock().requests.iter().filter(|request| request.contains(part)).cloned().collect()
    }

    /// Waits until a resource is watched.
    pub async fn watched(&self, resource: &str) {
        let part = format!("/{resource}?");
        wait_until(&format!("a watch of {resource}"), async || {
            self.requests(&part).iter().any(|request| request.contains("watch=true"))
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap().take() {
            task.abort();
        }
    }
}
