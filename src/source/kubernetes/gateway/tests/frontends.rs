//! What clients of HTTPS listeners must show.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cluster;
use crate::model::Listener;
use crate::source::kubernetes::tests::objects::{Made, authority, gateway, grant, http_route, pem, secret, to};
use crate::source::kubernetes::tests::world::World;

fn listeners() -> Value {
    let tls = json!({"certificateRefs": [{"name": "one"}]});
    json!([
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls},
        {"name": "other", "port": 8080, "protocol": "HTTPS", "tls": tls},
    ])
}

/// A validation with these ConfigMaps.
fn by(names: &[&str]) -> Value {
    let refs: Vec<Value> = names.iter().map(|name| json!({"group": "", "kind": "ConfigMap", "name": name})).collect();
    json!({"validation": {"caCertificateRefs": refs}})
}

fn with_frontend(frontend: Value, objects: &[Made]) -> World {
    with_tls(json!({"frontend": frontend}), objects)
}

fn with_tls(tls: Value, objects: &[Made]) -> World {
    let mut world = cluster(&listeners(), objects);
    world.set(&secret("one", &["one.example"]));
    world.set(&gateway("gw", listeners()).with("/spec/tls", tls));
    world
}

fn socket(world: &mut World, port: u16) -> Option<Arc<Listener>> {
    let name = format!("gateway/shop/gw/{port}");
    world.model().listeners.iter().find(|listener| *listener.name == *name).cloned()
}

/// How many authorities clients of a port may come from, and whether they need to.
fn asked(world: &mut World, port: u16) -> Option<(usize, bool)> {
    let listener = socket(world, port).unwrap();
    let tls = listener.tls.as_ref().unwrap();
    tls.client_ca.as_ref().map(|roots| (roots.len(), tls.client_optional))
}

fn said(world: &mut World, listener: &str, kind: &str) -> String {
    world.listener(&gateway("gw", json!([])), listener, kind)
}

#[test]
fn clients_of_every_https_listener_must_show_a_certificate_of_the_default_authority() {
    let mut world = with_frontend(json!({"default": by(&["ca"])}), &[authority("ca", &pem("ca"))]);
    assert_eq!(asked(&mut world, 443), Some((1, false)));
    assert_eq!(asked(&mut world, 8080), Some((1, false)));
    assert!(socket(&mut world, 80).unwrap().tls.is_none());
    for listener in ["http", "https", "other"] {
        assert_eq!(said(&mut world, listener, "ResolvedRefs"), "True/ResolvedRefs");
    }
    assert_eq!(world.condition(&gateway("gw", json!([])), "ResolvedRefs"), "True/ResolvedRefs");
}

#[test]
fn without_validation_no_client_is_asked() {
    for frontend in [Value::Null, json!({}), json!({"default": {}})] {
        assert_eq!(asked(&mut with_frontend(frontend, &[]), 443), None);
    }
}

#[test]
fn what_is_said_for_a_port_counts_there_in_place_of_the_default() {
    let objects = [authority("ca", &pem("ca")), authority("two", &(pem("a") + &pem("b")))];
    let per_port = json!([{"port": 443, "tls": by(&["two"])}, {"port": 8080, "tls": {}}]);
    let mut world = with_frontend(json!({"default": by(&["ca"]), "perPort": per_port}), &objects);
    assert_eq!(asked(&mut world, 443), Some((2, false)));
    assert_eq!(asked(&mut world, 8080), None);
}

#[test]
fn a_listener_whose_authorities_all_lead_nowhere_is_not_served() {
    let mut world = with_frontend(json!({"default": by(&["ca"])}), &[http_route("r", &[], json!([to(&[("a", 1)])]))]);
    assert!(socket(&mut world, 443).is_none());
    assert_eq!(said(&mut world, "https", "Accepted"), "False/NoValidCACertificate");
    assert_eq!(said(&mut world, "https", "ResolvedRefs"), "False/InvalidCACertificateRef");
    assert_eq!(said(&mut world, "https", "Programmed"), "False/Invalid");
    assert_eq!(said(&mut world, "http", "Accepted"), "True/Accepted");
    assert_eq!(world.condition(&gateway("gw", json!([])), "ResolvedRefs"), "False/ListenersNotResolved");
    assert_eq!(world.get("/"), "a");
    world.set(&authority("ca", &pem("ca")));
    assert_eq!(asked(&mut world, 443), Some((1, false)));
    world.remove(&authority("ca", ""));
    assert!(socket(&mut world, 443).is_none());
}

