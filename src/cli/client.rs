//! The commands' way to a running proxy: its admin API.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;

use super::Failure;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to find the proxy.
#[derive(clap::Args)]
pub struct Target {
    /// Address of the admin listener
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    pub admin: String,
    /// Bearer token, for changes from another machine
    #[arg(long, env = "WEIR_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

impl Target {
    /// Asks for JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(serde_json::from_slice(&self.request(Method::GET, path, String::new()).await?)?)
    }

    /// Sends JSON that changes something.
    pub async fn change(&self, method: Method, path: &str, body: &serde_json::Value) -> Result<(), Failure> {
        self.request(method, path, body.to_string()).await.map(drop)
    }

    async fn request(&self, method: Method, path: &str, body: String) -> Result<Bytes, Failure> {
        match tokio::time::timeout(PATIENCE, self.ask(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(format!("{} gave no answer within {PATIENCE:?}; is that its admin address?", self.admin).into())
            }
        }
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Bytes, Failure> {
        let stream = tokio::net::TcpStream::connect(&self.admin).await.map_err(|error| {
            format!(
                "no proxy answers at {}: {error}; is `weir run` there, with this admin address (--admin)?",
                self.admin
            )
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.admin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?);
        }
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let error: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let message = error.as_ref().and_then(|error| error["error"].as_str());
        Err(message.map_or_else(|| format!("{status}"), str::to_owned).into())
    }
}

/// The API's path of a split given as `name` or `namespace/name`.
pub fn path_of(split: &str) -> String {
    match split.split_once('/') {
        Some((namespace, name)) => format!("/api/v1/splits/{namespace}/{name}"),
        None => format!("/api/v1/splits/-/{split}"),
    }
}
