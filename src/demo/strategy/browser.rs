//! A client of short requests: keeps its connection, and its cookie if it is to.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header, request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::demo::load::describe;

/// How a member of a group is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is none.
    None,
    /// By `x-group: b`.
    Header,
    /// By the cookie `group=b`.
    Cookie,
}

/// A way to send requests.
pub type Sender = SendRequest<Empty<Bytes>>;

/// A client.
pub struct Browser {
    target: SocketAddr,
    mark: Mark,
    /// None: it keeps no cookies.
    cookies: Option<String>,
    kept: Option<Sender>,
}

impl Browser {
    /// A client that has asked nothing yet.
    pub fn new(target: SocketAddr, mark: Mark, cookies: bool) -> Self {
        Self { target, mark, cookies: cookies.then(String::new), kept: None }
    }

    /// One request; gives the version that answered it.
    pub async fn ask(&mut self) -> Result<Arc<str>, String> {
        let mut sender = match self.kept.take() {
            // The proxy may have closed it, as it may at any time between two requests.
            Some(mut open) => match open.ready().await {
                Ok(()) => open,
                Err(_) => connect(self.target).await?,
            },
            None => connect(self.target).await?,
        };
        let request = self.request().body(Empty::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| describe(&error))?;
        let version = version(&response)?;
        self.remember(&response);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| describe(&error))?;
        }
        self.kept = Some(sender);
        Ok(version)
    }

    fn request(&self) -> request::Builder {
        let request = Request::get("/").header(header::HOST, self.target.to_string());
        let request = if self.mark == Mark::Header { request.header("x-group", "b") } else { request };
        let group = (self.mark == Mark::Cookie).then_some("group=b");
        let cookies = [group, self.cookies.as_deref().filter(|kept| !kept.is_empty())];
        let cookies: Vec<&str> = cookies.into_iter().flatten().collect();
        if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) }
    }

    fn remember(&mut self, response: &Response<Incoming>) {
        let given = response.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
        if let (Some(kept), Some(given)) = (&mut self.cookies, given) {
            given.split(';').next().unwrap_or_default().clone_into(kept);
        }
    }
}

/// The version that gave an answer, by its own word, if the answer is a good one.
pub fn version(response: &Response<Incoming>) -> Result<Arc<str>, String> {
    let status = response.status();
    if !status.is_success() && !status.is_informational() {
        let reason = response.headers().get("x-weir-reason").and_then(|reason| reason.to_str().ok());
        return Err(format!("answered {status}, {}", reason.unwrap_or("no reason told")));
    }
    let version = response.headers().get("x-echo-version").and_then(|version| version.to_str().ok());
    version.map(Arc::from).ok_or_else(|| "an answer of no version".to_owned())
}

/// A new connection, which can be upgraded.
pub async fn connect(target: SocketAddr) -> Result<Sender, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| describe(&error))?;
    stream.set_nodelay(true).map_err(|error| describe(&error))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| describe(&error))?;
    // Its errors reach the request that they befall.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
