//! Serving from a cluster: the file has the settings of the process, the cluster has the routes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::join::Joined;
use super::{Process, RunError, Signal, Signals, leave, load};
use crate::control::{ApplyError, Control, EventKind, SplitStatus, VersionStatus};
use crate::model::{Kind, Model};
use crate::source::file::{self, Loaded, Names, Watcher};
use crate::source::kubernetes::{Cluster, Connection, Options, Scope};

/// The settings of a process that was given no file: plain HTTP on a port that needs no privilege, and the ops listener.
const DEFAULT: &str =
    "{ops: {address: \"0.0.0.0:9902\"}, listeners: [{name: http, address: \":8080\", advertisedPort: 80}]}";

/// How often Splits are given the figures of their versions.
const FIGURES: Duration = Duration::from_secs(5);
/// Splits that are given figures at a time: each costs a write.
const FIGURES_AT_ONCE: usize = 50;

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
    let joined = Joined::new(&process, &connection, &args.identity, loaded.settings.peers.as_ref()).await?;
    let scope = Scope { namespaces: args.namespaces.clone() };
    let options = args.options(&loaded.model);
    let mut cluster = Cluster::follow(&connection, options, &scope, loaded.model, joined.peers());
    joined.share(&process, &connection, &loaded.settings, (&args.namespace, cluster.leading())).await;
    let mut figures = tokio::time::interval(FIGURES);
    figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = figures.tick() => tell_figures(&process, &mut cluster),
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

/// Gives Splits the figures of their versions, as this replica has them; more than some at a time wait for the next one.
fn tell_figures(process: &Process, cluster: &mut Cluster) {
    let mut told = 0;
    for split in &process.control().status_of(Kind::Split) {
        told += usize::from(cluster.figures(&split.namespace, &split.name, figures_of(split)));
        if told == FIGURES_AT_ONCE {
            break;
        }
    }
    cluster.state();
}

fn figures_of(split: &SplitStatus) -> serde_json::Value {
    let percent = |share: Option<f64>| share.map(|share| format!("{:.2}", share * 100.0));
    let version = |version: &VersionStatus| {
        let mut figures = json!({
            "name": version.name,
            "revision": version.revision,
            "desired": version.desired,
            "effective": format!("{}", (version.effective * 100.0).round() / 100.0),
            "share": percent(version.share).unwrap_or_default(),
            "requests": version.requests,
            "success": percent(version.success).unwrap_or_default(),
            "p99": version.p99.map_or_else(String::new, |p99| format!("{:.0}ms", p99 * 1000.0)),
            "connections": version.connections,
            "draining": version.draining,
        });
        if version.drain_replicas > 0 {
            figures["drainReplicas"] = version.drain_replicas.into();
        }
        if let Some(end) = version.drain_seconds.and_then(drain_ends_at) {
            figures["drainEndsAt"] = end.into();
        }
        figures
    };
    split.versions.iter().map(version).collect()
}

/// The moment, to the second, so that it does not seem to change all the time.
fn drain_ends_at(seconds: f64) -> Option<String> {
    let end = jiff::Timestamp::now().as_second().checked_add(seconds.round() as i64)?;
    Some(jiff::Timestamp::from_second(end).ok()?.to_string())
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
        Some(path) => load(path, Names::default()).await,
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
