//! Frames that end the connection, and such as must not.

use super::wire::*;
use crate::support::*;

/// Bytes of frames.
fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Each end their connection with that code, and hurt nobody else.
async fn end_the_connection(cases: Vec<(&str, Vec<Frame>, &[u32])>) {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut other = Wire::open(proxy.http()).await;
    for (n, (what, frames, codes)) in cases.into_iter().enumerate() {
        let mut wire = Wire::open(proxy.http()).await;
        wire.write(&bytes(&frames)).await;
        let code = wire.goaway().await;
        assert!(codes.contains(&code), "{what}: {code}, not {codes:?}");
        other.works(2 * n as u32 + 1).await;
    }
}

#[tokio::test]
async fn frames_of_a_wrong_size_are_refused() {
    let size = &[FRAME_SIZE_ERROR][..];
    end_the_connection(vec![
        ("an acknowledgement with settings", vec![frame(SETTINGS, ACK, 0, [0; 6])], size),
        ("settings of five bytes", vec![frame(SETTINGS, 0, 0, [0; 5])], size),
        ("a ping of seven bytes", vec![frame(PING, 0, 0, [0; 7])], size),
        ("a ping of nine bytes", vec![frame(PING, 0, 0, [0; 9])], size),
        ("a window update of three bytes", vec![frame(WINDOW_UPDATE, 0, 0, [0; 3])], size),
        (
            "a reset of three bytes",
            vec![frame(HEADERS, END_HEADERS, 1, plain_post("/")), frame(RST_STREAM, 0, 1, [0; 3])],
            size,
        ),
        ("a head of more than 16 KiB", vec![frame(HEADERS, WHOLE, 1, [0; 16_385])], size),
        ("settings of more than 16 KiB", vec![frame(SETTINGS, 0, 0, [0; 16_386])], size),
        (
            "data of more than 16 KiB",
            vec![frame(HEADERS, END_HEADERS, 1, plain_post("/")), frame(DATA, 0, 1, [0; 16_385])],
            size,
        ),
        ("an unknown frame of more than 16 KiB", vec![frame(0xbe, 0, 0, [0; 16_385])], size),
    ])
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    end_the_connection(vec![
        ("push that is neither on nor off", vec![settings(&[(ENABLE_PUSH, 2)])], &[PROTOCOL_ERROR]),
        ("a window of 2^31", vec![settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)])], &[FLOW_CONTROL_ERROR]),
        ("frames of 16,383 bytes", vec![settings(&[(MAX_FRAME_SIZE, 16_383)])], &[PROTOCOL_ERROR]),
        ("frames of 2^24 bytes", vec![settings(&[(MAX_FRAME_SIZE, 1 << 24)])], &[PROTOCOL_ERROR]),
    ])
    .await;
}

#[tokio::test]
async fn frames_on_a_wrong_stream_are_refused() {
    let protocol = &[PROTOCOL_ERROR][..];
    end_the_connection(vec![
        ("settings on a stream", vec![frame(SETTINGS, 0, 1, [])], protocol),
        ("a ping on a stream", vec![frame(PING, 0, 1, [0; 8])], protocol),
        ("a goodbye on a stream", vec![frame(GOAWAY, 0, 1, [0; 8])], protocol),
        ("data on the connection", vec![frame(DATA, 0, 0, "x")], protocol),
        ("a head on the connection", vec![frame(HEADERS, WHOLE, 0, plain_get("/"))], protocol),
        ("a reset of the connection", vec![reset(0, 8)], protocol),
        ("a priority of the connection", vec![frame(PRIORITY, 0, 0, [0; 5])], protocol),
        ("a continuation on the connection", vec![frame(CONTINUATION, END_HEADERS, 0, plain_get("/"))], protocol),
        ("data on an idle stream", vec![frame(DATA, END_STREAM, 1, "x")], protocol),
        ("a reset of an idle stream", vec![reset(1, 8)], protocol),
        ("a window for an idle stream", vec![window_update(1, 1)], protocol),
        ("a head on a stream of the server", vec![frame(HEADERS, WHOLE, 2, plain_get("/"))], protocol),
        (
            "a head on a stream before the last one",
            vec![frame(HEADERS, WHOLE, 5, plain_get("/")), frame(HEADERS, WHOLE, 3, plain_get("/"))],
            &[PROTOCOL_ERROR, STREAM_CLOSED],
        ),
        (
            "a promise",
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &plain_get("/")].concat())],
            protocol,
        ),
    ])
    .await;
}

