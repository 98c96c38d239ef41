//! A cluster that is followed: changes in, models out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::index::{Change, Index};
use super::object::{Id, ObjectKind};
use super::watch::{self, WATCH_SECONDS};
use super::write::Writer;
use super::{Options, Scope};
use crate::model::Model;

/// Changes that are taken before a model is made of them: a flood must not keep the first of them waiting.
const AT_ONCE: usize = 2000;
/// How much longer than a watch lasts a connection may be silent before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// Why a cluster cannot be followed.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing says where the API server is.
    #[error("no way to an API server: {0}; run in a pod with a service account, or set KUBECONFIG")]
    Config(#[from] kube::config::InferConfigError),
    /// The way cannot be taken.
    #[error("no client for the API server: {0}")]
    Client(#[from] kube::Error),
}

/// A cluster that is followed.
pub struct Cluster {
    index: Index,
    changes: UnboundedReceiver<Change>,
    /// Kinds that were not told in full yet.
    missing: BTreeSet<ObjectKind>,
    writer: Writer,
    /// Listeners that could not be bound, and why.
    refused: HashMap<Arc<str>, String>,
    /// There is a model that nobody was given, although no object changed.
    stale: bool,
}

impl Cluster {
    /// Begins to follow the cluster that the environment leads to. `base`: listeners and settings of the process.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; a server that does not answer is none, since it may come back.
    pub async fn connect(options: Options, scope: &Scope, base: Model) -> Result<Self, ConnectError> {
        let mut config = kube::Config::infer().await?;
        config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS)) + SILENCE);
        config.connect_timeout = Some(Duration::from_secs(5));
        let client = Client::try_from(config)?;
        let (sender, changes) = unbounded_channel();
        watch::watch(&client, scope, &sender);
        let writer = Writer::start(client, &options);
        Ok(Self {
            index: Index::new(options, base),
            changes,
            missing: ObjectKind::ALL.iter().copied().collect(),
            writer,
            refused: HashMap::new(),
            stale: false,
        })
    }

    /// Whether everything was told at least once, so that what is not known is not there.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// The next model: as soon as the first one is complete, and then after every change. Never ends, and loses nothing when
    /// it is dropped while it waits.
    pub async fn model(&mut self) -> Model {
        loop {
            if self.is_complete() && (self.index.is_dirty() || self.stale) && self.changes.is_empty() {
                return self.current();
            }
            match self.changes.recv().await {
                Some(change) => self.take(change),
                // The watches hold the other end for as long as this lives.
                None => std::future::pending().await,
            }
            for _ in 1..AT_ONCE {
                let Ok(change) = self.changes.try_recv() else { break };
                self.take(change);
            }
            // With more still waiting, those that were taken come into force first.
            if self.is_complete() && (self.index.is_dirty() || self.stale) {
                return self.current();
            }
        }
    }

    fn take(&mut self, change: Change) {
        match &change {
            Change::Listed(kind) | Change::Absent(kind) => {
                let was = self.missing.len();
                self.missing.remove(kind);
                self.stale |= was == 1 && self.missing.is_empty();
            }
            _ => {}
        }
        self.index.apply(change);
    }

    fn current(&mut self) -> Model {
        self.stale = false;
        let mut model = self.index.model();
        model.listeners.retain(|listener| !self.refused.contains_key(&listener.name));
        model
    }

    /// The model is in force: what it was made from may be reported as served.
    pub fn applied(&mut self) {
        self.state();
    }

    /// Hands on what is to be said.
    pub fn state(&mut self) {
        if let Some(selector) = self.index.replica_labels() {
            self.writer.selector(selector);
        }
        for (id, statement) in self.index.take_statements() {
            self.writer.state(id, statement);
        }
    }

    /// What is counted of the versions of a Split, for its status. Whether it is something else than before.
    pub fn figures(&mut self, namespace: &str, name: &str, versions: serde_json::Value) -> bool {
        self.index.set_figures(&Id::new(ObjectKind::Split, namespace, name), versions)
    }

    /// A listener could not be bound; gives the model without it. Nothing else is affected.
    pub fn refuse(&mut self, listener: &str, reason: String) -> Model {
        tracing::warn!(listener, "is not served: {reason}");
        self.refused.insert(listener.into(), reason);
        self.current()
    }

    /// Other listeners and settings of the process.
    pub fn set_base(&mut self, options: Options, base: Model) {
        self.index.set_base(options, base);
        self.refused.clear();
        self.stale = true;
    }
}
