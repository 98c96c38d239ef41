//! The codecs towards clients. hyper reads and writes messages; what they mean is up to `exchange`.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::Instant;

use super::exchange::{self, ConnectionInfo};
use super::fault::Fault;
use super::ledger::Ledger;
use super::stream::{Busy, ClientStream};
use super::worker::{Phase, Worker};
use crate::endpoint::VersionId;
use crate::upstream::LocalExecutor;

/// How long a client may idle between requests.
const CLIENT_IDLE: Duration = Duration::from_secs(75);
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

/// Serves a connection to its end. `closed`: its listener goes.
pub async fn serve(
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    stream: ClientStream,
    codec: Codec,
    closed: watch::Receiver<bool>,
) {
    match codec {
        Codec::Http1 => serve_http1(worker, info, stream, closed).await,
        Codec::Http2 => serve_http2(worker, info, stream, closed).await,
    }
}

async fn serve_http1(
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    stream: ClientStream,
    mut closed: watch::Receiver<bool>,
) {
    let busy = stream.busy();
    let service = service_fn(|request: Request<Incoming>| {
        let busy = Busy::new(&busy);
        let (worker, info) = (Rc::clone(&worker), Rc::clone(&info));
        async move {
            let response = exchange::exchange(worker, info, request).await;
            Ok::<_, Infallible>(response.map(|body| body.while_busy(busy)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CLIENT_IDLE)
        .max_headers(MOST_HEADERS)
        .max_header_size(LONGEST_HEAD)
        .max_buf_size(64 * 1024)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        malformed(&worker, &error);
    }
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
        async move { Ok::<_, Infallible>(exchange::exchange(worker, info, request).await) }
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
