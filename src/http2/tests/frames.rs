//! RFC 9113 sections 4 to 6.

use super::*;

#[test]
fn a_connection_begins_with_the_preface() {
    assert_eq!(failure(&mut End::new(Role::Server), b"GET / HTTP/1.1\r\n\r\n"), Reason::PROTOCOL_ERROR);
}

#[test]
fn the_preface_may_come_byte_by_byte() {
    let mut server = End::new(Role::Server);
    for byte in PREFACE {
        server.take(&[*byte]).unwrap();
    }
    server.take(&raw([frame::SETTINGS, 0], 0, &[])).unwrap();
}

#[test]
fn settings_are_the_first_frame() {
    let mut server = End::new(Role::Server);
    server.take(PREFACE).unwrap();
    assert_eq!(failure(&mut server, &raw([frame::PING, 0], 0, &[0; 8])), Reason::PROTOCOL_ERROR);
}

#[test]
fn a_frame_that_is_not_whole_is_left() {
    let mut server = server();
    let ping = raw([frame::PING, 0], 0, &[7; 8]);
    assert_eq!(server.connection.receive(&ping[..16], &mut server.out), Ok(0));
    assert_eq!(server.connection.receive(&ping, &mut server.out), Ok(17));
}

#[test]
fn a_frame_is_no_longer_than_allowed() {
    let long = vec![0; frame::LONGEST + 1];
    assert_eq!(failure(&mut server(), &raw([frame::DATA, 0], 1, &long)), Reason::FRAME_SIZE_ERROR);
}

#[test]
fn frames_have_their_size() {
    for (kind, payload) in
        [(frame::PING, 7), (frame::PING, 9), (frame::SETTINGS, 5), (frame::WINDOW_UPDATE, 3), (frame::GOAWAY, 7)]
    {
        let bytes = raw([kind, 0], 0, &vec![1; payload]);
        assert_eq!(failure(&mut server(), &bytes), Reason::FRAME_SIZE_ERROR, "{kind}");
    }
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    assert_eq!(failure(&mut end, &raw([frame::RST_STREAM, 0], 1, &[0; 3])), Reason::FRAME_SIZE_ERROR);
    assert_eq!(failure(&mut server(), &raw([frame::SETTINGS, frame::ACK], 0, &[0; 6])), Reason::FRAME_SIZE_ERROR);
}

#[test]
fn frames_are_of_a_stream_or_of_the_connection() {
    for kind in [frame::DATA, frame::HEADERS, frame::PRIORITY, frame::RST_STREAM, frame::CONTINUATION] {
        let size = if kind == frame::RST_STREAM { 4 } else { 5 };
        assert_eq!(failure(&mut server(), &raw([kind, 0], 0, &vec![0; size])), Reason::PROTOCOL_ERROR, "{kind}");
    }
    for (kind, size) in [(frame::SETTINGS, 0), (frame::PING, 8), (frame::GOAWAY, 8)] {
        assert_eq!(failure(&mut server(), &raw([kind, 0], 1, &vec![0; size])), Reason::PROTOCOL_ERROR, "{kind}");
    }
}

#[test]
fn a_ping_is_answered() {
    let mut server = server();
    server.take(&raw([frame::PING, 0], 0, b"abcdefgh")).unwrap();
    let frames = server.frames();
    assert_eq!((frames[0].0.kind, frames[0].0.flags, &frames[0].1[..]), (frame::PING, frame::ACK, &b"abcdefgh"[..]));
    server.take(&raw([frame::PING, frame::ACK], 0, b"whatever")).unwrap();
    assert!(server.out.is_empty());
}

#[test]
fn settings_are_acknowledged() {
    let mut server = server();
    server.take(&raw([frame::SETTINGS, 0], 0, &[0, 3, 0, 0, 0, 7])).unwrap();
    assert_eq!(server.connection.peer.streams, Some(7));
    assert_eq!(server.frames(), [(Header { length: 0, kind: frame::SETTINGS, flags: frame::ACK, stream: 0 }, vec![])]);
}

#[test]
fn settings_stay_within_their_range() {
    let of = |id: u8, value: u32| raw([frame::SETTINGS, 0], 0, &[&[0, id][..], &value.to_be_bytes()].concat());
    for (id, value, reason) in [
        (2, 2, Reason::PROTOCOL_ERROR),
        (4, 1 << 31, Reason::FLOW_CONTROL_ERROR),
        (5, 16_383, Reason::PROTOCOL_ERROR),
        (5, 1 << 24, Reason::PROTOCOL_ERROR),
        (8, 2, Reason::PROTOCOL_ERROR),
    ] {
        assert_eq!(failure(&mut server(), &of(id, value)), reason, "{id} {value}");
    }
    // Others are ignored.
    server().take(&of(99, 1)).unwrap();
}

#[test]
fn frames_of_unknown_types_are_ignored() {
    server().take(&raw([0xbe, 0xff], 3, b"whatever")).unwrap();
}

