//! Ends of streams and connections: RFC 9113 sections 5.4, 6.8 and 8.7.

use super::*;

#[test]
fn who_leaves_takes_what_is_under_way() {
    let mut pair = Pair::new();
    let (key, stream) = pair.ask();
    pair.server.connection.leave(&mut pair.server.out);
    // The client has not heard of it.
    let none = fields(&[]);
    let late = pair.client.connection.open(&get("/late", &none), true, &mut pair.client.out).unwrap();
    pair.exchange();
    let arrived = pair.server.connection.next_arrived().unwrap();
    assert_eq!(arrived.request.unwrap().path(), "/late");
    assert!(!pair.client.connection.is_open());
    assert!(!pair.server.connection.has_left());
    for stream in [stream, arrived.key] {
        pair.server.answer(stream, true);
        pair.server.connection.release(stream, &mut pair.server.out);
    }
    assert!(pair.server.connection.has_left());
    pair.exchange();
    for key in [key, late] {
        assert!(matches!(pair.client.connection.poll_head(key, &context()), Poll::Ready(Ok(_))));
    }
}

#[test]
fn what_comes_after_the_last_stream_is_not_taken() {
    let mut pair = Pair::new();
    pair.ask();
    pair.server.connection.leave(&mut pair.server.out);
    pair.exchange();
    let before = pair.server.connection.streams();
    pair.server.take(&headers(99, true, &[])).unwrap();
    assert_eq!(pair.server.connection.streams(), before);
    assert!(pair.server.out.is_empty());
}

#[test]
fn what_the_other_side_did_not_begin_is_refused_and_nothing_else() {
    let mut pair = Pair::new();
    let (first, stream) = pair.ask();
    let (second, _) = pair.ask();
    let mut away = Vec::new();
    frame::go_away(&mut away, 1, Reason::NO_ERROR);
    pair.client.take(&away).unwrap();
    assert!(matches!(pair.client.connection.poll_head(second, &context()), Poll::Ready(Err(Broken::Refused))));
    assert!(pair.client.connection.poll_head(first, &context()).is_pending());
    pair.server.answer(stream, true);
    pair.exchange();
    assert!(matches!(pair.client.connection.poll_head(first, &context()), Poll::Ready(Ok(_))));
    let none = fields(&[]);
    let opened = pair.client.connection.open(&get("/", &none), true, &mut pair.client.out);
    assert!(matches!(opened, Err(Broken::Refused)));
}

#[test]
fn a_stream_that_is_refused_may_go_elsewhere() {
    let mut pair = Pair::new();
    let (key, _) = pair.ask();
    pair.client.take(&raw([frame::RST_STREAM, 0], 1, &Reason::REFUSED_STREAM.0.to_be_bytes())).unwrap();
    assert!(matches!(pair.client.connection.poll_head(key, &context()), Poll::Ready(Err(Broken::Refused))));
}

#[test]
fn an_end_of_the_connection_ends_its_streams_but_for_what_has_come() {
    let mut pair = Pair::new();
    let (whole, stream) = pair.ask();
    let (half, _) = pair.ask();
    pair.server.answer(stream, false);
    assert!(matches!(pair.server.send(stream, b"all", true), Poll::Ready(Ok(3))));
    pair.exchange();
    pair.client.connection.end();
    assert!(matches!(pair.client.connection.poll_head(whole, &context()), Poll::Ready(Ok(_))));
    assert!(matches!(pair.client.data(whole), Poll::Ready(Ok(Some((data, true)))) if data == b"all"));
    assert!(matches!(pair.client.connection.poll_head(half, &context()), Poll::Ready(Err(Broken::Closed))));
    assert!(!pair.client.connection.is_open());
}

#[test]
fn a_stream_that_nobody_holds_is_reset() {
    let mut pair = Pair::new();
    let (key, stream) = pair.ask();
    pair.client.connection.release(key, &mut pair.client.out);
    pair.exchange();
    assert!(pair.server.connection.poll_cut(stream, &context()).is_ready());
    assert_eq!(pair.client.connection.streams(), 0);
}

#[test]
fn a_stream_that_has_ended_on_both_sides_needs_no_reset() {
    let mut pair = Pair::new();
    let (key, stream) = pair.ask();
    pair.server.answer(stream, true);
    pair.server.connection.release(stream, &mut pair.server.out);
    pair.exchange();
    pair.client.connection.release(key, &mut pair.client.out);
    assert!(pair.client.out.is_empty());
}

/// Clients may give up as many requests as they like, and this side with them; an endpoint may have answered any of them by then.
#[test]
fn an_answer_to_a_request_that_was_given_up_long_ago_is_passed_over() {
    let mut pair = Pair::new();
    let (waits, stream) = pair.ask();
    let none = fields(&[]);
    let mut late = Vec::new();
    for _ in 0..2000 {
        let (key, arrived) = pair.open(&get("/", &none), true);
        pair.server.answer(arrived.key, false);
        assert!(matches!(pair.server.send(arrived.key, b"data", true), Poll::Ready(Ok(4))));
        late.append(&mut pair.server.out);
        pair.client.connection.release(key, &mut pair.client.out);
        pair.exchange();
        pair.server.connection.release(arrived.key, &mut pair.server.out);
    }
    pair.client.connection.forgive();
    pair.client.take(&late).unwrap();
    pair.server.answer(stream, true);
    pair.exchange();
    assert!(matches!(pair.client.connection.poll_head(waits, &context()), Poll::Ready(Ok(_))));
}
