//! Frames of HTTP/2 that a client sends, cut anywhere: the first byte says how long the pieces are. However they are cut, the same
//! requests arrive, with the same bodies, until the same frame ends the connection.
#![no_main]

use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use weir::http2::{Connection, Failure, Limits, PREFACE, Role};

const LIMITS: Limits = Limits { streams: 100, head: 32 * 1024, stream_window: 256 * 1024, connection_window: 1024 * 1024 };
/// SETTINGS without any.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

fuzz_target!(|bytes: &[u8]| {
    let Some((length, frames)) = bytes.split_first() else { return };
    let whole = served(frames.chunks(frames.len().max(1)));
    let cut = served(frames.chunks(usize::from(*length).max(1)));
    assert_eq!(whole, cut);
});

type Seen = Vec<(String, Vec<u8>)>;

/// The requests that arrive, with their bodies, and what ended the connection.
fn served<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Seen, Option<Failure>) {
    let mut out = Vec::new();
    let mut connection = Connection::new(Role::Server, LIMITS, &mut out);
    let context = Context::from_waker(Waker::noop());
    let mut waiting = [PREFACE, &SETTINGS].concat();
    let (mut seen, mut keys, mut failed) = (Seen::new(), Vec::new(), None);
    for piece in pieces {
        waiting.extend_from_slice(piece);
        match connection.receive(&waiting, &mut out) {
            Ok(used) => _ = waiting.drain(..used),
            Err(failure) => failed = Some(failure),
        }
        while let Some(arrived) = connection.next_arrived() {
            seen.push((arrived.request.map_or(String::new(), |request| request.path().to_owned()), Vec::new()));
            keys.push(arrived.key);
        }
        if failed.is_some() {
            break;
        }
    }
    for (key, (_, body)) in keys.iter().zip(&mut seen) {
        while let Poll::Ready(Ok(Some((data, _)))) = connection.poll_data(*key, &context) {
            connection.used(*key, data.len(), &mut out);
            body.extend_from_slice(&data);
        }
        connection.release(*key, &mut out);
    }
    assert_eq!(connection.streams(), 0);
    (seen, failed)
}
