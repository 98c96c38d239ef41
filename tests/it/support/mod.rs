//! What the tests stand on.
//!
//! - `Proxy`: a proxy in this process, from YAML; [`Binary`]: the `weir` program, spawned and killed on drop.
//! - `echo`: a backend that tells what it got; [`Script`]: a backend that answers with given bytes; [`TlsFront`]: TLS
//!   before any backend.
//! - [`get`], [`raw`], [`h1`], [`h2`], [`tls`] and [`Answer`]: clients.
//! - [`ApiServer`]: a Kubernetes API server in this process.
//! - `Authority`: certificates.
//! - [`within`] bounds a wait, [`wait_until`] polls a condition; nothing sleeps to synchronise.
#![allow(dead_code, reason = "not every helper is used by every set of tests")]

mod apiserver;
mod backend;
mod binary;
mod certificate;
mod client;
mod metric;
mod proxy;

use std::time::Duration;

pub use apiserver::ApiServer;
pub use backend::{Script, TlsFront, echo};
pub use binary::Binary;
pub use certificate::{Authority, Identity, client_config, client_config_of, server_config};
#[allow(unused_imports, reason = "not every set of tests names them")]
pub use client::{
    Answer, H1, H2, Sent, all, ask_h1, ask_h2, extended_connect, fed, get, h1, h1_over, h2, h2_over, nothing, raw,
    request, send, tls,
};
pub use metric::metric;
pub use proxy::Proxy;

/// Nothing takes this long; a test that hangs should say so.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The future's output; panics if it takes longer than [`PATIENCE`].
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("took longer than {PATIENCE:?} at {place}"),
        }
    }
}

/// Polls `condition` every few milliseconds until it holds; panics with `what` if it does not within [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    wait_until_for(what, PATIENCE, condition)
}

/// [`wait_until`] with a deadline of its own.
#[track_caller]
pub fn wait_until_for(
    what: &str,
    patience: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + patience;
        while !condition().await {
            assert!(tokio::time::Instant::now() < deadline, "not within {patience:?}: {what}, at {place}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
