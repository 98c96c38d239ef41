//! Bodies and flow control: RFC 9113 sections 5.2 and 6.9.

use super::*;

#[test]
fn a_body_goes_as_far_as_the_windows_reach() {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let (key, arrived) = pair.open(&get("/", &none), false);
    let body = vec![b'x'; 150_000];
    let mut sent = 0;
    while let Poll::Ready(count) = pair.client.send(key, &body[sent..], true) {
        sent += count.unwrap();
        pair.exchange();
    }
    assert_eq!(sent, LIMITS.stream_window as usize);
    // Half of it was used: as much may come again.
    pair.server.connection.used(arrived.key, 50_000, &mut pair.server.out);
    pair.exchange();
    let Poll::Ready(more) = pair.client.send(key, &body[sent..], true) else { panic!("it still waits") };
    assert_eq!(more.unwrap(), 50_000);
    pair.exchange();
    let Poll::Ready(received) = pair.server.data(arrived.key) else { panic!("nothing has come") };
    let (data, last) = received.unwrap().unwrap();
    assert_eq!((data.len(), last), (150_000, true));
}

#[test]
fn frames_are_no_longer_than_everybody_takes() {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let (key, _) = pair.open(&get("/", &none), false);
    assert!(matches!(pair.client.send(key, &[0; 40_000], true), Poll::Ready(Ok(40_000))));
    let frames = pair.client.frames();
    let lengths: Vec<_> = frames.iter().map(|(header, _)| (header.length, header.has(frame::END_STREAM))).collect();
    assert_eq!(lengths, [(16_384, false), (16_384, false), (7_232, true)]);
}

#[test]
fn what_waits_to_be_written_has_a_bound() {
    let mut pair = Pair::new();
    let (_, stream) = pair.ask();
    pair.server.answer(stream, false);
    let body = vec![0; 1_000_000];
    let mut sent = 0;
    while let Poll::Ready(count) = pair.server.send(stream, &body[sent..], false) {
        sent += count.unwrap();
    }
    assert!(pair.server.out.len() < crate::message::LARGE + 1000);
    assert!(sent > 60_000);
}

#[test]
fn who_waits_for_room_that_others_take_is_woken() {
    let mut pair = Pair::new();
    let (_, stream) = pair.ask();
    pair.server.answer(stream, false);
    // Something else fills the buffer.
    let before = pair.server.out.len();
    pair.server.out.resize(super::super::MOST_WAITING, 0);
    assert!(pair.server.send(stream, b"data", true).is_pending());
    pair.server.out.truncate(before);
    let waiting = pair.server.out.len();
    assert!(!pair.server.connection.wake_blocked(waiting));
    assert!(matches!(pair.server.send(stream, b"data", true), Poll::Ready(Ok(4))));
}

#[test]
fn who_waits_for_room_and_is_let_go_is_forgotten() {
    let mut end = server();
    // The window of the connection is used up.
    end.take(&headers(1, true, &[])).unwrap();
    let first = end.connection.next_arrived().unwrap().key;
    end.answer(first, false);
    while end.send(first, &[0; 1000], false).is_ready() {}
    for stream in (3..200).step_by(2) {
        end.take(&headers(stream, true, &[])).unwrap();
        let key = end.connection.next_arrived().unwrap().key;
        end.answer(key, false);
        assert!(end.send(key, b"data", true).is_pending());
        end.take(&raw([frame::RST_STREAM, 0], stream, &Reason::CANCEL.0.to_be_bytes())).unwrap();
        end.connection.release(key, &mut end.out);
        end.out.clear();
    }
    assert!(end.connection.blocked.len() <= 1);
}

#[test]
fn more_than_a_window_has_room_for_is_an_error() {
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    let piece = raw([frame::DATA, 0], 1, &[0; 10_000]);
    for _ in 0..10 {
        end.take(&piece).unwrap();
    }
    assert_eq!(reset_by(&mut end, &piece), (1, Reason::FLOW_CONTROL_ERROR));
    // All streams together.
    let mut end = server();
    for stream in [1, 3, 5, 7] {
        end.take(&headers(stream, false, &[])).unwrap();
    }
    for stream in [1, 3, 5] {
        for _ in 0..10 {
            end.take(&raw([frame::DATA, 0], stream, &[0; 10_000])).unwrap();
        }
    }
    assert_eq!(failure(&mut end, &raw([frame::DATA, 0], 7, &[0; 1])), Reason::FLOW_CONTROL_ERROR);
}

#[test]
fn what_nobody_reads_any_more_gives_its_room_back() {
    let mut end = server();
    for stream in (1..200).step_by(2) {
        end.take(&headers(stream, false, &[])).unwrap();
        let key = end.connection.next_arrived().unwrap().key;
        end.take(&raw([frame::DATA, 0], stream, &[0; 10_000])).unwrap();
        end.connection.release(key, &mut end.out);
        // Under way as it was given up.
        end.take(&raw([frame::DATA, 0], stream, &[0; 10_000])).unwrap();
    }
}

#[test]
fn padding_is_used_as_it_comes() {
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    let padded = raw([frame::DATA, frame::PADDED], 1, &[&[255][..], b"x", &[0; 255]].concat());
    // Far more than a window of it.
    for _ in 0..2000 {
        end.take(&padded).unwrap();
        let Poll::Ready(Ok(Some((data, false)))) = end.data(key) else { panic!("nothing has come") };
        end.connection.used(key, data.len(), &mut end.out);
    }
}

