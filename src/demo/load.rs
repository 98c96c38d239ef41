//! The clients: HTTP/1.1 over connections that are kept, at a steady pace.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::tally::{Answer, Tally};

/// Clients, each with a connection of its own.
pub const CLIENTS: u32 = 8;
/// Requests a second of all of them together.
pub const RATE: u32 = 200;
/// How long a client waits; far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

type Sender = SendRequest<Empty<Bytes>>;
type Fault = Box<dyn Error + Send + Sync>;

/// Counts that clients and viewers share.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Tally>>);

impl Shared {
    /// The counts as they are now.
    pub fn now(&self) -> Tally {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running load; it is cut when dropped.
pub struct Load {
    tally: Shared,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts all clients on a runtime.
    pub fn start(runtime: &Handle, target: SocketAddr) -> Self {
        let tally = Shared::default();
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for index in 0..CLIENTS {
            clients.spawn_on(client(index, target, tally.clone(), stopped.clone()), runtime);
        }
        Self { tally, stop, clients }
    }

    /// What the clients have seen.
    pub fn tally(&self) -> Shared {
        self.tally.clone()
    }

    /// Lets every client finish the request that it waits for, and tells what they all saw.
    pub async fn finish(mut self) -> Tally {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
        self.tally.now()
    }
}

async fn client(index: u32, target: SocketAddr, tally: Shared, mut stopped: watch::Receiver<bool>) {
    let pace = Duration::from_secs(1) * CLIENTS / RATE;
    // Clients take turns: requests are spread evenly over time.
    let mut interval = tokio::time::interval_at(Instant::now() + pace * index / CLIENTS, pace);
    // What a slow machine could not send is not made up for in a burst.
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut kept = None;
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = interval.tick() => {}
        }
        let begun = Instant::now();
        let outcome = match tokio::time::timeout(PATIENCE, ask(&mut kept, target)).await {
            Ok(outcome) => outcome.map_err(|fault| describe(&*fault)),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        };
        tally.lock().count(outcome, begun.elapsed());
    }
}

/// One request, on the connection that is kept if there is one.
async fn ask(kept: &mut Option<Sender>, target: SocketAddr) -> Result<Answer, Fault> {
    let mut sender = kept.take();
    // The proxy may have closed it, as it may at any time between two requests.
    if let Some(open) = &mut sender
        && open.ready().await.is_err()
    {
        sender = None;
    }
    let mut sender = match sender {
        Some(open) => open,
        None => connect(target).await?,
    };
    let request = Request::get("/").header(header::HOST, target.to_string()).body(Empty::new())?;
    let response = sender.send_request(request).await?;
    let version = response.headers().get("x-echo-version").and_then(|version| version.to_str().ok());
    let answer = Answer { status: response.status(), version: version.map(str::to_owned) };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    *kept = Some(sender);
    Ok(answer)
}

async fn connect(target: SocketAddr) -> Result<Sender, Fault> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors reach the request that they befall.
    tokio::spawn(connection);
    Ok(sender)
}

/// An error with its causes.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
