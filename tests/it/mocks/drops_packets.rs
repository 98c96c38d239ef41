//! Nobody answers, not even the kernel: what asks for a connection is dropped.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An address whose queue of connections is full, so that Linux drops what asks for another.
pub struct DropsPackets {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl DropsPackets {
    pub async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // As many as fit; the first that does not is the proof.
        while let Ok(connected) =
            tokio::time::timeout(std::time::Duration::from_millis(300), TcpStream::connect(address)).await
        {
            queued.push(connected.unwrap());
        }
        Self { address, _listener: listener, _queued: queued }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
