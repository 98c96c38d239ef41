//! The thread of what is not the proxy: the two versions, and the clients.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::Handle;

use super::aside::Aside;
use super::{CANARY, STABLE};
use crate::echo::{Echo, EchoOptions};

/// How long a version takes to answer: what a small service does.
const LATENCY: Duration = Duration::from_millis(2);

/// A running thread with two versions; it ends when dropped.
pub struct Backstage {
    aside: Aside,
    stable: Echo,
    canary: Echo,
}

impl Backstage {
    /// Starts both versions; `fail` is the share of requests that the canary fails.
    pub async fn start(fail: f64) -> io::Result<Self> {
        let aside = Aside::start()?;
        let stable = start(aside.handle(), STABLE, 0.0).await?;
        let canary = start(aside.handle(), CANARY, fail).await?;
        Ok(Self { aside, stable, canary })
    }

    /// To put more into the thread.
    pub fn handle(&self) -> &Handle {
        self.aside.handle()
    }

    /// Where the stable version listens.
    pub fn stable(&self) -> SocketAddr {
        self.stable.address()
    }

    /// Where the canary listens.
    pub fn canary(&self) -> SocketAddr {
        self.canary.address()
    }

    /// Stops both versions, then the thread.
    pub async fn stop(self) {
        self.stable.stop().await;
        self.canary.stop().await;
    }
}

/// Ports come from the kernel: nothing outside needs to know them.
async fn start(handle: &Handle, version: &str, fail: f64) -> io::Result<Echo> {
    let options = EchoOptions { version: version.to_owned(), fail, latency: LATENCY, ..EchoOptions::default() };
    handle.spawn(Echo::start(options)).await.map_err(io::Error::other)?
}