#[test]
fn nothing_comes_amid_a_header_block() {
    let mut end = server();
    end.take(&raw([frame::HEADERS, 0], 1, &block(&[(":method", "GET")]))).unwrap();
    assert_eq!(failure(&mut end, &raw([frame::PING, 0], 0, &[0; 8])), Reason::PROTOCOL_ERROR);
    let mut end = server();
    end.take(&raw([frame::HEADERS, 0], 1, &block(&[(":method", "GET")]))).unwrap();
    assert_eq!(failure(&mut end, &raw([frame::CONTINUATION, 0], 3, &[])), Reason::PROTOCOL_ERROR);
}

#[test]
fn a_header_block_may_come_in_pieces() {
    let mut end = server();
    let whole = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/a"), (":authority", "a")]);
    let (first, rest) = whole.split_at(5);
    let (second, third) = rest.split_at(10);
    end.take(&raw([frame::HEADERS, frame::END_STREAM], 1, first)).unwrap();
    end.take(&raw([frame::CONTINUATION, 0], 1, second)).unwrap();
    end.take(&raw([frame::CONTINUATION, frame::END_HEADERS], 1, third)).unwrap();
    let request = end.connection.next_arrived().unwrap().request.unwrap();
    assert_eq!((request.path(), request.size), ("/a", Size::None));
}

#[test]
fn what_cannot_be_decompressed_ends_the_connection() {
    let index_zero = raw([frame::HEADERS, frame::END_HEADERS], 1, &[0x80]);
    assert_eq!(failure(&mut server(), &index_zero), Reason::COMPRESSION_ERROR);
}

#[test]
fn padding_and_priority_are_taken_off() {
    let mut end = server();
    let fields = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
    let payload = [&[3, 0, 0, 0, 0, 16][..], &fields, &[0; 3]].concat();
    let flags = frame::END_HEADERS | frame::PADDED | frame::WITH_PRIORITY;
    end.take(&raw([frame::HEADERS, flags], 1, &payload)).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    end.take(&raw([frame::DATA, frame::PADDED | frame::END_STREAM], 1, b"\x02abc\0\0")).unwrap();
    assert!(matches!(end.data(key), Poll::Ready(Ok(Some((data, true)))) if data == b"abc"));
    let too_much = raw([frame::DATA, frame::PADDED], 3, &[9, 1, 2]);
    let mut end = server();
    end.take(&headers(3, false, &[])).unwrap();
    assert_eq!(failure(&mut end, &too_much), Reason::PROTOCOL_ERROR);
}

#[test]
fn a_stream_does_not_depend_on_itself() {
    assert_eq!(reset_by(&mut server(), &raw([frame::PRIORITY, 0], 5, &[0, 0, 0, 5, 0])), (5, Reason::PROTOCOL_ERROR));
    server().take(&raw([frame::PRIORITY, 0], 5, &[0, 0, 0, 3, 0])).unwrap();
}

#[test]
fn ids_are_odd_and_grow() {
    assert_eq!(failure(&mut server(), &headers(2, true, &[])), Reason::PROTOCOL_ERROR);
    let mut end = server();
    end.take(&headers(5, true, &[])).unwrap();
    // What is lower has been closed by that (section 5.1.1).
    assert_eq!(failure(&mut end, &headers(3, true, &[])), Reason::PROTOCOL_ERROR);
}

#[test]
fn nothing_comes_on_a_stream_that_is_not_open() {
    for (kind, size) in [(frame::DATA, 1), (frame::RST_STREAM, 4), (frame::WINDOW_UPDATE, 4)] {
        assert_eq!(failure(&mut server(), &raw([kind, 0], 1, &vec![0; size])), Reason::PROTOCOL_ERROR, "{kind}");
    }
}

#[test]
fn nothing_comes_after_the_end() {
    let mut end = server();
    end.take(&headers(1, true, &[])).unwrap();
    assert_eq!(reset_by(&mut end, &raw([frame::DATA, 0], 1, b"more")), (1, Reason::STREAM_CLOSED));
    let mut end = server();
    end.take(&headers(1, true, &[])).unwrap();
    assert_eq!(reset_by(&mut end, &headers(1, true, &[])), (1, Reason::STREAM_CLOSED));
    let mut end = server();
    end.take(&headers(1, true, &[])).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    end.answer(key, true);
    end.connection.release(key, &mut end.out);
    end.out.clear();
    assert_eq!(failure(&mut end, &headers(1, true, &[])), Reason::STREAM_CLOSED);
}

#[test]
fn what_was_under_way_as_a_stream_was_given_up_is_ignored() {
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    end.connection.release(key, &mut end.out);
    assert_eq!(end.frames().len(), 1);
    end.take(&raw([frame::DATA, 0], 1, b"more")).unwrap();
    end.take(&headers(1, true, &[])).unwrap();
    assert!(end.out.is_empty());
}

#[test]
fn nobody_pushes() {
    assert_eq!(failure(&mut server(), &raw([frame::PUSH_PROMISE, 4], 1, &[0, 0, 0, 2])), Reason::PROTOCOL_ERROR);
    let mut pair = Pair::new();
    pair.ask();
    let push = raw([frame::PUSH_PROMISE, 4], 1, &[0, 0, 0, 2]);
    assert_eq!(pair.client.take(&push).unwrap_err().reason, Reason::PROTOCOL_ERROR);
}
