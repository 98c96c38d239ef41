//! Requests that become something else: WebSocket and other upgrades of HTTP/1.1 (RFC 9110 section 7.8), and extended
//! CONNECT of HTTP/2 (RFC 8441), in every combination of the two sides.
//!
//! A tunnel begins only when both sides agreed to the same protocol; any other answer is an ordinary one.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, Version};
use tokio::time::Instant;

use super::attempt::{Answer, Failed, Outbound};
use super::client::Client;
use super::exchange::Exchange;
use super::fault::Fault;
use super::forward;
use super::goodbye::Parting;
use crate::drain::{Asked, Registered};
use crate::io::{Alarm, Pump, Sink, Source};
use crate::message::{Field, FieldSection, Request, Response, Size};
use crate::record::StreamProtocol;
use crate::upstream::Upstream;

/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for another protocol.
pub struct Upgrade {
    /// The protocol's name.
    token: Box<[u8]>,
    /// Whether it came as an extended CONNECT.
    extended: bool,
    /// The `Sec-WebSocket-Key` that an endpoint on HTTP/1.1 is asked with: the client's, or a new one.
    key: Option<Box<[u8]>>,
}

impl Upgrade {
    /// The protocol's name.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// Whether it is for a WebSocket (RFC 6455).
    pub fn is_websocket(&self) -> bool {
        self.token.eq_ignore_ascii_case(b"websocket")
    }
}

/// The upgrade that a request asks for. `h2c` is none: HTTP/2 in clear text begins with prior knowledge only (RFC 9113
/// section 3.1), and a request with a body is answered before anything else could begin.
pub fn asked(request: &Request) -> Option<Upgrade> {
    let fields = &request.fields;
    let key = fields.first(Field::SecWebsocketKey).map(Box::from);
    if let Some(token) = request.protocol() {
        let websocket = token.eq_ignore_ascii_case(b"websocket");
        let key =
            key.or_else(|| websocket.then(|| STANDARD.encode(fastrand::u128(..).to_be_bytes()).into_bytes().into()));
        return Some(Upgrade { token: token.into(), extended: true, key });
    }
    let token = fields.first(Field::Upgrade)?;
    let wanted = fields.elements(Field::Connection).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let known = !token.eq_ignore_ascii_case(b"h2c") && !token.contains(&b',');
    let fits = wanted && known && request.size == Size::None && request.version == Version::HTTP_11;
    fits.then(|| Upgrade { token: token.into(), extended: false, key })
}

/// Gives an endpoint the key that a client on HTTP/2 has not sent.
pub fn add_key(upgrade: &Upgrade, fields: &mut FieldSection) {
    if let Some(key) = &upgrade.key {
        fields.set(Field::SecWebsocketKey, key);
    }
}

/// Whether the endpoint agreed to another protocol.
///
/// # Errors
///
/// It agreed to something that was not asked for.
pub fn agreed(outbound: &Outbound, answer: &Answer) -> Result<bool, Failed> {
    let Some(upgrade) = &outbound.upgrade else { return Ok(false) };
    let Answer { response, lease } = answer;
    let wrong = |message: &str| Err(Failed::new(Fault::UpgradeFailed, message));
    if matches!(lease.upstream, Upstream::Http2(_)) {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return wrong("the endpoint answered 101, which HTTP/2 does not have");
        }
        return Ok(response.status.is_success());
    }
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(false);
    }
    let token = response.fields.first(Field::Upgrade);
    if !token.is_some_and(|token| token.eq_ignore_ascii_case(&upgrade.token)) {
        return wrong("the endpoint switched to another protocol than it was asked for");
    }
    let accepted = response.fields.first(Field::SecWebsocketAccept);
    let fits = |key: &[u8]| accepted == Some(accept(key).as_bytes());
    if upgrade.is_websocket() && !upgrade.key.as_deref().is_none_or(fits) {
        return wrong("the endpoint's Sec-WebSocket-Accept does not fit the key");
    }
    Ok(true)
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(WEBSOCKET_GUID);
    STANDARD.encode(hash.finish())
}

/// Tells the client, and lets bytes flow until both sides have ended.
pub async fn tunnel(exchange: &mut Exchange, client: &mut Client<'_>, answer: Answer, outbound: &Outbound) {
    let Some(upgrade) = &outbound.upgrade else { return };
    let Answer { mut response, mut lease } = answer;
    forward::strip(&mut response.fields);
    exchange.finish_head(&mut response.fields, lease.upstream.version());
    response.size = Size::Unknown;
    if upgrade.extended {
        response.fields.remove(Field::SecWebsocketAccept);
        response.status = StatusCode::OK;
    } else {
        switching(upgrade, &mut response);
    }
    let protocol = if upgrade.is_websocket() { StreamProtocol::WebSocket } else { StreamProtocol::Upgrade };
    let tunnel = exchange.ledger.become_tunnel(response.status, protocol);
    if client.begin(&response, false).is_err() {
        return;
    }
    drop(response);
    client.become_tunnel();
    lease.upstream.become_tunnel();
    let goodbye = |code| if upgrade.is_websocket() { Parting::websocket(code) } else { Parting::foreign() };
    let code = exchange.drain().close_code;
    let idle = exchange.decision.rule(&exchange.snapshot).body.split.timeouts.idle;
    let resident = exchange.settle_in(protocol);
    let mut open = Open {
        resident,
        up: (Pump::new(None), goodbye(code)),
        down: (Pump::new(None), goodbye(code)),
        asked: None,
        answered: None,
        idle,
        stuck: None,
    };
    // An error is one side that has gone; there is nobody left to tell.
    let alarm = &mut exchange.alarm;
    let ended = poll_fn(|context| open.poll(client, &mut lease.upstream, alarm, context)).await;
    if ended.is_err() {
        client.abort().await;
    }
    drop(tunnel);
}

