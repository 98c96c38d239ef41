//! Answers every request, but says at `/healthz`, and over gRPC, that it is ill for as long as it is.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A backend of HTTP/1.1 and HTTP/2 with a health that can be changed.
pub struct FallsIll {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    ill: AtomicBool,
    checks: AtomicUsize,
    requests: AtomicUsize,
}

impl FallsIll {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<State> = Arc::default();
        let kept = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&kept);
                connections.spawn(async move {
                    let answer = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.answer(&request)) }
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // Clients leave whenever they like.
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, state, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Falls ill, or gets well.
    pub fn set_ill(&self, ill: bool) {
        self.state.ill.store(ill, Ordering::SeqCst);
    }

    /// Requests so far that were no health checks.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Health checks so far.
    pub fn checks(&self) -> usize {
        self.state.checks.load(Ordering::SeqCst)
    }
}

impl Drop for FallsIll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let ill = self.ill.load(Ordering::SeqCst);
        match request.uri().path() {
            "/healthz" => {
                self.checks.fetch_add(1, Ordering::SeqCst);
                let mut response = Response::new(frames(Vec::new()));
                *response.status_mut() = if ill { 503 } else { 204 }.try_into().unwrap();
                response
            }
            "/grpc.health.v1.Health/Check" => {
                self.checks.fetch_add(1, Ordering::SeqCst);
                // NOT_SERVING is 2.
                let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, if ill { 2 } else { 1 }]);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                let mut response = Response::new(frames(vec![Frame::data(message), Frame::trailers(trailers)]));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
                response
            }
            _ => {
                self.requests.fetch_add(1, Ordering::SeqCst);
                Response::new(frames(Vec::new()))
            }
        }
    }
}

fn frames(frames: Vec<Frame<Bytes>>) -> BoxBody<Bytes, Infallible> {
    StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok))).boxed()
}
