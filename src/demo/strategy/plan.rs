//! The configurations of a release.

use std::io;
use std::net::SocketAddr;

use super::stage::Stage;
use super::{SPLIT, Strategy};

/// Endpoints of a version.
pub const ENDPOINTS: usize = 3;

/// How a strategy is configured.
pub struct Plan {
    /// The strategy.
    pub strategy: Strategy,
    /// The proxy.
    pub proxy: SocketAddr,
    /// Its dashboard and API.
    pub admin: SocketAddr,
}

/// A version as a configuration has it.
pub struct Version<'v> {
    /// Name.
    pub name: &'v str,
    /// Weight.
    pub weight: u32,
    /// Where it runs.
    pub endpoints: Vec<SocketAddr>,
    /// What it runs.
    pub revision: &'v str,
}

impl Plan {
    /// A plan for a proxy at these addresses.
    pub fn new(strategy: Strategy, proxy: SocketAddr, admin: SocketAddr) -> Self {
        Self { strategy, proxy, admin }
    }

    /// The parts that the time is divided by, each before or after something happens.
    pub fn steps(&self) -> u32 {
        match self.strategy {
            Strategy::Recreate => 5,
            Strategy::Rolling => 8,
            Strategy::BlueGreen => 3,
            Strategy::Canary => 6,
            Strategy::Ab => 3,
        }
    }

    /// Starts what runs before the release, and configures it.
    pub async fn first(&self, stage: &mut Stage) -> io::Result<String> {
        let (old, new) = self.strategy.versions();
        stage.start(old, ENDPOINTS).await?;
        match self.strategy {
            Strategy::Recreate | Strategy::Rolling => {}
            Strategy::BlueGreen => stage.start(new, ENDPOINTS).await?,
            Strategy::Canary | Strategy::Ab => stage.start(new, 1).await?,
        }
        Ok(match self.strategy {
            Strategy::Recreate | Strategy::Rolling => self.alone(stage.endpoints(old), old),
            Strategy::BlueGreen | Strategy::Canary | Strategy::Ab => self.both(stage, (1, 0)),
        })
    }

    /// One version, wherever it runs.
    pub fn alone(&self, endpoints: Vec<SocketAddr>, revision: &str) -> String {
        self.configuration(&[Version { name: "app", weight: 1, endpoints, revision }])
    }

    /// Both versions, wherever they run.
    pub fn both(&self, stage: &Stage, (old, new): (u32, u32)) -> String {
        let names = self.strategy.versions();
        let version = |name, weight| Version { name, weight, endpoints: stage.endpoints(name), revision: name };
        self.configuration(&[version(names.0, old), version(names.1, new)])
    }

    fn configuration(&self, versions: &[Version<'_>]) -> String {
        let Self { proxy, admin, .. } = self;
        let lines: String = versions.iter().map(line).collect();
        let more = self.more(versions);
        format!(
            "admin: {{address: \"{admin}\"}}\nshutdown: {{delay: 0s, timeout: 10s}}\nlisteners:\n  - {{name: http, address: \
             \"{proxy}\"}}\nsplits:\n  - name: {SPLIT}\n    versions:\n{lines}{more}"
        )
    }

    /// What makes the strategy. Without group b there are no overrides for it.
    fn more(&self, versions: &[Version<'_>]) -> &'static str {
        match self.strategy {
            Strategy::Recreate => {
                "    onEmpty: hold                         # requests wait for an endpoint\n    holdTimeout: 30s\n"
            }
            Strategy::Rolling => "",
            Strategy::BlueGreen => "    sticky: {cookie: weir, ttl: 24h}\n",
            Strategy::Canary => {
                "    sticky: {cookie: weir, ttl: 24h}      # who has seen the canary stays there\n    \
                 rescue: {from: v2, on: [5xx, connect, timeout]}\n    \
                 guard: {window: 30s, minRequests: 100, maxErrorRateIncrease: 2%, action: divert}\n"
            }
            Strategy::Ab if versions.len() > 1 => {
                "    overrides:                            # weights are for everybody else\n      \
                 - {header: x-group, value: b, to: b}\n      - {cookie: group, value: b, to: b}\n"
            }
            Strategy::Ab => "",
        }
    }
}

fn line(version: &Version<'_>) -> String {
    let Version { name, weight, endpoints, revision } = version;
    let endpoints: Vec<String> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!("      - {{name: {name}, weight: {weight}, endpoints: [{endpoints}], revision: {revision}}}\n")
}
