//! How a process in a cluster becomes one of several replicas.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::keep::Keeper;
use super::{Process, replicate};
use crate::cluster::{Frame, Peers, PeersError, Setup};
use crate::model::{Peers as PeersSettings, Settings};
use crate::source::kubernetes::{Connection, Kept, TokenReviews};

/// This replica among the others.
pub struct Joined {
    peers: Arc<Peers>,
    /// What the others will have to say; none: they are not heard.
    heard: Option<mpsc::Receiver<Frame>>,
}

impl Joined {
    /// Listens for the others, if the settings say so; without a token to show it says what is missing, and is alone. No
    /// guard judges until [`Self::share`], since others may, or did before.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn new(
        process: &Process,
        connection: &Connection,
        identity: &str,
        settings: Option<&PeersSettings>,
    ) -> Result<Self, PeersError> {
        process.control().set_judging(false);
        let alone = || Self { peers: Arc::new(Peers::alone(identity)), heard: None };
        let Some(PeersSettings { address, token }) = settings else { return Ok(alone()) };
        let authenticate = Arc::new(TokenReviews::new(connection, token.clone()));
        let setup = Setup { name: identity.into(), address: *address, token: token.clone(), authenticate };
        match Peers::start(setup).await {
            Ok((peers, heard)) => Ok(Self { peers: Arc::new(peers), heard: Some(heard) }),
            Err(error @ PeersError::Token { .. }) => {
                tracing::warn!("{error}");
                Ok(alone())
            }
            Err(error) => Err(error),
        }
    }

    /// The replicas.
    pub fn peers(&self) -> Arc<Peers> {
        Arc::clone(&self.peers)
    }

    /// From now on, what guards know is shared with the others and kept: by a file if the settings name one, else in the
    /// cluster. `leads`: whether this replica, in its namespace, holds the Lease.
    pub async fn share(
        self,
        process: &Process,
        connection: &Connection,
        settings: &Settings,
        (namespace, leads): (&str, watch::Receiver<bool>),
    ) {
        let control = process.control();
        if settings.state.is_none() {
            let keeper = Keeper::start(Arc::clone(control), Kept::new(connection, namespace)).await;
            tokio::spawn(keeper.run(leads.clone()));
        }
        match self.heard {
            Some(heard) => drop(tokio::spawn(replicate(Arc::clone(control), self.peers, heard, leads))),
            None => control.set_judging(true),
        }
    }
}
