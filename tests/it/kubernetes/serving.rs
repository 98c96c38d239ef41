//! What a cluster says is served.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;
use weir::echo::Echo;

use super::cluster::{Cluster, pod, service, slice, split};
use crate::support::{ApiServer, get, wait_until, within};
use crate::upgrades::websocket_h1;

#[tokio::test]
async fn a_split_divides_requests_between_the_pods_of_its_services() {
    let (stable, canary) = (pod("v1", 2).await, pod("v2", 3).await);
    let cluster = Cluster::of(&[
        service("stable"),
        service("canary"),
        slice("stable", &stable),
        slice("canary", &canary),
        split("shop", &[("stable", 75), ("canary", 25)]),
    ])
    .await;
    assert_eq!((cluster.count("v1").await, cluster.count("v2").await), (15, 5));
}

#[tokio::test]
async fn a_new_weight_shifts_requests() {
    let (stable, canary) = (pod("v1", 2).await, pod("v2", 3).await);
    let cluster = Cluster::of(&[
        service("stable"),
        service("canary"),
        slice("stable", &stable),
        slice("canary", &canary),
        split("shop", &[("stable", 1), ("canary", 0)]),
    ])
    .await;
    assert_eq!(cluster.count("v1").await, 20);
    cluster.server.change("splits", "shop", "shop", "/spec/versions/1/weight", json!(1));
    cluster.shares("v2", 10).await;
    cluster.server.change("splits", "shop", "shop", "/spec/versions/0/weight", json!(0));
    cluster.shares("v2", 20).await;
}

#[tokio::test]
async fn what_is_made_after_the_start_is_served_and_what_is_removed_is_not() {
    let v1 = pod("v1", 2).await;
    let cluster = Cluster::of(&[]).await;
    assert_eq!(cluster.ask("/").await, "404");
    for (resource, object) in [split("shop", &[("stable", 1)]), service("stable"), slice("stable", &v1)] {
        cluster.server.set(resource, &object);
    }
    cluster.reaches("/", "v1").await;
    cluster.server.remove("splits", "shop", "shop");
    cluster.reaches("/", "404").await;
}

#[tokio::test]
async fn pods_that_come_and_go_are_followed() {
    let (first, second) = (pod("v1", 2).await, pod("v2", 3).await);
    let cluster = Cluster::of(&[service("stable"), slice("stable", &first), split("shop", &[("stable", 1)])]).await;
    assert_eq!(cluster.ask("/").await, "v1");
    let (resource, object) = slice("stable", &second);
    cluster.server.set(resource, &object);
    cluster.shares("v2", 10).await;
    let name = slice("stable", &first).1["metadata"]["name"].as_str().unwrap().to_owned();
    cluster.server.change("endpointslices", "shop", &name, "/endpoints/0/conditions", json!({"ready": false}));
    cluster.shares("v2", 20).await;
}

#[tokio::test]
async fn a_malformed_object_affects_nothing_else() {
    let v1 = pod("v1", 2).await;
    let cluster = Cluster::of(&[service("stable"), slice("stable", &v1), split("shop", &[("stable", 1)])]).await;
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    cluster.server.set("services", &json!({"metadata": meta("bad"), "spec": {"ports": "eighty"}}));
    cluster.server.set("endpointslices", &json!({"metadata": meta("bad"), "endpoints": 5}));
    cluster.server.set("splits", &json!({"metadata": meta("bad"), "spec": {"versions": "v1", "stiky": true}}));
    wait_until("the log to name it", async || cluster.weir.stderr().contains("Service shop/bad")).await;
    assert_eq!(cluster.count("v1").await, 20);
    cluster.server.change("splits", "shop", "shop", "/spec/versions/0/name", json!("renamed"));
    cluster.reaches("/", "v1").await;
    assert_eq!(cluster.readiness().await, 200);
}

#[tokio::test]
async fn only_the_namespaces_that_were_named_are_served() {
    let v1 = pod("v1", 2).await;
    for (namespaces, expected) in [("other,shop", "v1"), ("other", "404"), ("other,another", "404")] {
        let server = ApiServer::start().await;
        for (resource, object) in [service("stable"), slice("stable", &v1), split("shop", &[("stable", 1)])] {
            server.set(resource, &object);
        }
        let cluster = Cluster::around(server, &["--namespaces", namespaces]);
        cluster.ready().await;
        assert_eq!(cluster.ask("/").await, expected, "{namespaces}");
    }
}

