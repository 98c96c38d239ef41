//! The PROXY protocol in front of HTTP/1.1, HTTP/2 and TLS.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::*;

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

async fn proxy_before(echo: &weir::echo::Echo) -> Proxy {
    Proxy::start(&format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\", proxyProtocol: true}}]
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
",
        echo.address()
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_names_the_client() {
    let echo = echo("v1").await;
    let proxy = proxy_before(&echo).await;
    for (header, client, port) in [
        ("PROXY TCP4 192.0.2.7 198.51.100.2 4711 8080\r\n", "192.0.2.7", "8080"),
        ("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7", "443"),
    ] {
        let answer = raw(proxy.http(), format!("{header}{REQUEST}")).await;
        assert!(answer.contains(&format!("\"x-forwarded-for\": \"{client}\"")), "{answer}");
        assert!(answer.contains(&format!("\"x-forwarded-port\": \"{port}\"")), "{answer}");
    }
    let answer = raw(proxy.http(), format!("PROXY UNKNOWN\r\n{REQUEST}")).await;
    assert!(answer.contains("\"x-forwarded-for\": \"127.0.0.1\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_names_the_client() {
    let echo = echo("v1").await;
    let proxy = proxy_before(&echo).await;
    let inet = [&[0x21, 0x11, 0, 12][..], &[192, 0, 2, 7, 198, 51, 100, 2], &[0x12, 0x67, 0x1f, 0x90]].concat();
    // A type-length-value that is of no interest follows the addresses.
    let with_tlv = [&[0x21, 0x11, 0, 17][..], &inet[4..], &[0x04, 0, 2, 1, 2]].concat();
    let mut inet6 = vec![0x21, 0x21, 0, 36];
    inet6.extend("2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    inet6.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    inet6.extend([0x12, 0x67, 0x01, 0xbb]);
    let local = vec![0x20, 0, 0, 0];
    for (rest, client) in [(inet, "192.0.2.7"), (with_tlv, "192.0.2.7"), (inet6, "2001:db8::7"), (local, "127.0.0.1")] {
        let answer = raw(proxy.http(), [SIGNATURE, &rest, REQUEST.as_bytes()].concat()).await;
        assert!(answer.contains(&format!("\"x-forwarded-for\": \"{client}\"")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_may_follow() {
    let echo = echo("v1").await;
    let proxy = proxy_before(&echo).await;
    let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 8080\r\n").await.unwrap();
    let mut client = h2_over(stream).await;
    let answer = ask_h2(&mut client, request("GET", "http://shop.example/").body(nothing()).unwrap()).await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("192.0.2.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_the_header_are_refused() {
    let echo = echo("v1").await;
    let proxy = proxy_before(&echo).await;
    for sent in [
        REQUEST.as_bytes().to_vec(),
        format!("PROXY TCP4 nonsense\r\n{REQUEST}").into_bytes(),
        format!("PROXY TCP4 192.0.2.7 198.51.100.2 1 99999\r\n{REQUEST}").into_bytes(),
        [SIGNATURE, &[0x31, 0x11, 0, 0], REQUEST.as_bytes()].concat(),
    ] {
        assert_eq!(raw(proxy.http(), &sent).await, "", "{}", String::from_utf8_lossy(&sent));
    }
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_does_not_ask_for_it_takes_none() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let answer = raw(proxy.http(), format!("PROXY TCP4 192.0.2.7 198.51.100.2 4711 80\r\n{REQUEST}")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(echo.stats().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_follows_the_header() {
    let echo = echo("v1").await;
    let folder = tempfile::TempDir::new().unwrap();
    let authority = Authority::new("test");
    authority.issue(&["shop.example"]).write(folder.path(), "shop");
    let yaml = format!(
        "listeners:
  - name: http
    address: \"127.0.0.1:0\"
    proxyProtocol: true
    tls: {{certificates: [{{cert: shop.crt, key: shop.key}}]}}
splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"{}\"]}}]
",
        echo.address()
    );
    let proxy = Proxy::start_in(folder.path(), &yaml).await;
    let mut stream = TcpStream::connect(proxy.http()).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 443\r\n").await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(client_config(&authority, &["http/1.1"], None));
    let name = rustls::pki_types::ServerName::try_from("shop.example").unwrap();
    let mut client = h1_over(within(connector.connect(name, stream)).await.unwrap()).await;
    let answer = ask_h1(&mut client, request("GET", "/").body(nothing()).unwrap()).await;
    assert_eq!(answer.seen("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    assert_eq!(answer.seen("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(answer.seen("x-forwarded-port").as_deref(), Some("443"));
}
