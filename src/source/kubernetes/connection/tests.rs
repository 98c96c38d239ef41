use std::convert::Infallible;
use std::net::Ipv4Addr;

use http::Response;
use http_body_util::Empty;
use socket2::SockRef;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::*;

#[tokio::test]
async fn a_server_that_has_gone_without_a_word_is_found_out_within_half_a_minute() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let connection = sockets().oneshot(server.parse().unwrap()).await.unwrap();
    let socket = SockRef::from(connection.inner());
    assert!(socket.keepalive().unwrap());
    let asked = socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
    assert_eq!(socket.tcp_keepalive_time().unwrap() + asked, Duration::from_secs(30));
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_way_by_a_proxy_is_refused() {
    let mut config = kube::Config::new("https://10.96.0.1".parse().unwrap());
    config.proxy_url = Some("http://proxy.example:3128".parse().unwrap());
    let refused = client(&config).err().unwrap().to_string();
    assert!(refused.contains("http://proxy.example:3128"), "{refused}");
}

/// A server that never answers.
fn mute() -> Client {
    let answer = |_: Request<Body>| std::future::pending::<Result<Response<Empty<bytes::Bytes>>, Infallible>>();
    Client::new(tower::service_fn(answer), "shop")
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_answered_fails_after_half_a_minute() {
    let connection = Connection::by(mute());
    let (client, answered) = (connection.watching(), connection.answered("/api/v1/pods"));
    let asked = Request::get("/api/v1/pods?watch=true").body(Body::empty()).unwrap();
    let begun = tokio::time::Instant::now();
    let failed = client.send(asked).await.unwrap_err().to_string();
    assert!(failed.contains("no answer within 30 s"), "{failed}");
    assert_eq!(begun.elapsed(), ANSWER);
    assert!(timeout(ANSWER, answered.notified()).await.is_err(), "nobody is told that it goes on");
}

#[tokio::test]
async fn a_watch_that_is_answered_is_told_and_a_list_is_not() {
    let answer = async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()));
    let connection = Connection::by(Client::new(tower::service_fn(answer), "shop"));
    let client = connection.watching();
    let [answered, other] = ["pods", "services"].map(|name| connection.answered(&format!("/api/v1/{name}")));
    let ask = async |path: &str| client.send(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    ask("/api/v1/pods?limit=50").await;
    assert!(timeout(Duration::ZERO, answered.notified()).await.is_err());
    ask("/api/v1/pods?allowWatchBookmarks=true&watch=true").await;
    answered.notified().await;
    assert!(timeout(Duration::ZERO, other.notified()).await.is_err(), "nobody else");
}

#[tokio::test]
async fn a_watch_counts_for_as_long_as_it_fails() {
    let connection = Connection::by(mute());
    let first = connection.interruption();
    let second = connection.clone().interruption();
    assert_eq!(connection.interrupted.get(), 2);
    drop(first);
    assert_eq!(connection.interrupted.get(), 1);
    drop(second);
    assert_eq!(connection.interrupted.get(), 0);
}
