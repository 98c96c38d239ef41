//! What a peer may not do for ever: RFC 9113 section 10.5.

use super::*;
use crate::http2::head::Head;
use crate::http2::hpack::{Decoder, TABLE};
use crate::http2::runs::Runs;

/// How often a server takes it.
fn endured(mut costs: impl FnMut(&mut End, u32) -> Vec<u8>) -> u32 {
    let mut end = server();
    for n in 0..100_000 {
        let bytes = costs(&mut end, n);
        if let Err(failure) = end.take(&bytes) {
            assert_eq!(failure.reason, Reason::ENHANCE_YOUR_CALM);
            return n;
        }
        end.out.clear();
    }
    100_000
}

#[test]
fn frames_that_only_cost_are_not_taken_for_ever() {
    let always = |bytes: Vec<u8>| endured(move |_, _| bytes.clone());
    assert!(always(raw([frame::PING, 0], 0, &[0; 8])) < 3000);
    assert!(always(raw([frame::SETTINGS, 0], 0, &[])) < 3000);
    assert!(always(raw([frame::PRIORITY, 0], 7, &[0, 0, 0, 1, 0])) < 3000);
    assert!(always(raw([0xbe, 0], 7, &[])) < 3000);
}

#[test]
fn streams_that_are_given_up_at_once_are_not_taken_for_ever() {
    let endured = endured(|end, n| {
        if let Some(arrived) = end.connection.next_arrived() {
            end.connection.release(arrived.key, &mut end.out);
        }
        let stream = 2 * n + 1;
        [headers(stream, true, &[]), raw([frame::RST_STREAM, 0], stream, &[0, 0, 0, 8])].concat()
    });
    assert!((1000..3000).contains(&endured), "{endured}");
}

#[test]
fn streams_that_are_answered_are_taken_for_ever() {
    let endured = endured(|end, n| {
        if let Some(arrived) = end.connection.next_arrived() {
            end.answer(arrived.key, true);
            end.connection.release(arrived.key, &mut end.out);
        }
        headers(2 * n + 1, true, &[])
    });
    assert_eq!(endured, 100_000);
}

#[test]
fn time_forgives() {
    let endured = endured(|end, n| {
        if n % 1000 == 0 {
            end.connection.forgive();
        }
        raw([frame::PING, 0], 0, &[0; 8])
    });
    assert_eq!(endured, 100_000);
}

#[test]
fn a_header_block_without_end_is_not_taken() {
    let mut end = server();
    end.take(&raw([frame::HEADERS, 0], 1, &block(&GET))).unwrap();
    let piece = raw([frame::CONTINUATION, 0], 1, &[0; 4096]);
    let failed = (0..100).find_map(|_| end.take(&piece).err()).unwrap();
    assert_eq!(failed.reason, Reason::ENHANCE_YOUR_CALM);
    // Nor one of which nothing comes.
    let mut begun = false;
    let endured = endured(|_, _| match std::mem::replace(&mut begun, true) {
        false => raw([frame::HEADERS, 0], 1, &block(&GET)),
        true => raw([frame::CONTINUATION, 0], 1, &[]),
    });
    assert!(endured < 3000);
}

const GET: [(&str, &str); 2] = [(":method", "GET"), (":scheme", "http")];

#[test]
fn more_streams_than_allowed_are_refused() {
    let mut end = server();
    for n in 0..LIMITS.streams {
        end.take(&headers(2 * n + 1, true, &[])).unwrap();
    }
    assert_eq!(reset_by(&mut end, &headers(99, true, &[])), (99, Reason::REFUSED_STREAM));
    // Who gives one up may open another.
    end.take(&raw([frame::RST_STREAM, 0], 1, &[0, 0, 0, 8])).unwrap();
    end.take(&headers(101, true, &[])).unwrap();
    assert!(end.out.is_empty());
    assert_eq!(reset_by(&mut end, &headers(103, true, &[])), (103, Reason::REFUSED_STREAM));
}

#[test]
fn requests_that_were_given_up_are_not_at_work_in_any_number() {
    let mut end = server();
    let mut stream = 1;
    let mut open = |end: &mut End| {
        stream += 2;
        end.take(&[headers(stream, true, &[]), raw([frame::RST_STREAM, 0], stream, &[0, 0, 0, 8])].concat()).unwrap();
        end.frames().is_empty()
    };
    for _ in 0..2 * LIMITS.streams {
        assert!(open(&mut end));
    }
    assert!(!open(&mut end));
    let first = end.connection.next_arrived().unwrap();
    end.connection.release(first.key, &mut end.out);
    assert!(open(&mut end));
}

#[test]
fn fields_that_expand_are_not_kept() {
    let mut end = server();
    let mut lines = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]);
    // One long field that is remembered, and named again and again.
    lines.extend_from_slice(&[0x40, 1, b'x', 127, 0x80 | 0x21, 0x1e]);
    lines.extend_from_slice(&vec![b'y'; 4000]);
    lines.extend_from_slice(&[0x80 | 62; 12_000]);
    end.take(&raw([frame::HEADERS, frame::END_HEADERS | frame::END_STREAM], 1, &lines)).unwrap();
    assert!(end.connection.next_arrived().unwrap().request.is_none());
    let mut head = Head::new(LIMITS.head);
    head.decode(&mut Decoder::new(TABLE), &mut Runs::default(), &lines).unwrap();
    assert!(head.lines() < 10);
}

#[test]
fn streams_that_are_made_to_be_given_up_are_not_taken_for_ever() {
    // Each frame after the end of the request has this side give it up.
    for data in [&b"x"[..], b""] {
        let endured = endured(|end, n| {
            if let Some(arrived) = end.connection.next_arrived() {
                end.connection.release(arrived.key, &mut end.out);
            }
            let stream = 2 * n + 1;
            [headers(stream, true, &[]), raw([frame::DATA, 0], stream, data)].concat()
        });
        assert!((600..3000).contains(&endured), "{endured}");
    }
}

#[test]
fn what_was_under_way_as_a_stream_was_given_up_costs_nobody_the_connection() {
    let endured = endured(|end, n| {
        let stream = 2 * n + 1;
        end.take(&headers(stream, false, &[])).unwrap();
        let key = end.connection.next_arrived().unwrap().key;
        end.answer(key, true);
        end.connection.release(key, &mut end.out);
        raw([frame::DATA, 0], stream, b"x").repeat(20)
    });
    assert_eq!(endured, 100_000);
}

#[test]
fn informational_answers_that_nobody_takes_have_a_bound() {
    let mut pair = Pair::new();
    let (key, _) = pair.ask();
    let early = raw([frame::HEADERS, frame::END_HEADERS], 1, &block(&[(":status", "103")]));
    for _ in 0..1000 {
        pair.client.take(&early).unwrap();
    }
    let mut come = 0;
    while let Poll::Ready(Ok(_)) = pair.client.connection.poll_head(key, &context()) {
        come += 1;
    }
    assert!((10..100).contains(&come), "{come}");
    assert!(matches!(pair.client.connection.poll_head(key, &context()), Poll::Ready(Err(Broken::Malformed(_)))));
}
