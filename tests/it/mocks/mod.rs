//! Upstreams that misbehave, each named by what it does wrong.
//!
//! All of them answer `/fine...` properly, with the request's target as the body and the connection kept, so that a test
//! can see whether the misbehaviour before it has spoilt anything.

pub mod accepts_never;
pub mod answers_101_unasked;
pub mod answers_early;
pub mod answers_early_and_reads_on;
pub mod answers_garbage;
pub mod closes_after_each_answer;
pub mod dies_on_reuse;
pub mod drops_packets;
pub mod fails_at_random;
pub mod fails_at_random_h2;
pub mod falls_ill;
pub mod floods_interim;
pub mod goes_away;
pub mod keeps_websockets;
pub mod leaves_politely;
pub mod lies_about_length;
pub mod never_answers;
pub mod never_finishes;
pub mod never_rests;
pub mod refuses_streams;
pub mod resets_before_answer;
pub mod resets_mid_body;
pub mod sends_surplus_bytes;
pub mod stalls_after_head;
pub mod vanishes;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running mock; it ends when dropped.
pub struct Mock {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What a mock has seen.
#[derive(Default)]
pub struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

/// One connection of a mock.
pub struct Connection {
    pub stream: TcpStream,
    /// Requests on this connection so far, this one included.
    pub requests: usize,
    seen: Arc<Seen>,
}

impl Mock {
    /// `misbehave` gets every request but `/fine...`, its head as text, and says whether its connection goes on.
    pub async fn start<F>(misbehave: F) -> Self
    where
        F: for<'a> Fn(&'a mut Connection, &'a str) -> BoxFuture<'a, bool> + Send + Sync + 'static,
    {
        let misbehave = Arc::new(misbehave);
        Self::accepting(move |connection| {
            let misbehave = Arc::clone(&misbehave);
            Box::pin(async move { connection.serve(&*misbehave).await })
        })
        .await
    }

    /// `serve` gets every connection.
    pub async fn accepting<F>(serve: F) -> Self
    where
        F: Fn(Connection) -> BoxFuture<'static, ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                kept.connections.fetch_add(1, Ordering::Relaxed);
                stream.set_nodelay(true).unwrap();
                connections.spawn(serve(Connection { stream, requests: 0, seen: Arc::clone(&kept) }));
            }
        });
        Self { address, seen, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that it has accepted.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// How often a request line that begins like this was received.
    pub fn received(&self, line: &str) -> usize {
        self.seen.requests.lock().unwrap().iter().filter(|known| known.starts_with(line)).count()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    /// Remembers a request.
    pub fn note(&self, line: String) {
        self.requests.lock().unwrap().push(line);
    }
}

impl Connection {
    async fn serve(mut self, misbehave: &(dyn for<'a> Fn(&'a mut Self, &'a str) -> BoxFuture<'a, bool> + Send + Sync)) {
        while let Some(head) = self.head().await {
            let line = head.lines().next().unwrap_or_default();
            let target = line.split(' ').nth(1).unwrap_or_default();
            self.seen.note(line.to_owned());
            self.requests += 1;
            if target.starts_with("/fine") {
                self.body_of(&head).await;
                self.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{target}", target.len())).await;
            } else if !misbehave(&mut self, &head).await {
                return;
            }
        }
    }

    /// The next request's head; none at the connection's end.
    pub async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads a request's body, if its head gives a length; false if that breaks off.
    pub async fn body_of(&mut self, head: &str) -> bool {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).await.is_ok()
    }

    /// Writes text; a client that has gone does not matter.
    pub async fn write(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// What it has in common with the mock's other connections.
    pub fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }

    /// Closes with a reset.
    pub fn reset(&mut self) -> bool {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
        false
    }

    /// Says nothing more until the other side has closed.
    pub async fn silence(&mut self) -> bool {
        while matches!(self.stream.read(&mut [0; 1024]).await, Ok(1..)) {}
        false
    }
}
