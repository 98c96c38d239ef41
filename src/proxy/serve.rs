//! The codecs towards clients. hyper reads and writes messages; what they mean is up to `exchange`.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::exchange::{self, ConnectionInfo};
use super::fault::Fault;
use super::gate::Gate;
use super::ledger::Ledger;
use super::stream::{ClientStream, HEAD_TIMEOUT, Transport, lock};
use super::worker::{Phase, Worker};
use crate::endpoint::VersionId;
use crate::upstream::LocalExecutor;

/// How long a client may idle, before its first request and between two.
pub const CLIENT_IDLE: Duration = Duration::from_secs(75);
/// Fields in a head, and bytes of it.
const MOST_HEADERS: usize = 100;
const LONGEST_HEAD: usize = 32 * 1024;
/// Streams that an HTTP/2 client may have open.
const MOST_STREAMS: u32 = 256;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Serves a connection, of which `ahead` has been read, to its end. `closed`: its listener goes.
pub async fn serve(
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    (transport, ahead): (Transport, Bytes),
    codec: Codec,
    closed: watch::Receiver<bool>,
) {
    match codec {
        Codec::Http1 => {
            let gate = Arc::new(Mutex::new(Gate::default()));
            let stream = ClientStream::new(transport, ahead, Some(Arc::clone(&gate)));
            serve_http1(worker, info, stream, gate, closed).await;
        }
        Codec::Http2 => serve_http2(worker, info, ClientStream::new(transport, ahead, None), closed).await,
    }
}

async fn serve_http1(
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    stream: ClientStream,
    gate: Arc<Mutex<Gate>>,
    mut closed: watch::Receiver<bool>,
) {
    let first = Notify::new();
    let service = service_fn(|request: Request<Incoming>| {
        first.notify_one();
        let verdict = lock(&gate).verdict();
        let (worker, info, gate) = (Rc::clone(&worker), Rc::clone(&info), &gate);
        async move {
            let response = exchange::exchange(worker, info, request, verdict).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                lock(gate).open();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_IDLE)
        .max_headers(MOST_HEADERS)
        .max_header_size(LONGEST_HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // hyper would drop a connection that has not had its first request.
        () = going(&mut closed, &first) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        malformed(&worker, &error);
    }
}

/// The listener goes, and the connection has had a request, or shows no sign of one.
async fn going(closed: &mut watch::Receiver<bool>, first: &Notify) {
    let _ = closed.changed().await;
    let _ = tokio::time::timeout(HEAD_TIMEOUT, first.notified()).await;
}

/// hyper answers a head that it cannot read by itself; it is counted all the same.
fn malformed(worker: &Rc<Worker>, error: &hyper::Error) {
    if !error.is_parse() {
        return;
    }
    let code = if error.is_parse_too_large() { 431 } else { 400 };
    Ledger::open(worker, VersionId::UNROUTED, Instant::now()).close(Fault::BadRequest.ending(code, None));
}

async fn serve_http2(
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    stream: ClientStream,
    mut closed: watch::Receiver<bool>,
) {
    let mut phases = worker.phases();
    let service = service_fn(move |request: Request<Incoming>| {
        let (worker, info) = (Rc::clone(&worker), Rc::clone(&info));
        async move { Ok::<_, Infallible>(exchange::exchange(worker, info, request, None).await) }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LONGEST_HEAD as u32)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(256 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closed.changed() => {}
        _ = phases.wait_for(|phase| *phase >= Phase::Refusing) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
