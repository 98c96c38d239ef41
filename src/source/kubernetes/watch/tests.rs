use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use kube::client::Body as Sent;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

const NAMESPACES: usize = 20;

/// A server without Rollouts, and how often it was asked for them.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<AtomicUsize>,
    installed: Arc<AtomicBool>,
    /// Namespaces in which they may not be listed.
    forbidden: Arc<[&'static str]>,
}

impl Server {
    fn connection(&self) -> Connection {
        let server = self.clone();
        let answer = move |request: Request<Sent>| {
            let server = server.clone();
            async move { server.answer(request.uri()).await }
        };
        Connection::by(Client::new(tower::service_fn(answer), "weir-system"))
    }

    async fn answer(&self, asked: &Uri) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = asked.path();
        let refused = |code: u16| (code, json!({"kind": "Status", "status": "Failure", "code": code, "message": ""}));
        let (code, body) = if !path.ends_with("/rollouts") {
            refused(403)
        } else if asked.query().is_some_and(|query| query.contains("watch=true")) {
            std::future::pending().await
        } else {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.installed.load(Ordering::Relaxed) {
                _ if self.forbidden.iter().any(|namespace| path.contains(&format!("/{namespace}/"))) => refused(403),
                true => (200, json!({"metadata": {"resourceVersion": "1"}, "items": []})),
                false => refused(404),
            }
        };
        let answer = Response::builder().status(code).body(Full::from(body.to_string()));
        Ok(answer.unwrap())
    }

    /// Follows that server in many namespaces.
    fn follow(&self) -> UnboundedReceiver<Change> {
        let namespaces = (0..NAMESPACES).map(|number| format!("n{number}")).collect();
        let (sender, told) = unbounded_channel();
        watch(&self.connection(), &Scope { namespaces, own: "weir-system".to_owned() }, &sender);
        told
    }

    /// How often it is asked from now on, for so many seconds.
    async fn asked_within(&self, seconds: u64) -> usize {
        let before = self.asked.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.asked.load(Ordering::Relaxed) - before
    }
}

/// In how many namespaces Rollouts were listed so far.
fn listed(told: &mut UnboundedReceiver<Change>) -> usize {
    let rollouts = |change: &Change| matches!(change, Change::Listed(watched) if watched.kind == ObjectKind::Rollout);
    std::iter::from_fn(|| told.try_recv().ok()).filter(rollouts).count()
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_installed_is_asked_for_as_often_with_many_namespaces_as_with_one() {
    let server = Server::default();
    let _told = server.follow();
    assert_eq!(server.asked_within(1).await, NAMESPACES, "each asks once");
    assert_eq!(server.asked_within(60).await, 12);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_installed_is_followed_in_every_namespace_within_five_seconds() {
    let server = Server::default();
    let mut told = server.follow();
    server.asked_within(61).await;
    assert_eq!(listed(&mut told), 0);
    server.installed.store(true, Ordering::Relaxed);
    server.asked_within(5).await;
    assert_eq!(listed(&mut told), NAMESPACES);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_the_right_keeps_no_other_one_waiting() {
    let server = Server { forbidden: ["n0", "n1"].into(), ..Server::default() };
    let mut told = server.follow();
    server.asked_within(61).await;
    server.installed.store(true, Ordering::Relaxed);
    server.asked_within(5).await;
    assert_eq!(listed(&mut told), NAMESPACES - 2);
}
