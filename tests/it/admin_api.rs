//! The listeners for people and machines that look after the proxy.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::load::{Shop, event, patch};
use crate::support::*;

async fn proxy() -> (Proxy, [weir::echo::Echo; 2]) {
    let backends = [echo("stable").await, echo("canary").await];
    let shop = Shop::new(backends[0].address(), backends[1].address());
    (Proxy::start(&shop.yaml(3, 1)).await, backends)
}

#[tokio::test]
async fn the_dashboard_is_served_with_a_strict_policy() {
    let (proxy, _backends) = proxy().await;
    for (path, kind, says) in [
        ("/", "text/html", "<title>Weir</title>"),
        ("/dashboard.css", "text/css", "{"),
        ("/dashboard.js", "text/javascript", "/api/v1/"),
    ] {
        let answer = get(proxy.admin(), path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(answer.text().contains(says), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // What the policy forbids is not there: a page that breaks its own policy is broken.
        for forbidden in ["<script>", " style=\"", "onclick=", "<style>", "http://cdn", "https://"] {
            assert!(kind != "text/html" || !answer.text().contains(forbidden), "{path}: {forbidden}");
        }
    }
}

#[tokio::test]
async fn every_page_answers_head_as_get_without_a_body() {
    let (proxy, _backends) = proxy().await;
    for path in
        ["/", "/dashboard.css", "/dashboard.js", "/livez", "/readyz", "/metrics", "/api/v1/splits", "/api/v1/config"]
    {
        let answer = send(proxy.admin(), request("HEAD", path).body(nothing()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{path}");
        assert!(answer.header("content-length").is_some_and(|length| length != "0"), "{path}");
    }
}

#[tokio::test]
async fn splits_are_shown_as_they_are() {
    let (proxy, _backends) = proxy().await;
    for _ in 0..8 {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
    }
    let status = get(proxy.admin(), "/api/v1/splits").await.json();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let shop = &status["splits"][0];
    assert_eq!((&shop["name"], &shop["namespace"], &shop["weightsFrom"]), (&"shop".into(), &"".into(), &"file".into()));
    let requests: Vec<&Value> = shop["versions"].as_array().unwrap().iter().map(|v| &v["requests"]).collect();
    assert_eq!(requests, [&Value::from(6), &Value::from(2)]);
    assert_eq!(shop["versions"][1]["desiredShare"], 0.25);
    assert_eq!(shop["versions"][1]["revision"], "r1");
    let one = get(proxy.admin(), "/api/v1/splits/-/shop").await.json();
    assert_eq!(one["versions"][0]["requests"], 6);
    for path in ["/api/v1/splits/-/other", "/api/v1/splits/ns/shop", "/api/v1/nothing", "/api/v2/splits", "/api/v1"] {
        let answer = get(proxy.admin(), path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn history_has_a_point_for_every_second() {
    let (proxy, _backends) = proxy().await;
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    let mut points = Vec::new();
    wait_until("two seconds of history", async || {
        assert_eq!(get(proxy.http(), "/").await.status, 200);
        let history = get(proxy.admin(), "/api/v1/history").await.json();
        assert_eq!(history["intervalSeconds"], 1);
        points = history["splits"][0]["versions"][0]["points"].as_array().unwrap().clone();
        points.len() >= 3
    })
    .await;
    assert!(points.iter().all(|point| point.as_array().unwrap().len() == 5), "{points:?}");
    let times: Vec<i64> = points.iter().map(|point| point[0].as_i64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(points[1][1].as_u64().unwrap() > 0, "requests of a second: {points:?}");
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets() {
    let echo = echo("v1").await;
    let folder = tempfile::TempDir::new().unwrap();
    let identity = Identity::self_signed(&["shop.example"]);
    identity.write(folder.path(), "shop");
    let (token, key) = ("token-that-nobody-may-see", "key-that-nobody-may-see-0123456789");
    std::fs::write(folder.path().join("token"), token).unwrap();
    std::fs::write(folder.path().join("key"), key).unwrap();
    let yaml = format!(
        "admin: {{address: \"127.0.0.1:0\", tokenFile: token}}\nlisteners:\n  - {{name: http, address: \"127.0.0.1:0\"}}\n  - {{name: https, address: \
         \"127.0.0.1:0\", tls: {{certificates: [{{cert: shop.crt, key: shop.key}}]}}}}\nsplits:\n  - name: shop\n    sticky: {{cookie: weir, mode: pin, \
         keyFile: key}}\n    versions: [{{name: v1, endpoints: [\"{}\"], revision: r9}}]\n",
        echo.address()
    );
    let proxy = Proxy::start_in(folder.path(), &yaml).await;
    let config = get(proxy.admin(), "/api/v1/config").await;
    let json = config.json();
    assert_eq!(json["listeners"][1]["tls"][0], "shop.example");
    assert_eq!(json["splits"][0]["versions"][0]["endpoints"][0], echo.address().to_string());
    assert_eq!(json["splits"][0]["versions"][0]["revision"], "r9");
    let pem = identity.key.serialize_pem();
    let secrets = [token, key, pem.lines().nth(1).unwrap(), "PRIVATE"];
    for path in ["/api/v1/config", "/api/v1/splits", "/api/v1/history", "/metrics"] {
        let text = get(proxy.admin(), path).await.text();
        for secret in secrets {
            assert!(!text.contains(secret), "{path} shows {secret}");
        }
    }
    // The token opens changes under any name.
    for (bearer, status) in [(token, 200), ("another", 403)] {
        let request = http::Request::patch("/api/v1/splits/-/shop")
            .header("host", "proxy.example")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {bearer}"))
            .body(all(r#"{"weights": {"v1": 5}}"#))
            .unwrap();
        assert_eq!(send(proxy.admin(), request).await.status, status, "{bearer}");
    }
}

#[tokio::test]
async fn explain_tells_where_a_request_would_go() {
    let (proxy, backends) = proxy().await;
    let path = "/api/v1/explain?method=GET&url=http%3A%2F%2Fshop.example%2Fa%3Fb%3Dc&header=x-a%3A%20b";
    let json = get(proxy.admin(), path).await.json();
    assert_eq!((&json["route"], &json["why"]), (&"shop".into(), &"weight".into()));
    assert_eq!(json["versions"][0]["share"], 0.75);
    for path in [
        "/api/v1/explain",
        "/api/v1/explain?url=http%3A%2F%2Fa%2F&header=nonsense",
        "/api/v1/explain?url=a%20b",
        "/api/v1/explain?url=http%3A%2F%2Fa%2F&client=nobody",
    ] {
        let answer = get(proxy.admin(), path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(backends[0].stats().requests + backends[1].stats().requests, 0, "nothing was sent");
}

#[tokio::test]
async fn events_that_were_are_told_again_and_new_ones_as_they_come() {
    let (proxy, _backends) = proxy().await;
    event(proxy.admin(), "the first", |event| event["kind"] == "ConfigApplied" && event["id"] == 1).await;
    let waiting = event(proxy.admin(), "the change", |event| event["kind"] == "WeightsChanged");
    let change = async {
        assert_eq!(patch(proxy.admin(), "shop", r#"{"weights": {"canary": 3}}"#).await.status, 200);
    };
    let (told, ()) = tokio::join!(waiting, change);
    assert_eq!((&told["id"], &told["split"]), (&2.into(), &"shop".into()));
    assert!(told["time"].as_str().unwrap().ends_with('Z'));
    event(proxy.admin(), "the change again", |event| event["kind"] == "WeightsChanged").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ops_tells_nothing_and_changes_nothing() {
    let (stable, canary) = (echo("stable").await, echo("canary").await);
    let shop = Shop::new(stable.address(), canary.address());
    let binary = Binary::start(&format!("ops: {{address: \"{{ops}}\"}}\n{}", shop.yaml(1, 0))).await;
    let ops: SocketAddr = binary.address("ops");
    for path in
        ["/livez", "/readyz", "/metrics", "/api/v1/analysis/-/shop?version=canary", "/api/v1/query?query=vector(1)"]
    {
        assert_eq!(get(ops, path).await.status, 200, "{path}");
    }
    for path in [
        "/",
        "/dashboard.js",
        "/api/v1/splits",
        "/api/v1/config",
        "/api/v1/events",
        "/api/v1/history",
        "/api/v1/explain",
        "//api/v1/splits",
    ] {
        assert_eq!(get(ops, path).await.status, 404, "{path}");
    }
    assert_eq!(patch(ops, "shop", r#"{"weights": {"stable": 0, "canary": 1}}"#).await.status, 404);
    let post = http::Request::post("/readyz").header("host", "a").body(nothing()).unwrap();
    assert_eq!(send(ops, post).await.status, 404);
    assert_eq!(get(binary.http(), "/").await.header("x-echo-version"), Some("stable"));
}

#[tokio::test]
async fn a_slow_reader_of_events_holds_up_nobody() {
    let (proxy, _backends) = proxy().await;
    // Nobody reads these.
    let mut idle = Vec::new();
    for _ in 0..80 {
        let mut stream = within(tokio::net::TcpStream::connect(proxy.admin())).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /api/v1/events HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        within(stream.read_u8()).await.unwrap();
        idle.push(stream);
    }
    for n in 0..150 {
        let body = format!(r#"{{"weights": {{"canary": {}}}}}"#, n % 7 + 1);
        assert_eq!(patch(proxy.admin(), "shop", &body).await.status, 200);
    }
    assert_eq!(get(proxy.admin(), "/readyz").await.status, 200);
}
