//! Nobody listens: every connection is refused.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// An address that refuses connections for as long as this lives: its port is taken, and nothing listens.
pub struct AcceptsNever(SocketAddr, #[expect(dead_code, reason = "it holds the port")] TcpSocket);

impl AcceptsNever {
    pub fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket.local_addr().unwrap(), socket)
    }

    pub fn address(&self) -> SocketAddr {
        self.0
    }
}