#[tokio::test]
async fn frames_on_a_stream_that_has_ended_are_refused() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let cases = [
        ("data", frame(DATA, 0, 1, "x")),
        ("the end of data", frame(DATA, END_STREAM, 1, "")),
        ("a head", frame(HEADERS, WHOLE, 1, plain_get("/again"))),
        ("a continuation", frame(CONTINUATION, END_HEADERS, 1, plain_get("/again"))),
    ];
    for (what, late) in cases {
        let protocol = late.kind == CONTINUATION;
        // While its answer is on its way, and afterwards.
        for waits in [false, true] {
            let mut wire = Wire::open(proxy.http()).await;
            let path = if waits { "/" } else { "/latency/5000" };
            wire.send(frame(HEADERS, WHOLE, 1, plain_get(path))).await;
            if waits {
                assert_eq!(wire.answer(1).await.0, 200);
            }
            let before = echo.stats().requests;
            wire.send(late.clone()).await;
            let end = wire.end(1).await;
            let expected = if protocol { PROTOCOL_ERROR } else { STREAM_CLOSED };
            let fits = matches!(end, End::Reset(code) | End::GoAway(code) if code == expected);
            assert!(fits, "{what}, after its answer: {waits}: {end:?}");
            assert!(!waits || echo.stats().requests == before, "{what} was taken for a request");
        }
    }
}

#[tokio::test]
async fn what_was_on_its_way_when_a_stream_was_reset_is_nobodys_fault() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    wire.send_all([
        frame(HEADERS, END_HEADERS, 1, plain_post("/echo")),
        reset(1, 8),
        window_update(1, 1),
        frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
        reset(1, 8),
    ])
    .await;
    wire.works(3).await;
    // A client may have sent all of this before it has heard that its stream is refused.
    wire.send(frame(HEADERS, END_HEADERS, 5, block(&[(":method", "POST")]))).await;
    assert_eq!(wire.end(5).await, End::Reset(PROTOCOL_ERROR));
    wire.send_all([frame(DATA, 0, 5, [0; 100]), window_update(5, 1), frame(DATA, END_STREAM, 5, ""), reset(5, 8)])
        .await;
    wire.works(7).await;
}

#[tokio::test]
async fn padding_is_shorter_than_its_frame() {
    end_the_connection(vec![
        (
            "data",
            vec![frame(HEADERS, END_HEADERS, 1, plain_post("/")), frame(DATA, PADDED, 1, [5, 0, 0, 0, 0])],
            &[PROTOCOL_ERROR],
        ),
        (
            "data without the length",
            vec![frame(HEADERS, END_HEADERS, 1, plain_post("/")), frame(DATA, PADDED, 1, [])],
            &[PROTOCOL_ERROR, FRAME_SIZE_ERROR],
        ),
        ("a head", vec![frame(HEADERS, WHOLE | PADDED, 1, [&[200][..], &plain_get("/")].concat())], &[PROTOCOL_ERROR]),
        (
            "a head with a priority",
            vec![frame(HEADERS, WHOLE | PADDED | WITH_PRIORITY, 1, [1, 0, 0, 0, 0, 0])],
            &[PROTOCOL_ERROR, FRAME_SIZE_ERROR],
        ),
    ])
    .await;
}