#[tokio::test]
async fn a_promotion_under_load_loses_no_request() {
    let (old, new) = (pod("v1", 2).await, pod("v2", 3).await);
    let cluster = Cluster::of(&[
        service("stable"),
        service("canary"),
        slice("stable", &old),
        slice("canary", &new),
        split("shop", &[("stable", 50), ("canary", 50)]),
    ])
    .await;
    let name = |service: &str, pod| slice(service, pod).1["metadata"]["name"].as_str().unwrap().to_owned();
    let steps: [&dyn Fn(); 4] = [
        &|| cluster.server.change("splits", "shop", "shop", "/spec/versions/0/weight", json!(100)),
        &|| cluster.server.change("splits", "shop", "shop", "/spec/versions/1/weight", json!(0)),
        &|| cluster.server.set("endpointslices", &slice("stable", &new).1),
        &|| cluster.server.remove("endpointslices", "shop", &name("stable", &old)),
    ];
    for step in steps {
        step();
        for _ in 0..50 {
            let version = cluster.ask("/").await;
            assert!(version == "v1" || version == "v2", "{version}");
        }
    }
    cluster.shares("v2", 20).await;
}

#[tokio::test]
async fn cookies_are_signed_with_keys_of_the_secret_that_a_split_names_and_no_other_is_asked_for() {
    let v1 = pod("v1", 2).await;
    let secret = |name: &str, keys: &str| {
        let data = json!({"keys": STANDARD.encode(keys)});
        json!({"metadata": {"name": name, "namespace": "shop"}, "type": "Opaque", "data": data})
    };
    let (resource, mut split) = split("shop", &[("stable", 1)]);
    split["spec"]["sticky"] =
        json!({"cookie": "weir", "mode": "pin", "keySecretRef": {"name": "sticky", "key": "keys"}});
    let cluster = Cluster::of(&[
        service("stable"),
        slice("stable", &v1),
        (resource, split),
        ("secrets", secret("sticky", "0123456789abcdef")),
        ("secrets", secret("another", "fedcba9876543210")),
    ])
    .await;
    let cookie = async || get(cluster.weir.http(), "/").await.header("set-cookie").map(str::to_owned);
    assert!(cookie().await.is_some(), "the first model waits for the keys");
    cluster.server.remove("secrets", "shop", "sticky");
    wait_until("no cookie", async || cookie().await.is_none()).await;
    assert_eq!(cluster.ask("/").await, "v1");
    cluster.server.set("secrets", &secret("sticky", "0123456789abcdef0123456789abcdef"));
    wait_until("a cookie", async || cookie().await.is_some()).await;
    let asked = cluster.server.requests("/secrets");
    let allowed = |asked: &&String| {
        asked.ends_with(" of metadata") || asked.as_str() == "GET /api/v1/namespaces/shop/secrets/sticky"
    };
    assert!(asked.iter().all(|asked| allowed(&asked)), "{asked:?}");
    cluster.server.remove("splits", "shop", "shop");
    cluster.reaches("/", "404").await;
}

/// A Gateway in `shop` with a port for each certificate, whose Service has given it that port of pods.
fn gateway(certificates: &[&str]) -> Vec<(&'static str, serde_json::Value)> {
    let listener = |(place, name): (usize, &&str)| {
        let tls = json!({"certificateRefs": [{"name": name}]});
        json!({"name": name, "port": 443, "protocol": "HTTPS", "hostname": format!("{place}.example"), "tls": tls})
    };
    let listeners: Vec<serde_json::Value> = certificates.iter().enumerate().map(listener).collect();
    let class = json!({"metadata": {"name": "weir"}, "spec": {"controllerName": "weir.dev/gateway-controller"}});
    let spec = json!({"gatewayClassName": "weir", "listeners": listeners});
    vec![
        ("gatewayclasses", class),
        ("gateways", json!({"metadata": {"name": "gw", "namespace": "shop"}, "spec": spec})),
    ]
}