/// The head of a 101; an endpoint that was asked by extended CONNECT has not answered the key.
fn switching(upgrade: &Upgrade, response: &mut Response) {
    response.status = StatusCode::SWITCHING_PROTOCOLS;
    response.fields.append(Field::Connection, b"upgrade");
    response.fields.append(Field::Upgrade, &upgrade.token);
    if let Some(key) = upgrade.key.as_ref().filter(|_| upgrade.is_websocket()) {
        response.fields.set(Field::SecWebsocketAccept, accept(key).as_bytes());
    }
}

/// How long the rest of a message is waited for before the goodbye goes between two of its frames.
const A_MESSAGE: Duration = Duration::from_millis(500);

/// How long both sides may take to end once the client has answered the goodbye, or gone.
const GRACE: Duration = Duration::from_secs(2);

/// A tunnel.
struct Open {
    resident: Registered,
    up: (Pump, Parting),
    down: (Pump, Parting),
    /// When it was asked to end.
    asked: Option<Instant>,
    /// When the client answered the goodbye, or went.
    answered: Option<Instant>,
    /// How long the client may take nothing of what there is for it.
    idle: Duration,
    /// Since when it does.
    stuck: Option<Instant>,
}

impl Open {
    /// Moves what can be moved, both ways, until both have ended; a tunnel that is asked to end says goodbye to the client,
    /// whose own Close frame then ends the endpoint's side.
    fn poll(
        &mut self,
        client: &mut Client<'_>,
        upstream: &mut Upstream,
        alarm: &mut Alarm,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ()>> {
        match self.resident.asked(context) {
            Some(Asked::ToEnd(code)) => self.ask(code, alarm, context),
            Some(Asked::Cut) => return Poll::Ready(Err(())),
            None => {}
        }
        let mut up = step(&mut self.up, client, upstream, context);
        let mut down = step(&mut self.down, upstream, client, context);
        if self.down.1.is_said() {
            // From here on, whoever breaks off has ended.
            up = up.map(|_| Ok(()));
            // A client that has gone without a word has answered, too.
            if self.up.1.is_closed() || up.is_ready() || down.is_ready() {
                let answered = *self.answered.get_or_insert_with(Instant::now);
                if alarm.poll(answered + GRACE, context).is_ready() {
                    up = Poll::Ready(Ok(()));
                    self.down.1.finish();
                    down = step(&mut self.down, upstream, client, context);
                }
            }
        }
        let moved = (self.up.0.has_moved(), self.down.0.has_moved());
        if moved.0 | moved.1 {
            self.resident.moved();
        }
        if self.is_stuck(down.is_pending() && !moved.1, alarm, context) {
            return Poll::Ready(Err(()));
        }
        match (up, down) {
            (Poll::Ready(Err(())), _) | (_, Poll::Ready(Err(()))) => Poll::Ready(Err(())),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }
}

impl Open {
    /// The client is told between two messages, or two frames if the message takes long.
    fn ask(&mut self, code: Option<u16>, alarm: &mut Alarm, context: &mut Context<'_>) {
        self.down.1.ask(code);
        let asked = *self.asked.get_or_insert_with(Instant::now);
        if self.down.1.waits() && alarm.poll(asked + A_MESSAGE, context).is_ready() {
            self.down.1.hurry();
        }
    }

    /// Whether the client has taken nothing of what there is for it for too long. Both sides may be silent for as long as they
    /// like. `still`: nothing has moved to it.
    fn is_stuck(&mut self, still: bool, alarm: &mut Alarm, context: &mut Context<'_>) -> bool {
        if !still || self.down.0.is_starved() || self.answered.is_some() {
            self.stuck = None;
            return false;
        }
        let stuck = *self.stuck.get_or_insert_with(Instant::now);
        alarm.poll(stuck + self.idle, context).is_ready()
    }
}

/// Moves what can be moved in one direction.
fn step(
    (pump, parting): &mut (Pump, Parting),
    from: &mut impl Source,
    to: &mut impl Sink,
    context: &mut Context<'_>,
) -> Poll<Result<(), ()>> {
    if pump.is_done() {
        return Poll::Ready(Ok(()));
    }
    let parted = Cell::new(false);
    let mut spoken = parting.speak(from, &parted);
    pump.poll(&mut spoken, to, &mut |_| {}, context).map_err(drop)
}
