//! The side that is asked: lets replicas in, and tells them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::hub::Hub;
use super::{Authenticate, MOST_PEERS, NotAuthenticated, SILENCE};

/// The path of the stream.
pub const PATH: &str = "/v1/stream";
/// The answer's header with the token of who answers.
pub const TOKEN: &str = "weir-peer-token";
/// Connections at a time, those that have not shown a token yet among them.
const CONNECTIONS: usize = 2 * MOST_PEERS;
/// How long who connects may take to ask.
const ASK: Duration = Duration::from_secs(5);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What every connection needs.
pub struct Door {
    hub: Arc<Hub>,
    authenticate: Arc<dyn Authenticate>,
    token: PathBuf,
    streams: Arc<Semaphore>,
}

impl Door {
    /// A door with places for [`MOST_PEERS`].
    pub fn new(hub: Arc<Hub>, authenticate: Arc<dyn Authenticate>, token: PathBuf) -> Arc<Self> {
        Arc::new(Self { hub, authenticate, token, streams: Arc::new(Semaphore::new(MOST_PEERS)) })
    }
}

/// Lets replicas in, for ever.
pub async fn accept(listener: TcpListener, door: Arc<Door>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, so that nobody is told by a replica that has left.
    let mut open = tokio::task::JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        // Never closed.
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => drop(open.spawn(serve(stream, Arc::clone(&door), place))),
            Err(error) => {
                tracing::warn!(%error, "accepting a peer failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, door: Arc<Door>, _place: OwnedSemaphorePermit) {
    // A line is whole, and waits for no other.
    let _ = stream.set_nodelay(true);
    let told = Arc::new(AtomicU64::new(0));
    let answering = Arc::clone(&told);
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, told) = (Arc::clone(&door), Arc::clone(&answering));
        async move { Ok::<_, Infallible>(answer(&request, &door, told).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASK)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a peer's connection ended");
        },
        () = stuck(&told) => tracing::debug!("a peer takes nothing any more: its connection is closed"),
    }
}

/// Returns when nothing was taken for too long, where a heartbeat would have been: who has vanished without a word would
/// keep its place for as long as the kernel tries to reach it.
async fn stuck(told: &AtomicU64) {
    let mut before = told.load(Relaxed);
    loop {
        tokio::time::sleep(ASK + SILENCE).await;
        let now = told.load(Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

async fn answer(request: &Request<Incoming>, door: &Door, told: Arc<AtomicU64>) -> Response<Body> {
    if request.method() != Method::GET || request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "there is only GET /v1/stream here");
    }
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(shown) = shown.and_then(|value| value.strip_prefix("Bearer ")) else {
        return refuse(StatusCode::UNAUTHORIZED, "show a token");
    };
    match door.authenticate.authenticate(shown).await {
        Ok(_) => {}
        Err(NotAuthenticated::Refused(why)) => {
            tracing::warn!("who called the port for peers is none: {why}");
            return refuse(StatusCode::UNAUTHORIZED, "this token is not that of a replica");
        }
        Err(NotAuthenticated::Unavailable(why)) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
    let Ok(place) = Arc::clone(&door.streams).try_acquire_owned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "there are too many replicas");
    };
    let own = match own_token(&door.token).await {
        Ok(own) => own,
        Err(why) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    };
    let (first, then) = door.hub.connect();
    let mut response = Response::new(lines(Telling { first: first.into(), then, told, _place: place }));
    response.headers_mut().insert(TOKEN, own);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// The token that this replica shows.
///
/// # Errors
///
/// Says what is wrong with the file.
pub async fn own_token(path: &Path) -> Result<HeaderValue, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut value = HeaderValue::try_from(text.trim()).map_err(|_| format!("{} holds no token", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

struct Telling {
    first: VecDeque<Bytes>,
    then: broadcast::Receiver<Bytes>,
    told: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}

fn lines(telling: Telling) -> Body {
    let next = |mut telling: Telling| async move {
        telling.told.fetch_add(1, Relaxed);
        let line = match telling.first.pop_front() {
            Some(line) => line,
            // An end, too, if it has fallen behind: it comes back, and begins with everything.
            None => telling.then.recv().await.ok()?,
        };
        Some((Ok(BodyFrame::data(line)), telling))
    };
    StreamBody::new(stream::unfold(telling, next)).boxed_unsync()
}

fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{why}\n"))).boxed_unsync());
    *response.status_mut() = status;
    response
}
