//! GRPCRoutes.

use http::Method;
use serde_json::{Value, json};

use super::with_routes;
use crate::model::UpstreamProtocol;
use crate::source::kubernetes::tests::objects::{Made, grpc_route, refs};
use crate::testing::Asked;

fn route(conditions: Value) -> Made {
    grpc_route("r", &[], json!([{"matches": conditions, "backendRefs": refs(&[("a", 1)])}]))
}

fn takes(method: Value, path: &str) -> bool {
    let asked = Asked::get(&format!("a.example{path}")).method(Method::POST);
    with_routes(&[route(json!([{"method": method}]))]).ask(&asked) == "a"
}

#[test]
fn a_service_and_a_method_are_a_path() {
    let method = || json!({"service": "shop.Cart", "method": "Add"});
    assert!(takes(method(), "/shop.Cart/Add"));
    assert!(
        !takes(method(), "/shop.Cart/Remove") && !takes(method(), "/shop.Cart/add") && !takes(method(), "/shop.Cart")
    );
}

#[test]
fn a_service_alone_takes_all_its_methods() {
    let method = || json!({"service": "shop.Cart"});
    assert!(takes(method(), "/shop.Cart/Add") && takes(method(), "/shop.Cart/Remove"));
    assert!(!takes(method(), "/shop.CartV2/Add"));
}

#[test]
fn a_method_alone_takes_it_of_every_service() {
    let method = || json!({"method": "Add"});
    assert!(takes(method(), "/shop.Cart/Add") && takes(method(), "/other/Add"));
    assert!(!takes(method(), "/shop.Cart/Added"));
}

#[test]
fn expressions_match_the_whole_of_each_part() {
    let method = || json!({"type": "RegularExpression", "service": "shop\\.(Cart|Order)", "method": "Add.*"});
    assert!(takes(method(), "/shop.Cart/AddAll") && takes(method(), "/shop.Order/Add"));
    assert!(!takes(method(), "/xshop.Cart/Add") && !takes(method(), "/shopxCart/Add"));
}

#[test]
fn a_dot_in_a_name_is_a_dot() {
    assert!(!takes(json!({"service": "shop.Cart"}), "/shopxCart/Add"));
    assert!(!takes(json!({"method": "Add.One"}), "/s/AddxOne"));
}

#[test]
fn headers_match_too() {
    let mut world = with_routes(&[route(json!([{"headers": [{"name": "x-a", "value": "1"}]}]))]);
    assert_eq!(world.ask(&Asked::get("a.example/s/m").header("x-a", "1")), "a");
    assert_eq!(world.ask(&Asked::get("a.example/s/m")), "404");
}

#[test]
fn backends_are_spoken_to_in_http_2() {
    let mut world = with_routes(&[route(json!([]))]);
    assert_eq!(world.route("r").rules[0].split.versions[0].transport.protocol, UpstreamProtocol::Http2);
}

#[test]
fn weights_and_status_are_those_of_any_route() {
    let rule = json!({"backendRefs": refs(&[("a", 3), ("nope", 1)])});
    let route = grpc_route("r", &[], json!([rule]));
    let mut world = with_routes(std::slice::from_ref(&route));
    let shares = world.shares("a.example/s/m", 100);
    assert_eq!((shares["a"], shares["500"]), (75, 25));
    assert_eq!(world.parent(&route, "Accepted"), "True/Accepted");
    assert_eq!(world.parent(&route, "ResolvedRefs"), "False/BackendNotFound");
}
