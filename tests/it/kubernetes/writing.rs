//! What is written back, and by whom, when others write, too, and writes fail.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cluster::{Cluster, pod, service, slice, split};
use crate::support::{ApiServer, Binary, Identity, wait_until, wait_until_for};

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

/// A server with a Gateway `gw` on port 80, and the Service by which replicas are found.
async fn with_gateway() -> ApiServer {
    let server = ApiServer::start().await;
    ["gatewayclasses", "gateways"].iter().for_each(|resource| server.install(resource));
    let class = json!({"metadata": {"name": "weir"}, "spec": {"controllerName": "weir.dev/gateway-controller"}});
    server.set("gatewayclasses", &class);
    let spec = json!({"gatewayClassName": "weir", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]});
    server.set("gateways", &json!({"metadata": {"name": "gw", "namespace": "shop"}, "spec": spec}));
    let metadata = json!({"name": "weir-replicas", "namespace": "weir-system"});
    server.set("services", &json!({"metadata": metadata, "spec": {"clusterIP": "None", "selector": {"app": "weir"}}}));
    server
}

/// The Service of the Gateway `gw`.
fn gateway_service(server: &ApiServer) -> Option<Value> {
    let is_it = |object: &Value| object["metadata"]["labels"]["weir.dev/gateway"] == "shop.gw";
    server.all("services").into_iter().find(is_it)
}

