//! Requests that become something else: WebSocket and other upgrades of HTTP/1.1 (RFC 9110 section 7.8), and extended
//! CONNECT of HTTP/2 (RFC 8441), in every combination of the two sides.
//!
//! A tunnel begins only when both sides agreed to the same protocol; any other answer is an ordinary one.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::attempt::{self, Answer, Failed, Outbound};
use super::body::{Progress, ProxyBody, RequestBody};
use super::exchange::Exchange;
use super::fault::Fault;
use super::forward::Target;
use super::ledger::Tunnel;
use super::refusal;
use crate::endpoint::Endpoint;
use crate::record::StreamProtocol;
use crate::upstream::{Connection, Demand, Lease, Multiplexed};

static SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
static SEC_WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
/// How long an endpoint has to say that it takes extended CONNECT.
const SETTINGS: Duration = Duration::from_secs(1);
/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for another protocol.
pub struct Upgrade {
    /// The protocol's name.
    token: HeaderValue,
    /// Whether it came as an extended CONNECT.
    extended: bool,
    /// The client's `Sec-WebSocket-Key`.
    key: Option<HeaderValue>,
    client: OnUpgrade,
}

impl Upgrade {
    fn is_websocket(&self) -> bool {
        self.token.as_bytes().eq_ignore_ascii_case(b"websocket")
    }
}

/// The upgrade that a request asks for. `h2c` is none: HTTP/2 in clear text begins with prior knowledge only (RFC 9113
/// section 3.1), and a request with a body is answered before anything else could begin.
pub fn asked(request: &mut Request<Incoming>) -> Option<Upgrade> {
    let key = request.headers().get(&SEC_WEBSOCKET_KEY).cloned();
    if request.version() == Version::HTTP_2 {
        let protocol = request.extensions().get::<Protocol>().filter(|_| request.method() == Method::CONNECT)?;
        let token = HeaderValue::from_str(protocol.as_str()).ok()?;
        return Some(Upgrade { token, extended: true, key, client: hyper::upgrade::on(request) });
    }
    let headers = request.headers();
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|c| c.to_str().ok());
    let wanted = named.flat_map(|c| c.split(',')).any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    let token = headers.get(header::UPGRADE)?.clone();
    let bodiless = http_body::Body::is_end_stream(request.body());
    let known = !token.as_bytes().eq_ignore_ascii_case(b"h2c") && !token.as_bytes().contains(&b',');
    if !(wanted && known && bodiless && request.version() == Version::HTTP_11) {
        return None;
    }
    Some(Upgrade { token, extended: false, key, client: hyper::upgrade::on(request) })
}

/// Sends the request to an endpoint and, when both agree, lets bytes flow.
pub async fn run(mut exchange: Exchange, upgrade: Upgrade, parts: Parts, target: Target) -> Response<ProxyBody> {
    let timeouts = exchange.decision.rule(&exchange.snapshot).body.split.timeouts;
    let attempt = send(&mut exchange, &upgrade, parts, target);
    let failed = match tokio::time::timeout(timeouts.request, attempt).await {
        Ok(Ok(answer)) => match agreed(&upgrade, &answer) {
            Ok(true) => return begin(exchange, upgrade, answer),
            Ok(false) => return exchange.answer(answer.answer),
            Err(message) => Failed { fault: Fault::UpgradeFailed, stale: false, message },
        },
        Ok(Err(failed)) => failed,
        Err(_) => {
            Failed { fault: Fault::RequestTimeout, stale: false, message: "no answer to an upgrade in time".to_owned() }
        }
    };
    exchange.worker.complain(&exchange, &failed);
    refusal::refuse(exchange.ledger, &exchange.manner, failed.fault, false)
}

/// The answer to an upgrade, and what was sent to get it.
struct UpgradeAnswer {
    answer: Answer,
    /// Sent as an extended CONNECT.
    extended: bool,
    /// The key that was sent.
    key: Option<HeaderValue>,
}

async fn send(
    exchange: &mut Exchange,
    upgrade: &Upgrade,
    parts: Parts,
    target: Target,
) -> Result<UpgradeAnswer, Failed> {
    let mut outbound =
        Outbound { parts, body: None, target, edits: Vec::new(), progress: Progress::new(), repeatable: true };
    let (endpoint, mut lease) = lease(exchange, &mut outbound).await?;
    let Outbound { mut parts, target, .. } = outbound;
    let key = upgrade.key.clone().or_else(|| new_key(exchange).filter(|_| upgrade.is_websocket()));
    let (sent, extended) = match &mut lease.connection {
        Connection::H1(sender) => {
            as_http1(&mut parts, &target, upgrade, key.as_ref());
            (sender.send_request(Request::from_parts(parts, RequestBody::empty())).await, false)
        }
        Connection::H2(Multiplexed { sender, peer }) => {
            // A new connection has not heard its endpoint's settings yet.
            let told = peer.wait_for(|peer| peer.extended_connect);
            if !matches!(tokio::time::timeout(SETTINGS, told).await, Ok(Ok(_))) {
                let message = "the endpoint speaks HTTP/2 without extended CONNECT".to_owned();
                return Err(Failed { fault: Fault::UpgradeFailed, stale: false, message });
            }
            as_http2(&mut parts, &target, upgrade, attempt::scheme_of(&endpoint));
            (sender.send_request(Request::from_parts(parts, RequestBody::empty())).await, true)
        }
    };
    let response = sent.map_err(|error| Failed {
        fault: attempt::fault_of(&error, false),
        stale: false,
        message: attempt::describe(&error),
    })?;
    Ok(UpgradeAnswer { answer: Answer { response, lease }, extended, key })
}

