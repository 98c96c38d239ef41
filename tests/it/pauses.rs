//! Drains wait while the target turns away who was asked to go there: whatever is opened, and however it is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::Request;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use weir::echo::Echo;

use crate::mocks::{self, Mock};
use crate::support::*;
use crate::upgrades::websocket_h1;

/// How many WebSockets there are to be asked, evenly within six seconds.
const MANY: usize = 60;
/// Answers after which it is known how the target answers: more than are waited for, since the first ones may come before the
/// drain has begun.
const ENOUGH: u32 = 20;

/// An endpoint that refuses everything with this status of HTTP.
async fn refuses(status: &'static str) -> Mock {
    Mock::start(move |connection, _| {
        Box::pin(async move {
            connection.write(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
            true
        })
    })
    .await
}

/// A server of gRPC that refuses calls of which the path says so, and answers others with a message.
async fn refuses_calls(status: &'static str, trailers_only: bool) -> Mock {
    Mock::accepting(move |connection| {
        Box::pin(async move {
            let Ok(mut h2) = h2::server::handshake(connection.stream).await else { return };
            while let Some(Ok((request, mut answer))) = h2.accept().await {
                let head = http::Response::builder().header("content-type", "application/grpc");
                let fine = request.uri().path().ends_with("Fine");
                let status = if fine { "0" } else { status };
                if trailers_only && !fine {
                    let _ = answer.send_response(head.header("grpc-status", status).body(()).unwrap(), true);
                    continue;
                }
                let mut body = answer.send_response(head.body(()).unwrap(), false).unwrap();
                if fine {
                    body.send_data(vec![0; 5].into(), false).unwrap();
                }
                let trailers = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
                body.send_trailers(trailers).unwrap();
            }
        })
    })
    .await
}

fn shop(old: &Echo, new: &str, weights: [u32; 2]) -> String {
    format!(
        "splits:
  - name: shop
    onEmpty: reject
    versions:
      - {{name: old, weight: {}, endpoints: [\"{}\"]}}
      - {{name: new, weight: {}, endpoints: [{new}]}}
    drain: {{timeout: 60s, spread: 6s}}
",
        weights[0],
        old.address(),
        weights[1]
    )
}

/// Answers that clients have had.
type Answers = Arc<Semaphore>;

/// How many of the WebSockets are asked within two seconds, once clients have found out how the target answers.
async fn asked_meanwhile<F>(target: &str, clients: impl FnOnce(SocketAddr, Answers) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let old = echo("old").await;
    let proxy = Proxy::start(&shop(&old, target, [1, 0])).await;
    let http = proxy.http();
    let (tell, mut asked) = mpsc::unbounded_channel();
    for _ in 0..MANY {
        let (mut socket, _) = websocket_h1(http, None).await;
        let tell = tell.clone();
        tokio::spawn(async move {
            socket.next().await;
            let _ = tell.send(());
        });
    }
    proxy.apply(&shop(&old, target, [0, 1]));
    let answers = Answers::new(Semaphore::new(0));
    let again: JoinHandle<()> = tokio::spawn(clients(http, Arc::clone(&answers)));
    let told = answers.acquire_many(ENOUGH).await;
    told.unwrap().forget();
    while asked.try_recv().is_ok() {}
    tokio::time::sleep(Duration::from_secs(2)).await;
    let meanwhile = std::iter::from_fn(|| asked.try_recv().ok()).count();
    assert!(!again.is_finished(), "{:?}", again.await);
    again.abort();
    meanwhile
}

/// Clients that are turned away, and come again and again.
async fn websockets(http: SocketAddr, answers: Answers) {
    loop {
        let stream = tokio::net::TcpStream::connect(http).await.unwrap();
        let answer = tokio_tungstenite::client_async(format!("ws://{http}/chat"), stream).await;
        assert!(answer.is_err());
        answers.add_permits(1);
        tokio::task::yield_now().await;
    }
}

async fn events(http: SocketAddr, answers: Answers, accepts: &'static str) {
    loop {
        let asked = request("GET", "/events").header("accept", accepts).body(nothing()).unwrap();
        assert_ne!(send(http, asked).await.status, 200);
        answers.add_permits(1);
    }
}

/// Four clients that make calls of gRPC.
async fn calls(http: SocketAddr, answers: Answers, (streams, path): (bool, &'static str)) {
    futures_util::future::join_all((0..4).map(|_| calling(http, &answers, (streams, path)))).await;
}

/// Calls of gRPC, one after the other over one connection; or streams with so many calls beside them that are fine that these
/// would hide them.
async fn calling(http: SocketAddr, answers: &Semaphore, (streams, path): (bool, &'static str)) {
    let mut client = h2(http).await;
    loop {
        // A stream has more to say.
        let (open, body) = if streams { fed() } else { (fed().0, all(&[0; 5][..])) };
        let asked = Request::post(format!("http://{http}{path}"));
        let asked = asked.header("content-type", "application/grpc").header("te", "trailers");
        let answer = ask_h2(&mut client, asked.body(body).unwrap()).await;
        assert_eq!(answer.status, 200);
        answers.add_permits(1);
        drop(open);
        for _ in 0..if streams { 11 } else { 0 } {
            let fine = Request::post(format!("http://{http}/test.Watcher/Fine"));
            let fine = fine.header("content-type", "application/grpc").header("te", "trailers");
            assert_eq!(ask_h2(&mut client, fine.body(all(&[0; 5][..])).unwrap()).await.status, 200);
        }
    }
}

/// None but one whose turn had come.
fn is_paused(asked: usize, how: &str) {
    assert!(asked <= 1, "{how}: {asked}");
}

/// As many as the pace allows in two seconds.
fn goes_on(asked: usize, how: &str) {
    assert!((10..=25).contains(&asked), "{how}: {asked}");
}

fn at(mock: &Mock) -> String {
    format!("\"{}\"", mock.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_while_the_target_turns_upgrades_away() {
    for status in ["503 Service Unavailable", "429 Too Many Requests", "500 Internal Server Error"] {
        let target = refuses(status).await;
        is_paused(asked_meanwhile(&at(&target), websockets).await, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_while_the_target_turns_streams_of_events_away() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let target = refuses(status).await;
        is_paused(
            asked_meanwhile(&at(&target), |http, answers| events(http, answers, "text/event-stream")).await,
            status,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_are_about_the_request_or_of_plain_requests_pause_nothing() {
    let forbids = refuses("403 Forbidden").await;
    goes_on(asked_meanwhile(&at(&forbids), websockets).await, "upgrade");
    goes_on(asked_meanwhile(&at(&forbids), |http, answers| events(http, answers, "text/event-stream")).await, "events");
    let busy = refuses("503 Service Unavailable").await;
    goes_on(asked_meanwhile(&at(&busy), |http, answers| events(http, answers, "text/html, */*")).await, "plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_while_the_target_turns_calls_away() {
    for (status, trailers_only) in [("14", true), ("14", false), ("8", true)] {
        let target = refuses_calls(status, trailers_only).await;
        let target = format!("\"h2c://{}\"", target.address());
        for streams in [false, true] {
            let asked =
                asked_meanwhile(&target, |http, answers| calls(http, answers, (streams, "/test.Watcher/Watch"))).await;
            is_paused(asked, &format!("{status}, {trailers_only}, {streams}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_for_what_they_ask_pause_nothing() {
    let target = refuses_calls("5", true).await;
    let target = format!("\"h2c://{}\"", target.address());
    goes_on(
        asked_meanwhile(&target, |http, answers| calls(http, answers, (true, "/test.Watcher/Watch"))).await,
        "not found",
    );
    goes_on(
        asked_meanwhile(&target, |http, answers| calls(http, answers, (false, "/test.Watcher/Fine"))).await,
        "fine",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_while_there_is_no_target() {
    is_paused(asked_meanwhile("", websockets).await, "upgrade");
    is_paused(asked_meanwhile("", |http, answers| events(http, answers, "text/event-stream")).await, "events");
    is_paused(asked_meanwhile("", |http, answers| calls(http, answers, (true, "/test.Watcher/Watch"))).await, "calls");
    let gone = mocks::Mock::accepting(|_| Box::pin(async {})).await.address();
    is_paused(
        asked_meanwhile(&format!("\"h2c://{gone}\""), |http, answers| calls(http, answers, (false, "/x/Y"))).await,
        "nobody listens",
    );
}
