//! What rollout controllers ask: may this release go on, or is it to be taken back?

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use weir::echo::{Echo, EchoOptions};

use crate::load::{Load, Shop};
use crate::support::*;

const GUARD: &str = "    guard: {minRequests: 50, maxErrorRateIncrease: 2%}\n";

async fn failing(version: &str, fail: f64) -> Echo {
    let options = EchoOptions { version: version.to_owned(), fail, seed: Some(7), ..EchoOptions::default() };
    Echo::start(options).await.unwrap()
}

/// The program with an ops listener, before stable and a canary that fails so often.
async fn started(fail: f64, guard: &str) -> (Binary, [Echo; 2]) {
    let backends = [failing("stable", 0.0).await, failing("canary", fail).await];
    let shop = Shop::new(backends[0].address(), backends[1].address()).more(guard);
    let yaml = format!("ops: {{address: \"{{ops}}\"}}\nworkers: 1\n{}", shop.yaml(50, 50));
    (Binary::start(&yaml).await, backends)
}

async fn analysis(ops: SocketAddr) -> Value {
    let answer = get(ops, "/api/v1/analysis/-/shop?version=canary").await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Loads until the analysis says so.
async fn until(binary: &Binary, verdict: &str) -> Value {
    let load = Load::start(binary.http(), 2);
    let mut last = Value::Null;
    wait_until_for(verdict, Duration::from_secs(20), async || {
        last = analysis(binary.address("ops")).await;
        last["verdict"] == verdict && last["samples"] != 0
    })
    .await;
    load.finish().await;
    last
}

/// The status of a hook, and what it says.
async fn hook(ops: SocketAddr, name: &str, body: &str) -> (u16, String) {
    let post = http::Request::post(format!("/hooks/{name}"))
        .header("host", "weir")
        .header("content-type", "application/json")
        .body(all(body.to_owned()))
        .unwrap();
    let answer = send(ops, post).await;
    (answer.status.as_u16(), answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_canary_passes_and_may_go_on() {
    for guard in ["", GUARD] {
        let (binary, _backends) = started(0.0, guard).await;
        let ops = binary.address("ops");
        let before = analysis(ops).await;
        assert_eq!((&before["verdict"], &before["samples"]), (&"inconclusive".into(), &0.into()));
        assert!(before["successRate"].is_null() && before["baseline"].is_null() && before["p99"].is_null());
        let wanted = r#"{"name": "shop", "namespace": "-", "phase": "Progressing", "metadata": {"minSamples": "100"}}"#;
        assert_eq!(
            hook(ops, "confirm-traffic-increase", wanted).await,
            (409, "shop: 0 of 100 requests so far\n".into())
        );
        let after = until(&binary, "pass").await;
        assert_eq!((&after["successRate"], &after["baseline"]), (&100.0.into(), &100.0.into()), "{after}");
        assert!(after["p99"].as_f64().unwrap() > 0.0 && after["reason"].is_string());
        for name in ["confirm-traffic-increase", "confirm-promotion"] {
            assert_eq!(hook(ops, name, wanted).await.0, 200, "{name}");
        }
        let (status, says) = hook(ops, "rollback", wanted).await;
        assert_eq!((status, says.as_str()), (409, "no guard of shop has tripped: nothing to take back\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_canary_fails_and_is_taken_back() {
    let (binary, _backends) = started(0.5, GUARD).await;
    let (ops, asked) = (binary.address("ops"), r#"{"name": "shop"}"#);
    let after = until(&binary, "fail").await;
    assert_eq!(after["baseline"], 100.0);
    assert!(after["successRate"].as_f64().is_some_and(|rate| (20.0..80.0).contains(&rate)), "{after}");
    let (status, says) = hook(ops, "rollback", asked).await;
    assert_eq!(status, 200);
    assert!(says.starts_with("canary of shop: canary failed "), "{says}");
    for name in ["confirm-traffic-increase", "confirm-promotion"] {
        assert_eq!(hook(ops, name, asked).await.0, 409, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_canary_fails_without_a_guard_too() {
    let (binary, _backends) = started(0.5, "").await;
    let after = until(&binary, "fail").await;
    assert!(after["reason"].as_str().unwrap().contains("allowed increase 2%"), "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_said() {
    let (binary, _backends) = started(0.0, "").await;
    for listener in ["ops", "admin"] {
        let address = binary.address(listener);
        for (path, status, says) in [
            ("/api/v1/analysis/-/shpo?version=canary", 404, "there are: shop"),
            ("/api/v1/analysis/prod/shop?version=canary", 404, "there are: shop"),
            ("/api/v1/analysis/-/shop?version=kanary", 404, "canary"),
            ("/api/v1/analysis/-/shop?version=stable", 404, "what the others are compared with"),
            ("/api/v1/analysis/-/shop?window=0", 400, "window=60s"),
            ("/api/v1/analysis/-/shop?window=301s", 400, "window=60s"),
        ] {
            let answer = get(address, path).await;
            assert_eq!(answer.status.as_u16(), status, "{path}");
            assert!(answer.json()["error"].as_str().unwrap().contains(says), "{path}: {}", answer.text());
        }
        assert_eq!(get(address, "/api/v1/analysis/-/shop?window=300s").await.status, 200, "the only other version");
        for (name, body, status, says) in [
            ("rollback", r#"{"name": "shpo", "namespace": "prod"}"#, 404, "there are: shop"),
            ("rollback", "{", 400, "as Flagger does"),
            ("rollback", r#"{"name": "shop", "metadata": {"minSamples": "many"}}"#, 400, "minSamples"),
            ("confirm-rollout", r#"{"name": "shop"}"#, 404, "/hooks/confirm-promotion"),
        ] {
            let (found, text) = hook(address, name, body).await;
            assert!(found == status && text.contains(says), "{name} {body}: {found} {text}");
        }
        assert_eq!(get(address, "/hooks/rollback").await.status, 404, "hooks are posted to");
        let large = format!(r#"{{"name": "{}"}}"#, "a".repeat(100_000));
        assert_eq!(hook(address, "rollback", &large).await.0, 400);
    }
}
