//! Serves, and vanishes: from then on not even its kernel gets what is sent to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes on their way to a backend, for as long as it is there.
pub struct Vanishes {
    address: SocketAddr,
    sockets: Arc<Mutex<Vec<std::net::TcpStream>>>,
    listener: std::net::TcpListener,
    task: JoinHandle<()>,
}

impl Vanishes {
    pub async fn before(backend: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let accepting = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
        let sockets: Arc<Mutex<Vec<std::net::TcpStream>>> = Arc::default();
        let kept = Arc::clone(&sockets);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = accepting.accept().await {
                let stream = stream.into_std().unwrap();
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let mut stream = TcpStream::from_std(stream).unwrap();
                connections.spawn(async move {
                    let mut backend = TcpStream::connect(backend).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut backend).await;
                });
            }
        });
        Self { address: listener.local_addr().unwrap(), sockets, listener, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connections(&self) -> usize {
        self.sockets.lock().unwrap().len()
    }

    /// Drops every packet to it, those that ask for a connection included: a filter that takes no byte (BPF_RET).
    pub fn vanish(&self) {
        let nothing = [SockFilter::new(0x06, 0, 0, 0)];
        SockRef::from(&self.listener).attach_filter(&nothing).unwrap();
        for socket in &*self.sockets.lock().unwrap() {
            SockRef::from(socket).attach_filter(&nothing).unwrap();
        }
    }
}

impl Drop for Vanishes {
    fn drop(&mut self) {
        self.task.abort();
    }
}
