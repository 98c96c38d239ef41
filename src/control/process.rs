//! What the end of the process, its place being taken and whoever takes its endpoints away ask: sockets, what is in flight, what
//! still goes to an endpoint.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::time::Instant;

use super::Control;
use super::events::lock;
use crate::endpoint::Endpoint;
use crate::model::SocketKey;

/// How far an endpoint is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It gets what comes.
    Serving,
    /// It gets nothing new; so many requests and long-lived connections are left, or it is not certain yet that it goes.
    Draining(u32),
    /// Nothing goes to it.
    Gone,
}

impl Control {
    /// Where a listener really listens: port 0 in the configuration means any.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        let state = lock(&self.state);
        let found = state.model.listeners.iter().find(|known| *known.name == *listener)?;
        state.fleet.address(found)
    }

    /// Requests and tunnels in flight.
    pub fn in_flight(&self) -> usize {
        lock(&self.state).fleet.in_flight()
    }

    /// Asks every long-lived connection to end within `timeout`.
    pub fn drain_all(&self, timeout: Duration) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        state.drains.shutdown(timeout, &self.served.load(), &state.fleet, Instant::now());
    }

    /// Long-lived connections that were cut since [`Control::drain_all`].
    pub fn cut_at_the_end(&self) -> u64 {
        lock(&self.state).drains.cut_at_the_end()
    }

    /// Whether an endpoint has nothing left and gets nothing new: `pod` is its pod, or its address.
    pub fn leaving(&self, pod: &str) -> Leaving {
        let (ip, address) = (pod.parse().ok(), pod.parse().ok());
        let is_meant = |endpoint: &Endpoint| {
            endpoint.pod.as_deref() == Some(pod)
                || ip == Some(endpoint.address.ip())
                || address == Some(endpoint.address)
        };
        let state = lock(&self.state);
        // Those that are served no more are known as long as anything goes to them.
        let left =
            state.interner.endpoints().filter(|endpoint| is_meant(endpoint)).map(|endpoint| endpoint.in_flight()).sum();
        if state.drains.waits(is_meant) {
            return Leaving::Draining(left);
        }
        let snapshot = self.served.load();
        let versions = snapshot.rules.iter().flat_map(|rule| rule.body.versions.iter());
        let mut served = versions.flat_map(|version| version.endpoints.iter());
        match (served.any(|endpoint| is_meant(endpoint)), left) {
            (true, _) => Leaving::Serving,
            (false, 0) => Leaving::Gone,
            (false, left) => Leaving::Draining(left),
        }
    }

    /// How many connections of clients are open.
    pub fn connection_count(&self) -> usize {
        lock(&self.state).fleet.connections()
    }

    /// The sockets of all listeners, for another process.
    ///
    /// # Errors
    ///
    /// No more files can be open.
    pub fn sockets(&self) -> io::Result<Vec<(SocketKey, TcpListener)>> {
        lock(&self.state).fleet.sockets()
    }

    /// Waits until every worker has done what it was told, such as to accept.
    pub async fn caught_up(&self) {
        let told = lock(&self.state).fleet.caught_up();
        for told in told {
            // A worker that is gone has nothing left to do.
            let _ = told.await;
        }
    }

    /// Stops accepting on every listener, for good; connections that wait to be accepted still are.
    pub fn stop_listening(&self) {
        lock(&self.state).fleet.stop_listening();
    }

    /// Lets the workers end, whatever they have.
    pub fn dismiss_workers(&self) {
        lock(&self.state).fleet.dismiss();
    }
}
