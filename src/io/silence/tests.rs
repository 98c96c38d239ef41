use std::io::Write as _;
use std::net::{TcpListener, TcpStream as Std};
use std::time::{Duration, Instant};

use socket2::{SockFilter, SockRef};

use super::*;

/// A connection, and its other end.
fn pair() -> (TcpStream, Std) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = Std::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    (TcpStream::from_std(near).unwrap(), listener.accept().unwrap().0)
}

/// From now on nothing that is sent to this end arrives: BPF_RET with no bytes.
fn vanish(end: &Std) {
    SockRef::from(end).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]).unwrap();
}

fn send(near: &TcpStream) {
    near.try_io(tokio::io::Interest::WRITABLE, || {
        rustix::net::send(near, b"x", rustix::net::SendFlags::empty()).map_err(Into::into)
    })
    .unwrap();
}

async fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_end_that_acknowledges_nothing_is_dead() {
    let (near, far) = pair();
    vanish(&far);
    near.writable().await.unwrap();
    send(&near);
    assert!(!is_dead(&near), "it has had no time");
    let begun = Instant::now();
    until(|| is_dead(&near)).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(400) && begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_end_that_says_nothing_but_has_it_is_not() {
    let (near, _far) = pair();
    near.writable().await.unwrap();
    send(&near);
    // The silence is what is tested.
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(!is_dead(&near));
}

#[tokio::test]
async fn an_end_that_has_no_room_is_not() {
    let (near, _far) = pair();
    let bytes = vec![0; 64 * 1024];
    near.writable().await.unwrap();
    let mut full = near.into_std().unwrap();
    while full.write(&bytes).is_ok() {}
    let near = TcpStream::from_std(full).unwrap();
    until(|| told(near.as_raw_fd()).unwrap().unacknowledged == 0).await;
    assert!(!is_dead(&near));
}

#[test]
fn one_loss_is_not_enough() {
    let told = |unacknowledged, repeated| Told { unacknowledged, repeated };
    assert!(!told(1, 1).is_dead());
    assert!(told(1, 2).is_dead());
    assert!(!told(0, 2).is_dead());
}

#[tokio::test]
async fn a_line_ends_with_its_owner() {
    let (near, far) = pair();
    let (line, owner) = Line::of(&near);
    vanish(&far);
    near.writable().await.unwrap();
    send(&near);
    until(|| line.is_dead()).await;
    drop(owner);
    assert!(!line.is_dead());
}
