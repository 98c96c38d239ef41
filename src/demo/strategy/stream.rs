//! Clients that stay: WebSockets that send and get messages, and streams of events. Whoever is asked to go comes again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::browser::{connect, version};
use super::clients::{Client, patiently};
use crate::demo::load::describe;

/// How often a WebSocket sends a message.
const PACE: Duration = Duration::from_millis(100);
/// Events, ten a second, without an end: a server that ends lets go of them.
const EVENTS: &str = "/events?ms=100";
/// How long a client waits that could not begin.
const AGAIN: Duration = Duration::from_millis(100);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// How a stream ended.
enum End {
    /// As its protocol says, by the other side.
    Asked,
    /// The load stops.
    Stopped,
    /// In any other way.
    Cut(String),
}

/// WebSockets, one after the other.
pub async fn talk(mut client: Client) {
    while let Some(opened) = client.clone().goes_on(open(&client)).await {
        let Some((mut socket, version)) = began(&mut client, opened).await else { continue };
        let end = chat(&mut client, &mut socket, &version).await;
        if !ended(&client, end) {
            // Nobody waits for what it has to say.
            _ = tokio::time::timeout(AGAIN, socket.close(None)).await;
            return;
        }
    }
}

/// Streams of events, one after the other.
pub async fn listen(mut client: Client) {
    while let Some(opened) = client.clone().goes_on(subscribe(&client)).await {
        let Some((mut body, version)) = began(&mut client, opened).await else { continue };
        let end = hear(&mut client, &mut body, &version).await;
        if !ended(&client, end) {
            return;
        }
    }
}

/// What was opened; a failure is written down, and takes a moment.
async fn began<T>(client: &mut Client, opened: Result<T, String>) -> Option<T> {
    match opened {
        Ok(opened) => {
            client.book.open().streams += 1;
            Some(opened)
        }
        Err(error) => {
            client.saw(Instant::now(), Err(error));
            _ = client.goes_on(tokio::time::sleep(AGAIN)).await;
            None
        }
    }
}

/// Writes down how a stream ended; whether there is to be another one.
fn ended(client: &Client, end: End) -> bool {
    match end {
        End::Asked => client.book.open().asked += 1,
        End::Cut(why) => client.book.open().cut.push(format!("{}: {why}", client.kind.name())),
        End::Stopped => return false,
    }
    true
}

async fn open(client: &Client) -> Result<(Socket, Arc<str>), String> {
    patiently(async {
        let mut sender = connect(client.target).await?;
        let request = Request::get("/chat")
            .header(header::HOST, client.target.to_string())
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            // Any sixteen bytes will do (RFC 6455 section 4.1).
            .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| describe(&error))?;
        let version = version(&response)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| describe(&error))?;
        Ok((WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await, version))
    })
    .await
}

/// Sends messages and waits for each to come back.
async fn chat(client: &mut Client, socket: &mut Socket, version: &Arc<str>) -> End {
    let mut interval = tokio::time::interval(PACE);
    loop {
        // A Close frame comes at any time.
        let stopped = &mut client.stopped;
        let early = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return End::Stopped,
            early = socket.next() => Some(early),
            _ = interval.tick() => None,
        };
        let begun = Instant::now();
        let next = match early {
            Some(early) => early,
            None => {
                if let Err(error) = socket.send(Message::text("hello")).await {
                    return close_or(socket, describe(&error)).await;
                }
                match patiently(async { Ok(socket.next().await) }).await {
                    Ok(next) => next,
                    Err(error) => return End::Cut(error),
                }
            }
        };
        match next {
            Some(Ok(Message::Close(_))) => {
                // Its answer to the Close frame goes out with this.
                while let Some(Ok(_)) = socket.next().await {}
                return End::Asked;
            }
            Some(Ok(_)) => client.saw(begun, Ok(Arc::clone(version))),
            Some(Err(error)) => return End::Cut(describe(&error)),
            None => return End::Cut("it ended without a Close frame".to_owned()),
        }
    }
}

/// What could not be sent may have crossed with a Close frame, which is still to be read.
async fn close_or(socket: &mut Socket, error: String) -> End {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            return End::Asked;
        }
    }
    End::Cut(error)
}

async fn subscribe(client: &Client) -> Result<(Incoming, Arc<str>), String> {
    patiently(async {
        let mut sender = connect(client.target).await?;
        let request = Request::get(EVENTS).header(header::HOST, client.target.to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| describe(&error))?;
        let version = version(&response)?;
        Ok((response.into_body(), version))
    })
    .await
}

/// Takes events until there are no more.
async fn hear(client: &mut Client, body: &mut Incoming, version: &Arc<str>) -> End {
    loop {
        let begun = Instant::now();
        let Some(event) = client.goes_on(patiently(async { Ok(body.frame().await) })).await else {
            return End::Stopped;
        };
        match event {
            Ok(Some(Ok(_))) => client.saw(begun, Ok(Arc::clone(version))),
            Ok(Some(Err(error))) => return End::Cut(describe(&error)),
            Ok(None) => return End::Asked,
            Err(error) => return End::Cut(error),
        }
    }
}
