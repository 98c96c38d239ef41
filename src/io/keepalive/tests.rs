use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::io::{Coalesced, Drain, KeepAlive};

const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);
/// The type of a PING frame (RFC 9113 section 6.7), and its flag that answers one.
const PING: u8 = 6;
const ACK: u8 = 1;

/// This end of a connection.
struct End {
    connection: h2::client::Connection<Coalesced<DuplexStream>, Bytes>,
    drain: Drain<DuplexStream>,
    alive: KeepAlive,
    /// Without a handle, it would be closed.
    _sender: h2::client::SendRequest<Bytes>,
}

/// The other end, whose frames are written by hand, and this one.
async fn connected() -> (DuplexStream, End) {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let heard = Rc::new(Cell::new(false));
    let (gathered, drain) = Coalesced::new(near, Bytes::new(), Rc::clone(&heard));
    let (sender, mut connection) = h2::client::Builder::new().handshake(gathered).await.unwrap();
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let alive = KeepAlive::new(connection.ping_pong(), heard, SILENCE, PATIENCE);
    (far, End { connection, drain, alive, _sender: sender })
}

impl End {
    /// Drives it until the other end is taken for gone; tells after how many seconds, none if not within `limit`.
    async fn lost_within(&mut self, limit: u64, matters: bool) -> Option<u64> {
        let begun = Instant::now();
        let lost = poll_fn(|context| {
            let _ = std::pin::Pin::new(&mut self.connection).poll(context);
            let _ = self.drain.poll(context);
            let lost = self.alive.poll(matters, context);
            // A PING goes out with the next poll of the codec.
            let _ = std::pin::Pin::new(&mut self.connection).poll(context);
            let _ = self.drain.poll(context);
            lost
        });
        tokio::time::timeout(Duration::from_secs(limit), lost).await.ok()?;
        Some(begun.elapsed().as_secs())
    }
}

/// Reads the next PING that is no answer.
async fn ping(far: &mut DuplexStream) -> [u8; 8] {
    loop {
        let mut head = [0; 9];
        far.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[2]) | usize::from(head[1]) << 8];
        far.read_exact(&mut payload).await.unwrap();
        if head[3] == PING && head[4] & ACK == 0 {
            return payload.try_into().unwrap();
        }
    }
}

/// Skips the preface that begins a connection.
async fn preface(far: &mut DuplexStream) {
    far.read_exact(&mut [0; 24]).await.unwrap();
}

async fn pong(far: &mut DuplexStream, payload: [u8; 8]) {
    let frame = [&[0, 0, 8, PING, ACK, 0, 0, 0, 0][..], &payload].concat();
    far.write_all(&frame).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_asked_and_says_nothing_has_gone() {
    // Its connection stays open.
    let (_far, mut end) = connected().await;
    // Its settings were heard within the first silence.
    assert_eq!(end.lost_within(200, true).await, Some(2 * SILENCE.as_secs() + PATIENCE.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn an_end_is_asked_after_a_silence() {
    let (mut far, mut end) = connected().await;
    let begun = Instant::now();
    let asked = async {
        preface(&mut far).await;
        ping(&mut far).await;
        begun.elapsed().as_secs()
    };
    tokio::select! {
        _ = end.lost_within(1000, true) => panic!("it is asked first"),
        asked = asked => assert_eq!(asked, 2 * SILENCE.as_secs()),
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_answers_every_time_is_there() {
    let (mut far, mut end) = connected().await;
    let answers = Cell::new(0);
    let answering = async {
        preface(&mut far).await;
        loop {
            let payload = ping(&mut far).await;
            tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
            pong(&mut far, payload).await;
            answers.set(answers.get() + 1);
        }
    };
    tokio::select! {
        lost = end.lost_within(1000, true) => assert_eq!(lost, None),
        () = answering => {}
    }
    assert!(answers.get() >= 5, "{} answers", answers.get());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_answers_once_and_then_goes_is_found_out() {
    let (mut far, mut end) = connected().await;
    let once = async {
        preface(&mut far).await;
        let payload = ping(&mut far).await;
        pong(&mut far, payload).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        lost = end.lost_within(1000, true) => {
            // Asked after two silences, heard, asked again after another one or two.
            let lost = lost.expect("it has gone");
            assert!((100..=200).contains(&lost), "after {lost} s");
        }
        () = once => {}
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_heard_is_not_asked() {
    let (mut far, mut end) = connected().await;
    let talking = async {
        preface(&mut far).await;
        loop {
            tokio::time::sleep(SILENCE - Duration::from_secs(1)).await;
            // An answer that nobody asked for is as good as anything.
            pong(&mut far, [7; 8]).await;
        }
    };
    tokio::select! {
        lost = end.lost_within(600, true) => assert_eq!(lost, None),
        () = talking => {}
    }
    drop(end);
    let mut near = Vec::new();
    far.read_to_end(&mut near).await.unwrap();
    let asked = near.windows(9).any(|head| head[..3] == [0, 0, 8] && head[3] == PING && head[4] == 0);
    assert!(!asked);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_waits_for_is_left_alone() {
    let (_far, mut end) = connected().await;
    assert_eq!(end.lost_within(3600, false).await, None);
    // Once somebody does, it is asked.
    assert!(end.lost_within(200, true).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn without_pings_no_end_is_ever_taken_for_gone() {
    let mut alive = KeepAlive::new(None, Rc::default(), SILENCE, PATIENCE);
    let lost = poll_fn(|context| alive.poll(true, context));
    assert!(tokio::time::timeout(Duration::from_secs(3600), lost).await.is_err());
}
