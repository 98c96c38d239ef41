//! The way to the API server.
//!
//! Connections to it are open for long and mostly silent, so whether anybody is at the other end is found out: by the kernel where the
//! server, or the way to it, has gone without a word, and by the clock where something still holds the connection but says nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt as _};
use prometheus::{IntGauge, Registry};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

use super::watch::WATCH_SECONDS;

/// How much longer than a watch lasts a connection may be silent before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a connection, with its handshake, may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the beginning of an answer to a list or a watch is waited for.
const ANSWER: Duration = Duration::from_secs(30);

/// Silence after which the kernel asks whether the other end is there (tcp(7), `TCP_KEEPIDLE`).
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// How long it waits before it asks again.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Questions without an answer after which the connection is over.
const PROBES: u32 = 3;
/// How long what was sent may stay unacknowledged (tcp(7), `TCP_USER_TIMEOUT`); also the time that the questions may take.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Why a cluster cannot be followed.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing says where the API server is.
    #[error("no way to an API server: {0}; run in a pod with a service account, or set KUBECONFIG")]
    Config(#[from] kube::config::InferConfigError),
    /// The way cannot be taken.
    #[error("no client for the API server: {0}")]
    Client(#[from] kube::Error),
    /// The way leads by another proxy.
    #[error(
        "the API server is to be asked by way of the proxy {0}, which is not done: take proxy-url out of the kubeconfig, and HTTPS_PROXY \
         out of the environment"
    )]
    Proxy(http::Uri),
}

/// The way to an API server.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    watching: Client,
    answered: Answered,
    /// Watches that do not tell anything, since they fail.
    interrupted: IntGauge,
}

/// Who is told that a watch was answered, by the path of the watch.
type Answered = Arc<Mutex<HashMap<String, Arc<Notify>>>>;

impl Connection {
    /// The way that the environment leads to. To be called on a runtime.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; a server that does not answer is none, since it may come back.
    pub async fn infer() -> Result<Self, ConnectError> {
        let mut config = kube::Config::infer().await?;
        config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS)) + SILENCE);
        config.connect_timeout = Some(CONNECT);
        Ok(Self::by(client(&config)?))
    }

    /// The way that a client takes. To be called on a runtime.
    #[allow(clippy::expect_used)]
    pub(super) fn by(client: Client) -> Self {
        let interrupted = IntGauge::new(
            "weir_watches_interrupted",
            "Watches of the cluster that fail: what they told before is served on.",
        );
        let answered = Answered::default();
        let watching = watching(client.clone(), Arc::clone(&answered));
        Self { client, watching, answered, interrupted: interrupted.expect("the name of a metric is a constant") }
    }

    /// A client.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client for lists and watches, which waits for the beginning of an answer no longer than [`ANSWER`].
    pub(super) fn watching(&self) -> Client {
        self.watching.clone()
    }

    /// Told when a watch of this path is answered: until its first event, which may be long in coming, nothing else tells that it
    /// goes on. One task may wait.
    pub(super) fn answered(&self, path: &str) -> Arc<Notify> {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(answered.entry(path.to_owned()).or_default())
    }

    /// Counts a watch that fails for as long as the answer is kept.
    pub(super) fn interruption(&self) -> Interruption {
        self.interrupted.inc();
        Interruption(self.interrupted.clone())
    }

    /// Shows how many watches fail.
    ///
    /// # Errors
    ///
    /// It is shown there already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.interrupted.clone()))
    }
}

/// A watch that fails.
pub(super) struct Interruption(IntGauge);

impl Drop for Interruption {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The way of a client, for lists and watches.
fn watching(client: Client, answered: Answered) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        async move {
            let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let path = watches.then(|| request.uri().path().to_owned());
            let Ok(answer) = timeout(ANSWER, client.send(request)).await else {
                let late = format!("no answer within {} s", ANSWER.as_secs());
                return Err(kube::Error::Service(late.into()));
            };
            let answer = answer?;
            if let Some(path) = path.filter(|_| answer.status().is_success()) {
                let answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                answered.get(&path).into_iter().for_each(|waits| waits.notify_one());
            }
            Ok(answer)
        }
    });
    Client::new(service, namespace)
}

/// What `kube` makes of a configuration, but for the sockets.
fn client(config: &kube::Config) -> Result<Client, ConnectError> {
    if let Some(proxy) = &config.proxy_url {
        return Err(ConnectError::Proxy(proxy.clone()));
    }
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(sockets())?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let retries = config.default_retry.then(|| RetryLayer::new(RetryPolicy::server_retry()));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(retries)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Sockets of which the kernel finds out that the other end has gone: by questions while nothing is said, and by what is never
/// acknowledged.
fn sockets() -> HttpConnector {
    let mut sockets = HttpConnector::new();
    // TLS comes on top.
    sockets.enforce_http(false);
    sockets.set_keepalive(Some(PROBE_AFTER));
    sockets.set_keepalive_interval(Some(PROBE_EVERY));
    sockets.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    sockets.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    sockets
}

#[cfg(test)]
mod tests;
