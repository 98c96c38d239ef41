//! What tests of a running proxy share: constant load, and its admin API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::*;

/// Clients that ask one request after the other, each on a connection that it keeps for as long as it can.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Report>>,
}

/// What they got.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests with an answer.
    pub requests: u64,
    /// Whatever was not a 200 that was read to its end.
    pub failures: Vec<String>,
    /// Connections that the proxy ended.
    pub closed: u64,
    /// Answers by version.
    pub versions: BTreeMap<String, u64>,
}

impl Load {
    /// Starts so many clients.
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |_| tokio::spawn(client(address, Arc::clone(&stop), Arc::clone(&done)));
        let clients = (0..clients).map(client).collect();
        Self { stop, done, clients }
    }

    /// Answers so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests were answered.
    pub async fn more(&self, requests: u64) {
        let until = self.done() + requests;
        wait_until("the load goes on", async || self.done() >= until).await;
    }

    /// Lets every client finish its request, and adds up.
    pub async fn finish(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Report::default();
        for client in self.clients {
            let one = within(client).await.unwrap();
            sum.requests += one.requests;
            sum.closed += one.closed;
            sum.failures.extend(one.failures);
            for (version, count) in one.versions {
                *sum.versions.entry(version).or_default() += count;
            }
        }
        sum
    }
}

async fn client(address: SocketAddr, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Report {
    let mut report = Report::default();
    let mut connection = h1(address).await;
    while !stop.load(Ordering::Relaxed) {
        let request = request("GET", "/").body(nothing()).unwrap();
        let answer = async {
            connection.ready().await?;
            let response = connection.send_request(request).await?;
            let version = response.headers().get("x-echo-version").map(|v| v.to_str().unwrap().to_owned());
            let close = response.headers().get("connection").is_some_and(|value| value == "close");
            let status = response.status();
            response.into_body().collect().await?;
            Ok::<_, hyper::Error>((status, version.unwrap_or_default(), close))
        };
        match within(answer).await {
            Ok((status, version, close)) => {
                report.requests += 1;
                done.fetch_add(1, Ordering::Relaxed);
                *report.versions.entry(version).or_default() += 1;
                if status != 200 {
                    report.failures.push(status.to_string());
                }
                if close {
                    report.closed += 1;
                    connection = h1(address).await;
                }
            }
            Err(error) => {
                report.failures.push(format!("{error:?}"));
                report.closed += 1;
                connection = h1(address).await;
            }
        }
    }
    report
}

/// The version that answers a request, by what it calls itself.
pub async fn version_of(address: SocketAddr) -> String {
    get(address, "/").await.header("x-echo-version").unwrap_or_default().to_owned()
}

/// `/api/v1/splits/-/shop`.
pub async fn shop_status(admin: SocketAddr) -> Value {
    get(admin, "/api/v1/splits/-/shop").await.json()
}

/// Sets weights by hand: `body` is the JSON.
pub async fn patch(admin: SocketAddr, split: &str, body: &str) -> Answer {
    let path = format!("/api/v1/splits/-/{split}");
    let request = http::Request::patch(path)
        .header("host", admin.to_string())
        .header("content-type", "application/json")
        .body(all(body.to_owned()))
        .unwrap();
    send(admin, request).await
}

/// The first event, of those kept and those to come, that fits; panics if none comes.
pub async fn event(admin: SocketAddr, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut client = h1(admin).await;
    let response =
        within(client.send_request(request("GET", "/api/v1/events").body(nothing()).unwrap())).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    let mut seen = Vec::new();
    let found = async {
        loop {
            let frame = body.frame().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                let event: Value = serde_json::from_str(data).unwrap();
                text = rest.to_owned();
                if fits(&event) {
                    return event;
                }
                seen.push(event);
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    found.unwrap_or_else(|_| panic!("no event: {what}; there were {seen:#?}"))
}

/// The first event of a kind.
pub async fn event_of(admin: SocketAddr, kind: &str) -> Value {
    event(admin, kind, |event| event["kind"] == kind).await
}

/// How many events of a kind are kept.
pub async fn count_events(admin: SocketAddr, kind: &str) -> usize {
    // The stream has no end; a change by hand that is refused tells nothing, so the last event is the one with the
    // highest id that the snapshot of them gives within a moment of silence.
    let mut client = h1(admin).await;
    let response =
        within(client.send_request(request("GET", "/api/v1/events").body(nothing()).unwrap())).await.unwrap();
    let mut body = response.into_body();
    let mut text = String::new();
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(Duration::from_millis(200), body.frame()).await {
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    text.matches(&format!("\"kind\":\"{kind}\"")).count()
}

/// A split `shop` of two versions.
pub struct Shop {
    pub stable: SocketAddr,
    pub canary: SocketAddr,
    pub revision: &'static str,
    pub more: String,
}

impl Shop {
    pub fn new(stable: SocketAddr, canary: SocketAddr) -> Self {
        Self { stable, canary, revision: "r1", more: String::new() }
    }

    /// More lines of the split, each with its newline.
    pub fn more(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self
    }

    pub fn revision(mut self, revision: &'static str) -> Self {
        self.revision = revision;
        self
    }

    /// The YAML with these weights.
    pub fn yaml(&self, stable: u32, canary: u32) -> String {
        let Self { stable: first, canary: second, revision, more } = self;
        format!(
            "splits:\n  - name: shop\n{more}    versions:\n      - {{name: stable, weight: {stable}, endpoints: [\"{first}\"]}}\n      \
             - {{name: canary, weight: {canary}, endpoints: [\"{second}\"], revision: {revision}}}\n"
        )
    }
}
