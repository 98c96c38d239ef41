//! gRPC with tonic on both sides.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::{BoxFuture, Service};
use tonic::metadata::MetadataValue;
use tonic::server::{
    ClientStreamingService, Grpc as Server, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::mocks::Mock;
use crate::support::*;

/// One number, as `message Number { uint64 value = 1; }` would be.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

type Numbers = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

/// A service of all four kinds, as tonic's generated code would have it.
#[derive(Clone)]
struct Adder;

impl NamedService for Adder {
    const NAME: &'static str = "test.Adder";
}

/// Twice the number; 13 fails with what number 13 asks for.
#[derive(Clone)]
struct Double;

impl UnaryService<Number> for Double {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        Box::pin(async move {
            let given = request.metadata().get("x-given").cloned();
            let value = request.into_inner().value;
            if value >= 100 {
                let code = Code::from_i32((value - 100) as i32);
                let mut status = Status::with_details(code, "as asked: ä", vec![1, 2, 3].into());
                status.metadata_mut().insert("x-why", MetadataValue::from_static("asked"));
                return Err(status);
            }
            let mut response = Response::new(Number { value: 2 * value });
            if let Some(given) = given {
                response.metadata_mut().insert("x-taken", given);
            }
            Ok(response)
        })
    }
}

/// Answers after so many milliseconds.
#[derive(Clone)]
struct Late;

impl UnaryService<Number> for Late {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        Box::pin(async move {
            let number = request.into_inner();
            tokio::time::sleep(Duration::from_millis(number.value)).await;
            Ok(Response::new(number))
        })
    }
}

/// Counts up to the number.
#[derive(Clone)]
struct Count;

impl ServerStreamingService<Number> for Count {
    type Response = Number;
    type ResponseStream = Numbers;
    type Future = BoxFuture<Response<Numbers>, Status>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        let upto = request.into_inner().value;
        let numbers = stream::iter((1..=upto).map(|value| Ok(Number { value })));
        Box::pin(async move { Ok(Response::new(numbers.boxed() as Numbers)) })
    }
}

/// The sum of all.
#[derive(Clone)]
struct Sum;

impl ClientStreamingService<Number> for Sum {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Streaming<Number>>) -> Self::Future {
        Box::pin(async move {
            let mut numbers = request.into_inner();
            let mut sum = 0;
            while let Some(number) = numbers.message().await? {
                sum += number.value;
            }
            Ok(Response::new(Number { value: sum }))
        })
    }
}

/// The sum so far after each; a 0 ends it with ABORTED.
#[derive(Clone)]
struct Running;

impl StreamingService<Number> for Running {
    type Response = Number;
    type ResponseStream = Numbers;
    type Future = BoxFuture<Response<Numbers>, Status>;

