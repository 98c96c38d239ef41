//! Whatever comes, and however it is cut.

use proptest::prelude::*;

use super::*;
use crate::testing::fixed;

/// A frame that may make sense.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(block(&[(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")])),
        Just(vec![0, 0, 0, 1]),
        Just(vec![0, 0, 0, 0, 0, 0, 0, 0]),
        Just(vec![0, 4, 0, 0, 0, 9]),
        Just(vec![b'x'; 9000]),
    ];
    let kind = prop_oneof![Just(frame::HEADERS), Just(frame::DATA), 0..11u8];
    let flags = prop_oneof![Just(0), Just(4), Just(5), any::<u8>()];
    (kind, flags, 0..12u32, payload).prop_map(|(kind, flags, stream, payload)| raw([kind, flags], stream, &payload))
}

/// What a server makes of bytes that come in pieces: requests with what was read of their bodies, and how it ended.
fn served(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, Option<Failure>) {
    let mut end = server();
    let mut seen = Vec::new();
    let mut keys = Vec::new();
    let mut waiting = Vec::new();
    let mut failed = None;
    for piece in pieces {
        waiting.extend_from_slice(piece);
        match end.connection.receive(&waiting, &mut end.out) {
            Ok(used) => _ = waiting.drain(..used),
            Err(failure) => failed = Some(failure),
        }
        while let Some(arrived) = end.connection.next_arrived() {
            seen.push((arrived.request.map_or(String::new(), |request| request.path().to_owned()), Vec::new()));
            keys.push(arrived.key);
        }
        if failed.is_some() {
            break;
        }
    }
    for (key, (_, body)) in keys.iter().zip(&mut seen) {
        while let Poll::Ready(Ok(Some((data, _)))) = end.data(*key) {
            end.connection.used(*key, data.len(), &mut end.out);
            body.extend_from_slice(&data);
        }
        end.connection.release(*key, &mut end.out);
    }
    assert_eq!(end.connection.streams(), 0);
    end.connection.end();
    (seen, failed)
}

proptest! {
    #![proptest_config(fixed(500))]

    #[test]
    fn it_makes_no_difference_where_the_bytes_are_cut(
        frames in prop::collection::vec(frame(), 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = frames.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let whole = served(&[&bytes]);
        prop_assert_eq!(served(&pieces), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), role in any::<bool>()) {
        let mut end = if role { server() } else { Pair::new().client };
        let _ = end.connection.receive(&bytes, &mut end.out);
        end.connection.end();
    }

    #[test]
    fn bodies_arrive_as_they_were_sent(
        lengths in prop::collection::vec(0..60_000usize, 1..6),
        turns in prop::collection::vec((0..6usize, 1..30_000usize), 0..200),
    ) {
        let mut pair = Pair::new();
        let none = fields(&[]);
        let mut bodies: Vec<(Key, Key, usize, Vec<u8>)> = Vec::new();
        for _ in &lengths {
            let (near, arrived) = pair.open(&get("/", &none), false);
            bodies.push((near, arrived.key, 0, Vec::new()));
        }
        let byte = |n: usize, at: usize| (n * 7 + at / 3) as u8;
        let everything = (0..lengths.len()).flat_map(|n| [(n, usize::MAX); 20]);
        for (n, most) in turns.into_iter().chain(everything) {
            let Some(length) = lengths.get(n) else { continue };
            let (near, far, sent, received) = &mut bodies[n];
            let upto = sent.saturating_add(most).min(*length);
            let data: Vec<u8> = (*sent..upto).map(|at| byte(n, at)).collect();
            if *sent < *length && let Poll::Ready(count) = pair.client.send(*near, &data, upto == *length) {
                *sent += count.unwrap();
            }
            pair.exchange();
            if let Poll::Ready(Ok(Some((data, _)))) = pair.server.data(*far) {
                received.extend_from_slice(&data);
                pair.server.connection.used(*far, data.len(), &mut pair.server.out);
            }
            pair.exchange();
        }
        for (n, (.., received)) in bodies.iter().enumerate() {
            let expected: Vec<u8> = (0..lengths[n]).map(|at| byte(n, at)).collect();
            prop_assert_eq!(received, &expected);
        }
    }
}
