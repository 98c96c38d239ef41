//! Shares of real requests over real connections.

use crate::load::{Load, Shop};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_percent_is_one_request_of_every_hundred() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let proxy = Proxy::start(&Shop::new(stable.address(), canary.address()).yaml(99, 1)).await;
    let mut client = h1(proxy.http()).await;
    for block in 0..10 {
        let before = canary.stats().requests;
        for _ in 0..100 {
            let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
            assert_eq!(answer.status, 200);
        }
        assert_eq!(canary.stats().requests - before, 1, "block {block}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_of_many_requests_on_two_workers_are_exact() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let yaml = Shop::new(stable.address(), canary.address()).yaml(93, 7);
    let proxy = Proxy::start(&format!("workers: 2\n{yaml}")).await;
    let load = Load::start(proxy.http(), 8);
    wait_until_for("10,000 requests", std::time::Duration::from_secs(60), async || load.done() >= 10_000).await;
    let report = load.finish().await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.closed, 0);
    let share = report.requests as f64 * 0.07;
    let got = report.versions["canary"] as f64;
    println!("{got} of {} requests, {share:.2} asked for", report.requests);
    assert!((got - share).abs() <= 2.0, "{got} for {share}: more than one request per worker away");
    assert_eq!(proxy.metric("weir_requests_total", &[("version", "canary")]).await, got);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weight_of_zero_gets_nothing_and_overrides_do_not_count() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address())
        .more("    overrides: [{header: x-canary, value: always, to: canary}]\n");
    let proxy = Proxy::start(&shop.yaml(1, 0)).await;
    let mut client = h1(proxy.http()).await;
    for n in 0..200 {
        let asked = n % 4 == 0;
        let mut request = request("GET", "/");
        if asked {
            request = request.header("x-canary", "always");
        }
        let answer = ask_h1(&mut client, request.body(nothing()).unwrap()).await;
        assert_eq!(answer.header("x-echo-version"), Some(if asked { "canary" } else { "stable" }));
    }
    let why = |why| [("version", "canary"), ("why", why)];
    assert_eq!(proxy.metric("weir_decisions_total", &why("override")).await, 50.0);
    assert_eq!(proxy.metric("weir_decisions_total", &why("weight")).await, 0.0);
}
