//! Requests and answers of the admin API.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Collected, Full, Limited, StreamBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::control::Event;
use crate::record::Written;

/// Longest body of a request, bytes.
const LONGEST: usize = 64 * 1024;

/// The body of a request.
///
/// # Errors
///
/// It is too long, or broke off.
pub async fn body(body: Incoming) -> Result<Bytes, String> {
    let body = Limited::new(body, LONGEST).collect().await;
    body.map(Collected::to_bytes)
        .map_err(|error| format!("the body cannot be read: {error}; it may have {LONGEST} bytes"))
}

/// An answer.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// An answer with a body of one piece.
pub fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed_unsync());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A page of metrics, whose pieces are made as they are sent.
pub fn written(kind: &'static str, page: Written) -> Reply {
    let left = page.bytes();
    let mut reply = reply(StatusCode::OK, kind, Bytes::new());
    *reply.body_mut() = Page { page, left }.boxed_unsync();
    reply
}

struct Page {
    page: Written,
    /// Length of what is left, bytes.
    left: u64,
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.page.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A line of text.
pub fn text(status: StatusCode, text: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// JSON.
pub fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => reply(StatusCode::OK, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// An error as JSON.
pub fn error(status: StatusCode, message: &str) -> Reply {
    let body = serde_json::json!({ "error": message }).to_string();
    reply(status, "application/json", body)
}

/// Events as server-sent events (HTML standard, section 9.2): those that were, then those that come.
pub fn events(past: Vec<Event>, coming: broadcast::Receiver<Event>) -> Reply {
    let stream = futures_util::stream::unfold((past.into_iter(), coming), |(mut past, mut coming)| async move {
        if let Some(event) = past.next() {
            return Some((frame(&event), (past, coming)));
        }
        loop {
            match coming.recv().await {
                Ok(event) => return Some((frame(&event), (past, coming))),
                // A reader that is too slow misses some; it finds the kept ones when it connects again.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let mut reply = reply(StatusCode::OK, "text/event-stream", Bytes::new());
    *reply.body_mut() = StreamBody::new(stream).boxed_unsync();
    reply
}

fn frame(event: &Event) -> Result<Frame<Bytes>, Infallible> {
    let data = serde_json::to_string(event).unwrap_or_default();
    Ok(Frame::data(format!("id: {}\ndata: {data}\n\n", event.id).into()))
}
