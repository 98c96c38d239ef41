//! Where everything listens, and the configuration that says so.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use thiserror::Error;

use super::backstage::Backstage;
use super::ramp::STEPS;
use super::{CANARY, SPLIT, STABLE};

/// An address that nothing can listen on.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// The system refuses it.
    #[error("cannot listen on {address}: {error}; give another {option}")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// Which option asked.
        option: &'static str,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// All ports are taken.
    #[error("no port from {} on is free at {}; give another {option}", address.port(), address.ip())]
    AllBusy {
        /// What was asked for.
        address: SocketAddr,
        /// Which option asked.
        option: &'static str,
    },
}

/// Addresses of a demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The proxy.
    pub proxy: SocketAddr,
    /// Its dashboard and API.
    pub admin: SocketAddr,
    /// The version that is known to be good.
    pub stable: SocketAddr,
    /// The version that is released.
    pub canary: SocketAddr,
}

impl Places {
    /// Free addresses, from the ports that were asked for on, and a line for each that was busy.
    pub fn find(port: u16, admin: SocketAddr, backstage: &Backstage) -> Result<(Self, Vec<String>), PlaceError> {
        let asked = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let pair = Pair::find(port, admin)?;
        let moved = [(asked, pair.proxy, "the proxy"), (admin, pair.admin, "the dashboard")];
        let busy = moved.into_iter().filter(|(asked, found, _)| asked.port() != 0 && asked != found);
        let busy = busy.map(|(asked, found, what)| format!("port {} is busy: {what} listens on {found}", asked.port()));
        let Pair { proxy, admin, .. } = pair;
        let places = Self { proxy, admin, stable: backstage.stable(), canary: backstage.canary() };
        Ok((places, busy.collect()))
    }

    /// What the proxy is started with.
    pub fn configuration(&self) -> String {
        let Self { proxy, admin, stable, canary } = self;
        let admin = format!("admin: {{address: \"{admin}\"}}");
        let first = STEPS[0];
        let rest = 100 - first;
        format!(
            r#"{admin:<42}# the dashboard; `weir status` and `weir weight` ask here, too
# state: weir-state.json                  # a trip outlives a restart there; the demo starts anew each time
shutdown: {{delay: 0s, timeout: 10s}}       # no load balancer has to notice first
listeners:
  - {{name: http, address: "{proxy}"}}
splits:
  - name: {SPLIT}
    versions:                             # the demo raises the canary's weight from here, as `weir weight` does
      - {{name: {STABLE}, weight: {rest}, endpoints: ["{stable}"]}}
      - {{name: {CANARY}, weight: {first}, endpoints: ["{canary}"], revision: r2}}
    overrides:                            # testers reach the canary whatever its weight is
      - {{header: x-canary, value: always, to: {CANARY}}}
    # What fails on the canary is repeated on stable: the client sees a success, the metrics see the failure.
    rescue: {{from: {CANARY}, on: [5xx, connect, timeout]}}
    # A canary that fails more often than stable, by more than 2% of its requests, gets no more of them.
    guard: {{window: 30s, minRequests: 100, maxErrorRateIncrease: 2%, action: divert}}
"#
        )
    }
}

/// Free addresses for a proxy and its dashboard.
pub struct Pair {
    /// The proxy's.
    pub proxy: SocketAddr,
    /// The dashboard's.
    pub admin: SocketAddr,
    /// Both stay bound until they are wanted, so that nothing that is started meanwhile gets them.
    _held: [TcpListener; 2],
}

impl Pair {
    /// From the ports that were asked for on.
    pub fn find(port: u16, admin: SocketAddr) -> Result<Self, PlaceError> {
        let (held, proxy) = free(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "--port")?;
        let (also_held, admin) = free(admin, "--admin")?;
        Ok(Self { proxy, admin, _held: [held, also_held] })
    }
}

/// The first address from `asked` on that is free, bound.
fn free(asked: SocketAddr, option: &'static str) -> Result<(TcpListener, SocketAddr), PlaceError> {
    let mut address = asked;
    loop {
        let bound = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound {
            Ok((found, listener)) => return Ok((listener, found)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match address.port().checked_add(1) {
                Some(next) => address.set_port(next),
                None => return Err(PlaceError::AllBusy { address: asked, option }),
            },
            Err(error) => return Err(PlaceError::Refused { address, option, error }),
        }
    }
}

#[cfg(test)]
mod tests;
