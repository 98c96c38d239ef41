use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// A Lease on a server that answers, or not, as it is told.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spec: Value,
    version: u64,
    stalled: bool,
    /// The next write meets a conflict.
    conflict: bool,
}

impl Server {
    fn held_by(holder: &str) -> Self {
        let server = Self::default();
        server.write(holder);
        server
    }

    /// As another replica writes it.
    fn write(&self, holder: &str) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        let renewed = format!("2026-01-01T00:00:{:02}.000000Z", state.version % 60);
        state.spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed});
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    fn holder(&self) -> String {
        self.0.lock().unwrap().spec["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    fn client(&self) -> kube::Client {
        let server = self.clone();
        let answer = move |request: http::Request<Body>| {
            let server = server.clone();
            async move {
                let method = request.method().clone();
                let sent = request.into_body().collect_bytes().await.unwrap();
                if server.0.lock().unwrap().stalled {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(server.answer(&method, &sent))
            }
        };
        kube::Client::new(tower::service_fn(answer), "weir-system")
    }

    fn answer(&self, method: &http::Method, sent: &[u8]) -> http::Response<Body> {
        let mut state = self.0.lock().unwrap();
        if method != http::Method::GET {
            if std::mem::take(&mut state.conflict) {
                let status =
                    json!({"kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict", "message": ""});
                return http::Response::builder()
                    .status(409)
                    .body(Body::from(status.to_string().into_bytes()))
                    .unwrap();
            }
            state.version += 1;
            state.spec = serde_json::from_slice::<Value>(sent).unwrap()["spec"].clone();
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "resourceVersion": state.version.to_string()},
            "spec": state.spec,
        });
        http::Response::new(Body::from(lease.to_string().into_bytes()))
    }

    /// Begins to want the Lease.
    fn campaign(&self) -> (watch::Receiver<bool>, oneshot::Sender<()>) {
        let (leads, leading) = watch::channel(false);
        let (resign, resigned) = oneshot::channel();
        tokio::spawn(hold(Api::default_namespaced(self.client()), "own".to_owned(), leads, resigned));
        (leading, resign)
    }
}

/// How long until it leads, or no longer does.
async fn until(leading: &mut watch::Receiver<bool>, leads: bool) -> Duration {
    let begun = Instant::now();
    timeout(Duration::from_secs(600), leading.wait_for(|known| *known == leads)).await.unwrap().unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_free_is_taken_at_once() {
    let server = Server::held_by("");
    let (mut leading, _resign) = server.campaign();
    assert_eq!(until(&mut leading, true).await, Duration::ZERO);
    assert_eq!(server.holder(), "own");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_over_when_it_was_seen_not_to_change_for_its_time_whatever_its_clock_says() {
    let server = Server::held_by("another");
    let (mut leading, _resign) = server.campaign();
    let waited = until(&mut leading, true).await;
    assert!((DURATION..DURATION + LOOK * 2).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_left_to_its_holder() {
    let server = Server::held_by("another");
    let (mut leading, _resign) = server.campaign();
    for _ in 0..10 {
        tokio::time::sleep(DURATION / 2).await;
        server.write("another");
    }
    assert!(!*leading.borrow_and_update());
}

#[tokio::test(start_paused = true)]
async fn who_resigns_leads_no_longer_and_leaves_the_lease_free() {
    let server = Server::held_by("");
    let (mut leading, resign) = server.campaign();
    until(&mut leading, true).await;
    drop(resign);
    assert!(until(&mut leading, false).await < LOOK);
    let (mut next, _resign) = server.campaign();
    assert!(until(&mut next, true).await <= LOOK);
    assert!(leading.has_changed().is_ok(), "who waits for news goes on waiting");
}

#[tokio::test(start_paused = true)]
async fn giving_it_up_is_tried_again_after_a_conflict() {
    let server = Server::held_by("");
    let (mut leading, resign) = server.campaign();
    until(&mut leading, true).await;
    server.set(|state| state.conflict = true);
    drop(resign);
    tokio::time::sleep(LOOK * 2).await;
    assert_eq!(server.holder(), "");
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_answer_stops_leading_before_another_may_begin() {
    let server = Server::held_by("");
    let (mut leading, _resign) = server.campaign();
    until(&mut leading, true).await;
    server.set(|state| state.stalled = true);
    let waited = until(&mut leading, false).await;
    assert!(waited <= GRACE + LOOK && GRACE + LOOK < DURATION, "{waited:?}");
    server.set(|state| state.stalled = false);
    assert!(until(&mut leading, true).await <= ANSWER + LOOK, "the stalled request is given up");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_while_it_is_held_changes_nothing() {
    let server = Server::held_by("");
    let (mut leading, _resign) = server.campaign();
    until(&mut leading, true).await;
    server.set(|state| state.conflict = true);
    let lost = timeout(DURATION * 4, leading.wait_for(|leads| !leads)).await;
    assert!(lost.is_err());
}
