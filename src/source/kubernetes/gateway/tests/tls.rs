//! Certificates of listeners.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cluster;
use crate::model::Listener;
use crate::source::kubernetes::tests::objects::{Made, gateway, grant, secret};
use crate::source::kubernetes::tests::world::World;

fn https(name: &str, hostname: Option<&str>, references: Value) -> Value {
    let mut listener = json!({"name": name, "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": references}});
    if let Some(hostname) = hostname {
        listener["hostname"] = hostname.into();
    }
    listener
}

fn resolved(listener: Value, objects: &[Made]) -> String {
    cluster(&json!([listener]), objects).listener(&gateway("gw", json!([])), "https", "ResolvedRefs")
}

fn socket(world: &mut World) -> Arc<Listener> {
    world.model().listeners.iter().find(|listener| &*listener.name == "gateway/shop/gw/443").cloned().unwrap()
}

/// The names of each certificate of port 443.
fn names(world: &mut World) -> Vec<String> {
    let socket = socket(world);
    let certificates = &socket.tls.as_ref().unwrap().certificates;
    certificates.iter().map(|c| c.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_listener_shows_its_certificate_for_its_hostname() {
    let listeners = json!([
        https("one", Some("one.example"), json!([{"name": "one"}])),
        https("wild", Some("*.example"), json!([{"name": "wild"}])),
    ]);
    let mut world = cluster(&listeners, &[secret("one", &["one.example"]), secret("wild", &["*.example"])]);
    assert_eq!(names(&mut world), ["one.example", "*.example"]);
    assert_eq!(world.listener(&gateway("gw", json!([])), "one", "Programmed"), "True/Programmed");
}

#[test]
fn without_a_hostname_certificates_are_chosen_by_their_own_names() {
    let listeners = json!([https("https", None, json!([{"name": "one"}, {"name": "two"}]))]);
    let mut world =
        cluster(&listeners, &[secret("one", &["one.example", "*.one.example"]), secret("two", &["two.example"])]);
    assert_eq!(names(&mut world), ["one.example *.one.example", "two.example"]);
}

#[test]
fn a_certificate_that_changes_is_shown_and_one_that_does_not_keeps_the_socket() {
    let mut world =
        cluster(&json!([https("https", None, json!([{"name": "one"}]))]), &[secret("one", &["one.example"])]);
    let before = socket(&mut world);
    world.set(&secret("other", &["other.example"]));
    assert!(Arc::ptr_eq(&before, &socket(&mut world)));
    world.set(&secret("one", &["renewed.example"]));
    assert_eq!(names(&mut world), ["renewed.example"]);
}

#[test]
fn a_secret_that_goes_takes_the_listener_with_it() {
    let one = secret("one", &["one.example"]);
    let mut world = cluster(&json!([https("https", None, json!([{"name": "one"}]))]), std::slice::from_ref(&one));
    assert_eq!(world.model().listeners.len(), 2);
    world.remove(&one);
    assert_eq!(world.model().listeners.len(), 1);
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let mut world = cluster(&json!([https("https", None, json!([{"name": "one"}]))]), &[]);
    let report = world.report(&gateway("gw", json!([])));
    let resolved = report.listeners[0].conditions.iter().find(|condition| condition.kind == "ResolvedRefs").unwrap();
    assert_eq!((resolved.holds, resolved.reason), (false, "InvalidCertificateRef"));
    assert!(resolved.message.contains("Secret shop/one"), "{}", resolved.message);
}

#[test]
fn references_to_anything_but_secrets_are_refused() {
    let one = secret("one", &["one.example"]);
    for reference in [json!({"kind": "ConfigMap", "name": "one"}), json!({"group": "example.com", "name": "one"})] {
        assert_eq!(
            resolved(https("https", None, json!([reference])), std::slice::from_ref(&one)),
            "False/InvalidCertificateRef"
        );
    }
}

#[test]
fn a_secret_that_is_no_certificate_is_refused() {
    let one = || secret("one", &["one.example"]);
    let listener = || https("https", None, json!([{"name": "one"}]));
    for data in [
        json!({}),
        json!({"tls.crt": "bm90aGluZw=="}),
        json!({"tls.crt": "%%%", "tls.key": "%%%"}),
        json!({"tls.crt": "bm90aGluZw==", "tls.key": "bm90aGluZw=="}),
    ] {
        assert_eq!(resolved(listener(), &[one().with("/data", data)]), "False/InvalidCertificateRef");
    }
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let other = secret("other", &["one.example"]).told().unwrap().1;
    let crate::source::kubernetes::object::Body::Secret(data) = other.body else { panic!("no Secret") };
    let mixed = secret("one", &["one.example"]).with("/data/tls.key", data.get("tls.key").unwrap().into());
    assert_eq!(resolved(https("https", None, json!([{"name": "one"}])), &[mixed]), "False/InvalidCertificateRef");
}

#[test]
fn a_listener_without_certificates_or_that_passes_tls_through_is_refused() {
    assert_eq!(resolved(https("https", None, json!([])), &[]), "False/InvalidCertificateRef");
    let mut through = https("https", None, json!([{"name": "one"}]));
    through["tls"]["mode"] = "Passthrough".into();
    assert_eq!(resolved(through, &[secret("one", &["one.example"])]), "False/InvalidCertificateRef");
}

#[test]
fn one_bad_certificate_of_a_port_leaves_the_other_listeners_of_it_alone() {
    let listeners = json!([
        https("one", Some("one.example"), json!([{"name": "one"}])),
        https("two", Some("two.example"), json!([{"name": "two"}])),
    ]);
    let mut world = cluster(&listeners, &[secret("one", &["one.example"])]);
    assert_eq!(names(&mut world), ["one.example"]);
    assert_eq!(world.condition(&gateway("gw", json!([])), "Accepted"), "True/ListenersNotValid");
}

#[test]
fn http_listeners_have_no_tls() {
    let mut world = cluster(&json!([{"name": "http", "port": 80, "protocol": "HTTP"}]), &[]);
    assert!(world.model().listeners[1].tls.is_none());
}

#[test]
fn only_secrets_that_a_listener_refers_to_and_may_use_are_asked_for_and_kept() {
    let elsewhere = || secret("elsewhere", &["two.example"]).in_namespace("certs");
    let listeners = json!([
        https("one", Some("one.example"), json!([{"name": "one"}])),
        https("two", Some("two.example"), json!([{"name": "elsewhere", "namespace": "certs"}])),
    ]);
    let mut world = cluster(&listeners, &[secret("one", &["one.example"])]);
    let asked = |world: &mut World| {
        world.model();
        world.index.named().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut world), ["Secret shop/one"]);
    assert!(world.index.take_named().is_some());
    world.set(&grant("certs", ("Gateway", "shop"), ("Secret", None)));
    assert_eq!(asked(&mut world), ["Secret certs/elsewhere", "Secret shop/one"]);
    world.set(&elsewhere());
    assert_eq!(names(&mut world), ["one.example", "two.example"]);
    assert!(world.index.take_named().is_some());
    world.remove(&grant("certs", ("Gateway", "shop"), ("Secret", None)));
    assert_eq!(asked(&mut world), ["Secret shop/one"]);
    assert!(world.index.take_named().is_some() && world.index.take_named().is_none());
    world.index.forget_named(&elsewhere().id());
    assert!(world.index.objects().get(&elsewhere().id()).is_none());
}
