use serde_json::json;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::source::kubernetes::object::Watched;
use crate::source::kubernetes::tests::objects::{Made, object};

const NAMESPACES: [&str; 2] = ["shop", "web"];

fn within(namespace: &str) -> Watched {
    Watched { kind: ObjectKind::Secret, namespace: Some(namespace.into()) }
}

fn secret(namespace: &str) -> Made {
    object(ObjectKind::Secret, "keys", json!({"data": {}})).in_namespace(namespace)
}

fn changed(namespace: &str) -> Change {
    let (id, object) = secret(namespace).told().unwrap();
    Change::Set(id, object)
}

/// In which of the namespaces the Secret is read again after these changes.
async fn read_again(changes: impl IntoIterator<Item = Change>) -> Vec<&'static str> {
    let (readers, mut receivers) = (Readers::default(), Vec::new());
    for namespace in NAMESPACES {
        let (sender, receiver) = watch::channel(());
        lock(&readers).insert(secret(namespace).id(), sender);
        receivers.push((namespace, receiver));
    }
    let (sender, told) = unbounded_channel();
    changes.into_iter().for_each(|change| sender.send(change).unwrap());
    drop(sender);
    hand_on(told, Arc::clone(&readers)).await;
    receivers.retain(|(_, receiver)| receiver.has_changed().unwrap());
    receivers.into_iter().map(|(namespace, _)| namespace).collect()
}

#[tokio::test]
async fn what_changed_is_read_again_and_nothing_else() {
    assert_eq!(read_again([changed("web")]).await, ["web"]);
    assert_eq!(read_again([Change::Gone(secret("shop").id())]).await, ["shop"]);
}

#[tokio::test]
async fn a_list_that_is_never_told_holds_up_no_other_namespace() {
    assert_eq!(read_again([Change::Listing(within("shop")), changed("web")]).await, ["web"]);
}

#[tokio::test]
async fn what_a_list_covers_is_read_again_when_it_was_told() {
    let listing = [Change::Listing(within("shop")), changed("shop")];
    assert!(read_again(listing.clone()).await.is_empty());
    let listed = listing.into_iter().chain([Change::Listed(within("shop"))]);
    assert_eq!(read_again(listed).await, ["shop"]);
}

#[tokio::test]
async fn a_list_of_all_namespaces_covers_each() {
    let all = Watched::from(ObjectKind::Secret);
    let listing = [Change::Listing(all.clone()), changed("shop"), changed("web")];
    assert!(read_again(listing).await.is_empty());
    assert_eq!(read_again([Change::Listed(all)]).await, NAMESPACES);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_asked_again_and_keeps_no_other_read_from_its_turn() {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |_: http::Request<kube::client::Body>| {
        let first = asked.fetch_add(1, Relaxed) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            let gone = r#"{"kind": "Status", "status": "Failure", "message": "", "reason": "NotFound", "code": 404}"#;
            let response =
                http::Response::builder().status(404).body(kube::client::Body::from(gone.as_bytes().to_vec()));
            Ok::<_, Infallible>(response.unwrap())
        }
    };
    let client = kube::Client::new(tower::service_fn(answer), "shop");
    let (sender, mut changes) = unbounded_channel();
    let (_reader, changed) = watch::channel(());
    let id = secret("shop").id();
    tokio::spawn(read(client, id.clone(), changed, Arc::new(Semaphore::new(1)), sender));
    assert!(matches!(changes.recv().await, Some(Change::Gone(gone)) if gone == id));
}
