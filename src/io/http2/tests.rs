//! A connection with its task, against a client that is written by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Wake;
use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http2::{Limits, PREFACE, Role};
use crate::io::{Stream, Wire};
use crate::message::Size;

const LIMITS: Limits = Limits { streams: 100, head: 8 * 1024, stream_window: 100_000, connection_window: 300_000 };

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn frame([kind, flags]: [u8; 2], stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What a client says that asks for so much that no window ends it.
fn asks(streams: u32) -> Vec<u8> {
    const MOST: u32 = (1 << 31) - 1;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame([4, 0], 0, &[&[0, 4][..], &MOST.to_be_bytes()].concat()));
    bytes.extend(frame([8, 0], 0, &(MOST - 65_535).to_be_bytes()));
    for n in 0..streams {
        // GET / over http, of no authority (RFC 7541 appendix A).
        bytes.extend(frame([1, 5], 2 * n + 1, &[0x82, 0x84, 0x86]));
    }
    bytes
}

#[tokio::test]
async fn nobody_is_woken_while_a_client_takes_nothing() {
    const STREAMS: u32 = 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(&asks(STREAMS)).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let long = Duration::from_secs(3600);
    let mut driver = Driver::new(Wire::new(Stream::Plain(stream)), Role::Server, LIMITS, (long, long));
    let mut bodies: Vec<Http2> = Vec::new();
    let response = Response::new(StatusCode::OK, Size::Unknown);
    std::future::poll_fn(|context| {
        let mut begin = |session: &Session, arrived: crate::http2::Arrived| {
            let mut body = Http2::new(session.clone(), arrived.key);
            body.answer(&response, None, false).unwrap();
            bodies.push(body);
        };
        assert!(driver.poll(&mut begin, context).is_pending());
        if bodies.len() == STREAMS as usize { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let mut context = Context::from_waker(&waker);
    let data = vec![0; 64 * 1024];
    // As their tasks would: whoever is woken sends, until the connection's own task has nothing left to do.
    let mut quiet = 0;
    for _ in 0..10_000 {
        let before = woken.0.load(Relaxed);
        for body in &mut bodies {
            while body.poll_send(&data, false, &mut context).is_ready() {}
        }
        assert!(driver.poll(&mut |_, _| {}, &mut context).is_pending());
        quiet = if woken.0.load(Relaxed) == before { quiet + 1 } else { 0 };
        if quiet == 3 {
            return;
        }
        // The sockets' buffers fill by themselves.
        tokio::task::yield_now().await;
    }
    panic!("it is woken without end: {} times", woken.0.load(Relaxed));
}
