//! Serving from a cluster: the file has the settings of the process, the cluster has the routes.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::keep::Keeper;
use super::{Process, RunError, Signal, Signals, leave, load, replicate};
use crate::cluster::{Frame, Peers, PeersError, Setup};
use crate::control::{ApplyError, EventKind};
use crate::model::{Model, Peers as PeersSettings};
use crate::source::file::{self, Loaded, Watcher};
use crate::source::kubernetes::{Cluster, Connection, Kept, Options, Scope, TokenReviews};

/// The settings of a process that was given no file: plain HTTP on a port that needs no privilege, and the ops listener.
const DEFAULT: &str = "{ops: {address: \"0.0.0.0:9902\"}, listeners: [{name: http, address: \":8080\"}]}";

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
}

impl ClusterArgs {
    fn options(&self, base: &Model) -> Options {
        Options {
            namespace: self.namespace.as_str().into(),
            identity: self.identity.clone(),
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
    let mut watcher = Watcher::new(&loaded.watched);
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let process = Process::start(loaded.model.clone(), &loaded.settings).await?;
    // Nothing is judged before it is known what was judged before.
    process.control().set_judging(false);
    let connection = Connection::infer().await?;
    let (peers, heard) = peers(&connection, &args, loaded.settings.peers.as_ref()).await?;
    let scope = Scope { namespaces: args.namespaces.clone() };
    let options = args.options(&loaded.model);
    let mut cluster = Cluster::follow(&connection, options, &scope, loaded.model, Arc::clone(&peers));
    if loaded.settings.state.is_none() {
        let kept = Kept::new(&connection, &args.namespace);
        let keeper = Keeper::start(Arc::clone(process.control()), kept).await;
        tokio::spawn(keeper.run(cluster.leading()));
    }
    match heard {
        Some(heard) => {
            drop(tokio::spawn(replicate(Arc::clone(process.control()), peers, heard, cluster.leading())));
        }
        None => process.control().set_judging(true),
    }
    loop {
        tokio::select! {
            model = cluster.model() => {
                bring_into_force(&process, &mut cluster, model);
                process.ready();
            }
            () = watcher.changed(), if args.config.is_some() => reload(&args, &mut cluster, &mut watcher).await,
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Reload => reload(&args, &mut cluster, &mut watcher).await,
            },
        }
    }
    leave(process, &mut signals).await;
    Ok(())
}

type Heard = mpsc::Receiver<Frame>;

/// This replica among the others, and what they will have to say; without a token to show, it says what is missing, and is
/// alone.
async fn peers(
    connection: &Connection,
    args: &ClusterArgs,
    settings: Option<&PeersSettings>,
) -> Result<(Arc<Peers>, Option<Heard>), PeersError> {
    let alone = || (Arc::new(Peers::alone(args.identity.as_str())), None);
    let Some(settings) = settings else { return Ok(alone()) };
    let setup = Setup {
        name: args.identity.as_str().into(),
        address: settings.address,
        token: settings.token.clone(),
        authenticate: Arc::new(TokenReviews::new(connection, settings.token.clone())),
    };
    match Peers::start(setup).await {
        Ok((peers, heard)) => Ok((Arc::new(peers), Some(heard))),
        Err(error @ PeersError::Token { .. }) => {
            tracing::warn!("{error}");
            Ok(alone())
        }
        Err(error) => Err(error),
    }
}

/// A listener that cannot be bound is left out, and all else comes into force.
fn bring_into_force(process: &Process, cluster: &mut Cluster, mut model: Model) {
    let control = process.control();
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
        Some(path) => load(path).await,
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
