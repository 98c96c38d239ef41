//! Serving from a cluster: the file has the settings of the process, the cluster has the routes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::figures::Turns;
use super::file::load;
use super::join::Joined;
use super::{Process, RunError, Signal, Signals, StartError, leave};
use crate::control::{ApplyError, Control, EventKind};
use crate::model::Model;
use crate::source::file::{self, Loaded, Names, Watcher};
use crate::source::kubernetes::{Cluster, Connection, Options, Scope};

/// The settings of a process that was given no file: plain HTTP on a port that needs no privilege, and the ops listener.
const DEFAULT: &str =
    "{ops: {address: \"0.0.0.0:9902\"}, listeners: [{name: http, address: \":8080\", advertisedPort: 80}]}";

/// How often Splits are given the figures of their versions.
const FIGURES: Duration = Duration::from_secs(5);

/// The Service by which clients reach the process's own listeners.
const SERVICE: &str = "weir";

/// What the command line says about the cluster.
#[derive(Clone, Debug)]
pub struct ClusterArgs {
    /// Settings of the process; none: defaults.
    pub config: Option<PathBuf>,
    /// Namespaces to look at; empty: all.
    pub namespaces: Vec<String>,
    /// Namespace of the proxy itself.
    pub namespace: String,
    /// Name of this replica.
    pub identity: String,
    /// Ingress classes that are ours by their name alone.
    pub classes: Vec<String>,
    /// Prefix of the annotations that Ingresses are written with.
    pub annotation_prefix: String,
    /// Where Ingresses with certificates are served.
    pub https: SocketAddr,
}

impl ClusterArgs {
    fn options(&self, base: &Model) -> Options {
        Options {
            namespace: self.namespace.as_str().into(),
            identity: self.identity.clone(),
            service: SERVICE.into(),
            classes: self.classes.clone(),
            annotation_prefix: self.annotation_prefix.clone(),
            https: Some(self.https),
            listeners: base.listeners.iter().map(|listener| Arc::clone(&listener.name)).collect(),
        }
    }
}

/// Serves from a cluster until a signal ends the process.
///
/// # Errors
///
/// The file is invalid, or nothing leads to a cluster. A server that does not answer is waited for.
pub async fn run_kubernetes(args: ClusterArgs) -> Result<(), RunError> {
    let loaded = settings(args.config.clone()).await?;
    if loaded.settings.upgrade.is_some() {
        tracing::warn!("upgrade is of use without --kubernetes only: in a cluster, roll the Deployment");
    }
    let mut watcher = Watcher::new(&loaded.watched);
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let process = Process::start(loaded.model.clone(), &loaded.settings).await?;
    let connection = Connection::infer().await?;
    connection.register(process.control().metrics().registry()).map_err(StartError::from)?;
    let joined = Joined::new(&process, &connection, &args.identity, loaded.settings.peers.as_ref()).await?;
    let scope = Scope { namespaces: args.namespaces.clone(), own: args.namespace.clone() };
    let options = args.options(&loaded.model);
    let mut cluster = Cluster::follow(&connection, options, &scope, loaded.model, joined.peers());
    joined.share(&process, &connection, &loaded.settings, (&args.namespace, cluster.leading())).await;
    let mut turns = Turns::default();
    let mut figures = tokio::time::interval(FIGURES);
    figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = figures.tick() => turns.tell(process.control(), &mut cluster),
            model = cluster.model() => {
                bring_into_force(process.control(), &mut cluster, model);
                process.ready();
            }
            () = watcher.changed(), if args.config.is_some() => reload(&args, &mut cluster, &mut watcher).await,
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Reload => {
                    process.reopen();
                    reload(&args, &mut cluster, &mut watcher).await;
                }
            },
        }
    }
    let control = Arc::clone(process.control());
    follow_until(leave(process, &mut signals), &control, &mut cluster).await;
    Ok(())
}

/// Whoever ends serves for a while yet, and does so by what the cluster says; but another one is to write now.
async fn follow_until(end: impl Future<Output = ()>, control: &Control, cluster: &mut Cluster) {
    cluster.resign();
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            model = cluster.model() => bring_into_force(control, cluster, model),
        }
    }
}

/// A listener that cannot be bound is left out, and all else comes into force.
fn bring_into_force(control: &Control, cluster: &mut Cluster, mut model: Model) {
    loop {
        match control.apply(model) {
            Ok(_) => return cluster.applied(),
            Err(ApplyError::Bind(error)) => model = cluster.refuse(&error.listener, error.to_string()),
            Err(error) => {
                control.metrics().rejected("kubernetes");
                let message = format!("the last good state stays: {error}");
                return control.events().tell(EventKind::ConfigRejected, "", "", message);
            }
        }
    }
}

async fn settings(config: Option<PathBuf>) -> Result<Loaded, file::Diagnostics> {
    let loaded = match config {
        Some(path) => load(path, Names::default()).await.map_err(|refused| refused.diagnostics),
        None => file::parse(DEFAULT, "default settings", std::path::Path::new("")),
    }?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(loaded)
}

async fn reload(args: &ClusterArgs, cluster: &mut Cluster, watcher: &mut Watcher) {
    match settings(args.config.clone()).await {
        Ok(loaded) => {
            watcher.watch(&loaded.watched);
            cluster.set_base(args.options(&loaded.model), loaded.model);
        }
        Err(diagnostics) => tracing::warn!("the last good settings stay: {diagnostics}"),
    }
}
