//! HTTP/2 without TLS, as a gRPC service answers: a head, a message as long as the path asks for, and trailers.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use weir_bench_rig::http1;

use crate::Counts;
use crate::answers::LONGEST;

/// A message begins with a byte about compression and four with its length.
const PREFIX: usize = 5;

/// Serves both versions on this thread for as long as the process lives.
pub fn serve(listeners: [TcpListener; 2], counts: &Counts) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let [stable, canary] = listeners;
        tokio::try_join!(accept(stable, 0, counts), accept(canary, 1, counts))?;
        Ok(())
    })
}

async fn accept(listener: TcpListener, version: usize, counts: &Counts) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let counts = Arc::clone(counts);
        // Proxies end connections as they like; that is no news.
        tokio::spawn(async move { connection(socket, version, counts).await.ok() });
    }
}

async fn connection(socket: TcpStream, version: usize, counts: Counts) -> Result<()> {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1000).initial_window_size(1 << 20).initial_connection_window_size(16 << 20);
    let mut connection = builder.handshake::<_, Bytes>(socket).await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        counts[version].fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move { answer(request, respond).await.ok() });
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<()> {
    let (head, mut body) = request.into_parts();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    body.trailers().await?;
    let Some(size) = http1::size(head.uri.path()).filter(|size| *size <= LONGEST) else {
        respond.send_response(Response::builder().status(404).body(())?, true)?;
        return Ok(());
    };
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(message(size), false)?;
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    stream.send_trailers(HeaderMap::from_iter([status]))?;
    Ok(())
}

fn message(size: usize) -> Bytes {
    let mut message = BytesMut::with_capacity(PREFIX + size);
    message.put_u8(0);
    message.put_u32(size as u32);
    message.put_bytes(b'x', size);
    message.freeze()
}