    fn call(&mut self, request: Request<Streaming<Number>>) -> Self::Future {
        let numbers = request.into_inner();
        let sums = stream::unfold(Some((numbers, 0)), |state| async move {
            let (mut numbers, sum) = state?;
            match numbers.message().await {
                Ok(Some(number)) if number.value == 0 => Some((Err(Status::aborted("zero")), None)),
                Ok(Some(number)) => {
                    let sum = sum + number.value;
                    Some((Ok(Number { value: sum }), Some((numbers, sum))))
                }
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        });
        Box::pin(async move { Ok(Response::new(sums.boxed() as Numbers)) })
    }
}

impl Service<http::Request<Body>> for Adder {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut server = Server::new(ProstCodec::<Number, Number>::default());
            Ok(match request.uri().path() {
                "/test.Adder/Double" => server.unary(Double, request).await,
                "/test.Adder/Late" => server.unary(Late, request).await,
                "/test.Adder/Count" => server.server_streaming(Count, request).await,
                "/test.Adder/Sum" => server.client_streaming(Sum, request).await,
                "/test.Adder/Running" => server.streaming(Running, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// A tonic server on a port of its own; it ends with the test's runtime.
async fn adder() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    tokio::spawn(
        async move { tonic::transport::Server::builder().add_service(Adder).serve_with_incoming(incoming).await },
    );
    address
}

async fn connect(address: SocketAddr) -> Client<Channel> {
    let channel = within(Endpoint::from_shared(format!("http://{address}")).unwrap().connect()).await.unwrap();
    Client::new(channel)
}

fn path(method: &str) -> PathAndQuery {
    format!("/test.Adder/{method}").parse().unwrap()
}

fn codec() -> ProstCodec<Number, Number> {
    ProstCodec::default()
}

async fn double(client: &mut Client<Channel>, value: u64) -> Result<Response<Number>, Status> {
    within(client.ready()).await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut request = Request::new(Number { value });
    request.metadata_mut().insert("x-given", MetadataValue::from_static("given"));
    within(client.unary(request, path("Double"), codec())).await
}

async fn counted(proxy: &Proxy, grpc_status: &str, classification: &str, count: f64) {
    let labels =
        [("version", "stable"), ("code", "200"), ("grpc_status", grpc_status), ("classification", classification)];
    wait_until(&format!("{count} with {grpc_status} {classification}"), async || {
        proxy.metric("weir_requests_total", &labels).await == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_calls_with_metadata() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    for value in 1..=20 {
        let response = double(&mut client, value).await.unwrap();
        assert_eq!(response.metadata().get("x-taken").unwrap(), "given");
        assert_eq!(response.into_inner().value, 2 * value);
    }
    counted(&proxy, "0", "success", 20.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_arrives_and_is_counted() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    for code in 1..=16 {
        let status = double(&mut client, 100 + code).await.unwrap_err();
        assert_eq!(status.code() as u64, code);
        assert_eq!(status.message(), "as asked: ä");
        assert_eq!(status.details(), [1, 2, 3]);
        assert_eq!(status.metadata().get("x-why").unwrap(), "asked");
        let failure = [2, 4, 13, 14, 15].contains(&code);
        counted(&proxy, &code.to_string(), if failure { "failure" } else { "success" }, 1.0).await;
    }
}

/// A server that announces that its answers have no body, and says in their trailers what came of the call.
async fn says_it_is_empty() -> Mock {
    Mock::accepting(|connection| {
        Box::pin(async move {
            let Ok(mut h2) = h2::server::handshake(connection.stream).await else { return };
            while let Some(Ok((_, mut answer))) = h2.accept().await {
                let head = http::Response::builder().header("content-type", "application/grpc");
                let head = head.header("content-length", "0").body(()).unwrap();
                let mut body = answer.send_response(head, false).unwrap();
                let status = [("grpc-status", "5"), ("grpc-message", "nothing there")];
                let lines = status.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
                body.send_trailers(http::HeaderMap::from_iter(lines)).unwrap();
            }
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_behind_an_empty_body_arrive() {
    let server = says_it_is_empty().await;
    let proxy = Proxy::before([format!("h2c://{}", server.address())]).await;
    let mut client = connect(proxy.http()).await;
    let status = double(&mut client, 1).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "nothing there"));
    counted(&proxy, "5", "success", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_streaming() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    client.ready().await.unwrap();
    let request = Request::new(Number { value: 10_000 });
    let response = within(client.server_streaming(request, path("Count"), codec())).await.unwrap();
    let numbers: Vec<u64> = within(response.into_inner().map(|number| number.unwrap().value).collect()).await;
    assert!(numbers.into_iter().eq(1..=10_000));
    counted(&proxy, "0", "success", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_streaming() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    client.ready().await.unwrap();
    let numbers = stream::iter((1..=10_000).map(|value| Number { value }));
    let response = within(client.client_streaming(Request::new(numbers), path("Sum"), codec())).await.unwrap();
    assert_eq!(response.into_inner().value, 50_005_000);
}

fn numbers() -> (mpsc::UnboundedSender<Number>, impl Stream<Item = Number> + Send + 'static) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }))
}

#[tokio::test(flavor = "multi_thread")]
async fn bidirectional_streaming_goes_to_and_fro() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    client.ready().await.unwrap();
    let (sender, stream) = numbers();
    let response = within(client.streaming(Request::new(stream), path("Running"), codec())).await.unwrap();
    let mut sums = response.into_inner();
    for value in 1..=100 {
        sender.send(Number { value }).unwrap();
        let sum = within(sums.message()).await.unwrap().unwrap().value;
        assert_eq!(sum, value * (value + 1) / 2, "each answer comes before the next question");
    }
    assert_eq!(proxy.process().control().in_flight(), 1);
    drop(sender);
    assert_eq!(within(sums.message()).await.unwrap(), None);
    counted(&proxy, "0", "success", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_midway_tells_its_status() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let mut client = connect(proxy.http()).await;
    client.ready().await.unwrap();
    let (sender, stream) = numbers();
    let response = within(client.streaming(Request::new(stream), path("Running"), codec())).await.unwrap();
    let mut sums = response.into_inner();
    sender.send(Number { value: 5 }).unwrap();
    assert_eq!(within(sums.message()).await.unwrap().unwrap().value, 5);
    sender.send(Number { value: 0 }).unwrap();
    let status = within(sums.message()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Aborted, "zero"));
    counted(&proxy, "10", "success", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_be_silent_for_longer_than_the_timeouts() {
    let yaml = format!(
        "splits:
  - name: shop
    versions: [{{name: stable, endpoints: [\"h2c://{}\"]}}]
    timeouts: {{request: 100ms, idle: 100ms}}
",
        adder().await
    );
    let proxy = Proxy::start(&yaml).await;
    let mut client = connect(proxy.http()).await;
    client.ready().await.unwrap();
    let (sender, stream) = numbers();
    let response = within(client.streaming(Request::new(stream), path("Running"), codec())).await.unwrap();
    let mut sums = response.into_inner();
    for (value, sum) in [(1, 1), (2, 3)] {
        // The silence is what is tested.
        tokio::time::sleep(Duration::from_millis(300)).await;
        sender.send(Number { value }).unwrap();
        assert_eq!(within(sums.message()).await.unwrap().unwrap().value, sum);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_proxy_are_statuses() {
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = format!(
        "splits:
  - name: empty
    paths: [/test.Adder]
    versions: [{{name: stable, endpoints: []}}]
  - name: down
    paths: [/test.Down]
    versions: [{{name: stable, endpoints: [\"h2c://{down}\"]}}]
"
    );
    let proxy = Proxy::start(&yaml).await;
    let mut client = connect(proxy.http()).await;
    let status = double(&mut client, 1).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no_endpoint"));
    for (method, code, message) in [
        ("/test.Down/Double", Code::Unavailable, "connect_failed"),
        ("/test.None/Double", Code::Unimplemented, "no_route"),
    ] {
        client.ready().await.unwrap();
        let asked =
            client.unary::<Number, Number, _>(Request::new(Number { value: 1 }), method.parse().unwrap(), codec());
        let status = within(asked).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message), "{method}");
    }
    for (route, reason, grpc_status) in [("empty", "no_endpoint", "14"), ("down", "connect_failed", "14")] {
        let labels =
            [("route", route), ("reason", reason), ("grpc_status", grpc_status), ("classification", "failure")];
        assert_eq!(proxy.metric("weir_requests_total", &labels).await, 1.0, "{route}: {}", proxy.metrics().await);
    }
}

/// What clients do at a deadline, too: the stream is reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_at_once() {
    let proxy = Proxy::before([format!("h2c://{}", adder().await)]).await;
    let stream = tokio::net::TcpStream::connect(proxy.http()).await.unwrap();
    let (client, connection) = within(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut client = within(client.ready()).await.unwrap();
    let asked = http::Request::post("http://shop.example/test.Adder/Running")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (response, mut body) = client.send_request(asked.body(()).unwrap(), false).unwrap();
    assert_eq!(within(response).await.unwrap().status(), 200);
    assert_eq!(proxy.process().control().in_flight(), 1);
    body.send_reset(h2::Reason::CANCEL);
    wait_until("none in flight", async || proxy.process().control().in_flight() == 0).await;
    let labels = [("version", "stable"), ("classification", "client_gone")];
    wait_until("it is counted", async || proxy.metric("weir_requests_total", &labels).await == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_answers_grpc_too() {
    let echo = Arc::new(echo("v1").await);
    let proxy = Proxy::before([format!("h2c://{}", echo.address())]).await;
    let mut client = connect(proxy.http()).await;
    assert_eq!(double(&mut client, 7).await.unwrap().into_inner().value, 7);
    echo.set_fail(1.0);
    assert_eq!(double(&mut client, 7).await.unwrap_err().code(), Code::Internal);
    counted(&proxy, "13", "failure", 1.0).await;
}

/// Two versions, of which the old one is this backend, with these weights.
fn two_versions(backend: SocketAddr, weights: [u32; 2], timeout: &str) -> String {
    format!(
        "splits:
  - name: shop
    versions:
      - {{name: old, weight: {}, endpoints: [\"h2c://{backend}\"]}}
      - {{name: new, weight: {}, endpoints: [\"h2c://127.0.0.1:9\"]}}
    drain: {{timeout: {timeout}, spread: 0s}}
",
        weights[0], weights[1]
    )
}

/// A status by which a client calls again, but not at once.
fn is_drained(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert!(pushback.parse::<u32>().unwrap() < 1_000);
}

/// How many calls ended with a drain, and how many of its connections so.
async fn drained(proxy: &Proxy, calls: f64, reason: &str, connections: f64) {
    let labels = [("version", "old"), ("grpc_status", "14"), ("classification", "success"), ("reason", "drained")];
    let ended = [("version", "old"), ("reason", reason)];
    wait_until("the drain is over", async || {
        proxy.metric("weir_requests_total", &labels).await == calls
            && proxy.metric("weir_drain_closed_total", &ended).await == connections
    })
    .await;
    assert_eq!(proxy.metric("weir_active_connections", &[]).await, 0.0);
}

/// Calls whose client may still say more are asked before their answer has come.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_an_answer_is_asked_too() {
    let backend = adder().await;
    let proxy = Proxy::start(&two_versions(backend, [1, 0], "5s")).await;
    let (mut one, mut two) = (connect(proxy.http()).await, connect(proxy.http()).await);
    within(one.ready()).await.unwrap();
    within(two.ready()).await.unwrap();
    // One has said something, the other nothing.
    let ((sender, spoken), (_silent, unspoken)) = (numbers(), numbers());
    sender.send(Number { value: 1 }).unwrap();
    let one = tokio::spawn(async move { one.client_streaming(Request::new(spoken), path("Sum"), codec()).await });
    let two = tokio::spawn(async move { two.client_streaming(Request::new(unspoken), path("Sum"), codec()).await });
    let active = [("version", "old"), ("protocol", "grpc")];
    wait_until("they are known", async || proxy.metric("weir_active_connections", &active).await == 2.0).await;
    proxy.apply(&two_versions(backend, [0, 1], "5s"));
    is_drained(&within(one).await.unwrap().unwrap_err());
    is_drained(&within(two).await.unwrap().unwrap_err());
    drained(&proxy, 2.0, "asked", 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_client_has_said_all_gets_its_answer_or_is_told_at_the_deadline() {
    let backend = adder().await;
    let call = |proxy: &Proxy, value| {
        let address = proxy.http();
        tokio::spawn(async move {
            let mut client = connect(address).await;
            client.ready().await.unwrap();
            client.unary(Request::new(Number { value }), path("Late"), codec()).await
        })
    };
    let proxy = Proxy::start(&two_versions(backend, [1, 0], "4s")).await;
    let (soon, never) = (call(&proxy, 1_500), call(&proxy, 60_000));
    let remaining = [("version", "old")];
    // Known as connections that live long only after a while: the drain takes them up then, too.
    wait_until("they have begun", async || proxy.metric("weir_active_requests", &remaining).await == 2.0).await;
    proxy.apply(&two_versions(backend, [0, 1], "4s"));
    assert_eq!(within(soon).await.unwrap().unwrap().into_inner().value, 1_500);
    is_drained(&within(never).await.unwrap().unwrap_err());
    drained(&proxy, 1.0, "forced", 1.0).await;
}

/// A stream of a version that loses its weight ends between two messages, with a status that lets the client call again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_asked_to_end_when_its_version_drains() {
    let backend = adder().await;
    let proxy = Proxy::start(&two_versions(backend, [1, 0], "5s")).await;
    let mut client = connect(proxy.http()).await;
    within(client.ready()).await.unwrap();
    let (sender, numbers) = mpsc::unbounded_channel();
    let numbers = stream::unfold(numbers, |mut numbers| async move { Some((numbers.recv().await?, numbers)) });
    sender.send(Number { value: 1 }).unwrap();
    let response = within(client.streaming(Request::new(numbers), path("Running"), codec())).await.unwrap();
    let mut sums = response.into_inner();
    assert_eq!(within(sums.message()).await.unwrap(), Some(Number { value: 1 }));
    proxy.apply(&two_versions(backend, [0, 1], "5s"));
    is_drained(&within(sums.message()).await.unwrap_err());
    drained(&proxy, 1.0, "asked", 1.0).await;
}
