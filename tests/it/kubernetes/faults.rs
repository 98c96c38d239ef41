//! An API server that is gone, forgets, stalls or refuses costs nothing but time.

use std::time::Duration;

use serde_json::json;

use super::cluster::{Cluster, pod, service, slice, split};
use crate::support::{ApiServer, wait_until, wait_until_for};

/// All requests to `v1`, which is followed.
async fn following() -> (Cluster, weir::echo::Echo, weir::echo::Echo) {
    let (v1, v2) = (pod("v1", 2).await, pod("v2", 3).await);
    let cluster = Cluster::of(&[
        service("stable"),
        service("canary"),
        slice("stable", &v1),
        slice("canary", &v2),
        split("shop", &[("stable", 1), ("canary", 0)]),
    ])
    .await;
    assert_eq!(cluster.ask("/").await, "v1");
    cluster.server.watched("splits").await;
    (cluster, v1, v2)
}

fn all_to_canary(cluster: &Cluster) {
    cluster.server.set("splits", &split("shop", &[("stable", 0), ("canary", 1)]).1);
}

fn lists(cluster: &Cluster) -> usize {
    cluster.server.requests("/splits?").iter().filter(|request| !request.contains("watch=true")).count()
}

#[tokio::test]
async fn while_the_server_is_gone_traffic_flows_and_afterwards_changes_apply() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.down().await;
    wait_until("it to be noticed", async || cluster.weir.stderr().contains("what is known is served on")).await;
    assert_eq!(cluster.count("v1").await, 20);
    assert_eq!(cluster.readiness().await, 200);
    all_to_canary(&cluster);
    cluster.server.up();
    cluster.reaches("/", "v2").await;
}

#[tokio::test]
async fn watches_that_fail_are_counted_until_they_are_answered_though_nothing_has_changed() {
    let (cluster, _v1, _v2) = following().await;
    let interrupted = async || cluster.weir.metric("weir_watches_interrupted", &[]).await;
    assert_eq!(interrupted().await, 0.0);
    cluster.server.down().await;
    wait_until("it to be counted", async || interrupted().await > 0.0).await;
    cluster.server.up();
    wait_until_for("all to be answered", Duration::from_secs(20), async || interrupted().await == 0.0).await;
    assert!(cluster.weir.stderr().contains("splits: watched again"));
}

#[tokio::test]
async fn objects_that_go_while_the_server_forgets_are_gone_afterwards() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.down().await;
    cluster.server.remove("splits", "shop", "shop");
    cluster.server.compact(true);
    cluster.server.up();
    cluster.reaches("/", "404").await;
}

#[tokio::test]
async fn a_server_that_ends_all_watches_loses_no_change() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.cut_watches();
    all_to_canary(&cluster);
    cluster.reaches("/", "v2").await;
    assert_eq!(lists(&cluster), 1, "watches go on where they were");
}

#[tokio::test]
async fn a_watch_that_is_told_that_it_is_too_old_lists_anew() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.stall("splits");
    all_to_canary(&cluster);
    cluster.server.compact(true);
    cluster.server.resume("splits");
    cluster.reaches("/", "v2").await;
    assert!(lists(&cluster) > 1);
    assert!(cluster.weir.stderr().contains("splits: the API server has forgotten where the watch stood (410)"));
    cluster.server.set("splits", &split("shop", &[("stable", 1), ("canary", 0)]).1);
    cluster.reaches("/", "v1").await;
}

#[tokio::test]
async fn a_watch_that_is_refused_as_too_old_lists_anew() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.stall("splits");
    all_to_canary(&cluster);
    cluster.server.compact(false);
    cluster.server.resume("splits");
    cluster.reaches("/", "v2").await;
    assert!(lists(&cluster) > 1);
    let watches = cluster.server.requests("/splits?").len();
    assert!(watches < 20, "{watches} requests are a flood");
}

