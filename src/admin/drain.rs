//! `/drain/{pod}`: answers once a pod has nothing left and gets nothing new. Its preStop hook waits here, so that it is not
//! stopped before.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::reply::{self, Reply, json};
use crate::control::{Control, Leaving};

/// How often it is looked: hundreds may wait, and each looks through all endpoints.
const LOOK: Duration = Duration::from_millis(200);
/// How long it is waited unless `seconds` says otherwise: less than the time that pods have by default.
const PATIENCE: Duration = Duration::from_secs(25);
/// Nobody waits longer than a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer.
#[derive(Serialize)]
struct Drained<'a> {
    pod: &'a str,
    drained: bool,
}

/// Whether this is asked at such a path.
pub fn waits(path: &str) -> bool {
    path.starts_with("/drain/")
}

/// Waits until nothing goes to `pod`, the name or address of a pod, for at most `?seconds=25`.
pub async fn answer(control: &Control, pod: &str, query: Option<&str>) -> Reply {
    let patience = match query.map(|query| query.strip_prefix("seconds=").and_then(|text| text.parse().ok())) {
        None => PATIENCE,
        Some(Some(seconds)) => Duration::from_secs(seconds).min(LONGEST),
        Some(None) => return reply::error(StatusCode::BAD_REQUEST, "write how long to wait like ?seconds=25"),
    };
    let deadline = Instant::now() + patience;
    loop {
        let leaving = control.leaving(pod);
        if leaving == Leaving::Gone {
            return json(&Drained { pod, drained: true });
        }
        if Instant::now() >= deadline {
            let message = match leaving {
                Leaving::Draining(left) => {
                    format!("{pod} has {left} requests and long-lived connections left after {patience:?}")
                }
                _ => format!("{pod} still gets requests after {patience:?}: it is not on its way out"),
            };
            return reply::error(StatusCode::GATEWAY_TIMEOUT, &message);
        }
        tokio::time::sleep(LOOK).await;
    }
}