#[test]
fn an_authority_that_is_none_is_named_with_what_is_wrong() {
    let none = authority("ca", "").with("/data", json!({"other": "x"}));
    for (map, text) in [(none, "no key ca.crt"), (authority("ca", "x"), "BEGIN CERTIFICATE")] {
        let mut world = with_frontend(json!({"default": by(&["ca"])}), &[map]);
        assert_eq!(said(&mut world, "https", "ResolvedRefs"), "False/InvalidCACertificateRef");
        let report = world.report(&gateway("gw", json!([])));
        let conditions = &report.listeners[1].conditions;
        let message = &conditions.iter().find(|condition| condition.kind == "ResolvedRefs").unwrap().message;
        assert!(message.contains("ConfigMap shop/ca") && message.contains(text), "{message}");
    }
}

#[test]
fn one_good_authority_among_bad_ones_is_used_and_the_bad_one_is_told() {
    let mut world = with_frontend(json!({"default": by(&["ca", "gone"])}), &[authority("ca", &pem("ca"))]);
    assert_eq!(asked(&mut world, 443), Some((1, false)));
    assert_eq!(said(&mut world, "https", "Accepted"), "True/Accepted");
    assert_eq!(said(&mut world, "https", "ResolvedRefs"), "False/InvalidCACertificateRef");
}

#[test]
fn authorities_of_other_kinds_are_refused() {
    for (group, kind) in [("", "Secret"), ("example.com", "ConfigMap")] {
        let refs = json!([{"group": group, "kind": kind, "name": "one"}]);
        let frontend = json!({"default": {"validation": {"caCertificateRefs": refs}}});
        let mut world = with_frontend(frontend, &[]);
        assert_eq!(said(&mut world, "https", "ResolvedRefs"), "False/InvalidCACertificateKind");
        assert_eq!(said(&mut world, "https", "Accepted"), "False/NoValidCACertificate");
    }
}

#[test]
fn an_authority_of_another_namespace_needs_a_grant() {
    let refs = json!([{"group": "", "kind": "ConfigMap", "name": "ca", "namespace": "certs"}]);
    let frontend = json!({"default": {"validation": {"caCertificateRefs": refs}}});
    let mut world = with_frontend(frontend, &[authority("ca", &pem("ca")).in_namespace("certs")]);
    assert_eq!(said(&mut world, "https", "ResolvedRefs"), "False/RefNotPermitted");
    world.set(&grant("certs", ("Gateway", "shop"), ("ConfigMap", None)));
    assert_eq!(asked(&mut world, 443), Some((1, false)));
}

#[test]
fn with_insecure_fallback_clients_are_asked_and_let_in_and_the_gateway_says_so() {
    let mut validation = by(&["ca"]);
    validation["validation"]["mode"] = "AllowInsecureFallback".into();
    let frontend = json!({"default": by(&["ca"]), "perPort": [{"port": 443, "tls": validation}]});
    let mut world = with_frontend(frontend, &[authority("ca", &pem("ca"))]);
    assert_eq!((asked(&mut world, 443), asked(&mut world, 8080)), (Some((1, true)), Some((1, false))));
    let gateway = gateway("gw", json!([]));
    assert_eq!(world.condition(&gateway, "InsecureFrontendValidationMode"), "True/ConfigurationChanged");
    let mut world = with_frontend(json!({"default": by(&["ca"])}), &[authority("ca", &pem("ca"))]);
    let conditions = world.report(&gateway).conditions;
    assert!(conditions.iter().all(|condition| condition.kind != "InsecureFrontendValidationMode"));
}

#[test]
fn a_mode_that_is_not_known_closes_the_listener() {
    let mut validation = by(&["ca"]);
    validation["validation"]["mode"] = "Sometimes".into();
    let mut world = with_frontend(json!({"default": validation}), &[authority("ca", &pem("ca"))]);
    assert!(socket(&mut world, 443).is_none());
    assert_eq!(said(&mut world, "https", "Accepted"), "False/UnsupportedValue");
}

#[test]
fn a_certificate_for_backends_is_told_not_to_be_carried() {
    let mut world = with_tls(json!({"backend": {"clientCertificateRef": {"name": "one"}}}), &[]);
    let gateway = gateway("gw", json!([]));
    assert_eq!(world.condition(&gateway, "ResolvedRefs"), "False/UnsupportedValue");
    assert_eq!(world.condition(&gateway, "Accepted"), "True/Accepted");
}
