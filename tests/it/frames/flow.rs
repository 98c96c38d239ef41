//! Windows (RFC 9113 section 5.2), and how many streams there may be.

use std::time::{Duration, Instant};

use super::wire::*;
use crate::mocks;
use crate::support::*;

/// Data that comes for a stream until a ping, which is sent now, is answered: all that the proxy can send by then.
async fn settled(wire: &mut Wire, id: u32, ping: u8) -> usize {
    let mut bytes = 0;
    // The endpoint may still be answering: what comes for a while counts.
    while let Ok(Some(frame)) = tokio::time::timeout(Duration::from_millis(300), wire.next()).await {
        if frame.kind == DATA && frame.id == id {
            bytes += frame.payload.len();
            assert!(!frame.has(END_STREAM), "it ended in a window that is too small");
        }
    }
    wire.send(frame(PING, 0, 0, [ping; 8])).await;
    assert_eq!(wire.next_of(PING).await, frame(PING, ACK, 0, [ping; 8]), "the connection does not live");
    bytes
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_window_of_a_stream() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open_with(proxy.http(), &[(INITIAL_WINDOW_SIZE, 10)]).await;
    wire.send(frame(HEADERS, WHOLE, 1, plain_get("/bytes/100"))).await;
    assert_eq!(settled(&mut wire, 1, 1).await, 10);
    wire.send_all([window_update(1, 5), window_update(1, 2)]).await;
    assert_eq!(settled(&mut wire, 1, 2).await, 7);
    // Other streams have windows of their own.
    wire.send(frame(HEADERS, WHOLE, 3, plain_get("/bytes/10"))).await;
    assert_eq!(wire.answer(3).await.1.len(), 10);
    wire.send(window_update(1, 83)).await;
    assert_eq!(wire.answer(1).await.1.len(), 83);
}

#[tokio::test]
async fn a_window_may_become_negative() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open_with(proxy.http(), &[(INITIAL_WINDOW_SIZE, 20)]).await;
    wire.send(frame(HEADERS, WHOLE, 1, plain_get("/bytes/100"))).await;
    assert_eq!(settled(&mut wire, 1, 1).await, 20);
    // 20 bytes less than before: -20 are left.
    wire.send_all([settings(&[(INITIAL_WINDOW_SIZE, 0)]), window_update(1, 20)]).await;
    assert_eq!(settled(&mut wire, 1, 2).await, 0);
    wire.send(window_update(1, 7)).await;
    assert_eq!(settled(&mut wire, 1, 3).await, 7);
    // A larger setting is more for streams that are open.
    wire.send(settings(&[(INITIAL_WINDOW_SIZE, 3)])).await;
    assert_eq!(settled(&mut wire, 1, 4).await, 3);
    wire.send(settings(&[(INITIAL_WINDOW_SIZE, 1000)])).await;
    assert_eq!(wire.answer(1).await.1.len(), 70);
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_window_of_the_connection() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open_with(proxy.http(), &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    wire.send(frame(HEADERS, WHOLE, 1, plain_get("/bytes/100000"))).await;
    assert_eq!(settled(&mut wire, 1, 1).await, 65_535);
    wire.send(window_update(1, 1 << 20)).await;
    assert_eq!(settled(&mut wire, 1, 2).await, 0);
    // A head needs no window.
    wire.send(frame(HEADERS, WHOLE, 3, plain_get("/status/204"))).await;
    assert_eq!(wire.answer(3).await.0, 204);
    wire.send(window_update(0, 1000)).await;
    assert_eq!(settled(&mut wire, 1, 3).await, 1000);
    wire.send(window_update(0, 100_000)).await;
    assert_eq!(wire.answer(1).await.1.len(), 100_000 - 65_535 - 1000);
}

#[tokio::test]
async fn what_a_reset_stream_had_not_sent_is_not_lost_to_the_connection() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open_with(proxy.http(), &[(INITIAL_WINDOW_SIZE, 40_000)]).await;
    let mut left = 65_535;
    for id in [1, 3, 5] {
        wire.send(frame(HEADERS, WHOLE, id, plain_get("/bytes/1000000"))).await;
        let came = settled(&mut wire, id, id as u8).await;
        assert_eq!(came, left.min(40_000), "stream {id}");
        wire.send_all([reset(id, 8), window_update(0, 10_000)]).await;
        left = left - came + 10_000;
    }
}

#[tokio::test]
async fn no_data_is_longer_than_the_peer_takes() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    for most in [16_384, 20_000] {
        let values = [(INITIAL_WINDOW_SIZE, 1 << 24), (MAX_FRAME_SIZE, most)];
        let mut wire = Wire::open_with(proxy.http(), &values).await;
        wire.send_all([window_update(0, 1 << 24), frame(HEADERS, WHOLE, 1, plain_get("/bytes/1000000"))]).await;
        let mut bytes = 0;
        loop {
            let data = wire.next_of(DATA).await;
            assert!(data.payload.len() <= most as usize, "{}", data.payload.len());
            bytes += data.payload.len();
            if data.has(END_STREAM) {
                break;
            }
        }
        assert_eq!(bytes, 1_000_000);
    }
}