#[tokio::test]
async fn a_certificate_is_read_once_something_refers_to_it_and_again_when_it_changes() {
    let server = ApiServer::start().await;
    ["gatewayclasses", "gateways"].iter().for_each(|resource| server.install(resource));
    let secret = |name: &str, data: serde_json::Value| {
        let metadata = json!({"name": name, "namespace": "shop"});
        json!({"metadata": metadata, "type": "kubernetes.io/tls", "data": data})
    };
    for name in ["first", "second", "third"] {
        server.set("secrets", &secret(name, json!({})));
    }
    gateway(&["first"]).iter().for_each(|(resource, object)| server.set(resource, object));
    let cluster = Cluster::around(server, &[]);
    cluster.ready().await;
    let reads = |name: &str| cluster.server.requests(&format!("GET /api/v1/namespaces/shop/secrets/{name}")).len();
    assert!(reads("first") >= 1, "the first model waits for it");
    assert_eq!((reads("second"), reads("third")), (0, 0));
    cluster.server.watched("secrets").await;
    let before = reads("first");
    cluster.server.set("secrets", &secret("first", json!({"tls.crt": ""})));
    wait_until("the change to be read", async || reads("first") > before).await;
    gateway(&["first", "second"]).iter().for_each(|(resource, object)| cluster.server.set(resource, object));
    wait_until("the second to be read", async || reads("second") > 0).await;
    // What nothing refers to any more is no longer read, and what never was still is not.
    gateway(&["second"]).iter().for_each(|(resource, object)| cluster.server.set(resource, object));
    let before = reads("second");
    cluster.server.set("secrets", &secret("third", json!({"tls.crt": ""})));
    cluster.server.set("secrets", &secret("second", json!({"tls.crt": ""})));
    wait_until("the change to be read", async || reads("second") > before).await;
    assert_eq!(reads("third"), 0);
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_said_with_the_rule_that_lacks_and_waited_for_by_nobody() {
    let v1 = pod("v1", 2).await;
    let server = ApiServer::start().await;
    let (resource, mut split) = split("shop", &[("stable", 1)]);
    split["spec"]["sticky"] = json!({"cookie": "weir", "keySecretRef": {"name": "sticky", "key": "keys"}});
    for (resource, object) in [service("stable"), slice("stable", &v1), (resource, split)] {
        server.set(resource, &object);
    }
    server.refuse("secrets", 403, "secrets is forbidden: User \"weir\" cannot get");
    let cluster = Cluster::around(server, &[]);
    cluster.ready().await;
    assert_eq!(cluster.ask("/").await, "v1");
    let rule = "resources: [secrets], verbs: [get]}";
    wait_until("it to be said", async || cluster.weir.stderr().contains(rule)).await;
}

/// A slice of a Service with a pod of this name.
fn slice_of(service: &str, echo: &Echo, pod: &str) -> (&'static str, Value) {
    let (resource, mut object) = slice(service, echo);
    object["endpoints"][0]["targetRef"] = json!({"kind": "Pod", "name": pod, "namespace": "shop"});
    (resource, object)
}

#[tokio::test]
async fn connections_to_pods_that_are_about_to_be_scaled_down_are_asked_before_that() {
    let (old, new) = (pod("v1", 2).await, pod("v2", 3).await);
    let (splits, mut shop) = split("shop", &[("stable", 1), ("canary", 0)]);
    shop["spec"]["drain"] = json!({"timeout": "1h", "spread": "1h", "closeCode": 1012});
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-a", "uid": "1", "controller": true}]);
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    let (mut own_pod, mut set) = (json!({"metadata": meta("web-a-1")}), json!({"metadata": meta("web-a")}));
    own_pod["metadata"]["ownerReferences"] = owner;
    let cluster = Cluster::of(&[
        service("stable"),
        service("canary"),
        slice_of("stable", &old, "web-a-1"),
        slice_of("canary", &new, "web-b-1"),
        ("pods", own_pod),
        ("replicasets", set.clone()),
        (splits, shop),
    ])
    .await;
    let (mut socket, headers) = websocket_h1(cluster.weir.http(), None).await;
    assert_eq!(headers["x-echo-version"], "v1");
    cluster.server.change("splits", "shop", "shop", "/spec/versions/1/weight", json!(1));
    cluster.server.change("splits", "shop", "shop", "/spec/versions/0/weight", json!(0));
    cluster.shares("v2", 20).await;
    let end = Timestamp::from_second(Timestamp::now().as_second() + 6).unwrap();
    set["metadata"]["annotations"] = json!({"scale-down-deadline": end.to_string()});
    cluster.server.set("replicasets", &set);
    // Without that, nobody would be asked within the ten seconds in which a change may arrive in parts.
    match within(socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("no Close frame: {other:?}"),
    }
    assert!(Timestamp::now() < end);
}
