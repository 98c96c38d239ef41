//! Connections one after the other: held open, or each with a full TLS handshake.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use weir_bench_rig::http1;

use crate::connection::open;
use crate::report::{Counts, Report};
use crate::tls::{Stream, Tls};
use crate::{Handshakes, Hold, ready};

/// How long a single step of an exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients that do handshakes at the same time.
const CLIENTS: usize = 8;

/// A connection that is held.
enum Held {
    Plain(#[expect(dead_code, reason = "kept open")] TcpStream),
    Tls(#[expect(dead_code, reason = "kept open")] Box<Stream>),
}

/// Opens connections, sends a request on each, and holds them until a line, or the end, comes from standard input.
pub fn hold(arguments: &Hold) -> Result<()> {
    let request = arguments.question.request("/1k", false);
    let tls = arguments.authority.as_deref().map(|file| Tls::new(file, &arguments.question.host)).transpose()?;
    let mut held = Vec::with_capacity(arguments.target.connections);
    for number in 0..arguments.target.connections {
        let one = || -> Result<Held> {
            let mut socket = bounded(open(arguments.target.to).context("connect")?)?;
            let Some(tls) = &tls else {
                exchange(&mut socket, &request, Some(arguments.question.expect))?;
                return Ok(Held::Plain(socket));
            };
            let mut stream = tls.connect(socket)?;
            exchange(&mut stream, &request, Some(arguments.question.expect))?;
            Ok(Held::Tls(Box::new(stream)))
        };
        held.push(one().with_context(|| format!("connection {number}"))?);
    }
    ready()?;
    println!("{}", serde_json::json!({ "requests": held.len(), "errors": {} }));
    Ok(())
}

/// A full handshake and a request, again and again.
pub fn handshakes(arguments: &Handshakes) -> Result<Report> {
    let tls = Tls::new(&arguments.authority, &arguments.question.host)?;
    one_handshake(&tls, arguments)?;
    ready()?;
    let start = Instant::now();
    let each = arguments.target.requests / CLIENTS as u64;
    let counts = std::thread::scope(|scope| {
        let client = || {
            let mut counts = Counts::default();
            while start.elapsed() < arguments.target.time() && counts.answers() < each {
                let since = Instant::now();
                match one_handshake(&tls, arguments) {
                    Ok(()) => counts.right(since.elapsed(), arguments.question.expect),
                    Err(error) => {
                        counts.wrong(format!("{error:#}"), 1);
                        break;
                    }
                }
            }
            counts
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let mut all = Counts::default();
        for client in clients {
            match client.join() {
                Ok(counts) => all.add(counts),
                Err(_) => all.wrong("a client ended", 1),
            }
        }
        all
    });
    Ok(counts.report(start.elapsed()))
}

fn one_handshake(tls: &Tls, arguments: &Handshakes) -> Result<()> {
    let request = arguments.question.request("/1k", true);
    let mut stream = tls.connect(bounded(open(arguments.target.to).context("connect")?)?)?;
    exchange(&mut stream, &request, Some(arguments.question.expect))?;
    stream.conn.send_close_notify();
    stream.flush().ok();
    Ok(())
}

/// No step on it takes longer than that.
pub fn bounded(socket: TcpStream) -> Result<TcpStream> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// A request and its answer, whose body has as many bytes as expected, if anything is.
pub fn exchange(stream: &mut (impl Read + Write), request: &[u8], expect: Option<usize>) -> Result<()> {
    stream.write_all(request).context("send")?;
    stream.flush()?;
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let head = loop {
        let read = stream.read(&mut buffer).context("receive")?;
        ensure!(read > 0, "closed");
        received.extend(&buffer[..read]);
        if let Some(head) = http1::answer(&received)? {
            break head;
        }
    };
    ensure!(head.status == 200, "status {}", head.status);
    ensure!(expect.is_none_or(|expect| head.body == expect), "a body of {} bytes", head.body);
    while received.len() < head.head + head.body {
        let read = stream.read(&mut buffer).context("receive")?;
        ensure!(read > 0, "closed");
        received.extend(&buffer[..read]);
    }
    ensure!(received.len() == head.head + head.body, "more than an answer");
    Ok(())
}
