//! Hostnames of listeners and routes (Gateway API, `Listener.hostname`, `HTTPRouteSpec.hostnames`).

use serde_json::{Value, json};

use super::cluster;
use crate::source::kubernetes::tests::objects::{Made, http_route, secret, to};
use crate::source::kubernetes::tests::world::World;

fn listener(hostname: &str) -> Value {
    json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": hostname}])
}

fn route(hostnames: &[&str]) -> Made {
    http_route("r", hostnames, json!([to(&[("a", 1)])]))
}

/// Which of the hosts are served.
fn served(world: &mut World, hosts: &[&str]) -> Vec<bool> {
    hosts.iter().map(|host| world.get(host) == "a").collect()
}

#[test]
fn a_route_without_hostnames_answers_for_those_of_the_listener() {
    let mut world = cluster(&listener("a.example"), &[route(&[])]);
    assert_eq!(served(&mut world, &["a.example", "b.example"]), [true, false]);
}

#[test]
fn a_listener_without_a_hostname_takes_those_of_the_route() {
    let mut world =
        cluster(&json!([{"name": "http", "port": 80, "protocol": "HTTP"}]), &[route(&["a.example", "*.b.example"])]);
    assert_eq!(served(&mut world, &["a.example", "x.b.example", "b.example"]), [true, true, false]);
}

#[test]
fn hostnames_that_the_listener_does_not_have_are_left_out() {
    let mut world = cluster(&listener("*.a.example"), &[route(&["x.a.example", "other.example", "a.example"])]);
    assert_eq!(world.parent(&route(&[]), "Accepted"), "True/Accepted");
    let hosts = ["x.a.example", "y.a.example", "other.example", "a.example"];
    assert_eq!(served(&mut world, &hosts), [true, false, false, false]);
}

#[test]
fn a_wildcard_of_the_route_is_narrowed_to_the_listener() {
    let mut world = cluster(&listener("x.a.example"), &[route(&["*.a.example"])]);
    assert_eq!(served(&mut world, &["x.a.example", "y.a.example"]), [true, false]);
}

#[test]
fn a_wildcard_stands_for_any_number_of_labels_but_not_for_none() {
    let mut world = cluster(&listener("*.a.example"), &[route(&["*.a.example"])]);
    assert_eq!(served(&mut world, &["x.a.example", "x.y.z.a.example", "a.example"]), [true, true, false]);
}

#[test]
fn of_two_wildcards_the_narrower_counts() {
    let mut world = cluster(&listener("*.example"), &[route(&["*.a.example"])]);
    assert_eq!(served(&mut world, &["x.a.example", "a.example", "b.example"]), [true, false, false]);
    let mut world = cluster(&listener("*.a.example"), &[route(&["*.example"])]);
    assert_eq!(served(&mut world, &["x.a.example", "a.example", "b.example"]), [true, false, false]);
}

#[test]
fn a_suffix_that_is_no_label_is_no_match() {
    let mut world = cluster(&listener("*.example"), &[route(&["*.aexample", "xexample"])]);
    assert_eq!(world.parent(&route(&[]), "Accepted"), "False/NoMatchingListenerHostname");
    assert_eq!(served(&mut world, &["x.aexample", "xexample"]), [false, false]);
}

#[test]
fn a_route_with_no_hostname_in_common_is_not_accepted() {
    let mut world = cluster(&listener("a.example"), &[route(&["b.example"])]);
    assert_eq!(world.parent(&route(&[]), "Accepted"), "False/NoMatchingListenerHostname");
    assert_eq!(served(&mut world, &["a.example", "b.example"]), [false, false]);
}

#[test]
fn a_hostname_that_is_none_does_not_mean_all() {
    let long = format!("{}.example", "a".repeat(64));
    let mut world = cluster(&listener("a.example"), &[route(&[&long])]);
    assert_eq!(served(&mut world, &["a.example", "b.example"]), [false, false]);
}

