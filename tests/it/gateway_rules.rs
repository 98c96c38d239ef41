//! What only the Gateway API asks of the data path, so that no configuration file can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tempfile::TempDir;
use weir::model::{Model, Retry, RetryOn};

use crate::support::*;

/// Has every rule try again what is answered with 503.
fn retry_503(model: &mut Model, attempts: u8, backoff: Duration) {
    for rule in model.routes.iter_mut().flat_map(|route| &mut Arc::make_mut(route).rules) {
        let on = vec![RetryOn::Status(StatusCode::SERVICE_UNAVAILABLE)];
        Arc::make_mut(&mut rule.split).retry = Arc::new(Retry { attempts, on, backoff, ..Retry::default() });
    }
}

async fn proxy(endpoints: &[std::net::SocketAddr], change: impl FnOnce(&mut Model)) -> Proxy {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    let endpoints = endpoints.join(", ");
    let yaml = format!("splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n");
    let folder = TempDir::new().unwrap();
    Proxy::start_with(folder.path(), &yaml, change).await
}

#[tokio::test]
async fn an_answer_is_tried_again_elsewhere_and_at_last_given_to_the_client() {
    let (one, two) = (echo("v1").await, echo("v1").await);
    let proxy = proxy(&[one.address(), two.address()], |model| retry_503(model, 1, Duration::ZERO)).await;
    let answer = get(proxy.http(), "/status/503").await;
    assert_eq!((answer.status.as_u16(), one.stats().requests, two.stats().requests), (503, 1, 1));
    assert_eq!(proxy.metric("weir_retries_total", &[("reason", "status")]).await, 1.0);
    assert_eq!(proxy.metric("weir_requests_total", &[]).await, 1.0);
}

#[tokio::test]
async fn the_only_endpoint_is_asked_once_more_after_the_wait() {
    let echo = echo("v1").await;
    let wait = Duration::from_millis(50);
    let proxy = proxy(&[echo.address()], |model| retry_503(model, 3, wait)).await;
    let begun = Instant::now();
    assert_eq!(get(proxy.http(), "/status/503").await.status, 503);
    assert!(begun.elapsed() >= 3 * wait, "{:?}", begun.elapsed());
    assert_eq!(echo.stats().requests, 4);
}

#[tokio::test]
async fn other_answers_and_what_may_not_be_repeated_are_not_tried_again() {
    let echo = echo("v1").await;
    let proxy = proxy(&[echo.address()], |model| retry_503(model, 3, Duration::ZERO)).await;
    assert_eq!(get(proxy.http(), "/status/500").await.status, 500);
    let post = request("POST", "/status/503").body(all("body")).unwrap();
    assert_eq!(send(proxy.http(), post).await.status, 503);
    assert_eq!(echo.stats().requests, 2);
}

#[tokio::test]
async fn a_wait_ends_with_the_time_of_the_request() {
    let echo = echo("v1").await;
    let proxy = proxy(&[echo.address()], |model| {
        retry_503(model, 3, Duration::from_secs(60));
        for rule in model.routes.iter_mut().flat_map(|route| &mut Arc::make_mut(route).rules) {
            Arc::make_mut(&mut Arc::make_mut(&mut rule.split).timeouts).request = Duration::from_millis(200);
        }
    })
    .await;
    assert_eq!(get(proxy.http(), "/status/503").await.status, 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_another_listeners_host_is_misdirected() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.issue(&["shop.example", "*.wild.example"]).write(folder.path(), "both");
    let yaml = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\", tls: {{certificates: [{{cert: both.crt, key: both.key}}]}}}}]
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
",
        echo.address()
    );
    let hosts = ["shop.example", "*.wild.example"];
    let hosts = hosts.map(|host| Some(weir::model::HostPattern::parse(host).unwrap()));
    let proxy = Proxy::start_with(folder.path(), &yaml, |model| {
        for listener in &mut model.listeners {
            let tls = Arc::make_mut(listener).tls.as_mut().unwrap();
            Arc::make_mut(tls).hosts = hosts.to_vec();
        }
    })
    .await;
    let stream = tls(proxy.http(), client_config(&authority, &["h2"], None), "shop.example").await.unwrap();
    let mut client = h2_over(stream).await;
    for (host, status) in [("shop.example", 200), ("a.wild.example", 421), ("shop.example", 200)] {
        let asked = request("GET", &format!("https://{host}/")).body(nothing()).unwrap();
        let answer = ask_h2(&mut client, asked).await;
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(answer.header("x-weir-reason"), (status == 421).then_some("misdirected"));
    }
}
