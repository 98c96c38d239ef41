//! HTTP/1.0, HTTP/1.1 and HTTP/2, on both sides.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn http1_is_kept_alive() {
    let echo = echo("v1").await;
    let proxy = Proxy::before([echo.address()]).await;
    let mut client = h1(proxy.http()).await;
    for path in ["/one", "/two", "/three"] {
        let response = within(client.send_request(request("GET", path).body(nothing()).unwrap())).await.unwrap();
        let answer = Answer::read(response).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["path"], path);
        assert_eq!(answer.json()["protocol"], "HTTP/1.1");
        within(client.ready()).await.unwrap();
    }
    assert_eq!(echo.stats().connections, 1, "upstream connections are kept, too");
}
