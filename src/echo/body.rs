//! Request bodies read to their end, and the response bodies that are made on the way.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How much of a request body is kept for the description.
const KEPT: usize = 64 * 1024;

/// What `/bytes/{n}` is made of, a block at a time.
static FILL: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// A response body: most are at hand whole, and those are spared the boxing.
pub(super) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, hyper::Error>>;

/// A body that is at hand.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

/// A body that comes in pieces, with trailers where the stream has them.
pub(super) fn pieces<S>(frames: S) -> Body
where
    S: Stream<Item = Result<Frame<Bytes>, hyper::Error>> + Send + 'static,
{
    Either::Right(StreamBody::new(frames).boxed_unsync())
}

/// The request body itself, sent back as it arrives.
pub(super) fn same(incoming: Incoming) -> Body {
    Either::Right(incoming.boxed_unsync())
}

/// `count` bytes of known length, however many.
pub(super) fn filler(count: u64) -> Body {
    match usize::try_from(count) {
        Ok(count) if count <= FILL.len() => whole(Bytes::from_static(&FILL).slice(..count)),
        _ => Either::Right(Filler { left: count }.map_err(|never| match never {}).boxed_unsync()),
    }
}

/// Pieces made by `piece` from their number, counted from 1: the first at once, then one every
/// `interval`, `count` of them or without end.
pub(super) fn paced(
    count: Option<u64>,
    interval: Duration,
    piece: impl Fn(u64) -> Bytes + Send + 'static,
) -> impl Stream<Item = Result<Frame<Bytes>, hyper::Error>> + Send {
    // An interval of zero is an error to the timer, and needs no timer anyway.
    let timer = (!interval.is_zero()).then(|| every(interval));
    stream::unfold((timer, 1), move |(mut timer, number)| async move {
        if count.is_some_and(|count| number > count) {
            return None;
        }
        if let Some(timer) = timer.as_mut().filter(|_| number > 1) {
            timer.tick().await;
        }
        Some((number, (timer, number.saturating_add(1))))
    })
    .map(move |number| Ok(Frame::data(piece(number))))
}

fn every(interval: Duration) -> Interval {
    // Not `interval`: even its first tick may take a turn of the timer.
    let mut timer = tokio::time::interval_at(Instant::now() + interval, interval);
    // A client that was slow to read gets the usual spacing afterwards, not a burst.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// A request body after its end.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Its first 64 KiB.
    pub(super) kept: Bytes,
    /// All of its bytes, also those not kept.
    pub(super) length: u64,
    /// What followed it.
    pub(super) trailers: HeaderMap,
}

impl Received {
    /// Reads `body` to its end.
    pub(super) async fn read(mut body: Incoming) -> Result<Received, hyper::Error> {
        let mut received = Received::default();
        if body.is_end_stream() {
            return Ok(received);
        }
        let mut kept = BytesMut::new();
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(mut data) => {
                    received.length += data.len() as u64;
                    data.truncate(KEPT.saturating_sub(kept.len()));
                    kept.extend_from_slice(&data);
                }
                Err(frame) => received.trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        received.kept = kept.freeze();
        Ok(received)
    }
}

/// Many bytes that take no memory.
struct Filler {
    left: u64,
}

impl http_body::Body for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut block = Bytes::from_static(&FILL);
        block.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= block.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