/// A connection that can be upgraded. An endpoint that cannot be connected to costs nothing but another try.
async fn lease(
    exchange: &mut Exchange,
    outbound: &mut Outbound,
) -> Result<(Arc<Endpoint>, Lease<RequestBody>), Failed> {
    let split = Arc::clone(&exchange.decision.rule(&exchange.snapshot).body.split);
    let mut left = split.retry.attempts;
    loop {
        let endpoint = exchange.try_endpoint(outbound);
        match exchange.worker.pool.lease(&endpoint, Demand::Upgrade, split.timeouts.connect).await {
            Ok(lease) => return Ok((endpoint, lease)),
            Err(error) => {
                let failed = Failed { fault: (&error).into(), stale: false, message: error.to_string() };
                if exchange.elsewhere(&endpoint, &failed, outbound, &mut left).is_none() {
                    return Err(failed);
                }
            }
        }
    }
}

fn new_key(exchange: &Exchange) -> Option<HeaderValue> {
    let bytes = exchange.worker.cursors.borrow_mut().rng.u128(..).to_be_bytes();
    HeaderValue::try_from(STANDARD.encode(bytes)).ok()
}

fn as_http1(parts: &mut Parts, target: &Target, upgrade: &Upgrade, key: Option<&HeaderValue>) {
    target.http1(parts);
    if upgrade.extended {
        parts.method = Method::GET;
    }
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    parts.headers.insert(header::UPGRADE, upgrade.token.clone());
    if let Some(key) = key {
        parts.headers.insert(&SEC_WEBSOCKET_KEY, key.clone());
    }
}

fn as_http2(parts: &mut Parts, target: &Target, upgrade: &Upgrade, scheme: http::uri::Scheme) {
    target.http2(parts, scheme);
    parts.method = Method::CONNECT;
    parts.headers.remove(&SEC_WEBSOCKET_KEY);
    let token = String::from_utf8_lossy(upgrade.token.as_bytes()).into_owned();
    parts.extensions.insert(Protocol::from(token.as_str()));
}

/// Whether the endpoint agreed; an error if it agreed to something that was not asked for.
fn agreed(upgrade: &Upgrade, answer: &UpgradeAnswer) -> Result<bool, String> {
    let response = &answer.answer.response;
    if answer.extended {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err("the endpoint answered 101, which HTTP/2 does not have".to_owned());
        }
        return Ok(response.status().is_success());
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(false);
    }
    let token = response.headers().get(header::UPGRADE);
    if !token.is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(upgrade.token.as_bytes())) {
        return Err("the endpoint switched to another protocol than it was asked for".to_owned());
    }
    let wrong = |key: &HeaderValue| response.headers().get(&SEC_WEBSOCKET_ACCEPT) != accept(key).as_ref();
    if upgrade.is_websocket() && answer.key.as_ref().is_some_and(wrong) {
        return Err("the endpoint's Sec-WebSocket-Accept does not fit the key".to_owned());
    }
    Ok(true)
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2).
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(WEBSOCKET_GUID);
    HeaderValue::try_from(STANDARD.encode(hash.finish())).ok()
}

/// Tells the client, and starts the tunnel.
fn begin(mut exchange: Exchange, upgrade: Upgrade, answer: UpgradeAnswer) -> Response<ProxyBody> {
    let UpgradeAnswer { answer: Answer { mut response, lease }, .. } = answer;
    let endpoint = hyper::upgrade::on(&mut response);
    let mut headers = std::mem::take(response.headers_mut());
    super::forward::strip_hop_by_hop(&mut headers);
    exchange.finish_head(&mut headers);
    headers.remove(header::CONNECTION);
    let status = if upgrade.extended {
        headers.remove(&SEC_WEBSOCKET_ACCEPT);
        StatusCode::OK
    } else {
        switching(&upgrade, &mut headers);
        StatusCode::SWITCHING_PROTOCOLS
    };
    let protocol = if upgrade.is_websocket() { StreamProtocol::WebSocket } else { StreamProtocol::Upgrade };
    let tunnel = exchange.ledger.into_tunnel(status, protocol);
    tokio::task::spawn_local(async move {
        // The lease counts the stream on a shared HTTP/2 connection, so it lives as long as the tunnel.
        let _lease = lease;
        join(upgrade.client, endpoint, tunnel).await;
    });
    let mut response = Response::new(ProxyBody::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The head of a 101; an endpoint that was asked by extended CONNECT has not answered the key.
fn switching(upgrade: &Upgrade, headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, upgrade.token.clone());
    if let Some(accept) = upgrade.key.as_ref().filter(|_| upgrade.is_websocket()).and_then(accept) {
        headers.insert(&SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// Lets bytes flow until both sides have ended. `tunnel` counts it for as long as it lives.
async fn join(client: OnUpgrade, endpoint: OnUpgrade, tunnel: Tunnel) {
    let io = |upgraded: Upgraded| TokioIo::new(upgraded);
    let both = tokio::join!(client, endpoint);
    if let (Ok(client), Ok(endpoint)) = both {
        let (mut client, mut endpoint) = (io(client), io(endpoint));
        // An error is one side that has gone; there is nobody left to tell.
        let _ = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut endpoint, 16 * 1024, 16 * 1024).await;
    }
    drop(tunnel);
}
