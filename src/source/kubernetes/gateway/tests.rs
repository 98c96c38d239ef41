mod addresses;
mod backends;
mod classes;
mod controllers;
mod filters;
mod frontends;
mod grants;
mod grpc;
mod hosts;
mod listeners;
mod matches;
mod mirrors;
mod parents;
mod sessions;
mod timeouts;
mod tls;
mod told;

use serde_json::{Value, json};

use super::super::tests::objects::{Made, class, gateway, gateway_service, http_listener, service, slice};
use super::super::tests::world::World;

/// The Gateway `gw` with these listeners and ports, and two Services `a` and `b` with a pod each.
fn cluster(listeners: &Value, objects: &[Made]) -> World {
    let all = [
        class("weir"),
        gateway("gw", listeners.clone()),
        gateway_service("gw", &[(80, 20080), (8080, 20088), (443, 20443)]),
        service("a", &[]),
        service("b", &[]),
        slice("a", &["10.0.0.1"]),
        slice("b", &["10.0.1.1"]),
    ];
    World::of(&[all.to_vec(), objects.to_vec()].concat()).at_port(80)
}

/// The same with one listener on port 80 that takes everything.
fn with_routes(routes: &[Made]) -> World {
    cluster(&json!([http_listener()]), routes)
}
