//! The guard, from failing requests to traffic that goes elsewhere.

use std::time::Duration;

use serde_json::Value;
use weir::echo::{Echo, EchoOptions};

use crate::load::{Load, Shop, event_of, shop_status, version_of};
use crate::support::*;

const GUARD: &str = "    guard: {minRequests: 50, maxErrorRateIncrease: 2%}\n    \
                     overrides: [{header: x-canary, value: always, to: canary}]\n";

async fn failing(version: &str, fail: f64) -> Echo {
    let options = EchoOptions { version: version.to_owned(), fail, seed: Some(7), ..EchoOptions::default() };
    Echo::start(options).await.unwrap()
}

fn canary(status: &Value) -> Value {
    status["versions"][1].clone()
}

/// Loads until the guard has tripped.
async fn trip(http: std::net::SocketAddr, admin: std::net::SocketAddr) {
    let load = Load::start(http, 2);
    wait_until_for("the guard trips", Duration::from_secs(20), async || {
        canary(&shop_status(admin).await)["guard"]["state"] == "tripped"
    })
    .await;
    let report = load.finish().await;
    println!("tripped after {} requests, {} of them on the canary", report.requests, report.versions["canary"]);
}

/// Whether any of so many requests goes to the canary.
async fn reaches_canary(http: std::net::SocketAddr, requests: usize) -> bool {
    let mut client = h1(http).await;
    for _ in 0..requests {
        let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
        if answer.header("x-echo-version") == Some("canary") {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_canary_loses_its_traffic_until_it_is_reset() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let shop = Shop::new(stable.address(), bad.address()).more(GUARD);
    let proxy = Proxy::start(&shop.yaml(50, 50)).await;
    assert!(reaches_canary(proxy.http(), 10).await);
    trip(proxy.http(), proxy.admin()).await;
    assert!(!reaches_canary(proxy.http(), 200).await, "traffic still goes to the canary");
    assert_eq!(proxy.metric("weir_guard_trips_total", &[("version", "canary"), ("revision", "r1")]).await, 1.0);
    let told = event_of(proxy.admin(), "GuardTripped").await;
    assert_eq!((&told["split"], &told["version"]), (&"shop".into(), &"canary".into()));
    let status = shop_status(proxy.admin()).await;
    assert_eq!(canary(&status)["desired"], 50, "what was asked for stays");
    assert_eq!(canary(&status)["effective"], 0.0);
    assert_eq!(status["versions"][0]["effectiveShare"], 1.0);
    assert_eq!(proxy.metric("weir_split_weight", &[("version", "canary"), ("state", "desired")]).await, 50.0);
    assert_eq!(proxy.metric("weir_split_weight", &[("version", "canary"), ("state", "effective")]).await, 0.0);
    assert!(proxy.metric("weir_decisions_total", &[("version", "stable"), ("why", "guard")]).await > 50.0);
    let asked = request("GET", "/").header("x-canary", "always").body(nothing()).unwrap();
    assert_eq!(send(proxy.http(), asked).await.header("x-echo-version").unwrap_or("canary"), "canary");
    // No new weight clears it.
    proxy.apply(&shop.yaml(10, 90));
    assert!(!reaches_canary(proxy.http(), 100).await, "a new weight cleared the trip");
    bad.set_fail(0.0);
    let reset = http::Request::post("/api/v1/splits/-/shop/guard/reset")
        .header("host", proxy.admin().to_string())
        .header("content-type", "application/json")
        .body(nothing())
        .unwrap();
    assert_eq!(send(proxy.admin(), reset).await.status, 200);
    assert!(reaches_canary(proxy.http(), 100).await);
    event_of(proxy.admin(), "GuardReset").await;
    assert_ne!(canary(&shop_status(proxy.admin()).await)["guard"]["state"], "tripped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_revision_begins_anew() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let shop = || Shop::new(stable.address(), bad.address()).more(GUARD);
    let proxy = Proxy::start(&shop().yaml(50, 50)).await;
    trip(proxy.http(), proxy.admin()).await;
    bad.set_fail(0.0);
    proxy.apply(&shop().revision("r2").yaml(50, 50));
    assert!(reaches_canary(proxy.http(), 10).await);
    proxy.apply(&shop().yaml(50, 50));
    assert!(!reaches_canary(proxy.http(), 100).await, "the bad revision is still the bad one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_reports_diverts_nothing() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let guard = "    guard: {minRequests: 50, maxErrorRateIncrease: 2%, action: report}\n";
    let proxy = Proxy::start(&Shop::new(stable.address(), bad.address()).more(guard).yaml(50, 50)).await;
    trip(proxy.http(), proxy.admin()).await;
    event_of(proxy.admin(), "GuardTripped").await;
    assert!(reaches_canary(proxy.http(), 10).await);
    assert_eq!(canary(&shop_status(proxy.admin()).await)["effective"], 50.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_does_not_divert_to_a_stable_that_was_given_nothing() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let shop = Shop::new(stable.address(), bad.address()).more(GUARD);
    let proxy = Proxy::start(&shop.yaml(50, 50)).await;
    trip(proxy.http(), proxy.admin()).await;
    proxy.apply(&shop.yaml(0, 100));
    assert_eq!(version_of(proxy.http()).await, "canary", "there is nowhere to go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_is_as_good_as_stable_is_left_alone() {
    let (stable, good) = (failing("stable", 0.05).await, failing("canary", 0.05).await);
    let proxy = Proxy::start(&Shop::new(stable.address(), good.address()).more(GUARD).yaml(50, 50)).await;
    let load = Load::start(proxy.http(), 2);
    wait_until_for("2,000 requests", Duration::from_secs(30), async || load.done() >= 2000).await;
    load.finish().await;
    wait_until("the guard has seen enough", async || {
        canary(&shop_status(proxy.admin()).await)["guard"]["state"] == "healthy"
    })
    .await;
    assert_eq!(proxy.metric("weir_guard_trips_total", &[]).await, 0.0);
    assert!(reaches_canary(proxy.http(), 10).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_rescue_no_client_sees_a_bad_canary() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let more = format!("{GUARD}    rescue: {{from: canary, on: [5xx, connect, timeout]}}\n");
    let proxy = Proxy::start(&Shop::new(stable.address(), bad.address()).more(&more).yaml(50, 50)).await;
    let load = Load::start(proxy.http(), 2);
    wait_until_for("the guard trips", Duration::from_secs(20), async || {
        proxy.metric("weir_guard_trips_total", &[]).await == 1.0
    })
    .await;
    let report = load.finish().await;
    assert_eq!(report.failures, Vec::<String>::new());
    let requests = proxy.metric("weir_requests_total", &[]).await;
    let rescues = proxy.metric("weir_rescues_total", &[("version", "canary"), ("reason", "status")]).await;
    assert!(rescues > 0.0);
    assert_eq!(requests - rescues, report.requests as f64, "what clients sent is requests minus rescues");
    assert_eq!(rescues, bad.stats().failures as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_outlives_the_process() {
    let (stable, bad) = (echo("stable").await, failing("canary", 0.5).await);
    let folder = tempfile::TempDir::new().unwrap();
    let state = format!("state: {}\n", folder.path().join("state.json").display());
    let yaml = format!("{state}{}", Shop::new(stable.address(), bad.address()).more(GUARD).yaml(50, 50));
    let mut first = Binary::start(&yaml.replace("state:", "shutdown: {delay: 0s}\nstate:")).await;
    trip(first.http(), first.address("admin")).await;
    first.signal("TERM");
    assert!(first.exited(PATIENCE).await.success());
    bad.set_fail(0.0);
    let second = Binary::start(&yaml).await;
    assert!(!reaches_canary(second.http(), 100).await, "forgotten over a restart");
    wait_until("the guard looks", async || {
        canary(&shop_status(second.address("admin")).await)["guard"]["state"] == "tripped"
    })
    .await;
    drop(second);
    let without = Binary::start(&yaml.replace(&state, "")).await;
    assert!(reaches_canary(without.http(), 10).await);
}
