//! The load: a client with many connections on one thread, which checks every answer, and prints what it saw as JSON.
//!
//! After every connection has had one answer it prints `ready` and waits for a line on its standard input, so that who
//! measures a proxy can begin there; what it prints at the end is about what came after that line.

mod changes;
mod client;
mod connection;
mod hold;
mod report;
mod schedule;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

/// Sends requests and checks the answers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// HTTP/1.1: each connection sends its next request once it has its answer, or all do at a fixed rate.
    Http(Http),
    /// WebSocket: each connection sends its next message once the last one has come back.
    Websocket(Websocket),
    /// Opens connections, sends a request on each, and holds them until standard input ends.
    Hold(Hold),
    /// TLS: a full handshake and one request on every connection, from several threads.
    Handshakes(Handshakes),
    /// Sends bodies by PATCH, in turn and at a fixed rate, until standard input ends.
    Changes(Changes),
}

/// Where requests go, and how many.
#[derive(Args, Clone)]
struct Target {
    /// Address of the proxy.
    #[arg(long)]
    to: SocketAddr,
    /// Connections that are open at the same time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How many at most.
    #[arg(long, default_value_t = u64::MAX)]
    requests: u64,
}

/// What is asked for, and what must be answered.
#[derive(Args, Clone)]
struct Question {
    /// Paths, taken in turn.
    #[arg(long, default_value = "/1k")]
    path: Vec<String>,
    /// Bytes of an answer's body.
    #[arg(long, default_value_t = 1024)]
    expect: usize,
    /// Bytes of a request's body, which makes it a POST.
    #[arg(long)]
    post: Option<usize>,
    /// Further lines of a request's head.
    #[arg(long)]
    header: Vec<String>,
    /// The host.
    #[arg(long, default_value = "bench.test")]
    host: String,
}

#[derive(Args)]
struct Http {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    question: Question,
    /// A new connection for every request, which the client ends once it has its answer.
    #[arg(long)]
    reconnect: bool,
    /// Requests per second of all connections; latency counts from when a request should have been sent.
    #[arg(long)]
    rate: Option<f64>,
}

#[derive(Args)]
struct Websocket {
    #[command(flatten)]
    target: Target,
    /// Bytes of a message.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=125))]
    message: u8,
}

#[derive(Args)]
struct Hold {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    question: Question,
    /// PEM file with the authority that the proxy's certificate is from: speak TLS.
    #[arg(long)]
    authority: Option<PathBuf>,
}

#[derive(Args)]
struct Handshakes {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    question: Question,
    /// PEM file with the authority that the proxy's certificate is from.
    #[arg(long)]
    authority: PathBuf,
}

#[derive(Args)]
struct Changes {
    /// Address of the proxy's API.
    #[arg(long)]
    to: SocketAddr,
    /// The path.
    #[arg(long)]
    path: String,
    /// Bodies, as JSON.
    #[arg(long, required = true)]
    body: Vec<String>,
    /// How many a second.
    #[arg(long)]
    rate: f64,
}

impl Target {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.0, 600.0))
    }
}

impl Question {
    /// The requests' bytes, one for each path.
    fn bytes(&self) -> Result<Vec<Vec<u8>>> {
        ensure!(!self.path.is_empty(), "a path is needed");
        Ok(self.path.iter().map(|path| self.request(path, false)).collect())
    }

    /// The bytes of a request.
    fn request(&self, path: &str, close: bool) -> Vec<u8> {
        let method = if self.post.is_some() { "POST" } else { "GET" };
        let host = &self.host;
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: weir-bench\r\naccept: */*\r\n");
        self.header.iter().for_each(|line| text.extend([line, "\r\n"]));
        if close {
            text.push_str("connection: close\r\n");
        }
        if let Some(length) = self.post {
            text.push_str(&format!("content-type: application/octet-stream\r\ncontent-length: {length}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len() + self.post.unwrap_or(0), b'y');
        bytes
    }
}

/// Tells who measures that everything is open, and waits for the sign to begin.
fn ready() -> Result<()> {
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).context("no sign to begin")?;
    Ok(())
}

fn main() -> Result<()> {
    // What is scheduled to the microsecond is not to be 50 of them late.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).ok();
    let report = match Arguments::parse().what {
        What::Http(http) => client::http(&http)?,
        What::Websocket(websocket) => client::websocket(&websocket)?,
        What::Hold(hold) => return hold::hold(&hold),
        What::Handshakes(handshakes) => hold::handshakes(&handshakes)?,
        What::Changes(asked) => return changes::changes(&asked),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