/// The four listeners of the conformance test GatewayHTTPListenerIsolation, each with a route of its own.
#[test]
fn a_request_goes_to_the_listener_that_fits_best_and_to_no_other() {
    let hostnames = [None, Some("*.example.com"), Some("*.foo.example.com"), Some("abc.foo.example.com")];
    let names = ["empty", "wildcard", "narrow", "exact"];
    let listeners: Value = names
        .iter()
        .zip(hostnames)
        .map(|(name, hostname)| {
            let mut listener = json!({"name": name, "port": 80, "protocol": "HTTP"});
            if let Some(hostname) = hostname {
                listener["hostname"] = hostname.into();
            }
            listener
        })
        .collect();
    let routes = names.map(|name| {
        let rule =
            json!({"matches": [{"path": {"value": format!("/{name}")}}], "backendRefs": [{"name": "a", "port": 80}]});
        http_route(name, &[], json!([rule])).with("/spec/parentRefs/0/sectionName", json!(name))
    });
    let mut world = cluster(&listeners, &routes);
    let best = [("bar.com", 0), ("bar.example.com", 1), ("bar.foo.example.com", 2), ("abc.foo.example.com", 3)];
    for (host, fits) in best {
        for (index, name) in names.iter().enumerate() {
            let expected = if index == fits { "a" } else { "404" };
            assert_eq!(world.get(&format!("{host}/{name}")), expected, "{host}/{name}");
        }
    }
}

#[test]
fn a_route_with_hostnames_gives_up_those_that_another_listener_fits_better() {
    let listeners = json!([
        {"name": "wide", "port": 80, "protocol": "HTTP", "hostname": "*.example"},
        {"name": "own", "port": 80, "protocol": "HTTP", "hostname": "a.example"},
    ]);
    let wide = route(&["a.example", "b.example"]).with("/spec/parentRefs/0/sectionName", json!("wide"));
    let mut world = cluster(&listeners, &[wide]);
    assert_eq!(served(&mut world, &["a.example", "b.example", "c.example"]), [false, true, false]);
}

#[test]
fn a_listener_on_another_port_takes_nothing_away() {
    let listeners = json!([
        {"name": "wide", "port": 80, "protocol": "HTTP"},
        {"name": "own", "port": 8080, "protocol": "HTTP", "hostname": "a.example"},
    ]);
    let wide = route(&["a.example"]).with("/spec/parentRefs/0/sectionName", json!("wide"));
    assert_eq!(served(&mut cluster(&listeners, &[wide]), &["a.example"]), [true]);
}

/// Two listeners of one port: `good` for every host, and `bad` for one, whose certificate lacks.
fn half_broken() -> Value {
    let tls = |name: &str| json!({"certificateRefs": [{"name": name}]});
    json!([
        {"name": "good", "port": 443, "protocol": "HTTPS", "tls": tls("cert")},
        {"name": "bad", "port": 443, "protocol": "HTTPS", "hostname": "b.example", "tls": tls("missing")},
    ])
}

#[test]
fn a_listener_that_is_not_served_takes_nothing_from_the_others() {
    let mut world = cluster(&half_broken(), &[secret("cert", &["a.example"]), route(&["b.example"])]).at_port(443);
    assert_eq!(served(&mut world, &["b.example"]), [true]);
}

#[test]
fn a_route_on_a_listener_that_is_not_served_is_not_on_another_of_its_port() {
    let bad = route(&[]).with("/spec/parentRefs/0/sectionName", json!("bad"));
    let mut world = cluster(&half_broken(), &[secret("cert", &["a.example"]), bad.clone()]).at_port(443);
    assert_eq!(served(&mut world, &["b.example", "a.example"]), [false, false]);
    world.set(&secret("missing", &["b.example"]));
    assert_eq!(served(&mut world, &["b.example", "a.example"]), [true, false]);
}

#[test]
fn the_longest_hostname_wins_over_routes() {
    let wide = http_route("wide", &["*.example"], json!([to(&[("a", 1)])]));
    let narrow = http_route("narrow", &["*.x.example"], json!([to(&[("b", 1)])])).made_after(9);
    let exact = http_route("exact", &["y.x.example"], json!([to(&[("a", 1)])])).made_after(10);
    let mut world = super::with_routes(&[wide, narrow, exact]);
    assert_eq!(world.way("z.x.example/"), "narrow/b");
    assert_eq!(world.way("y.x.example/"), "exact/a");
    assert_eq!(world.way("x.example/"), "wide/a");
}
