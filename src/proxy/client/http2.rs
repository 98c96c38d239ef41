//! Clients on HTTP/2, on the crate `h2`: a task for the connection, and one for each request.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, header};

use super::super::carrier::{Errand, Sender, carry};
use super::super::exchange::ConnectionInfo;
use super::super::worker::Worker;
use super::LONGEST_HEAD;
use super::http1::HEAD_TIMEOUT;
use crate::http1;
use crate::io::{self, Closing, Coalesced, Drain, Http2, KeepAlive, Stream, Watch, Wire, broken};
use crate::message::{Broken, Field, FieldSection, Request, Response, Size, Target};

/// Streams that a client may have open.
const MOST_STREAMS: u32 = 256;
/// Silence after which a client is asked whether it is there, and how long it may take to say so.
const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);

/// A request's stream.
pub struct Http2Client {
    respond: SendResponse<Bytes>,
    /// Its bodies.
    pub body: Http2,
    /// The answer is to be a head alone.
    pub head_request: bool,
}

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, info: Rc<ConnectionInfo>, wire: Wire, closing: Rc<Closing>) {
    let Wire { stream, inbox, .. } = wire;
    let ahead = Bytes::copy_from_slice(inbox.unread());
    drop(inbox);
    let heard = Rc::new(Cell::new(false));
    let (gathered, drain) = Coalesced::new(stream, ahead, Rc::clone(&heard));
    let handshake = Builder::new()
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LONGEST_HEAD as u32)
        .initial_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buffer_size(256 * 1024)
        .enable_connect_protocol()
        .handshake(gathered);
    let mut handshake = std::pin::pin!(handshake);
    let opening = poll_fn(|context| {
        let opened = handshake.as_mut().poll(context);
        // Our settings may go out before the client's have come.
        let _ = drain.poll(context);
        opened
    });
    let Ok(Ok(mut connection)) = tokio::time::timeout(HEAD_TIMEOUT, opening).await else { return };
    let alive = KeepAlive::new(connection.ping_pong(), heard, SILENCE, PATIENCE);
    let refusing = worker.refusing();
    let watches = [Watch::new(closing), Watch::new(refusing)];
    Serving { worker, info, connection, drain, alive, watches, leaving: false }.run().await;
}

struct Serving {
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
    connection: Connection<Coalesced<Stream>, Bytes>,
    drain: Drain<Stream>,
    alive: KeepAlive,
    /// The listener goes; the process refuses what is new.
    watches: [Watch; 2],
    leaving: bool,
}

impl Serving {
    async fn run(mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.leaving && self.watches.iter_mut().any(|watch| watch.is_closed(context)) {
                self.leaving = true;
                self.connection.graceful_shutdown();
            }
            while let Poll::Ready(accepted) = self.connection.poll_accept(context) {
                let Some(Ok((request, respond))) = accepted else {
                    // The last frames, such as a GOAWAY, are worth a try.
                    let _ = self.drain.poll(context);
                    return Poll::Ready(());
                };
                self.begin(request, respond);
            }
            let full = match self.drain.poll(context) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(full)) => full,
                Poll::Pending => false,
            };
            if self.alive.poll(true, context).is_ready() {
                return Poll::Ready(());
            }
            if !full {
                return Poll::Pending;
            }
        }
    }

    fn begin(&self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (worker, info) = (Rc::clone(&self.worker), Rc::clone(&self.info));
        let (request, recv) = received(request);
        let head_request = request.method == Method::HEAD;
        let client = Http2Client { respond, body: Http2::new(None, Some(recv)), head_request };
        let carrying = carry(Errand { worker, info, sender: Sender::Http2(Box::new(client)), request });
        tokio::task::spawn_local(async move {
            carrying.await;
        });
    }
}

/// The head of a request, and its body.
fn received(request: http::Request<RecvStream>) -> (Request, RecvStream) {
    let (parts, recv) = request.into_parts();
    let mut fields = FieldSection::new();
    let uri = &parts.uri;
    let authority = uri.authority().map(|authority| fields.store(authority.as_str().as_bytes()));
    let path = fields.store(uri.path().as_bytes());
    let query = uri.query().map(|query| {
        fields.store(b"?");
        fields.store(query.as_bytes())
    });
    let protocol =
        parts.extensions.get::<h2::ext::Protocol>().map(|protocol| fields.store(protocol.as_str().as_bytes()));
    fields.append_all(&parts.headers);
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let size = match length {
        Some(length) => Size::Known(length),
        None if recv.is_end_stream() => Size::None,
        None => Size::Unknown,
    };
    let target = Target { authority, path, query };
    (Request { method: parts.method, version: parts.version, target, protocol, fields, size }, recv)
}

impl Http2Client {
    /// Begins the answer.
    ///
    /// # Errors
    ///
    /// The stream has ended.
    pub fn begin(&mut self, response: &Response, bodiless: bool) -> Result<(), Broken> {
        let mut added = FieldSection::new();
        if let Size::Known(length) = response.size {
            added.append_with(Field::ContentLength, |out| http1::decimal(out, length));
        }
        if !response.fields.has(Field::Date) {
            added.append_with(Field::Date, io::date);
        }
        let head = head(response, &added);
        let ended = bodiless || matches!(response.size, Size::None | Size::Known(0));
        let send = self.respond.send_response(head, ended).map_err(broken)?;
        self.body.send = (!ended).then_some(send);
        Ok(())
    }

    /// Passes on an informational answer. One that comes too late is nobody's loss.
    pub fn inform(&mut self, response: &Response) {
        let _ = self.respond.send_informational(head(response, &FieldSection::default()));
    }

    /// Ready once the client has reset the stream, or gone.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.body.send {
            Some(send) => send.poll_reset(context),
            None => self.respond.poll_reset(context),
        };
        reset.map(drop)
    }

    /// Breaks the answer off.
    pub fn abort(&mut self) {
        match &mut self.body.send {
            Some(send) => send.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

fn head(response: &Response, added: &FieldSection) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status;
    *head.version_mut() = http::Version::HTTP_2;
    FieldSection::to_map(&[&response.fields, added], head.headers_mut());
    head
}
