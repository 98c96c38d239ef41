//! Endpoints that vanish without a word, with connections open to them: what it costs, and whom.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::mocks::vanishes::Vanishes;
use crate::support::*;

/// The longest that a request may be held up.
const COST: Duration = Duration::from_millis(1500);

fn ejections(proxy: &Proxy) -> Vec<String> {
    let (past, _) = proxy.process().control().events().follow();
    past.into_iter()
        .filter(|event| format!("{:?}", event.kind) == "EndpointEjected")
        .map(|event| event.message)
        .collect()
}

/// Asks until both endpoints have connections that idle.
async fn warm(proxy: &Proxy, vanishes: &Vanishes) {
    for _ in 0..6 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    assert_eq!(vanishes.connections(), 1);
}

/// One of two endpoints vanishes, which both speak so: one request waits for it, and nobody after that.
async fn costs_one_request_a_second(good: String, gone: (&Vanishes, String), more: &str) {
    let (vanishes, gone) = gone;
    let yaml = format!(
        "workers: 1
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{good}\", \"{gone}\"]{more}}}]
    outliers: {{ejection: 60s}}
"
    );
    let proxy = Proxy::start(&yaml).await;
    warm(&proxy, vanishes).await;
    vanishes.vanish();
    let mut took = Vec::new();
    for _ in 0..8 {
        let asked = Instant::now();
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        took.push(asked.elapsed());
    }
    took.sort();
    assert!(took[7] > Duration::from_millis(600) && took[7] < COST && took[6] < took[7] / 2, "{took:?}");
    wait_until("it is told", async || !ejections(&proxy).is_empty()).await;
    let told = format!("{} is left out for 60s: it acknowledges nothing", vanishes.address());
    assert_eq!(ejections(&proxy), [told]);
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "reset")]).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http1() {
    let (one, two) = (echo("one").await, echo("two").await);
    let gone = Vanishes::before(two.address()).await;
    costs_one_request_a_second(one.address().to_string(), (&gone, gone.address().to_string()), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2() {
    let (one, two) = (echo("one").await, echo("two").await);
    let gone = Vanishes::before(two.address()).await;
    let (good, name) = (format!("h2c://{}", one.address()), format!("h2c://{}", gone.address()));
    costs_one_request_a_second(good, (&gone, name), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls() {
    let (one, two, folder, authority) =
        (echo("one").await, echo("two").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.write(folder.path(), "ca.crt");
    let ca = folder.path().join("ca.crt");
    for protocol in ["http/1.1", "h2"] {
        let config = server_config(&authority.issue(&["127.0.0.1"]), &[protocol], None);
        let fronts =
            (TlsFront::start(config.clone(), one.address()).await, TlsFront::start(config, two.address()).await);
        let gone = Vanishes::before(fronts.1.address()).await;
        let (good, name) = (format!("https://{}", fronts.0.address()), format!("https://{}", gone.address()));
        let tls = format!(", tls: {{ca: \"{}\"}}", ca.display());
        costs_one_request_a_second(good, (&gone, name), &tls).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_sent_twice_is_not_but_others_are_spared() {
    let (one, two) = (echo("one").await, echo("two").await);
    let gone = Vanishes::before(two.address()).await;
    let yaml = format!(
        "workers: 1
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\", \"{}\"]}}]
    outliers: {{ejection: 60s}}
    timeouts: {{request: 4s}}
",
        one.address(),
        gone.address()
    );
    let proxy = Proxy::start(&yaml).await;
    warm(&proxy, &gone).await;
    gone.vanish();
    let address = proxy.http();
    let post = || tokio::spawn(async move { send(address, request("POST", "/").body(nothing()).unwrap()).await });
    let posts = [post(), post()];
    wait_until("it is left out", async || !ejections(&proxy).is_empty()).await;
    for _ in 0..8 {
        let asked = Instant::now();
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        assert!(asked.elapsed() < COST / 2, "{:?}", asked.elapsed());
    }
    let mut statuses = Vec::new();
    for post in posts {
        statuses.push(within(post).await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504], "one of the two went there");
    assert_eq!(proxy.metric("weir_retries_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_slow_is_waited_for() {
    let (one, two) = (echo("one").await, echo("two").await);
    for scheme in ["", "h2c://"] {
        let endpoints = format!("\"{scheme}{}\", \"{scheme}{}\"", one.address(), two.address());
        let yaml = format!("splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n");
        let proxy = Proxy::start(&yaml).await;
        for _ in 0..2 {
            let asked = Instant::now();
            assert_eq!(get(proxy.http(), "/latency/2500").await.status, 200);
            assert!(asked.elapsed() >= Duration::from_millis(2500));
        }
        assert_eq!(proxy.metric("weir_retries_total", &[]).await, 0.0);
        assert_eq!(ejections(&proxy), Vec::<String>::new());
    }
}
