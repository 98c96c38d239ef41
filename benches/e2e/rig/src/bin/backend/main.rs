//! The service behind the proxies, in two versions: each on a port for HTTP/1.1 and one for HTTP/2 without TLS. Prints
//! the ports, and ends with its standard input.

mod answers;
mod connection;
mod http1;
mod http2;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Result;
use rustix::net::{self, AddressFamily, SocketType, sockopt};

/// Requests answered by each version.
pub type Counts = Arc<[AtomicU64; 2]>;

fn main() -> Result<()> {
    let counts = Counts::default();
    let (http1, http2) = ([listen()?, listen()?], [listen()?, listen()?]);
    let ports = |listeners: &[TcpListener; 2]| -> Result<Vec<u16>> {
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
    };
    println!("{}", serde_json::json!({ "http1": ports(&http1)?, "http2": ports(&http2)? }));
    weir_bench_rig::life::ends_with_stdin();
    let shared = Arc::clone(&counts);
    std::thread::spawn(move || http2::serve(http2, &shared).map_err(|error| eprintln!("backend: {error:#}")));
    http1::Server::new(http1, counts)?.run()
}

/// A socket on a port of the kernel's choice; its queue holds all the connections that a case opens at once.
fn listen() -> Result<TcpListener> {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    net::listen(&socket, 4096)?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}