#[tokio::test]
async fn a_watch_that_stalls_holds_up_nothing_else() {
    let (cluster, v1, _v2) = following().await;
    cluster.server.stall("splits");
    all_to_canary(&cluster);
    // Another kind is followed meanwhile.
    let other = pod("v3", 4).await;
    cluster.server.set("endpointslices", &slice("stable", &other).1);
    cluster.shares("v3", 10).await;
    let name = slice("stable", &v1).1["metadata"]["name"].as_str().unwrap().to_owned();
    cluster.server.remove("endpointslices", "shop", &name);
    cluster.shares("v3", 20).await;
    cluster.server.resume("splits");
    cluster.reaches("/", "v2").await;
}

#[tokio::test]
async fn watches_end_after_a_while_so_that_a_dead_connection_is_noticed() {
    let (cluster, _v1, _v2) = following().await;
    let requests = cluster.server.requests("watch=true");
    assert!(
        !requests.is_empty() && requests.iter().all(|request| request.contains("timeoutSeconds=60")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn it_is_ready_only_after_everything_was_listed() {
    let v1 = pod("v1", 2).await;
    let server = ApiServer::start().await;
    for (resource, object) in [service("stable"), slice("stable", &v1), split("shop", &[("stable", 1)])] {
        server.set(resource, &object);
    }
    server.refuse("endpointslices", 500, "not now");
    let cluster = Cluster::around(server, &[]);
    wait_until("it to ask twice", async || cluster.server.requests("/endpointslices?").len() > 1).await;
    wait_until("it to be there", async || tokio::net::TcpStream::connect(cluster.weir.address("admin")).await.is_ok())
        .await;
    assert_ne!(cluster.readiness().await, 200);
    cluster.server.allow("endpointslices");
    cluster.ready().await;
    assert_eq!(cluster.ask("/").await, "v1", "with all that was listed");
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() {
    let server = ApiServer::start().await;
    server.down().await;
    let cluster = Cluster::around(server, &[]);
    wait_until("it to ask", async || cluster.weir.stderr().contains("what is known is served on")).await;
    assert_ne!(cluster.readiness().await, 200);
    cluster.server.up();
    cluster.ready().await;
}

#[tokio::test]
async fn what_may_not_be_read_is_said_with_the_rule_that_lacks_and_waited_for_by_nobody() {
    let v1 = pod("v1", 2).await;
    let server = ApiServer::start().await;
    for (resource, object) in [service("stable"), slice("stable", &v1), split("shop", &[("stable", 1)])] {
        server.set(resource, &object);
    }
    server.refuse("ingresses", 403, "ingresses is forbidden: User \"weir\" cannot list");
    let cluster = Cluster::around(server, &[]);
    cluster.ready().await;
    assert_eq!(cluster.ask("/").await, "v1");
    let log = cluster.weir.stderr();
    let rule = "{apiGroups: [\\\"networking.k8s.io\\\"], resources: [ingresses], verbs: [list, watch]}";
    assert!(log.contains(rule) || log.contains(&rule.replace('\\', "")), "{log}");
}

#[tokio::test]
async fn a_resource_that_is_installed_later_is_served_then() {
    let v1 = pod("v1", 2).await;
    let server = ApiServer::start().await;
    server.uninstall("splits");
    for (resource, object) in [service("stable"), slice("stable", &v1)] {
        server.set(resource, &object);
    }
    let cluster = Cluster::around(server, &[]);
    cluster.ready().await;
    assert_eq!(cluster.ask("/").await, "404");
    cluster.server.set("splits", &split("shop", &[("stable", 1)]).1);
    cluster.server.install("splits");
    cluster.reaches("/", "v1").await;
}

#[tokio::test]
async fn a_kind_that_is_refused_for_a_while_keeps_what_is_known_of_it() {
    let (cluster, _v1, _v2) = following().await;
    cluster.server.refuse("splits", 403, "no");
    cluster.server.cut_watches();
    wait_until("it to be said", async || cluster.weir.stderr().contains("splits cannot be watched")).await;
    assert_eq!(cluster.count("v1").await, 20);
    assert_eq!(cluster.server.get("splits", "shop", "shop").unwrap()["spec"]["versions"][0]["weight"], json!(1));
}
