//! TLS on both sides.

use std::path::Path;

use http::Version;
use tempfile::TempDir;

use crate::support::*;

/// A proxy with a TLS listener; `tls` is what stands in its braces.
async fn proxy_with(folder: &Path, tls: &str, endpoint: impl ToString) -> Proxy {
    let endpoint = endpoint.to_string();
    Proxy::start_in(
        folder,
        &format!(
            "listeners: [{{name: http, address: \"127.0.0.1:0\", tls: {{{tls}}}}}]
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{endpoint}\"]}}]
"
        ),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_decides_between_http1_and_http2() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    let proxy = proxy_with(folder.path(), "certificates: [{cert: shop.crt, key: shop.key}]", echo.address()).await;
    for (offered, agreed) in [(&["h2", "http/1.1"][..], "h2"), (&["h2"], "h2"), (&["http/1.1"], "http/1.1"), (&[], "")]
    {
        let config = client_config(&authority, offered, None);
        let stream = tls(proxy.http(), config, "shop.example").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol().unwrap_or_default(), agreed.as_bytes());
        let (answer, version) = if agreed == "h2" {
            let asked = request("GET", "https://shop.example/").body(nothing()).unwrap();
            (ask_h2(&mut h2_over(stream).await, asked).await, Version::HTTP_2)
        } else {
            let asked = request("GET", "/").body(nothing()).unwrap();
            (ask_h1(&mut h1_over(stream).await, asked).await, Version::HTTP_11)
        };
        assert_eq!((answer.status.as_u16(), answer.version), (200, version));
        assert_eq!(answer.seen("x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(answer.seen("forwarded").as_deref(), Some("for=127.0.0.1;host=shop.example;proto=https"));
    }
    assert!(tls(proxy.http(), client_config(&authority, &["spdy/3"], None), "shop.example").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_chosen_by_server_name() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    for (file, name) in [("first", "first.example"), ("wild", "*.shop.example"), ("exact", "a.shop.example")] {
        authority.issue(&[name]).write(folder.path(), file);
    }
    let pairs = ["first", "wild", "exact"].map(|name| format!("{{cert: {name}.crt, key: {name}.key}}")).join(", ");
    let proxy = proxy_with(folder.path(), &format!("certificates: [{pairs}]"), echo.address()).await;
    let shown = async |name: &str| {
        let stream = tls(proxy.http(), client_config(&authority, &[], None), name).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        Ok::<_, std::io::Error>(shown)
    };
    let pem = |file: &str| {
        use rustls::pki_types::pem::PemObject;
        rustls::pki_types::CertificateDer::from_pem_file(folder.path().join(file)).unwrap().to_vec()
    };
    assert_eq!(shown("first.example").await.unwrap(), pem("first.crt"));
    assert_eq!(shown("b.shop.example").await.unwrap(), pem("wild.crt"));
    assert_eq!(shown("a.shop.example").await.unwrap(), pem("exact.crt"));
    assert_eq!(shown("A.SHOP.example").await.unwrap(), pem("exact.crt"));
    // The first serves every other name; a client that verifies does not take it.
    let refused = shown("other.example").await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_required_and_verified() {
    let (echo, folder) = (echo("v1").await, TempDir::new().unwrap());
    let (authority, stranger) = (Authority::new("test"), Authority::new("stranger"));
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    authority.write(folder.path(), "ca.crt");
    let settings = "certificates: [{cert: shop.crt, key: shop.key}], clientCa: ca.crt";
    let proxy = proxy_with(folder.path(), settings, echo.address()).await;
    let ask = async |identity: Option<&Identity>| {
        let config = client_config(&authority, &["http/1.1"], identity);
        let stream = tls(proxy.http(), config, "shop.example").await.ok()?;
        // With TLS 1.3 the client learns of the refusal when it reads.
        let (mut client, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let response = within(client.send_request(request("GET", "/").body(nothing()).unwrap())).await.ok()?;
        Some(Answer::read(response).await.status.as_u16())
    };
    assert_eq!(ask(Some(&authority.issue(&["client"]))).await, Some(200));
    assert_eq!(ask(None).await, None);
    assert_eq!(ask(Some(&stranger.issue(&["client"]))).await, None);
    assert_eq!(ask(Some(&Identity::self_signed(&["client"]))).await, None);
    assert_eq!(echo.stats().requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_version_of_tls_is_configured() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    let certificates = "certificates: [{cert: shop.crt, key: shop.key}]";
    let (v12, v13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (minimum, works_with_12) in [("", true), (", minVersion: \"1.2\"", true), (", minVersion: \"1.3\"", false)] {
        let proxy = proxy_with(folder.path(), &format!("{certificates}{minimum}"), echo.address()).await;
        for (version, works) in [(v12, works_with_12), (v13, true)] {
            let config = client_config_of(&[version], &authority, &["http/1.1"], None);
            match tls(proxy.http(), config, "shop.example").await {
                Ok(stream) => {
                    assert!(works, "{minimum} {version:?}");
                    assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
                    let asked = request("GET", "/").body(nothing()).unwrap();
                    assert_eq!(ask_h1(&mut h1_over(stream).await, asked).await.status, 200);
                }
                Err(error) => assert!(!works, "{minimum} {version:?}: {error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_text_on_a_tls_listener_gets_nothing() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    let proxy = proxy_with(folder.path(), "certificates: [{cert: shop.crt, key: shop.key}]", echo.address()).await;
    let answer = raw(proxy.http(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    assert_eq!(echo.stats().requests, 0);
}

/// A proxy to an https endpoint; `tls` is what the version says about it.
async fn proxy_to(folder: &Path, endpoint: impl ToString, more: &str) -> Proxy {
    let endpoint = endpoint.to_string();
    Proxy::start_in(
        folder,
        &format!(
            "splits:\n  - name: shop\n    versions: [{{name: stable, endpoints: [\"https://{endpoint}\"]{more}}}]\n"
        ),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_alpn_decides_between_http1_and_http2() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.write(folder.path(), "ca.crt");
    let identity = authority.issue(&["127.0.0.1"]);
    for (protocols, setting, seen) in [
        (&["h2", "http/1.1"][..], "", "HTTP/2"),
        (&["http/1.1"], "", "HTTP/1.1"),
        (&[], "", "HTTP/1.1"),
        (&["h2", "http/1.1"], ", protocol: http1", "HTTP/1.1"),
        (&["h2", "http/1.1"], ", protocol: http2", "HTTP/2"),
        (&[], ", protocol: http2", "HTTP/2"),
    ] {
        let front = TlsFront::start(server_config(&identity, protocols, None), echo.address()).await;
        let proxy = proxy_to(folder.path(), front.address(), &format!(", tls: {{ca: ca.crt}}{setting}")).await;
        let answer = get(proxy.http(), "/").await;
        assert_eq!(answer.status, 200, "{protocols:?}{setting}: {}", answer.text());
        assert_eq!(answer.json()["protocol"], seen, "{protocols:?}{setting}");
        assert_eq!(answer.json()["host"], "shop.example", "{protocols:?}{setting}");
        let asked = request("POST", "http://shop.example/echo").body(all("hello")).unwrap();
        assert_eq!(ask_h2(&mut h2(proxy.http()).await, asked).await.text(), "hello", "{protocols:?}{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_speak_what_requests_do() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new("test"));
    authority.write(folder.path(), "ca.crt");
    let identity = authority.issue(&["127.0.0.1"]);
    for protocols in [&["h2"][..], &["h2", "http/1.1"], &["http/1.1"], &[]] {
        let echo = echo("v1").await;
        let front = TlsFront::start(server_config(&identity, protocols, None), echo.address()).await;
        let yaml = format!(
            "splits:\n  - name: shop\n    health: {{path: /, interval: 20ms}}\n    \
             versions: [{{name: stable, endpoints: [\"https://{}\"], tls: {{ca: ca.crt}}}}]\n",
            front.address()
        );
        let _proxy = Proxy::start_in(folder.path(), &yaml).await;
        wait_until("it is asked", async || echo.stats().requests > 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_certificates_are_verified() {
    let (echo, folder) = (echo("v1").await, TempDir::new().unwrap());
    let (authority, stranger) = (Authority::new("test"), Authority::new("stranger"));
    authority.write(folder.path(), "ca.crt");
    let self_signed = Identity::self_signed(&["127.0.0.1"]);
    self_signed.write(folder.path(), "self");
    let ours = authority.issue(&["127.0.0.1"]);
    let named = authority.issue(&["backend.example"]);
    let foreign = stranger.issue(&["127.0.0.1"]);
    for (identity, setting, accepted) in [
        (&self_signed, ", tls: {ca: ca.crt}", false),
        (&self_signed, ", tls: {insecureSkipVerify: true}", true),
        (&ours, ", tls: {ca: ca.crt}", true),
        (&foreign, ", tls: {ca: ca.crt}", false),
        (&named, ", tls: {ca: ca.crt}", false),
        (&named, ", tls: {ca: ca.crt, serverName: backend.example}", true),
        (&ours, ", tls: {ca: ca.crt, serverName: backend.example}", false),
    ] {
        let front = TlsFront::start(server_config(identity, &[], None), echo.address()).await;
        let proxy = proxy_to(folder.path(), front.address(), setting).await;
        let answer = get(proxy.http(), "/").await;
        if accepted {
            assert_eq!(answer.status, 200, "{setting}: {}", answer.text());
        } else {
            let refusal = (answer.status.as_u16(), answer.header("x-weir-reason"));
            assert_eq!(refusal, (502, Some("upstream_tls")), "{setting}");
            let labels = [("route", "shop"), ("reason", "upstream_tls"), ("classification", "failure")];
            assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0);
        }
    }
}

/// Without `ca` the machine's own authorities count, which never signed this one.
#[tokio::test(flavor = "multi_thread")]
async fn verification_is_on_by_default() {
    let (echo, folder) = (echo("v1").await, TempDir::new().unwrap());
    let front = TlsFront::start(server_config(&Identity::self_signed(&["127.0.0.1"]), &[], None), echo.address()).await;
    let yaml = format!(
        "splits: [{{name: shop, versions: [{{name: stable, endpoints: [\"https://{}\"]}}]}}]\n",
        front.address()
    );
    if weir::source::file::parse(&yaml, "test.yaml", folder.path()).is_err() {
        eprintln!("this machine has no CA certificates: not tested");
        return;
    }
    let proxy = Proxy::start(&yaml).await;
    let answer = get(proxy.http(), "/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-reason")), (502, Some("upstream_tls")));
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_may_want_a_certificate() {
    let (echo, folder, authority) = (echo("v1").await, TempDir::new().unwrap(), Authority::new("test"));
    authority.write(folder.path(), "ca.crt");
    authority.issue(&["weir"]).write(folder.path(), "weir");
    let config = server_config(&authority.issue(&["127.0.0.1"]), &["http/1.1"], Some(&authority));
    let front = TlsFront::start(config, echo.address()).await;
    let proxy = proxy_to(folder.path(), front.address(), ", tls: {ca: ca.crt, cert: weir.crt, key: weir.key}").await;
    assert_eq!(get(proxy.http(), "/").await.status, 200);
    let proxy = proxy_to(folder.path(), front.address(), ", tls: {ca: ca.crt}").await;
    assert_eq!(get(proxy.http(), "/").await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_endpoint_that_speaks_clear_text_is_a_tls_failure() {
    let (backend, folder, authority) = (
        Script::start("HTTP/1.1 400 Bad Request\r\n\r\n", true).await,
        TempDir::new().unwrap(),
        Authority::new("test"),
    );
    authority.write(folder.path(), "ca.crt");
    // A silent or nonsensical peer must not hold a request longer than `timeouts.connect`.
    let yaml = format!(
        "splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"https://{}\"], tls: {{ca: ca.crt}}}}]
    timeouts: {{connect: 1s}}
    retry: {{attempts: 0}}
",
        backend.address()
    );
    let proxy = Proxy::start_in(folder.path(), &yaml).await;
    let answer = get(proxy.http(), "/").await;
    let reason = answer.header("x-weir-reason").unwrap();
    assert!(matches!(reason, "upstream_tls" | "connect_timeout"), "{reason}");
}