#[tokio::test]
async fn nothing_comes_between_the_frames_of_a_head() {
    let begun = || frame(HEADERS, END_STREAM, 1, &plain_get("/")[..10]);
    let protocol = &[PROTOCOL_ERROR][..];
    end_the_connection(vec![
        ("a ping", vec![begun(), frame(PING, 0, 0, [0; 8])], protocol),
        ("settings", vec![begun(), settings(&[])], protocol),
        ("data", vec![begun(), frame(DATA, 0, 1, "x")], protocol),
        ("the same head", vec![begun(), frame(HEADERS, WHOLE, 1, plain_get("/"))], protocol),
        ("another head", vec![begun(), frame(HEADERS, WHOLE, 3, plain_get("/"))], protocol),
        ("a priority", vec![begun(), frame(PRIORITY, 0, 1, [0; 5])], protocol),
        ("another continuation", vec![begun(), frame(CONTINUATION, END_HEADERS, 3, &plain_get("/")[10..])], protocol),
        ("an unknown frame", vec![begun(), frame(0xbe, 0, 1, "x")], protocol),
        ("a reset", vec![begun(), reset(1, 8)], protocol),
        ("a continuation of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, plain_get("/"))], protocol),
        (
            "a continuation of what has ended",
            vec![
                frame(HEADERS, WHOLE, 1, plain_get("/")),
                frame(CONTINUATION, END_HEADERS, 1, block(&[("x-late", "1")])),
            ],
            protocol,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_block_that_cannot_be_decoded_ends_the_connection() {
    let with = |more: &[u8]| vec![frame(HEADERS, WHOLE, 1, [&plain_get("/")[..], more].concat())];
    let compression = &[COMPRESSION_ERROR][..];
    end_the_connection(vec![
        ("index 0", with(&[0x80]), compression),
        ("an index of no entry", with(&[0xff, 0x20]), compression),
        ("an index that overflows", with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), compression),
        ("a name that is cut off", with(&[0x00, 0x05, b'x']), compression),
        ("a table size update at the end", with(&[0x20]), compression),
        ("a table size update above the setting", vec![frame(HEADERS, WHOLE, 1, [0x3f, 0xe2, 0x1f])], compression),
        ("padding that is too long", with(&[0x00, 0x01, b'x', 0x82, 0x1f, 0xff]), compression),
        ("padding of zeros", with(&[0x00, 0x01, b'x', 0x81, 0x18]), compression),
        ("EOS", with(&[0x00, 0x01, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]), compression),
        (
            "in trailers",
            vec![frame(HEADERS, END_HEADERS, 1, plain_post("/")), frame(HEADERS, WHOLE, 1, [0x80])],
            compression,
        ),
        (
            "on a stream that was reset",
            {
                let begun = [frame(HEADERS, END_HEADERS, 1, plain_post("/")), reset(1, 8)];
                begun.into_iter().chain([frame(HEADERS, WHOLE, 3, [0x80])]).collect()
            },
            compression,
        ),
    ])
    .await;
}

#[tokio::test]
async fn settings_and_pings_are_acknowledged_in_their_order() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    let first = wire.next().await.unwrap();
    assert_eq!((first.kind, first.flags, first.id), (SETTINGS, 0, 0), "the server's preface comes first");
    let acknowledged = wire.next_of(SETTINGS).await;
    assert_eq!(acknowledged, frame(SETTINGS, ACK, 0, []));
    wire.send(frame(SETTINGS, ACK, 0, [])).await;
    for n in 0..10 {
        wire.send(frame(PING, 0, 0, [n; 8])).await;
        assert_eq!(wire.next_of(PING).await, frame(PING, ACK, 0, [n; 8]));
        wire.send(settings(&[(HEADER_TABLE_SIZE, 100 * u32::from(n))])).await;
        assert_eq!(wire.next_of(SETTINGS).await, frame(SETTINGS, ACK, 0, []));
        wire.works(2 * u32::from(n) + 1).await;
    }
}

#[tokio::test]
async fn what_is_unknown_is_passed_over() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    wire.send_all([
        frame(0xbe, 0xff, 0, "unknown"),
        frame(0xbe, 0xff, 1, "unknown, on an idle stream"),
        settings(&[(0x7777, 1), (0xffff, u32::MAX)]),
        frame(SETTINGS, 0xfe, 0, []),
        frame(PING, 0xfe, 0, [7; 8]),
        // An acknowledgement of nothing.
        frame(PING, ACK, 0, [9; 8]),
        // Priorities are deprecated, and stand on idle streams, too.
        frame(PRIORITY, 0, 9, [0, 0, 0, 0, 1]),
        frame(HEADERS, WHOLE | WITH_PRIORITY, 0x8000_0001, [&[0x80, 0, 0, 3, 1][..], &plain_get("/")].concat()),
    ])
    .await;
    assert_eq!(wire.next_of(PING).await, frame(PING, ACK, 0, [7; 8]));
    assert_eq!(wire.answer(1).await.0, 200);
    wire.works(3).await;
}

#[tokio::test]
async fn a_client_that_says_goodbye_gets_what_it_has_asked_for() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open(proxy.http()).await;
    wire.send(frame(HEADERS, WHOLE, 1, plain_get("/latency/100"))).await;
    wire.send(frame(GOAWAY, 0, 0, [0; 8])).await;
    assert_eq!(wire.answer(1).await.0, 200);
}

#[tokio::test]
async fn a_preface_goes_on_with_settings() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut wire = Wire::open_without_settings(proxy.http()).await;
    wire.send(frame(HEADERS, WHOLE, 1, plain_get("/"))).await;
    let end = wire.end(1).await;
    assert!(matches!(end, End::GoAway(PROTOCOL_ERROR) | End::Closed), "{end:?}");
    assert_eq!(echo.stats().requests, 0);
}
