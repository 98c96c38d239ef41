//! What endpoints are told about clients, and clients about endpoints.

use crate::support::*;

async fn proxy_with(settings: &str, echo: &weir::echo::Echo) -> Proxy {
    let endpoint = echo.address();
    Proxy::start(&format!(
        "{settings}\nsplits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_learns_who_asked() {
    let echo = echo("v1").await;
    let proxy = proxy_with("", &echo).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(answer.seen("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(answer.seen("x-forwarded-host").as_deref(), Some("shop.example"));
    assert_eq!(answer.seen("x-forwarded-port"), Some(proxy.http().port().to_string()));
    assert_eq!(answer.seen("forwarded").as_deref(), Some("for=127.0.0.1;host=shop.example;proto=http"));
    assert_eq!(answer.seen("host").as_deref(), Some("shop.example"));
    assert_eq!(answer.seen("x-weir-version").as_deref(), Some("stable"));
    assert_eq!(answer.seen("x-weir-why").as_deref(), Some("weight"));
    assert_eq!(answer.seen("via"), None);
    assert_eq!(answer.header("x-weir-version"), None);
    assert_eq!(answer.header("x-weir-why"), None);
    assert_eq!(answer.header("via"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_says_is_not_believed() {
    let echo = echo("v1").await;
    let proxy = proxy_with("", &echo).await;
    let spoof = request("GET", "/")
        .header("x-forwarded-for", "192.0.2.66")
        .header("x-forwarded-for", "192.0.2.67")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-port", "666")
        .header("forwarded", "for=192.0.2.66;proto=https")
        .header("x_forwarded_for", "192.0.2.66")
        .header("x_forwarded_proto", "https")
        .header("x-weir-version", "canary")
        .header("x-weir-why", "override")
        .body(nothing())
        .unwrap();
    let answer = send(proxy.http(), spoof).await;
    assert!(!answer.text().contains("192.0.2."), "{}", answer.text());
    assert!(!answer.text().contains("evil"), "{}", answer.text());
    assert!(!answer.text().contains("https"), "{}", answer.text());
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(answer.seen("x-forwarded-port"), Some(proxy.http().port().to_string()));
    assert_eq!(answer.seen("x-weir-version").as_deref(), Some("stable"));
    assert_eq!(answer.seen("x-weir-why").as_deref(), Some("weight"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_headers_cannot_be_removed_by_naming_them_in_connection() {
    let echo = echo("v1").await;
    let proxy = proxy_with("", &echo).await;
    let names = "close, X-Forwarded-For, X-Forwarded-Host, Forwarded, X-Weir-Version, Host, X-Request-Id";
    let sent = format!("GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: {names}\r\n\r\n");
    let answer = raw(proxy.http(), sent).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for name in ["x-forwarded-for", "x-forwarded-host", "forwarded", "x-weir-version", "host", "x-request-id"] {
        assert!(answer.contains(&format!("\"{name}\": ")), "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trusted_proxy_says_is_kept_and_added_to() {
    let echo = echo("v1").await;
    let proxy = proxy_with("trustedProxies: [127.0.0.0/8, 10.0.0.0/8]", &echo).await;
    let asked = request("GET", "/")
        .header("x-forwarded-for", "203.0.113.9, 198.51.100.7")
        .header("x-forwarded-for", "10.1.2.3")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "www.example")
        .header("x-forwarded-port", "443")
        .header("forwarded", "for=198.51.100.7;proto=https")
        .body(nothing())
        .unwrap();
    let answer = send(proxy.http(), asked).await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("203.0.113.9, 198.51.100.7, 10.1.2.3, 127.0.0.1"));
    assert_eq!(answer.seen("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(answer.seen("x-forwarded-host").as_deref(), Some("www.example"));
    assert_eq!(answer.seen("x-forwarded-port").as_deref(), Some("443"));
    let forwarded = answer.seen("forwarded").unwrap();
    assert_eq!(forwarded, "for=198.51.100.7;proto=https, for=127.0.0.1;host=shop.example;proto=http");
    // And without any, as from anybody.
    let answer = get(proxy.http(), "/").await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(answer.seen("x-forwarded-proto").as_deref(), Some("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_behind_a_trusted_proxy_is_told_from_others_by_its_address() {
    let (one, two) = (echo("one").await, echo("two").await);
    let yaml = format!(
        "trustedProxies: [127.0.0.1]
splits:
  - name: shop
    versions:
      - {{name: one, weight: 1, endpoints: [\"{}\"]}}
      - {{name: two, weight: 1, endpoints: [\"{}\"]}}
    sticky: {{sourceAddress: true}}
",
        one.address(),
        two.address()
    );
    let proxy = Proxy::start(&yaml).await;
    let version_of = async |address: &str| {
        let asked = request("GET", "/").header("x-forwarded-for", address).body(nothing()).unwrap();
        send(proxy.http(), asked).await.json()["version"].as_str().unwrap().to_owned()
    };
    let mut seen = std::collections::HashSet::new();
    for n in 0..16 {
        let address = format!("192.0.2.{n}");
        let first = version_of(&address).await;
        assert_eq!(version_of(&address).await, first);
        assert_eq!(version_of(&format!("203.0.113.{n}, {address}")).await, first, "what is left of it is not believed");
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_given_an_id_and_a_trace() {
    let echo = echo("v1").await;
    let proxy = proxy_with("", &echo).await;
    let answer = get(proxy.http(), "/").await;
    let (id, trace) = (answer.seen("x-request-id").unwrap(), answer.seen("traceparent").unwrap());
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let parts: Vec<&str> = trace.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{trace}");
    let other = get(proxy.http(), "/").await;
    assert_ne!(other.seen("x-request-id"), Some(id));
    assert_ne!(other.seen("traceparent"), Some(trace));
    let known = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let asked = request("GET", "/").header("x-request-id", "mine").header("traceparent", known);
    let answer = send(proxy.http(), asked.header("tracestate", "a=b").body(nothing()).unwrap()).await;
    assert_eq!(answer.seen("x-request-id").as_deref(), Some("mine"));
    assert_eq!(answer.seen("traceparent").as_deref(), Some(known));
    assert_eq!(answer.seen("tracestate").as_deref(), Some("a=b"));
    let broken = request("GET", "/").header("traceparent", "00-zz").header("tracestate", "a=b");
    let answer = send(proxy.http(), broken.body(nothing()).unwrap()).await;
    assert_ne!(answer.seen("traceparent").as_deref(), Some("00-zz"));
    assert_eq!(answer.seen("tracestate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn via_is_added_both_ways_where_asked_for() {
    let echo = echo("v1").await;
    let proxy = proxy_with("forwarding: {via: true}", &echo).await;
    let asked = request("GET", "/").header("via", "1.0 before").body(nothing()).unwrap();
    let answer = send(proxy.http(), asked).await;
    assert_eq!(answer.seen("via").as_deref(), Some("1.0 before|1.1 weir"));
    assert_eq!(answer.header("via"), Some("1.1 weir"));
    let over_h2 = request("GET", "http://shop.example/").body(nothing()).unwrap();
    let answer = ask_h2(&mut h2(proxy.http()).await, over_h2).await;
    assert_eq!(answer.seen("via").as_deref(), Some("2 weir"));
    // An answer comes in the version of its endpoint.
    let yaml = format!(
        "forwarding: {{via: true}}\nsplits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [\"h2c://{}\"]}}]\n",
        echo.address()
    );
    let answer = get(Proxy::start(&yaml).await.http(), "/").await;
    assert_eq!((answer.seen("via").as_deref(), answer.header("via")), (Some("1.1 weir"), Some("2 weir")));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_the_decision_where_asked_for() {
    let echo = echo("v1").await;
    let proxy = proxy_with("forwarding: {decisionHeaders: true}", &echo).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!(answer.header("x-weir-version"), Some("stable"));
    assert_eq!(answer.header("x-weir-why"), Some("weight"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_refusal_can_be_kept_back() {
    let proxy = Proxy::start("forwarding: {reasonHeader: false}\nsplits: []\n").await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (404, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_one_connection_stays_there() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-private\r\nx-private: 1\r\n\
                 keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nx-public: 2\r\n\r\nok";
    let backend = Script::start(reply, false).await;
    let proxy = Proxy::before([backend.address()]).await;
    let sent = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, X-Mine\r\nx-mine: 1\r\nkeep-alive: 5\r\n\
                proxy-connection: keep-alive\r\nproxy-authorization: Basic x\r\nte: gzip\r\nupgrade: h2c\r\n\
                http2-settings: AAMAAABkAAQAAP__\r\nauthorization: Basic y\r\nx-public: 3\r\n\r\n";
    let answer = raw(proxy.http(), sent).await.to_ascii_lowercase();
    for (head, gone) in [
        (&answer, &["x-private", "keep-alive:", "proxy-authenticate", "upgrade"][..]),
        (
            &backend.heads()[0].to_ascii_lowercase(),
            &["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "te:", "upgrade", "http2-settings"],
        ),
    ] {
        for name in gone {
            assert!(!head.contains(&format!("\r\n{name}")), "{name} in {head}");
        }
        assert!(head.contains("\r\nx-public: "), "{head}");
    }
    assert!(backend.heads()[0].contains("authorization: Basic y"));
    assert!(!backend.heads()[0].to_ascii_lowercase().contains("close"), "{}", backend.heads()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoints_close_is_not_the_clients() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    let backend = Script::start(reply, true).await;
    let proxy = Proxy::before([backend.address()]).await;
    let mut client = h1(proxy.http()).await;
    for _ in 0..3 {
        let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "ok"));
        assert_eq!(answer.header("connection"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_queries_arrive_as_they_were_sent() {
    let backend = Script::start("HTTP/1.1 204 No Content\r\n\r\n", false).await;
    let proxy = Proxy::before([backend.address()]).await;
    for target in ["/a%2Fb/%7e?x=%20%7e&y=//z/../", "/?", "/a//b/;c=d", "/?a=b?c/d", "/%C3%A4"] {
        let sent = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert!(raw(proxy.http(), sent).await.starts_with("HTTP/1.1 204 "));
        let head = backend.heads().pop().unwrap();
        assert!(head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_keep_their_order_and_repetitions() {
    let reply = "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n";
    let backend = Script::start(reply, false).await;
    let proxy = Proxy::before([backend.address()]).await;
    let asked = request("GET", "/").header("x-list", "1").header("x-list", "2").header("x-list", "3");
    let answer = send(proxy.http(), asked.body(nothing()).unwrap()).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(backend.heads()[0].contains("x-list: 1\r\nx-list: 2\r\nx-list: 3\r\n"), "{}", backend.heads()[0]);
}

/// An endpoint for `/admin`, which nobody may ask, one for `/shop`, and one for all else.
async fn guarded(settings: &str) -> (Proxy, [weir::echo::Echo; 2]) {
    let (public, shop) = (echo("public").await, echo("shop").await);
    let (a, b) = (public.address(), shop.address());
    let config = format!(
        r#"{settings}
splits:
  - name: public
    versions: [{{name: public, endpoints: ["{a}"]}}]
  - name: admin
    paths: [/admin]
    filters: [{{redirect: {{host: login.example}}}}]
  - name: shop
    paths: [/shop]
    filters: [{{rewritePrefix: /}}]
    versions: [{{name: shop, endpoints: ["{b}"]}}]
"#
    );
    (Proxy::start(&config).await, [public, shop])
}

/// The status of a request for a path as it is written, and the path that an endpoint saw.
async fn asked(proxy: &Proxy, path: &str) -> (u16, Option<String>) {
    let answer =
        raw(proxy.http(), format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Option<serde_json::Value> =
        answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    let seen = body.map(|body| body["path"].as_str().unwrap().to_owned());
    (status, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_write_a_path_slips_past_the_rule_for_it() {
    let (proxy, _echoes) = guarded("").await;
    assert_eq!(asked(&proxy, "/").await, (200, Some("/".to_owned())));
    for path in [
        "/admin",
        "//admin",
        "/x/../admin",
        "/x/%2e%2E/admin",
        "/./admin/",
        "/%61dmin/x",
        "/..//admin",
        "/public/.././/admin",
    ] {
        assert_eq!(asked(&proxy, path).await.0, 302, "{path}");
    }
    // What only some read as another path is refused where that would make a difference, and passed on where it would not.
    for path in ["/x/..%2fadmin", "/admin%2Fx", "/admin;x", "/x/..;/admin", "/x%5C..%5cadmin", "/shop/..%2f..%2Fadmin"]
    {
        assert_eq!(asked(&proxy, path).await.0, 400, "{path}");
    }
    for path in ["/a%2Fb", "/a;jsessionid=1/b", "/caf%C3%A9", "/a%20b", "/.well-known/x", "/a..b"] {
        assert_eq!(asked(&proxy, path).await, (200, Some(path.to_owned())), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_the_path_as_it_was_received_unless_it_is_rewritten() {
    let (proxy, _echoes) = guarded("").await;
    for (path, expected) in [
        ("//a///b/", "//a///b/"),
        ("/fetch/https://b.example//c", "/fetch/https://b.example//c"),
        ("/a/./b/../c?x=//y/../z", "/a/./b/../c?x=//y/../z"),
        ("//shop//a", "/a"),
        ("/x/..//shop/b", "/b"),
        ("/shop/c%2Fd", "/c%2Fd"),
    ] {
        let (status, seen) = asked(&proxy, path).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(seen.as_deref(), Some(expected.split('?').next().unwrap()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_can_be_left_as_they_are_received() {
    let (proxy, _echoes) = guarded("forwarding: {paths: asReceived}\n").await;
    for path in ["//admin", "/x/../a", "/%61dmin", "/x/..%2fadmin", "/admin;x"] {
        assert_eq!(asked(&proxy, path).await, (200, Some(path.to_owned())), "{path}");
    }
    assert_eq!(asked(&proxy, "/admin").await.0, 302);
}
