//! What hyper makes of the bytes of a connection: its own server and client, over a stream in memory that needs no runtime.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use ::hyper::body::{Bytes, Incoming};
use ::hyper::rt::{Read, ReadBufCursor, Write};
use ::hyper::service::service_fn;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty};

use super::{End, Fields, First, Message, Reading, text};

/// Most bytes of a head, as the proxy has for answers.
const LONGEST_HEAD: usize = 512 * 1024;

/// Reads a client's bytes with the server.
pub fn requests(bytes: &[u8]) -> Reading {
    let messages = Rc::new(RefCell::new(Vec::new()));
    let seen = messages.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let messages = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            messages.borrow_mut().push(asked(&head));
            collect(body, |change| change(messages.borrow_mut().last_mut().expect("a head was read"))).await;
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(response)
        }
    });
    let stream = Stream { unread: bytes.to_vec(), open: true, ends: false, waiting: None };
    let mut server = ::hyper::server::conn::http1::Builder::new();
    let connection = server.half_close(true).max_buf_size(LONGEST_HEAD).serve_connection(stream, service);
    let end = match run(connection) {
        None => between(&messages.borrow()),
        Some(Ok(())) => End::Last,
        Some(Err(error)) => End::Refused(error.to_string()),
    };
    let messages = messages.borrow().clone();
    Reading { messages, end, rest: None }
}

/// Reads what an endpoint sends until it closes with the client.
pub fn responses(bytes: &[u8], to_head: bool) -> Reading {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let stream = Stream { unread: bytes.to_vec(), open: false, ends: true, waiting: None };
    let outcome = run(async {
        let mut client = ::hyper::client::conn::http1::Builder::new();
        let (mut sender, connection) = client.max_buf_size(LONGEST_HEAD).handshake(stream).await?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = if to_head { Method::HEAD } else { Method::GET };
        let interim = messages.clone();
        ::hyper::ext::on_informational(&mut request, move |response| {
            let mut message = answered(response.status(), response.headers());
            message.complete = true;
            interim.lock().expect("no panic").push(message);
        });
        let exchange = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            messages.lock().expect("no panic").push(answered(head.status, &head.headers));
            collect(body, |change| {
                change(messages.lock().expect("no panic").last_mut().expect("a head was read"));
            })
            .await;
            Ok(())
        };
        // The connection ends by itself once the stream does.
        let (answer, _) = futures_util::join!(exchange, connection);
        answer
    });
    let messages = messages.lock().expect("no panic").clone();
    let end = match outcome {
        None => between(&messages),
        Some(Ok::<(), ::hyper::Error>(())) => End::Last,
        Some(Err(error)) => End::Refused(error.to_string()),
    };
    Reading { messages, end, rest: None }
}

fn between(messages: &[Message]) -> End {
    if messages.last().is_some_and(|message| !message.complete) { End::Within } else { End::Between }
}

/// Takes a body in, up to its end or error.
async fn collect(mut body: Incoming, mut change: impl FnMut(&mut dyn FnMut(&mut Message))) {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => change(&mut |message| match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) => message.body.push_str(&text(data)),
                (None, Some(trailers)) => message.trailers = fields(trailers),
                (None, None) => {}
            }),
            Some(Err(_)) => return,
            None => return change(&mut |message| message.complete = true),
        }
    }
}

fn asked(head: &http::request::Parts) -> Message {
    let uri = &head.uri;
    let authority = uri.authority().map(|authority| text(authority.as_str().as_bytes()));
    let first = First::Request {
        method: text(head.method.as_str().as_bytes()),
        authority,
        path: text(uri.path().as_bytes()),
        query: uri.query().map(|query| text(query.as_bytes())),
        minor: u8::from(head.version == Version::HTTP_11),
    };
    Message::begun(first, fields(&head.headers))
}

fn answered(status: StatusCode, headers: &HeaderMap) -> Message {
    Message::begun(First::Response { status: status.as_u16() }, fields(headers))
}

fn fields(headers: &HeaderMap) -> Fields {
    headers.iter().map(|(name, value)| (text(name.as_str().as_bytes()), text(value.as_bytes()))).collect()
}

/// Bytes that are all there, and somewhere for what is written.
struct Stream {
    unread: Vec<u8>,
    /// They can be read: an answer comes after its request.
    open: bool,
    /// The end of them is the end of the stream.
    ends: bool,
    waiting: Option<Waker>,
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.open || (self.unread.is_empty() && !self.ends) {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = self.unread.len().min(into.remaining());
        into.put_slice(&self.unread[..length]);
        self.unread.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.open = true;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future until it ends, or until it waits for what never comes: none.
fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(flag.clone());
    let mut future = std::pin::pin!(future);
    while flag.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
    }
    None
}
