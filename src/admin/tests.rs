//! Requests over sockets, while time is paused.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::control::Fleet;
use crate::testing::{model, route, split};

/// The ops listener of a process that serves one endpoint, and that endpoint.
async fn ops() -> (Admin, SocketAddr) {
    let control = Control::new(Arc::default(), Arc::default(), Fleet::new(Vec::new()), None).unwrap();
    control.apply(model([route("shop", &[], split(&[("stable", 1)]))])).unwrap();
    let endpoint = control.snapshot().rules[0].body.versions[0].endpoints[0].address;
    let socket = AdminSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Access::Ops, None).await.unwrap();
    (Admin::start(socket, None, Arc::new(control), watch::channel(Phase::Serving).1), endpoint)
}

/// Asks, and leaves the answer to be read.
async fn ask(admin: &Admin, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_drain_waits_for_as_long_as_it_says() {
    let (admin, endpoint) = ops().await;
    let begun = tokio::time::Instant::now();
    let text = answer(ask(&admin, &format!("/drain/{endpoint}?seconds=25")).await).await;
    assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
    assert!(text.contains("it is not on its way out"), "{text}");
    assert!(begun.elapsed() >= Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_drain_keeps_nobody_else_waiting() {
    let (admin, endpoint) = ops().await;
    let mut waiting = Vec::new();
    for _ in 0..2 * AT_ONCE {
        waiting.push(ask(&admin, &format!("/drain/{endpoint}?seconds=3600")).await);
    }
    let begun = tokio::time::Instant::now();
    let text = answer(ask(&admin, "/livez").await).await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    drop(waiting);
}
