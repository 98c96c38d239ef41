use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Empty;
use kube::Client;
use kube::client::Body;
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::*;

/// Watches that fail, as they are shown.
struct Shown(Registry);

impl Shown {
    fn of(connection: &Connection) -> Self {
        let registry = Registry::new();
        connection.register(&registry).unwrap();
        Self(registry)
    }

    fn count(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.lines().find_map(|line| line.strip_prefix("weir_watches_interrupted ")).unwrap().to_owned()
    }
}

fn connection() -> Connection {
    let answer = async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()));
    Connection::by(Client::new(tower::service_fn(answer), "shop"))
}

/// The server has answered with this.
fn status(code: u16) -> Status {
    Status { code, ..Status::default() }
}

fn broken() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::TimedOut)
}

#[tokio::test]
async fn a_watch_that_fails_is_counted_until_it_is_answered() {
    let connection = connection();
    let shown = Shown::of(&connection);
    let mut trouble = Trouble::new(ObjectKind::Split, "list, watch").counted(&connection);
    for _ in 0..3 {
        trouble.wait(&broken(), None);
        assert_eq!(shown.count(), "1");
    }
    trouble.answered();
    assert_eq!(shown.count(), "0");
    trouble.wait(&broken(), Some(&status(403)));
    assert_eq!(shown.count(), "1");
    drop(trouble);
    assert_eq!(shown.count(), "0");
}

#[tokio::test]
async fn what_is_not_installed_or_forgotten_is_no_watch_that_fails() {
    let connection = connection();
    let shown = Shown::of(&connection);
    let mut trouble = Trouble::new(ObjectKind::Split, "list, watch").counted(&connection);
    for code in [404, 410] {
        trouble.wait(&broken(), Some(&status(code)));
        assert_eq!(shown.count(), "0", "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_until_the_failures_before_are_long_ago() {
    let mut trouble = Trouble::new(ObjectKind::Split, "list, watch");
    let waits: Vec<Duration> = (0..10).map(|_| trouble.wait(&broken(), None)).collect();
    assert!(waits[0] <= FIRST_WAIT && waits[9] >= LONGEST_WAIT / 2, "{waits:?}");
    trouble.answered();
    assert!(trouble.wait(&broken(), None) >= LONGEST_WAIT / 2, "an answer that ended at once");
    tokio::time::advance(FORGOTTEN + Duration::from_millis(1)).await;
    assert!(trouble.wait(&broken(), None) <= FIRST_WAIT);
}
