//! What is written back, and by whom, when others write, too, and writes fail.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{Cluster, pod, service, slice, split};
use crate::support::{ApiServer, Binary, wait_until, wait_until_for};

/// Longer than the first wait after a write that failed.
const RETRY: Duration = Duration::from_secs(15);

/// A replica in the cluster of a server, not ready yet.
fn replica(server: &ApiServer, name: &str, settings: &str) -> Binary {
    let yaml = format!("workers: 1\n{settings}");
    Binary::spawn_in_cluster(&yaml, &server.kubeconfig(), &["--own-name", name])
}

/// A server with two Splits that want the same requests, of which the younger is told so by an Event.
async fn two_splits() -> ApiServer {
    let server = ApiServer::start().await;
    for (name, created) in [("older", "2026-01-01T00:00:00Z"), ("younger", "2026-01-02T00:00:00Z")] {
        let (resource, mut object) = split(name, &[("stable", 1)]);
        object["metadata"]["creationTimestamp"] = created.into();
        server.set(resource, &object);
    }
    server
}

fn status(server: &ApiServer, name: &str) -> Value {
    server.get("splits", "shop", name).unwrap()["status"].clone()
}

/// Whether the status of a Split is about what it says now.
fn is_told(server: &ApiServer, name: &str) -> bool {
    let split = server.get("splits", "shop", name).unwrap();
    split["status"]["observedGeneration"] == split["metadata"]["generation"]
}

fn holder(server: &ApiServer) -> String {
    let lease = server.get("leases", "weir-system", "weir").unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_ends_goes_on_following_the_cluster_and_another_replica_writes_at_once() {
    let (stable, canary) = (pod("v1", 2).await, pod("v2", 3).await);
    let server = ApiServer::start().await;
    for (resource, object) in [
        service("stable"),
        service("canary"),
        slice("stable", &stable),
        slice("canary", &canary),
        split("shop", &[("stable", 1), ("canary", 0)]),
    ] {
        server.set(resource, &object);
    }
    let weir = replica(&server, "a", "shutdown: {delay: 60s, timeout: 1s}\n");
    let cluster = Cluster { server, weir };
    cluster.ready().await;
    wait_until("a to lead", async || holder(&cluster.server) == "a").await;
    let _other = replica(&cluster.server, "b", "");
    wait_until_for("b to look", RETRY, async || cluster.server.requests("GET /apis/coordination").len() > 3).await;
    cluster.weir.signal("TERM");
    let asked = Instant::now();
    wait_until("b to lead", async || holder(&cluster.server) == "b").await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}: nobody waits until the Lease is over", asked.elapsed());
    cluster.server.set("splits", &split("shop", &[("stable", 0), ("canary", 1)]).1);
    cluster.shares("v2", 20).await;
    wait_until("b to tell", async || is_told(&cluster.server, "shop")).await;
    assert!(cluster.weir.stderr().contains("writes no statuses"));
}

#[tokio::test]
async fn an_event_that_may_not_be_made_holds_up_no_status_and_is_tried_again_after_a_while() {
    let server = two_splits().await;
    server.refuse_writes("events", 403, "events is forbidden: User \"weir\" cannot create");
    let _weir = replica(&server, "a", "");
    wait_until_for("statuses", RETRY, async || is_told(&server, "older") && is_told(&server, "younger")).await;
    wait_until("an Event to be tried", async || !server.requests("POST /apis/events").is_empty()).await;
    let tried = Instant::now();
    wait_until("it to be tried again", async || server.requests("POST /apis/events").len() > 1).await;
    assert!(tried.elapsed() > Duration::from_secs(1), "{:?} is no wait", tried.elapsed());
    server.allow("events");
    wait_until("the Event", async || !server.all("events").is_empty()).await;
    assert_eq!(server.all("events").len(), 1);
}

#[tokio::test]
async fn a_status_that_may_not_be_written_is_tried_again_after_a_while_and_its_event_is_told_once() {
    let server = two_splits().await;
    server.refuse_writes("splits", 403, "splits/status is forbidden: User \"weir\" cannot patch");
    let weir = replica(&server, "a", "");
    let tries = || server.requests("PATCH /apis/weir.dev/v1alpha1/namespaces/shop/splits/younger/status").len();
    wait_until_for("a status to be tried", RETRY, async || tries() > 0).await;
    let tried = Instant::now();
    wait_until("it to be tried again", async || tries() > 1).await;
    assert!(tried.elapsed() > Duration::from_secs(1), "{:?} is no wait", tried.elapsed());
    assert_eq!(server.requests("POST /apis/events").len(), 1);
    assert!(weir.stderr().contains("splits/status is forbidden"));
    server.allow("splits");
    wait_until_for("the status", RETRY, async || is_told(&server, "younger")).await;
}

#[tokio::test]
async fn a_conflict_is_met_by_reading_again_and_what_others_wrote_stays() {
    let server = two_splits().await;
    let audited = json!({"type": "example.com/Audited", "status": "True", "reason": "x", "message": ""});
    let mut object = server.get("splits", "shop", "older").unwrap();
    object["status"] = json!({"conditions": [audited]});
    server.set("splits", &object);
    server.conflict("splits", 2);
    let _weir = replica(&server, "a", "");
    wait_until_for("statuses", RETRY, async || is_told(&server, "older") && is_told(&server, "younger")).await;
    assert!(server.requests("PATCH ").len() > 3, "two of them met a conflict");
    let conditions = status(&server, "older")["conditions"].as_array().unwrap().clone();
    assert!(conditions.contains(&audited) && conditions.len() > 1, "{conditions:?}");
}

#[tokio::test]
async fn who_leads_next_makes_no_second_event_of_what_was_told() {
    let server = two_splits().await;
    let mut first = replica(&server, "a", "shutdown: {delay: 0s, timeout: 1s}\n");
    wait_until_for("the Event", RETRY, async || !server.all("events").is_empty()).await;
    first.signal("TERM");
    first.exited(RETRY).await;
    let _second = replica(&server, "b", "");
    wait_until_for("it to be told again", RETRY, async || server.requests("POST /apis/events").len() > 1).await;
    wait_until("b to lead", async || holder(&server) == "b").await;
    assert_eq!(server.all("events").len(), 1);
}
