//! Frames that cost their sender little (RFC 9113 section 10.5): bounded, and nobody else's loss.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::wire::*;
use crate::mocks;
use crate::support::*;

/// Writes `bytes` over and over without reading until the other side takes no more for a while, or has closed; panics if
/// it takes more than `most`.
async fn push(wire: &mut Wire, bytes: &[u8], most: usize) {
    let mut sent = 0;
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(500), wire.stream.write_all(bytes)).await {
        sent += bytes.len();
        assert!(sent < most, "{sent} bytes were taken without an answer being read");
    }
}

/// Others are served, and nothing of the flood is left.
async fn is_over(proxy: &Proxy) {
    Wire::open(proxy.http()).await.works(1).await;
    wait_until("nothing is in flight", async || proxy.metric("weir_active_requests", &[]).await == 0.0).await;
}

#[tokio::test]
async fn a_client_that_reads_no_acknowledgements_is_not_read_from() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for flood in [frame(PING, 0, 0, [0; 8]), settings(&[(INITIAL_WINDOW_SIZE, 1)]), settings(&[])] {
        let mut wire = Wire::open(proxy.http()).await;
        let bytes = flood.bytes().repeat(4096);
        // Buffers of two sockets on each side are a few megabytes.
        push(&mut wire, &bytes, 64 << 20).await;
        is_over(&proxy).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_no_resets_is_not_read_from() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let (mut id, mut sent) = (1, 0);
    let malformed = block(&[(":method", "GET")]);
    loop {
        let heads: Vec<u8> = (0..1000).flat_map(|n| frame(HEADERS, WHOLE, id + 2 * n, &malformed).bytes()).collect();
        id += 2000;
        match tokio::time::timeout(Duration::from_millis(500), wire.stream.write_all(&heads)).await {
            Ok(Ok(())) => sent += heads.len(),
            _ => break,
        }
        assert!(sent < 64 << 20, "{sent} bytes were taken without an answer being read");
    }
    is_over(&proxy).await;
}

#[tokio::test]
async fn requests_that_are_reset_at_once_are_bounded() {
    let mock = mocks::never_answers::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let begun = Instant::now();
    for n in 0..100 {
        let frames = (0..1000).flat_map(|m| {
            let id = 2 * (1000 * n + m) + 1;
            [frame(HEADERS, WHOLE, id, plain_get("/")), reset(id, 8)]
        });
        let bytes: Vec<u8> = frames.flat_map(|frame| frame.bytes()).collect();
        if within(wire.stream.write_all(&bytes)).await.is_err() {
            break;
        }
    }
    assert_eq!(wire.goaway().await, ENHANCE_YOUR_CALM);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    wait_until("nothing is in flight", async || proxy.metric("weir_active_requests", &[]).await == 0.0).await;
    assert!(mock.received("GET /") < 5000, "{} requests went to an endpoint", mock.received("GET /"));
}

#[tokio::test]
async fn a_head_without_an_end_is_cut() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let piece = block(&[("x-filler", &"x".repeat(200))]).repeat(70);
    for (what, piece) in [("of fields", &piece[..]), ("of nothing", &[]), ("of one byte", &[0x82])] {
        let mut wire = Wire::open(proxy.http()).await;
        wire.send(frame(HEADERS, END_STREAM, 1, plain_get("/"))).await;
        let pieces = frame(CONTINUATION, 0, 1, piece).bytes().repeat(64);
        let mut sent = 0;
        // Written while it is read, so that no side waits for the other.
        let cut = within(async {
            while wire.stream.write_all(&pieces).await.is_ok() {
                sent += pieces.len();
                assert!(sent < 256 << 20, "{sent} bytes of a head {what} were taken");
            }
        });
        cut.await;
        is_over(&proxy).await;
    }
    assert_eq!(echo.stats().requests, 3);
}

#[tokio::test]
async fn few_bytes_that_stand_for_many_are_not_taken_for_a_request() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    // An entry of 4,000 bytes, then 12,000 times its index: 48 MB.
    let mut entry = vec![0x40, 1, b'x', 0x7f, 0xa1, 0x1e];
    entry.extend([b'y'; 4000]);
    wire.send(frame(HEADERS, WHOLE, 1, [plain_get("/"), entry].concat())).await;
    assert_eq!(wire.answer(1).await.0, 200);
    wire.send(frame(HEADERS, WHOLE, 3, [plain_get("/"), vec![0xbe; 12_000]].concat())).await;
    let end = wire.end(3).await;
    let fits = matches!(
        end,
        End::Answer(431)
            | End::Reset(PROTOCOL_ERROR | REFUSED_STREAM | ENHANCE_YOUR_CALM)
            | End::GoAway(ENHANCE_YOUR_CALM)
    );
    assert!(fits, "{end:?}");
    assert_eq!(echo.stats().requests, 1);
    is_over(&proxy).await;
}

#[tokio::test]
async fn data_of_no_bytes_does_not_go_on_for_ever() {
    let mock = mocks::never_answers::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    wire.send(frame(HEADERS, END_HEADERS, 1, plain_post("/"))).await;
    let bytes = frame(DATA, 0, 1, []).bytes().repeat(10_000);
    // It may be taken: then it costs no memory, and others are served meanwhile.
    for _ in 0..10 {
        if within(wire.stream.write_all(&bytes)).await.is_err() {
            break;
        }
    }
    let fine = get(proxy.http(), "/fine").await;
    assert_eq!(fine.status, 200);
    drop(wire);
    wait_until("nothing is in flight", async || proxy.metric("weir_active_requests", &[]).await == 0.0).await;
}
