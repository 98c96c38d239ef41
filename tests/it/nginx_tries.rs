//! What only ingress-nginx asks of repeated requests, so that no configuration file can: each try has its time to itself, what is
//! not idempotent may go once more, and no try begins after a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir::model::{Model, Retry, RetryOn, Split};

use crate::mocks;
use crate::support::*;

/// How long a try may take.
const READ: Duration = Duration::from_millis(300);

/// `proxy-next-upstream: error timeout` as an Ingress has it, with a time for each try.
fn retry() -> Retry {
    let on = vec![RetryOn::Connect, RetryOn::Refused, RetryOn::Reset, RetryOn::Timeout];
    Retry { attempts: 2, on, per_try: Some(READ), anew: true, budget: 1.0, ..Retry::default() }
}

async fn proxy(endpoints: &[SocketAddr], retry: Retry) -> Proxy {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    let endpoints = endpoints.join(", ");
    let balance = "balance: roundRobin";
    let yaml =
        format!("splits:\n  - name: shop\n    {balance}\n    versions: [{{name: stable, endpoints: [{endpoints}]}}]\n");
    let change = |model: &mut Model| {
        for rule in model.routes.iter_mut().flat_map(|route| &mut Arc::make_mut(route).rules) {
            let split: &mut Split = Arc::make_mut(&mut rule.split);
            split.retry = Arc::new(retry.clone());
            Arc::make_mut(&mut split.timeouts).request = READ;
        }
    };
    let folder = TempDir::new().unwrap();
    Proxy::start_with(folder.path(), &yaml, change).await
}

#[tokio::test]
async fn each_try_has_the_time_of_a_request_to_itself() {
    let silent =
        [mocks::never_answers::start().await, mocks::never_answers::start().await, mocks::never_answers::start().await];
    let endpoints: Vec<SocketAddr> = silent.iter().map(|mock| mock.address()).collect();
    let proxy = proxy(&endpoints, retry()).await;
    let begun = Instant::now();
    let answer = get(proxy.http(), "/").await;
    assert_eq!(answer.status, 504);
    assert!(begun.elapsed() >= 3 * READ, "{:?}", begun.elapsed());
    assert!(silent.iter().all(|mock| mock.received("") == 1), "one try each");
}

#[tokio::test]
async fn what_is_not_idempotent_has_one_try_of_that_time() {
    let silent = [mocks::never_answers::start().await, mocks::never_answers::start().await];
    let proxy = proxy(&silent.each_ref().map(|mock| mock.address()), retry()).await;
    let begun = Instant::now();
    let answer = send(proxy.http(), request("POST", "/").body(all("body")).unwrap()).await;
    assert_eq!(answer.status, 504);
    assert!((READ..2 * READ).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(silent.iter().map(|mock| mock.received("")).sum::<usize>(), 1);
}

#[tokio::test]
async fn what_is_not_idempotent_goes_once_more_with_its_body_where_that_is_asked_for() {
    let (silent, well) = (mocks::never_answers::start().await, echo("v1").await);
    let retry = Retry { non_idempotent: true, ..retry() };
    let proxy = proxy(&[silent.address(), well.address()], retry).await;
    for _ in 0..2 {
        let answer = send(proxy.http(), request("POST", "/").body(all("body")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["body"].as_str()), (200, Some("body")));
    }
    assert!(silent.received("POST") > 0);
}

#[tokio::test]
async fn no_try_begins_after_the_time_for_tries() {
    let silent =
        [mocks::never_answers::start().await, mocks::never_answers::start().await, mocks::never_answers::start().await];
    let endpoints: Vec<SocketAddr> = silent.iter().map(|mock| mock.address()).collect();
    let proxy = proxy(&endpoints, Retry { within: Some(READ + READ / 2), ..retry() }).await;
    let begun = Instant::now();
    assert_eq!(get(proxy.http(), "/").await.status, 504);
    // The second one began within the time, and had all of its own.
    assert!((2 * READ..3 * READ).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(silent.iter().map(|mock| mock.received("")).sum::<usize>(), 2);
}