#[test]
fn a_window_grows_by_something_and_not_without_end() {
    let update = |stream, by: u32| raw([frame::WINDOW_UPDATE, 0], stream, &by.to_be_bytes());
    assert_eq!(failure(&mut server(), &update(0, 0)), Reason::PROTOCOL_ERROR);
    assert_eq!(failure(&mut server(), &update(0, (1 << 31) - 1)), Reason::FLOW_CONTROL_ERROR);
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    assert_eq!(reset_by(&mut end, &update(1, 0)), (1, Reason::PROTOCOL_ERROR));
    end.take(&headers(3, false, &[])).unwrap();
    assert_eq!(reset_by(&mut end, &update(3, (1 << 31) - 1)), (3, Reason::FLOW_CONTROL_ERROR));
}

#[test]
fn the_initial_window_may_change_and_get_below_zero() {
    let initial = |size: u32| raw([frame::SETTINGS, 0], 0, &[&[0, 4][..], &size.to_be_bytes()].concat());
    let mut end = server();
    end.take(&headers(1, true, &[])).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    end.answer(key, false);
    assert!(matches!(end.send(key, &[0; 1000], false), Poll::Ready(Ok(1000))));
    end.take(&initial(500)).unwrap();
    assert!(end.send(key, b"x", false).is_pending());
    end.take(&raw([frame::WINDOW_UPDATE, 0], 1, &500u32.to_be_bytes())).unwrap();
    assert!(end.send(key, b"x", false).is_pending(), "it is at zero");
    end.take(&initial(501)).unwrap();
    assert!(matches!(end.send(key, b"xy", false), Poll::Ready(Ok(1))));
    end.take(&raw([frame::WINDOW_UPDATE, 0], 1, &((1u32 << 31) - 1).to_be_bytes())).unwrap();
    assert_eq!(failure(&mut end, &initial(1000)), Reason::FLOW_CONTROL_ERROR);
}

#[test]
fn what_has_come_is_read_before_the_stream_breaks() {
    let mut end = server();
    end.take(&headers(1, false, &[])).unwrap();
    let key = end.connection.next_arrived().unwrap().key;
    end.take(&raw([frame::DATA, 0], 1, b"half")).unwrap();
    end.take(&raw([frame::RST_STREAM, 0], 1, &Reason::CANCEL.0.to_be_bytes())).unwrap();
    assert!(end.connection.poll_cut(key, &context()).is_ready());
    assert!(matches!(end.data(key), Poll::Ready(Ok(Some((data, false)))) if data == b"half"));
    assert!(matches!(end.data(key), Poll::Ready(Err(Broken::Reset(_)))));
}

#[test]
fn an_answer_that_is_whole_is_read_whatever_comes_after_it() {
    let mut pair = Pair::new();
    let none = fields(&[]);
    let (key, arrived) = pair.open(&get("/", &none), false);
    pair.server.answer(arrived.key, false);
    assert!(matches!(pair.server.send(arrived.key, b"enough", true), Poll::Ready(Ok(6))));
    // It does not want the rest of the request (section 8.1).
    pair.server.connection.release(arrived.key, &mut pair.server.out);
    pair.exchange();
    assert!(matches!(pair.client.send(key, b"more", false), Poll::Ready(Err(Broken::Reset(_)))));
    assert!(matches!(pair.client.connection.poll_head(key, &context()), Poll::Ready(Ok(_))));
    assert!(matches!(pair.client.data(key), Poll::Ready(Ok(Some((data, true)))) if data == b"enough"));
    assert!(matches!(pair.client.data(key), Poll::Ready(Ok(None))));
}

#[test]
fn a_body_may_end_with_trailers() {
    let mut pair = Pair::new();
    let (key, stream) = pair.ask();
    pair.server.answer(stream, false);
    assert!(matches!(pair.server.send(stream, b"data", false), Poll::Ready(Ok(4))));
    let trailers = fields(&[("grpc-status", "0")]);
    pair.server.connection.finish(stream, Some(&trailers), &mut pair.server.out).unwrap();
    pair.exchange();
    assert!(matches!(pair.client.data(key), Poll::Ready(Ok(Some((data, false)))) if data == b"data"));
    assert!(!pair.client.connection.has_read_all(key));
    assert!(matches!(pair.client.data(key), Poll::Ready(Ok(None))));
    assert_eq!(pair.client.connection.take_trailers(key).unwrap().first("grpc-status"), Some(&b"0"[..]));
    assert!(pair.client.connection.has_read_all(key));
}

#[test]
fn no_more_room_is_given_back_than_was_taken() {
    let mut end = server();
    let (mut taken, mut given) = (0, 0);
    for stream in (1..400).step_by(2) {
        // Too short, too long, padded, given up.
        end.take(&headers(stream, false, &[("content-length", "9000")])).unwrap();
        let key = end.connection.next_arrived().unwrap().key;
        let last = if stream % 4 == 1 { frame::END_STREAM } else { 0 };
        end.take(&raw([frame::DATA, last], stream, &[0; 8000])).unwrap();
        taken += 8000;
        if stream % 8 == 3 {
            end.take(&raw([frame::DATA, frame::PADDED], stream, &[&[255][..], &[0; 2000]].concat())).unwrap();
            taken += 2001;
        }
        if let Poll::Ready(Ok(Some((data, _)))) = end.data(key) {
            end.connection.used(key, data.len(), &mut end.out);
        }
        end.connection.release(key, &mut end.out);
        for (header, payload) in end.frames() {
            if header.kind == frame::WINDOW_UPDATE && header.stream == 0 {
                given += frame::number(payload[..].try_into().unwrap());
            }
        }
        assert!(given <= taken, "{given} of {taken}");
    }
    assert!(taken - given <= LIMITS.connection_window / 2, "{given} of {taken}");
}
