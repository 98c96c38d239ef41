//! The way to the API server.

use std::time::Duration;

use kube::Client;
use thiserror::Error;

use super::watch::WATCH_SECONDS;

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

/// The way to an API server.
#[derive(Clone)]
pub struct Connection(Client);

impl Connection {
    /// The way that the environment leads to. To be called on a runtime.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; a server that does not answer is none, since it may come back.
    pub async fn infer() -> Result<Self, ConnectError> {
        let mut config = kube::Config::infer().await?;
        config.read_timeout = Some(Duration::from_secs(u64::from(WATCH_SECONDS)) + SILENCE);
        config.connect_timeout = Some(Duration::from_secs(5));
        Ok(Self(Client::try_from(config)?))
    }

    /// A client.
    pub(super) fn client(&self) -> Client {
        self.0.clone()
    }
}
