//! The side that asks: follows one peer for as long as it is a member.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::board::Board;
use super::frame::{Frame, FrameError, Lines};
use super::serve::{PATH, TOKEN, own_token};
use super::{Authenticate, NotAuthenticated, SILENCE};

/// The first wait before a peer is tried again; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait before a peer is tried again: shorter than a status is held back for its sake.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Why a peer is not heard.
#[derive(Debug, Error)]
pub enum Trouble {
    /// It cannot be reached.
    #[error("cannot be reached: {0}")]
    Connect(#[from] std::io::Error),
    /// It speaks no HTTP.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// It does not want us.
    #[error("answers {0}")]
    Status(StatusCode),
    /// It shows no token, or there is none to show.
    #[error("{0}")]
    Token(String),
    /// Its token is not good.
    #[error("is not believed: {0}")]
    NotAuthenticated(#[from] NotAuthenticated),
    /// Somebody else has its address.
    #[error("somebody else answers at its address: {0}")]
    Another(String),
    /// It says what cannot be understood.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It says nothing.
    #[error("said nothing for {SILENCE:?}")]
    Silent,
    /// It has ended the stream.
    #[error("has ended the stream")]
    Ended,
}

/// Follows one peer.
pub struct Follower {
    /// Its name, and where it listens.
    pub peer: (Arc<str>, SocketAddr),
    /// File with our own token.
    pub token: PathBuf,
    /// Who looks at its token.
    pub authenticate: Arc<dyn Authenticate>,
    /// Where what it serves is noted.
    pub board: Arc<Board>,
    /// Where all else that it says goes.
    pub heard: mpsc::Sender<Frame>,
}

impl Follower {
    /// Follows until it is aborted.
    pub async fn run(self) {
        let (name, address) = &self.peer;
        let (mut failures, mut told) = (0u32, false);
        loop {
            let mut heard = false;
            let trouble = self.session(&mut heard).await;
            self.board.lost(name);
            if heard {
                (failures, told) = (0, false);
            }
            // A replica that starts or ends is not there for a moment; only what lasts is worth a warning.
            if failures >= 5 && !told {
                tracing::warn!(peer = %name, %address, "the replica {trouble}; it is tried again");
                told = true;
            } else {
                tracing::debug!(peer = %name, %address, "the replica {trouble}");
            }
            let wait = (FIRST_WAIT * 2u32.saturating_pow(failures.min(10))).min(LONGEST_WAIT);
            failures = failures.saturating_add(1);
            // All replicas come back to one that was restarted, but not all at once.
            tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// One stream to its end, whatever ends it.
    async fn session(&self, heard: &mut bool) -> Trouble {
        let body = match timeout(SILENCE, self.connect()).await {
            Ok(Ok(body)) => body,
            Ok(Err(trouble)) => return trouble,
            Err(_) => return Trouble::Silent,
        };
        self.board.begins(&self.peer.0);
        *heard = true;
        let mut hearing = Hearing::new(body.into_data_stream());
        loop {
            let taken = match hearing.next().await {
                Ok(frame) => self.take(frame).await,
                Err(trouble) => Err(trouble),
            };
            if let Err(trouble) = taken {
                return trouble;
            }
        }
    }

    async fn connect(&self) -> Result<Incoming, Trouble> {
        let own = own_token(&self.token).await.map_err(Trouble::Token)?;
        let stream = TcpStream::connect(self.peer.1).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the body, which is dropped with this session.
        tokio::spawn(connection);
        let mut request = Request::get(PATH).body(Empty::<Bytes>::new()).unwrap_or_default();
        let shown = [b"Bearer ", own.as_bytes()].concat();
        let mut shown = HeaderValue::from_bytes(&shown).map_err(|error| Trouble::Token(error.to_string()))?;
        shown.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, shown);
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("weir-replicas"));
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(Trouble::Status(response.status()));
        }
        self.believe(&response).await?;
        Ok(response.into_body())
    }

    /// Whether who answers is the replica that was meant: its word decides what is said of every object, and can take a
    /// version's traffic.
    async fn believe(&self, response: &Response<Incoming>) -> Result<(), Trouble> {
        let shown = response.headers().get(TOKEN).and_then(|value| value.to_str().ok());
        let shown = shown.ok_or_else(|| Trouble::Token("shows no token".to_owned()))?;
        let caller = self.authenticate.authenticate(shown).await?;
        match caller.pod {
            Some(pod) if pod != *self.peer.0 => Err(Trouble::Another(pod)),
            _ => Ok(()),
        }
    }

    async fn take(&self, frame: Frame) -> Result<(), Trouble> {
        let name = &self.peer.0;
        match frame {
            Frame::Hello { name: told } if told != **name => return Err(Trouble::Another(told)),
            Frame::Hello { .. } | Frame::Unknown => {}
            Frame::Applied { set, gone } => self.board.told(name, &set, &gone),
            Frame::Beat { judges } => self.board.beat(name, judges),
            // Who listens may be slow: then so is this stream, and nothing piles up.
            frame => _ = self.heard.send(frame).await,
        }
        Ok(())
    }
}

/// A stream, line by line.
struct Hearing<S> {
    pieces: S,
    lines: Lines,
}

impl<S, E> Hearing<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    Trouble: From<E>,
{
    fn new(pieces: S) -> Self {
        Self { pieces, lines: Lines::default() }
    }

    /// The next frame, or what ends the stream.
    async fn next(&mut self) -> Result<Frame, Trouble> {
        loop {
            if let Some(frame) = self.lines.next()? {
                return Ok(frame);
            }
            match timeout(SILENCE, self.pieces.next()).await {
                Ok(Some(piece)) => self.lines.push(&piece?),
                Ok(None) => return Err(Trouble::Ended),
                Err(_) => return Err(Trouble::Silent),
            }
        }
    }
}

#[cfg(test)]
mod tests;
