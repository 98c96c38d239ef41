use serde_json::json;

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
