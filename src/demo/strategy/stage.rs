//! The endpoints: embedded servers that come and go as pods do.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::aside::Aside;
use crate::echo::{Echo, EchoOptions};

/// How long an endpoint takes to answer: what a small service does.
const LATENCY: Duration = Duration::from_millis(2);

/// All endpoints, those that have ended among them.
pub struct Stage {
    aside: Aside,
    running: Vec<(String, Echo)>,
    peak: usize,
    /// Connections that endpoints had accepted when they ended.
    past_connections: u64,
}

impl Stage {
    /// A stage without endpoints.
    pub fn new() -> io::Result<Self> {
        Ok(Self { aside: Aside::start()?, running: Vec::new(), peak: 0, past_connections: 0 })
    }

    /// Where clients can run, too.
    pub fn aside(&self) -> &Aside {
        &self.aside
    }

    /// Starts endpoints of a version. Ports come from the kernel: nothing outside needs to know them.
    pub async fn start(&mut self, version: &str, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let options = EchoOptions { version: version.to_owned(), latency: LATENCY, ..EchoOptions::default() };
            let echo = self.aside.handle().spawn(Echo::start(options)).await.map_err(io::Error::other)??;
            self.running.push((version.to_owned(), echo));
            self.peak = self.peak.max(self.running.len());
        }
        Ok(())
    }

    /// Where the endpoints of a version listen, the oldest first.
    pub fn endpoints(&self, version: &str) -> Vec<SocketAddr> {
        self.running.iter().filter(|(name, _)| name == version).map(|(_, echo)| echo.address()).collect()
    }

    /// Ends an endpoint as a server ends that is asked to: it finishes what it has.
    pub async fn stop(&mut self, address: SocketAddr) {
        if let Some(index) = self.running.iter().position(|(_, echo)| echo.address() == address) {
            let (_, echo) = self.running.remove(index);
            let stats = echo.stats();
            echo.stop().await;
            self.past_connections += stats.connections;
        }
    }

    /// Ends every endpoint of a version.
    pub async fn stop_all(&mut self, version: &str) {
        for address in self.endpoints(version) {
            self.stop(address).await;
        }
    }

    /// The most endpoints that ran at a time.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Connections that endpoints have accepted.
    pub fn connections(&self) -> u64 {
        self.past_connections + self.running.iter().map(|(_, echo)| echo.stats().connections).sum::<u64>()
    }
}
