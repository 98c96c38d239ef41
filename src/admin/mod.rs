//! The listeners for people and machines that look after the proxy: `ops` (probes, metrics, what rollout controllers ask)
//! changes nothing, `admin` has the dashboard, the API, and changes by hand.

mod api;
mod change;
mod drain;
mod hooks;
mod query;
mod reply;
mod view;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _};

use self::api::Api;
use self::reply::Reply;
pub use self::view::{Asked, explain_request};
use crate::control::Control;
use crate::proxy::Phase;

/// Requests that are worked on at a time; more wait.
const AT_ONCE: usize = 64;
/// How long a request may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that wait for a drain at a time: pods of a large Deployment may all end at once. More wait for these.
const WAITING: usize = 512;

/// What a listener allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Admin,
    /// Only what changes nothing and tells nothing about the configuration.
    Ops,
}

impl Access {
    /// What the configuration calls the listener.
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Ops => "ops",
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("{what} cannot listen on {address}: {error}; give {what}.address another port, or stop who has it")]
pub struct AdminError {
    what: &'static str,
    address: SocketAddr,
    #[source]
    error: io::Error,
}

/// An admin or ops listener that answers nobody yet.
pub struct AdminSocket {
    asked: SocketAddr,
    address: SocketAddr,
    access: Access,
    listener: TcpListener,
    /// The same socket, for a process that takes over.
    held: Arc<std::net::TcpListener>,
}

impl AdminSocket {
    /// Listens on `address`; on the socket of another process, where that has one for it.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn bind(
        asked: SocketAddr,
        access: Access,
        inherited: Option<std::net::TcpListener>,
    ) -> Result<Self, AdminError> {
        let failed = |error| AdminError { what: access.name(), address: asked, error };
        let listener = match inherited {
            Some(socket) => TcpListener::from_std(socket).map_err(failed)?,
            None => TcpListener::bind(asked).await.map_err(failed)?,
        };
        let address = listener.local_addr().map_err(failed)?;
        let held: std::net::TcpListener = listener.as_fd().try_clone_to_owned().map_err(failed)?.into();
        Ok(Self { asked, address, access, listener, held: Arc::new(held) })
    }
}

/// A running admin or ops listener; it ends when dropped.
pub struct Admin {
    asked: SocketAddr,
    address: SocketAddr,
    access: Access,
    held: Arc<std::net::TcpListener>,
    task: JoinHandle<()>,
}

impl Admin {
    /// Answers at `socket` from now on.
    pub fn start(
        socket: AdminSocket,
        token: Option<String>,
        control: Arc<Control>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let AdminSocket { asked, address, access, listener, held } = socket;
        let what = access.name();
        let api = Arc::new(Api { access, token, control, phase, scraping: Arc::default() });
        let answer = tower::service_fn(move |request: Request<Incoming>| {
            let api = Arc::clone(&api);
            async move { Ok::<_, tower::BoxError>(api.answer(request).await) }
        });
        // One limit for all connections, so that a scraper gone mad cannot keep the control side busy.
        let limit = GlobalConcurrencyLimitLayer::new(AT_ONCE);
        let at_once = ServiceBuilder::new().timeout(PATIENCE).layer(limit).service(answer.clone());
        let waiting = ServiceBuilder::new().layer(GlobalConcurrencyLimitLayer::new(WAITING)).service(answer);
        let services =
            Services { at_once: BoxCloneSyncService::new(at_once), waiting: BoxCloneSyncService::new(waiting) };
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => drop(tokio::spawn(serve(services.clone(), stream, peer))),
                    Err(error) => {
                        tracing::warn!(what, %error, "accepting failed");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Self { asked, address, access, held, task }
    }

    /// What it allows.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The address that was asked for.
    pub fn asked(&self) -> SocketAddr {
        self.asked
    }

    /// Its socket, for another process, for as long as it is in use here.
    pub fn socket(&self) -> Weak<std::net::TcpListener> {
        Arc::downgrade(&self.held)
    }

    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type ApiService = BoxCloneSyncService<Request<Incoming>, Reply, tower::BoxError>;

/// Who answers.
#[derive(Clone)]
struct Services {
    /// What is answered at once.
    at_once: ApiService,
    /// Who waits for a drain says for how long, and takes nobody's place meanwhile.
    waiting: ApiService,
}

impl Services {
    fn of(&self, request: &Request<Incoming>) -> ApiService {
        if drain::waits(request.uri().path()) { self.waiting.clone() } else { self.at_once.clone() }
    }
}

async fn serve(services: Services, stream: TcpStream, peer: SocketAddr) {
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answer = services.of(&request).oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|error| too_slow(&*error))) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "an admin connection ended early");
    }
}

fn too_slow(error: &(dyn std::error::Error + Send + Sync)) -> Reply {
    reply::error(StatusCode::SERVICE_UNAVAILABLE, &format!("no answer within {PATIENCE:?}: {error}"))
}

#[cfg(test)]
mod tests;