#[tokio::test]
async fn a_port_that_cannot_be_bound_is_told_with_the_reason_and_tried_again() {
    let server = with_gateway().await;
    // Its own namespace, where the Service of the Gateway is, is not among those that it is to look at.
    let weir = Binary::spawn_in_cluster("workers: 1\n", &server.kubeconfig(), &["--namespaces", "shop"]);
    wait_until_for("the Service", RETRY, async || gateway_service(&server).is_some()).await;
    let taken = std::net::TcpListener::bind("[::]:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut service = gateway_service(&server).unwrap();
    service["spec"]["clusterIP"] = "10.96.0.7".into();
    service["spec"]["ports"][0]["targetPort"] = port.into();
    server.set("services", &service);
    let programmed = || {
        let status = server.get("gateways", "shop", "gw").unwrap()["status"].clone();
        let of = |object: &Value| {
            let conditions = object["conditions"].as_array().cloned().unwrap_or_default();
            conditions.into_iter().find(|condition| condition["type"] == "Programmed").unwrap_or_default()
        };
        [of(&status), of(&status["listeners"][0])]
    };
    let says = |part: &str| programmed().iter().all(|said| said["message"].as_str().is_some_and(|m| m.contains(part)));
    wait_until_for("the reason", RETRY, async || says("tries again") && says(&port.to_string())).await;
    drop(taken);
    wait_until_for("it to be bound", RETRY, async || programmed().iter().all(|said| said["status"] == "True")).await;
    assert_eq!(weir.stderr().matches("is not served, and tried again").count(), 1, "it is said once");
}

#[tokio::test]
async fn an_ingress_whose_certificate_is_served_by_nobody_is_told_why_and_it_is_tried_again() {
    let server = ApiServer::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let Identity { certificate, key } = Identity::self_signed(&["a.example"]);
    let data = json!({"tls.crt": STANDARD.encode(certificate.pem()), "tls.key": STANDARD.encode(key.serialize_pem())});
    server.set("secrets", &json!({"metadata": {"name": "cert", "namespace": "shop"}, "data": data}));
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let rules =
        json!([{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]);
    let spec =
        json!({"ingressClassName": "weir", "rules": rules, "tls": [{"hosts": ["a.example"], "secretName": "cert"}]});
    server.set("ingresses", &json!({"metadata": {"name": "secure", "namespace": "shop"}, "spec": spec}));
    let mut plain = json!({"metadata": {"name": "plain", "namespace": "shop"}, "spec": spec});
    plain["spec"].as_object_mut().unwrap().remove("tls");
    plain["spec"]["rules"][0]["host"] = "b.example".into();
    server.set("ingresses", &plain);
    let arguments = ["--class", "weir", "--https-address", &address.to_string()];
    let _weir = Binary::spawn_in_cluster("workers: 1\n", &server.kubeconfig(), &arguments);
    let told = || {
        let events = server.all("events").into_iter().filter(|event| event["reason"] == "ListenerNotBound");
        events.map(|event| event["regarding"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait_until_for("the Event", RETRY, async || !told().is_empty()).await;
    drop(taken);
    let listens = async || tokio::net::TcpStream::connect(address).await.is_ok();
    wait_until_for("it to be bound", RETRY, listens).await;
    assert_eq!(told(), ["secure"], "it is told once, and to nobody else");
}

/// An Ingress in `shop` with a certificate from the Secret of the same name.
fn secure(name: &str) -> Value {
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let host = format!("{name}.example");
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    let spec = json!({
        "ingressClassName": "weir",
        "rules": [{"host": host, "http": {"paths": paths}}],
        "tls": [{"hosts": [host], "secretName": name}],
    });
    json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

#[tokio::test]
async fn a_secret_that_is_there_is_never_told_to_be_missing() {
    let server = ApiServer::start().await;
    let Identity { certificate, key } = Identity::self_signed(&["there.example"]);
    let data = json!({"tls.crt": STANDARD.encode(certificate.pem()), "tls.key": STANDARD.encode(key.serialize_pem())});
    server.set("secrets", &json!({"metadata": {"name": "there", "namespace": "shop"}, "data": data}));
    server.set("services", &service("a").1);
    let arguments = ["--class", "weir", "--https-address", "127.0.0.1:0"];
    let weir = Binary::spawn_in_cluster("workers: 1\n", &server.kubeconfig(), &arguments);
    let cluster = Cluster { server, weir };
    cluster.ready().await;
    wait_until_for("it to lead", RETRY, async || !holder(&cluster.server).is_empty()).await;
    let told = || {
        let events = cluster.server.all("events").into_iter().filter(|event| event["reason"] == "InvalidCertificate");
        events.map(|event| event["regarding"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    cluster.server.set("ingresses", &secure("there"));
    let read = async || !cluster.server.requests("GET /api/v1/namespaces/shop/secrets/there").is_empty();
    wait_until_for("the Secret to be read", RETRY, read).await;
    // What is said later is written later.
    cluster.server.set("ingresses", &secure("missing"));
    wait_until_for("the Event", RETRY, async || !told().is_empty()).await;
    assert_eq!(told(), ["missing"]);
}

#[tokio::test]
async fn what_was_mended_and_is_wrong_again_is_told_again() {
    let server = ApiServer::start().await;
    let with = |size: &str| {
        let mut ingress = secure("plain");
        ingress["spec"].as_object_mut().unwrap().remove("tls");
        ingress["metadata"]["annotations"] = json!({"nginx.ingress.kubernetes.io/proxy-body-size": size});
        ingress
    };
    server.set("services", &service("a").1);
    server.set("ingresses", &with("plenty"));
    let arguments = ["--own-name", "a", "--class", "weir"];
    let _weir = Binary::spawn_in_cluster("workers: 1\n", &server.kubeconfig(), &arguments);
    let told = || server.requests("POST /apis/events").len();
    let looked = || server.requests("GET /apis/networking.k8s.io/v1/namespaces/shop/ingresses/plain").len();
    wait_until_for("the Event", RETRY, async || told() == 1).await;
    let before = looked();
    server.set("ingresses", &with("8m"));
    wait_until_for("it to be looked at", RETRY, async || looked() > before).await;
    server.set("ingresses", &with("plenty"));
    wait_until_for("the Event again", RETRY, async || told() == 2).await;
    assert_eq!(server.all("events").len(), 1, "it is the same one as long as the server has it");
}

#[tokio::test]
async fn services_of_gateways_that_went_while_nobody_ran_are_removed_and_no_others() {
    let server = with_gateway().await;
    let service = |name: &str, label: &str| {
        let metadata = json!({"name": name, "namespace": "weir-system", "labels": {"weir.dev/gateway": label}});
        json!({"metadata": metadata, "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80, "targetPort": 20_001}]}})
    };
    server.set("services", &service("gw-shop-gone-01234567", "shop.gone"));
    server.set("services", &json!({"metadata": {"name": "other", "namespace": "weir-system"}, "spec": {}}));
    let _weir = replica(&server, "a", "");
    let is_there = |name: &str| server.get("services", "weir-system", name).is_some();
    wait_until_for("it to be removed", RETRY, async || !is_there("gw-shop-gone-01234567")).await;
    wait_until_for("the Service of gw", RETRY, async || gateway_service(&server).is_some()).await;
    assert!(is_there("other") && is_there("weir-replicas"));
    // Another controller gets the Gateway.
    server.set("gatewayclasses", &json!({"metadata": {"name": "theirs"}, "spec": {"controllerName": "example.com/x"}}));
    server.change("gateways", "shop", "gw", "/spec/gatewayClassName", json!("theirs"));
    wait_until_for("it to be removed", RETRY, async || gateway_service(&server).is_none()).await;
}
