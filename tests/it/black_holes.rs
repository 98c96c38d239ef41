//! Endpoints that drop packets: what it costs to find out, and whom.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::mocks::drops_packets::DropsPackets;
use crate::support::*;

/// Requests are held up for no longer than another one that waits for a connection this long.
const CONNECT: &str = "3s";

/// A request that waits for a connection for [`CONNECT`], since it has nowhere else to go, on a proxy of its own.
async fn patient() -> (Proxy, DropsPackets, JoinHandle<Answer>) {
    let black_hole = DropsPackets::start().await;
    let proxy = Proxy::start(&format!(
        "splits:\n  - name: shop\n    timeouts: {{connect: {CONNECT}}}\n    versions: [{{name: stable, endpoints: [\"{}\"]}}]\n",
        black_hole.address()
    ))
    .await;
    let address = proxy.http();
    (proxy, black_hole, tokio::spawn(async move { get(address, "/").await }))
}

/// What a request that was answered well has cost.
async fn cost(address: SocketAddr, method: &str) -> Duration {
    let asked = Instant::now();
    let body = if method == "GET" { nothing() } else { all("body") };
    let answer = send(address, request(method, "/").body(body).unwrap()).await;
    assert_eq!(answer.status, 200, "{method}: {}", answer.text());
    asked.elapsed()
}

/// What so many requests at the same time cost, the dearest last.
async fn costs(address: SocketAddr, count: usize) -> Vec<Duration> {
    let asked: Vec<_> = (0..count).map(|_| tokio::spawn(cost(address, "GET"))).collect();
    let mut costs = Vec::new();
    for asked in asked {
        costs.push(within(asked).await.unwrap());
    }
    costs.sort();
    costs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_requests_waits_for_one_attempt_whatever_the_protocol() {
    for scheme in ["http", "h2c"] {
        let (good, black_hole) = (echo("good").await, DropsPackets::start().await);
        let endpoints = [black_hole.address(), good.address()].map(|address| format!("\"{scheme}://{address}\""));
        let endpoints = endpoints.join(", ");
        let proxy = Proxy::start(&format!(
            "workers: 1\nsplits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n"
        ))
        .await;
        let (_other, _hole, patient) = patient().await;
        let costs = costs(proxy.http(), 20).await;
        assert!(costs[19] > Duration::from_millis(900), "no request met the endpoint: the test shows nothing");
        assert!(!patient.is_finished(), "{scheme}: {costs:?}");
        assert_eq!(proxy.metric("weir_requests_total", &[("code", "200")]).await, 20.0);
    }
}

/// A canary that drops packets and gets everything, and more lines of the split.
async fn canary(scheme: &str, more: &str) -> (Proxy, weir::echo::Echo, DropsPackets) {
    let (stable, canary) = (echo("stable").await, DropsPackets::start().await);
    let yaml = format!(
        "workers: 1\nsplits:\n  - name: shop\n    versions:\n      \
         - {{name: stable, weight: 0, endpoints: [\"{scheme}://{}\"]}}\n      \
         - {{name: canary, weight: 1, endpoints: [\"{scheme}://{}\"]}}\n{more}",
        stable.address(),
        canary.address(),
    );
    (Proxy::start(&yaml).await, stable, canary)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_endpoint_of_a_canary_costs_a_second_where_another_version_takes_over() {
    let rescue = "    rescue: {from: canary}\n    retry: {attempts: 0}\n    onEmpty: reject\n";
    for more in [rescue, "    onEmpty: sibling\n"] {
        for scheme in ["http", "h2c"] {
            let (proxy, stable, _canary) = canary(scheme, more).await;
            for method in ["GET", "POST"] {
                let (_other, _hole, patient) = patient().await;
                let cost = cost(proxy.http(), method).await;
                assert!(cost > Duration::from_millis(900), "{scheme} {method}: {cost:?} with {more}");
                assert!(!patient.is_finished(), "{scheme} {method}: {cost:?} with {more}");
            }
            let (_other, _hole, patient) = patient().await;
            let costs = costs(proxy.http(), 10).await;
            assert!(!patient.is_finished(), "{scheme}: {costs:?} with {more}");
            assert_eq!(stable.stats().requests, 12);
            let labels = [("version", "canary"), ("reason", "connect_timeout")];
            assert_eq!(proxy.metric("weir_rescues_total", &labels).await, 12.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_all_its_time_where_nobody_takes_over() {
    for scheme in ["http", "h2c"] {
        let (proxy, stable, _canary) = canary(scheme, "    onEmpty: reject\n    timeouts: {connect: 1500ms}\n").await;
        let address = proxy.http();
        let begun = Instant::now();
        let asked: Vec<_> = (0..5).map(|_| tokio::spawn(async move { get(address, "/").await })).collect();
        for asked in asked {
            let answer = within(asked).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (503, Some("connect_timeout")));
        }
        let took = begun.elapsed();
        // All together: one after the other they would take 7.5 s.
        assert!(took > Duration::from_millis(1400) && took < Duration::from_secs(6), "{scheme}: {took:?}");
        assert_eq!(stable.stats().requests, 0);
    }
}