#[tokio::test]
async fn windows_are_given_back_as_data_goes_on() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let values = [(INITIAL_WINDOW_SIZE, i32::MAX as u32)];
    let mut wire = Wire::open_with(proxy.http(), &values).await;
    wire.send_all([window_update(0, i32::MAX as u32 - 65_535), frame(HEADERS, END_HEADERS, 1, plain_post("/echo"))])
        .await;
    let (mut stream, mut connection, mut left, mut came) = (0i64, 65_535i64, 3_000_000usize, 0);
    let (mut began, mut initial) = (false, 65_535);
    loop {
        // The stream's window is what the server's settings say.
        while began && left > 0 && stream.min(connection) >= 1000 {
            // A third of it is padding, which counts.
            let payload = [&[250][..], &[b'x'; 500], &[0; 250]].concat();
            let size = payload.len() as i64;
            (stream, connection, left) = (stream - size, connection - size, left - 500);
            wire.send(frame(DATA, if left == 0 { END_STREAM | PADDED } else { PADDED }, 1, payload)).await;
        }
        let frame = wire.next().await.unwrap();
        match frame.kind {
            SETTINGS if !frame.has(ACK) => {
                let said = frame.payload.chunks(6).find(|one| one[..2] == INITIAL_WINDOW_SIZE.to_be_bytes());
                initial = said.map_or(initial, |one| u32::from_be_bytes(one[2..].try_into().unwrap()));
                (stream, began) = (stream + i64::from(initial), true);
            }
            WINDOW_UPDATE if frame.id == 0 => connection += i64::from(frame.number(0)),
            WINDOW_UPDATE => stream += i64::from(frame.number(0)),
            DATA => came += frame.payload.len(),
            RST_STREAM | GOAWAY => panic!("{frame:?}"),
            _ => {}
        }
        if frame.kind == DATA && frame.has(END_STREAM) {
            break;
        }
    }
    assert_eq!((left, came), (0, 3_000_000));
}

#[tokio::test]
async fn a_window_does_not_grow_by_nothing_or_beyond_its_most() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let most = i32::MAX as u32;
    for (what, frames, end) in [
        ("by 0", vec![window_update(1, 0)], PROTOCOL_ERROR),
        ("beyond its most", vec![window_update(1, most)], FLOW_CONTROL_ERROR),
        (
            "beyond its most in two steps",
            vec![window_update(1, most - 70_000), window_update(1, 70_000)],
            FLOW_CONTROL_ERROR,
        ),
    ] {
        let mut wire = Wire::open(proxy.http()).await;
        wire.send(frame(HEADERS, END_HEADERS, 1, plain_post("/"))).await;
        wire.send_all(frames).await;
        assert_eq!(wire.end(1).await, End::Reset(end), "{what}");
        wire.works(3).await;
    }
    for (what, frames, end) in [
        ("by 0", vec![window_update(0, 0)], PROTOCOL_ERROR),
        ("beyond its most", vec![window_update(0, most)], FLOW_CONTROL_ERROR),
        (
            "by a setting",
            {
                let head = frame(HEADERS, END_HEADERS, 1, plain_post("/"));
                vec![head, window_update(1, most - 65_535), settings(&[(INITIAL_WINDOW_SIZE, 65_536)])]
            },
            FLOW_CONTROL_ERROR,
        ),
    ] {
        let mut wire = Wire::open(proxy.http()).await;
        wire.send_all(frames).await;
        assert_eq!(wire.goaway().await, end, "{what}");
    }
}

#[tokio::test]
async fn data_beyond_a_window_is_refused() {
    // Nobody reads it: the version has no endpoint, and requests wait for one.
    let yaml = "splits:\n  - name: shop\n    versions: [{name: stable, endpoints: []}]\n    onEmpty: hold\n";
    let proxy = Proxy::start(yaml).await;
    let mut wire = Wire::open(proxy.http()).await;
    wire.send(frame(HEADERS, END_HEADERS, 1, plain_post("/"))).await;
    // 64 MB are more than any window here.
    let data = frame(DATA, 0, 1, [0; 16_384]);
    for _ in 0..4096 {
        wire.send(data.clone()).await;
    }
    let end = wire.end(1).await;
    assert!(matches!(end, End::Reset(FLOW_CONTROL_ERROR) | End::GoAway(FLOW_CONTROL_ERROR) | End::Closed), "{end:?}");
}

#[tokio::test]
async fn streams_beyond_what_the_settings_say_are_refused_alone() {
    let mock = mocks::never_answers::start().await;
    let proxy = Proxy::before([mock.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let said = wire.next_of(SETTINGS).await;
    let said = said.payload.chunks(6).find(|one| one[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes()).unwrap();
    let most = u32::from_be_bytes(said[2..].try_into().unwrap());
    wire.send(frame(SETTINGS, ACK, 0, [])).await;
    for n in 0..most {
        wire.send(frame(HEADERS, WHOLE, 2 * n + 1, plain_get("/"))).await;
    }
    wait_until("they are all at the endpoint", async || mock.received("GET /") == most as usize).await;
    for n in 0..3 {
        let id = 2 * (most + n) + 1;
        wire.send(frame(HEADERS, WHOLE, id, plain_get("/"))).await;
        assert_eq!(wire.end(id).await, End::Reset(REFUSED_STREAM));
    }
    // One that goes makes room for another, if not at once.
    wire.send(reset(1, 8)).await;
    let mut id = 2 * most + 101;
    let deadline = Instant::now() + PATIENCE;
    loop {
        wire.send(frame(HEADERS, WHOLE, id, plain_get("/fine"))).await;
        match wire.end(id).await {
            End::Answer(200) => break,
            End::Reset(REFUSED_STREAM) => assert!(Instant::now() < deadline, "no stream became free"),
            other => panic!("{other:?}"),
        }
        id += 2;
    }
}
