//! Endpoints of a version: who gets which share, who is left out, and what is told of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir::echo::{Echo, EchoOptions};

use crate::mocks::accepts_never::AcceptsNever;
use crate::mocks::drops_packets::DropsPackets;
use crate::mocks::falls_ill::FallsIll;
use crate::support::*;

/// One version `stable` with these endpoints, and more lines of the split.
fn shop(endpoints: &[SocketAddr], more: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    format!("splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{}]}}]\n{more}", endpoints.join(", "))
}

async fn slow_echo(version: &str, latency: Duration) -> Echo {
    Echo::start(EchoOptions { version: version.to_owned(), latency, ..EchoOptions::default() }).await.unwrap()
}

/// The events of a kind so far, as `split/version: message`.
fn events(proxy: &Proxy, kind: &str) -> Vec<String> {
    let (past, _) = proxy.process().control().events().follow();
    let past = past.into_iter().filter(|event| format!("{:?}", event.kind) == kind);
    past.map(|event| format!("{}/{}: {}", event.split, event.version, event.message)).collect()
}

async fn status(proxy: &Proxy) -> Value {
    serde_json::from_str(&get(proxy.admin(), "/api/v1/splits").await.text()).unwrap()
}

/// So many clients that ask until the time is up; how long each answer took, once `warm` has passed.
async fn latencies(proxy: &Proxy, clients: usize, warm: Duration, time: Duration) -> Vec<Duration> {
    let address = proxy.http();
    let begun = Instant::now();
    let client = |_| {
        tokio::spawn(async move {
            let mut client = h1(address).await;
            let mut took = Vec::new();
            while begun.elapsed() < warm + time {
                let asked = Instant::now();
                let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
                assert_eq!(answer.status, 200);
                if asked.duration_since(begun) > warm {
                    took.push(asked.elapsed());
                }
            }
            took
        })
    };
    let clients: Vec<_> = (0..clients).map(client).collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(tokio::time::timeout(warm + time + PATIENCE, client).await.unwrap().unwrap());
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_100_times_slower_does_not_spoil_the_99th_percentile() {
    let usual = Duration::from_millis(10);
    let (one, two) = (slow_echo("one", usual).await, slow_echo("two", usual).await);
    let p99 = |all: &[Duration]| all[all.len() * 99 / 100];
    let time = Duration::from_secs(4);
    let mut found = BTreeMap::new();
    for slow in [usual, usual * 100] {
        let three = slow_echo("three", slow).await;
        let endpoints = [one.address(), two.address(), three.address()];
        let proxy = Proxy::start(&shop(&endpoints, "    balance: ewma\n")).await;
        let all = latencies(&proxy, 12, Duration::from_secs(3), time).await;
        println!("{} requests, p99 {:?} with an endpoint of {slow:?}", all.len(), p99(&all));
        found.insert(slow, p99(&all));
    }
    let (without, with) = (found[&usual], found[&(usual * 100)]);
    // The floor is what a busy machine adds by itself.
    assert!(with <= (without * 3 / 2).max(Duration::from_millis(60)), "{with:?} instead of {without:?}");
}

/// The same in figures, with servers of 2 ms, at two loads: `cargo test --release --test it -- --ignored --nocapture 200_ms`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and is worth it in release only"]
async fn one_of_three_endpoints_takes_200_ms_instead_of_2() {
    let usual = Duration::from_millis(2);
    let (one, two) = (slow_echo("one", usual).await, slow_echo("two", usual).await);
    for clients in [2, 12] {
        let mut found = Vec::new();
        for slow in [usual, usual * 100] {
            let three = slow_echo("three", slow).await;
            let endpoints = [one.address(), two.address(), three.address()];
            let proxy = Proxy::start(&format!("workers: 2\n{}", shop(&endpoints, "    balance: ewma\n"))).await;
            let all = latencies(&proxy, clients, Duration::from_secs(5), Duration::from_secs(10)).await;
            let at = |share: usize| all[all.len() * share / 1000];
            println!(
                "{clients} clients, one endpoint of {slow:?}: {} requests, {} of them there since the start; p50 {:?}, p99 {:?}, p99.9 {:?}",
                all.len(),
                three.stats().requests,
                at(500),
                at(990),
                at(999),
            );
            found.push(at(990));
        }
        println!("{clients} clients: p99 {:.2} times as long", found[1].as_secs_f64() / found[0].as_secs_f64());
        assert!(found[1] <= found[0] * 3 / 2, "{found:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_drops_packets_costs_a_request_a_second_and_is_left_out() {
    let (good, black_hole) = (echo("good").await, DropsPackets::start().await);
    let more = "    outliers: {ejection: 2s}\n";
    let proxy = Proxy::start(&shop(&[good.address(), black_hole.address()], more)).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest > Duration::from_millis(900) && slowest < Duration::from_millis(1500), "{slowest:?}");
    wait_until("it is told", async || !events(&proxy, "EndpointEjected").is_empty()).await;
    let told = format!("shop/stable: {} is left out for 2s: no connection was made in time", black_hole.address());
    assert_eq!(events(&proxy, "EndpointEjected"), [told]);
    let state = |state| [("version", "stable"), ("state", state)];
    assert_eq!(proxy.metric("weir_upstream_endpoints", &state("ready")).await, 1.0);
    assert_eq!(proxy.metric("weir_upstream_endpoints", &state("ejected")).await, 1.0);
    let version = &status(&proxy).await["splits"][0]["versions"][0];
    assert_eq!((&version["endpoints"], &version["ready"]), (&2.into(), &1.into()));
    wait_until("it comes back", async || !events(&proxy, "EndpointReturned").is_empty()).await;
    assert_eq!(proxy.metric("weir_upstream_endpoints", &state("ejected")).await, 0.0);
    // One failure is enough now, and it is out for longer.
    wait_until("it is left out again", async || {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        events(&proxy, "EndpointEjected").len() == 2
    })
    .await;
    assert!(events(&proxy, "EndpointEjected")[1].contains("is left out for 4s"));
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_left_out_without_being_asked_to() {
    let (good, dead) = (echo("good").await, AcceptsNever::start());
    let proxy = Proxy::start(&shop(&[good.address(), dead.address()], "")).await;
    for _ in 0..30 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(proxy.metric("weir_retries_total", &[("version", "stable")]).await, 5.0, "five in a row are enough");
    wait_until("it is told", async || events(&proxy, "EndpointEjected").len() == 1).await;
}

#[tokio::test]
async fn the_only_endpoint_is_never_left_out_and_neither_are_all() {
    let (one, two) = (AcceptsNever::start(), AcceptsNever::start());
    for endpoints in [&[one.address()][..], &[one.address(), two.address()]] {
        let proxy = Proxy::start(&shop(endpoints, "    outliers: {failures: 1}\n")).await;
        for _ in 0..10 {
            assert_eq!(get(proxy.http(), "/").await.header("x-weir-reason"), Some("connect_failed"));
        }
        let ready = proxy.metric("weir_upstream_endpoints", &[("state", "ready")]).await;
        assert_eq!(ready, 1.0, "of {}", endpoints.len());
    }
}

#[tokio::test]
async fn answers_of_5xx_count_where_outliers_are_configured() {
    let bad =
        Echo::start(EchoOptions { fail: 1.0, version: "bad".to_owned(), ..EchoOptions::default() }).await.unwrap();
    let good = echo("good").await;
    for (more, expected) in [("", 20), ("    outliers: {failures: 3}\n", 3)] {
        let proxy = Proxy::start(&shop(&[bad.address(), good.address()], more)).await;
        let mut failures = 0;
        for _ in 0..40 {
            failures += u32::from(get(proxy.http(), "/").await.status.is_server_error());
        }
        assert_eq!(failures, expected, "{more}");
    }
}

#[tokio::test]
async fn a_hash_keeps_who_has_the_same_header_together() {
    let backends = [echo("a").await, echo("b").await, echo("c").await];
    let endpoints: Vec<SocketAddr> = backends.iter().map(Echo::address).collect();
    let proxy = Proxy::start(&shop(&endpoints, "    balance: hash\n    hash: {header: x-user}\n")).await;
    let mut homes: BTreeMap<u32, String> = BTreeMap::new();
    for n in 0..120 {
        let user = n % 30;
        let request = request("GET", "/").header("x-user", user.to_string()).body(nothing()).unwrap();
        let answer = send(proxy.http(), request).await;
        let version = answer.header("x-echo-version").unwrap().to_owned();
        assert_eq!(*homes.entry(user).or_insert_with(|| version.clone()), version, "user {user} moved");
    }
    let used: std::collections::BTreeSet<&String> = homes.values().collect();
    assert_eq!(used.len(), 3, "{homes:?}");
}

/// Two endpoints of which one falls ill and gets well, as this health check sees it.
async fn falls_ill(check: &str, reason: &str) {
    let (one, two) = (FallsIll::start().await, FallsIll::start().await);
    let scheme = if check.contains("grpc") { "h2c://" } else { "" };
    let yaml = format!(
        "splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [\"{scheme}{}\", \"{scheme}{}\"]}}]\n    \
         health: {{interval: 20ms, timeout: 5s, healthy: 2, unhealthy: 2, {check}}}\n",
        one.address(),
        two.address(),
    );
    let proxy = Proxy::start(&yaml).await;
    wait_until("both are asked", async || one.checks() > 2 && two.checks() > 2).await;
    assert_eq!(events(&proxy, "EndpointUnhealthy"), Vec::<String>::new());
    one.set_ill(true);
    wait_until("it is told", async || !events(&proxy, "EndpointUnhealthy").is_empty()).await;
    assert_eq!(events(&proxy, "EndpointUnhealthy"), [format!("shop/stable: {} is unhealthy: {reason}", one.address())]);
    let before = one.requests();
    for _ in 0..20 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(one.requests(), before, "it is not asked for anything else");
    assert_eq!(proxy.metric("weir_upstream_endpoints", &[("state", "ejected")]).await, 1.0);
    // With both ill all are used.
    two.set_ill(true);
    wait_until("the other is told", async || events(&proxy, "EndpointUnhealthy").len() == 2).await;
    let before = (one.requests(), two.requests());
    for _ in 0..20 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert!(one.requests() >= before.0 + 5 && two.requests() >= before.1 + 5);
    one.set_ill(false);
    wait_until("it is well", async || events(&proxy, "EndpointHealthy").len() == 1).await;
    let before = two.requests();
    for _ in 0..20 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(two.requests(), before);
    // Without the check nobody is unhealthy.
    let unchecked = yaml.lines().filter(|line| !line.contains("health:")).map(|line| format!("{line}\n"));
    proxy.apply(&unchecked.collect::<String>());
    wait_until("all are used", async || proxy.metric("weir_upstream_endpoints", &[("state", "ready")]).await == 2.0)
        .await;
}

#[tokio::test]
async fn an_endpoint_whose_path_answers_503_is_not_used() {
    falls_ill("path: /healthz", "GET /healthz answered 503").await;
}

#[tokio::test]
async fn an_endpoint_that_says_over_grpc_that_it_does_not_serve_is_not_used() {
    falls_ill("kind: grpc, service: shop", "its serving status is 2, not SERVING").await;
}

#[tokio::test]
async fn an_endpoint_that_takes_no_connection_is_found_before_any_request() {
    let (good, dead) = (echo("good").await, AcceptsNever::start());
    let more = "    health: {kind: tcp, interval: 20ms, timeout: 5s}\n";
    let proxy = Proxy::start(&shop(&[good.address(), dead.address()], more)).await;
    wait_until("it is told", async || !events(&proxy, "EndpointUnhealthy").is_empty()).await;
    assert!(events(&proxy, "EndpointUnhealthy")[0].contains("is unhealthy: no connection: Connection refused"));
    for _ in 0..10 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(proxy.metric("weir_retries_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_the_limit_of_an_endpoint_wait_in_line_and_are_refused_where_it_is_full() {
    let slow = slow_echo("slow", Duration::from_millis(400)).await;
    let more = "    limits: {perEndpoint: 1, queue: 2}\n";
    let proxy = Proxy::start(&format!("workers: 2\n{}", shop(&[slow.address()], more))).await;
    let begun = Instant::now();
    let address = proxy.http();
    let asked: Vec<_> = (0..6).map(|_| tokio::spawn(async move { get(address, "/").await })).collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(within(answer).await.unwrap());
    }
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(refused.len(), 3, "one is answered, two wait");
    for answer in refused {
        assert_eq!(answer.header("x-weir-reason"), Some("overloaded"));
        assert!(answer.header("retry-after").is_some());
    }
    assert!(begun.elapsed() >= Duration::from_millis(1200), "three, one after the other: {:?}", begun.elapsed());
    assert_eq!(slow.stats().requests, 3);
    let labels = [("reason", "overloaded"), ("classification", "failure")];
    assert_eq!(proxy.metric("weir_requests_total", &labels).await, 3.0);
    // The line is empty again.
    assert_eq!(get(proxy.http(), "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_while_another_endpoint_has_room() {
    let (one, two) = (slow_echo("one", Duration::from_millis(300)).await, slow_echo("two", Duration::ZERO).await);
    let more = "    limits: {perEndpoint: 2, queue: 0}\n    retry: {attempts: 0}\n";
    let proxy = Proxy::start(&shop(&[one.address(), two.address()], more)).await;
    let address = proxy.http();
    let stuck: Vec<_> = (0..4).map(|_| tokio::spawn(async move { get(address, "/").await.status })).collect();
    wait_until("the slow one is full", async || one.stats().requests == 2).await;
    for _ in 0..10 {
        assert_eq!(get(proxy.http(), "/").await.header("x-echo-version"), Some("two"));
    }
    for answer in stuck {
        assert_eq!(within(answer).await.unwrap(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_the_line_makes_room_in_it() {
    let slow = slow_echo("slow", Duration::from_millis(500)).await;
    let proxy = Proxy::start(&shop(&[slow.address()], "    limits: {perEndpoint: 1, queue: 1}\n")).await;
    let address = proxy.http();
    let first = tokio::spawn(async move { get(address, "/").await.status });
    wait_until("the endpoint is busy", async || slow.stats().requests == 1).await;
    let waiting = tokio::spawn(async move { get(address, "/").await.status });
    let queued = async || status(&proxy).await["splits"][0]["versions"][0]["queued"] == 1;
    wait_until("the line is full", queued).await;
    waiting.abort();
    wait_until("it has left", async || !queued().await).await;
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    assert_eq!(within(first).await.unwrap(), 200);
    assert_eq!(slow.stats().requests, 2, "who left was never sent");
}

/// Two versions with these endpoints, and more lines of the split.
fn pair(stable: (u32, &[SocketAddr]), canary: (u32, &[SocketAddr]), more: &str) -> String {
    let version = |name: &str, (weight, endpoints): (u32, &[SocketAddr])| {
        let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
        format!("      - {{name: {name}, weight: {weight}, endpoints: [{}]}}\n", endpoints.join(", "))
    };
    format!("splits:\n  - name: shop\n    versions:\n{}{}{more}", version("stable", stable), version("canary", canary))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_gets_no_more_than_its_endpoints_can_carry() {
    let busy = Duration::from_millis(100);
    let stable = [slow_echo("stable", busy).await, slow_echo("stable", busy).await];
    let canary = [slow_echo("canary", busy).await, slow_echo("canary", busy).await];
    let (stable, canary): (Vec<_>, Vec<_>) =
        (stable.iter().map(Echo::address).collect(), canary.iter().map(Echo::address).collect());
    let yaml = |weights: (u32, u32), canary: &[SocketAddr]| {
        pair((weights.0, &stable), (weights.1, canary), "    limits: {perEndpoint: 10, gate: true}\n")
    };
    let proxy = Proxy::start(&yaml((1, 0), &canary[..1])).await;
    let load = crate::load::Load::start(proxy.http(), 16);
    load.more(200).await;
    // Sixteen requests in flight, of which the canary's endpoint carries ten: the load is seen within a second.
    let gated = async || status(&proxy).await["splits"][0]["versions"][1]["gated"] == true;
    wait_until("the load is known and the weights are held", async || {
        proxy.apply(&yaml((1, 0), &canary[..1]));
        proxy.apply(&yaml((0, 1), &canary[..1]));
        gated().await
    })
    .await;
    let told = events(&proxy, "WeightGated");
    assert!(told[0].contains("shop/canary: gets less than its weight: 1 ready endpoints carry 10 of"), "{told:?}");
    let version = &status(&proxy).await["splits"][0]["versions"][1];
    assert_eq!(version["desired"], 1);
    let share = version["effectiveShare"].as_f64().unwrap();
    assert!(share > 0.3 && share < 0.7, "{share}");
    load.more(100).await;
    // Whoever scales it is waited for.
    proxy.apply(&yaml((0, 1), &canary));
    assert!(!gated().await, "two endpoints carry twenty");
    assert!(events(&proxy, "WeightGated").last().unwrap().contains("gets its weight again"));
    let report = load.finish().await;
    assert_eq!(report.failures, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_open_before_a_version_gets_its_first_request() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let yaml = |weights: (u32, u32)| {
        let endpoints = ([stable.address()], [canary.address()]);
        format!("workers: 2\n{}", pair((weights.0, &endpoints.0), (weights.1, &endpoints.1), "    prewarm: 3\n"))
    };
    let proxy = Proxy::start(&yaml((1, 0))).await;
    assert_eq!(get(proxy.http(), "/").await.header("x-echo-version"), Some("stable"));
    proxy.apply(&yaml((0, 1)));
    wait_until("it goes on", async || !events(&proxy, "Prewarmed").is_empty()).await;
    assert_eq!((canary.stats().connections, canary.stats().requests), (6, 0), "three of each worker");
    for _ in 0..10 {
        assert_eq!(get(proxy.http(), "/").await.header("x-echo-version"), Some("canary"));
    }
    assert_eq!(canary.stats().connections, 6, "they are used");
}

#[tokio::test]
async fn weights_wait_for_connections_but_not_for_ever() {
    let (stable, black_hole) = (echo("stable").await, DropsPackets::start().await);
    let yaml = |weights: (u32, u32)| {
        pair((weights.0, &[stable.address()]), (weights.1, &[black_hole.address()]), "    prewarm: 1\n")
    };
    let proxy = Proxy::start(&yaml((1, 0))).await;
    proxy.apply(&yaml((0, 1)));
    let effective = async || status(&proxy).await["splits"][0]["versions"][1]["effective"].as_f64().unwrap();
    assert_eq!(effective().await, 0.0);
    assert_eq!(get(proxy.http(), "/").await.header("x-echo-version"), Some("stable"));
    wait_until("it goes on", async || !events(&proxy, "Prewarmed").is_empty()).await;
    assert_eq!(effective().await, 1.0);
}
