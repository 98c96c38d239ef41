//! Endpoints that drop packets: what it costs to find out, and whom.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::mocks::drops_packets::DropsPackets;
use crate::support::*;

/// The longest that a request may be held up.
const COST: Duration = Duration::from_millis(1500);

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
        let costs = costs(proxy.http(), 20).await;
        assert!(costs[19] > Duration::from_millis(900), "no request met the endpoint: the test shows nothing");
        assert!(costs[19] < COST, "{scheme}: {costs:?}");
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
                let cost = cost(proxy.http(), method).await;
                assert!(cost > Duration::from_millis(900) && cost < COST, "{scheme} {method}: {cost:?} with {more}");
            }
            let costs = costs(proxy.http(), 10).await;
            assert!(costs[9] < COST, "{scheme}: {costs:?} with {more}");
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
        assert!(took > Duration::from_millis(1400) && took < Duration::from_millis(2500), "{scheme}: {took:?}");
        assert_eq!(stable.stats().requests, 0);
    }
}
