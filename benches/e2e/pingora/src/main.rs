//! A minimal proxy on Pingora: nine of ten requests go to one backend and one to another.

mod numbers;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use clap::Parser;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::proxy::ProxyServiceBuilder;
use pingora::server::configuration::ServerConf;

use numbers::Numbers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A minimal proxy on Pingora.
#[derive(Parser)]
struct Arguments {
    /// Where HTTP/1.1, and HTTP/2 without TLS, is taken.
    #[arg(long)]
    listen: SocketAddr,
    /// Where TLS is taken; with --cert and --key.
    #[arg(long, requires_all = ["cert", "key"])]
    tls: Option<SocketAddr>,
    /// PEM file with the certificate.
    #[arg(long)]
    cert: Option<String>,
    /// PEM file with its key.
    #[arg(long)]
    key: Option<String>,
    /// Gets 90% of the requests.
    #[arg(long)]
    stable: SocketAddr,
    /// Gets 10%.
    #[arg(long)]
    canary: SocketAddr,
    /// Speak HTTP/2 to the backends.
    #[arg(long)]
    upstream_h2: bool,
    /// Count requests, statuses and latencies per version.
    #[arg(long)]
    numbers: bool,
    /// Folder for the files that the server wants to write.
    #[arg(long)]
    folder: String,
}

struct Proxy {
    peers: [HttpPeer; 2],
    turn: AtomicUsize,
    numbers: Option<[Numbers; 2]>,
}

/// What is known of a request once it has been sent on.
struct Sent {
    version: usize,
    since: Option<Instant>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Sent;

    fn new_ctx(&self) -> Sent {
        Sent { version: 0, since: self.numbers.as_ref().map(|_| Instant::now()) }
    }

    async fn upstream_peer(&self, _session: &mut Session, sent: &mut Sent) -> Result<Box<HttpPeer>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        sent.version = usize::from(turn % 10 == 9);
        Ok(Box::new(self.peers[sent.version].clone()))
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, sent: &mut Sent) {
        if let (Some(numbers), Some(since)) = (&self.numbers, sent.since) {
            let status = session.response_written().map_or(0, |head| head.status.as_u16());
            numbers[sent.version].record(status, error.is_some(), since.elapsed());
        }
    }
}

fn peer(address: SocketAddr, h2: bool) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    if h2 {
        peer.options.set_http_version(2, 2);
        peer.options.max_h2_streams = 256;
    }
    peer
}

fn configuration(folder: &str) -> ServerConf {
    ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: 4096,
        pid_file: format!("{folder}/pingora.pid"),
        upgrade_sock: format!("{folder}/pingora.sock"),
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn main() -> Result<()> {
    env_logger::init();
    let arguments = Arguments::parse();
    let mut server = Server::new_with_opt_and_conf(None, configuration(&arguments.folder));
    server.bootstrap();
    let proxy = Proxy {
        peers: [arguments.stable, arguments.canary].map(|address| peer(address, arguments.upstream_h2)),
        turn: AtomicUsize::new(0),
        numbers: arguments.numbers.then(Default::default),
    };
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    let mut service = ProxyServiceBuilder::new(&server.configuration, proxy).server_options(options).build();
    service.add_tcp(&arguments.listen.to_string());
    if let (Some(address), Some(cert), Some(key)) = (arguments.tls, &arguments.cert, &arguments.key) {
        let mut tls = TlsSettings::intermediate(cert, key)?;
        tls.enable_h2();
        service.add_tls_with_settings(&address.to_string(), None, tls);
    }
    server.add_service(service);
    server.run_forever()
}
