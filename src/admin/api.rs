//! What is asked, and who answers it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::{Mutex, watch};

use super::change::{self, Refused};
use super::hooks::{self, Hook};
use super::reply::{self, Reply, json, text};
use super::{Access, drain, query, view};
use crate::control::Control;
use crate::proxy::Phase;
use crate::record::Format;

const PAGE: &str = include_str!("dashboard/index.html");
const STYLE: &str = include_str!("dashboard/dashboard.css");
const SCRIPT: &str = include_str!("dashboard/dashboard.js");

/// What the ops listener says to everything else.
const OPS_ONLY: &str = "there is /livez, /readyz, /metrics, /hooks, /drain, /api/v1/analysis and /api/v1/query here; the rest is on \
                        the admin listener";
/// What is said to another hook.
const NO_HOOK: &str = "there is /hooks/confirm-traffic-increase, /hooks/confirm-promotion and /hooks/rollback";

/// The API of one listener.
pub struct Api {
    /// What it allows.
    pub access: Access,
    /// Allows changes from other than loopback.
    pub token: Option<String>,
    /// What it tells about.
    pub control: Arc<Control>,
    /// Whether the process is ready.
    pub phase: watch::Receiver<Phase>,
    /// Held while `/metrics` is written.
    pub scraping: Arc<Mutex<()>>,
}

impl Api {
    /// Answers a request, which carries the address of its client as an extension.
    pub async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        match (get, &segments[..]) {
            (true, ["livez"]) => text(StatusCode::OK, "ok"),
            (true, ["readyz"]) => self.ready(),
            (true, ["metrics"]) => self.metrics(request.headers()).await,
            (true, ["drain", pod]) => drain::answer(&self.control, pod, request.uri().query()).await,
            (true, ["api", "v1", "query"]) => query::answer(&self.control, request.uri().query().unwrap_or_default()),
            (true, ["api", "v1", "analysis", namespace, name]) => self.analysis(namespace, name, request.uri().query()),
            (false, ["api", "v1", "query"] | ["hooks", _]) if *request.method() == Method::POST => {
                self.post(request, &segments).await
            }
            _ if self.access == Access::Admin => self.admin(request, get, &segments).await,
            _ => reply::error(StatusCode::NOT_FOUND, OPS_ONLY),
        }
    }

    /// What is asked in a request's body, and changes nothing.
    async fn post(&self, request: Request<Incoming>, segments: &[&str]) -> Reply {
        let body = match reply::body(request.into_body()).await {
            Ok(body) => body,
            Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
        };
        match segments {
            ["hooks", name] => match Hook::named(name) {
                Some(hook) => hooks::answer(&self.control, hook, &body),
                None => reply::error(StatusCode::NOT_FOUND, NO_HOOK),
            },
            _ => query::answer(&self.control, &String::from_utf8_lossy(&body)),
        }
    }

    async fn admin(&self, request: Request<Incoming>, get: bool, segments: &[&str]) -> Reply {
        match (get, segments) {
            (true, [""]) => reply::reply(StatusCode::OK, "text/html; charset=utf-8", PAGE),
            (true, ["dashboard.css"]) => reply::reply(StatusCode::OK, "text/css; charset=utf-8", STYLE),
            (true, ["dashboard.js"]) => reply::reply(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
            (true, ["favicon.ico"]) => reply::reply(StatusCode::NO_CONTENT, "image/x-icon", ""),
            (true, ["api", "v1", "splits"]) => json(&self.control.status_with_idle().await),
            (true, ["api", "v1", "connections"]) => json(&self.control.connections().await),
            (true, ["api", "v1", "splits", namespace, name]) => self.split(&called(namespace, name)),
            (true, ["api", "v1", "history"]) => json(&view::history(&self.control)),
            (true, ["api", "v1", "config"]) => json(&view::config(&self.control.snapshot())),
            (true, ["api", "v1", "explain"]) => match view::explain(&self.control.snapshot(), request.uri().query()) {
                Ok(explanation) => json(&explanation),
                Err(message) => reply::error(StatusCode::BAD_REQUEST, &message),
            },
            (true, ["api", "v1", "events"]) => {
                let (past, coming) = self.control.events().follow();
                reply::events(past, coming)
            }
            (false, ["api", "v1", "splits", namespace, name, rest @ ..]) => {
                self.change(request, &called(namespace, name), rest).await
            }
            _ => reply::error(StatusCode::NOT_FOUND, "no such page; the API is under /api/v1, the dashboard at /"),
        }
    }

    fn ready(&self) -> Reply {
        match *self.phase.borrow() {
            Phase::Serving => text(StatusCode::OK, "ok"),
            Phase::Starting => text(StatusCode::SERVICE_UNAVAILABLE, "not everything is known yet"),
            Phase::Leaving | Phase::Refusing => text(StatusCode::SERVICE_UNAVAILABLE, "shutting down"),
        }
    }

    /// Beside the runtime: the series of thousands of versions take a while, and ramps and guards must not wait for them.
    async fn metrics(&self, headers: &HeaderMap) -> Reply {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept);
        let control = Arc::clone(&self.control);
        // One at a time: a scraper that gave up does not end the work, and must not be able to start it over and over.
        let turn = Arc::clone(&self.scraping).lock_owned().await;
        let write = move || {
            let _turn = turn;
            control.metrics().write(format)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(written)) => reply::written(format.content_type(), written),
            Ok(Err(error)) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn analysis(&self, namespace: &str, name: &str, query: Option<&str>) -> Reply {
        match view::analysis(&self.control, namespace, name, query) {
            Ok(analysis) => json(&analysis),
            Err((status, message)) => reply::error(status, &message),
        }
    }

    fn split(&self, split: &str) -> Reply {
        match self.control.status_of(split) {
            Some(split) => json(&split),
            None => {
                reply::error(StatusCode::NOT_FOUND, "no such split; /api/v1/splits lists them, namespace - is none")
            }
        }
    }

    async fn change(&self, request: Request<Incoming>, split: &str, rest: &[&str]) -> Reply {
        let peer = request.extensions().get::<SocketAddr>().copied();
        let allowed = peer.is_some_and(|peer| change::allowed(request.headers(), peer.ip(), self.token.as_deref()));
        if !allowed {
            return reply::error(StatusCode::FORBIDDEN, change::FORBIDDEN);
        }
        let changed = match (request.method(), rest) {
            (&Method::PATCH, []) => change::weights(&self.control, split, request.into_body()).await,
            (&Method::POST, ["guard", "reset"]) => self.control.reset_guard(split).map_err(Refused::from),
            _ => Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "PATCH weights, or POST guard/reset".to_owned())),
        };
        match changed {
            Ok(()) => json(&self.control.status_of(split)),
            Err(Refused(status, message)) => reply::error(status, &message),
        }
    }
}

/// The name of a split by its place under `/api/v1/splits`.
fn called(namespace: &str, name: &str) -> String {
    if namespace == "-" { name.to_owned() } else { format!("{namespace}/{name}") }
}
