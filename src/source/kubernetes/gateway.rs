//! The Gateway API: Gateways make listeners, routes attach to them.

mod address;
mod attach;
mod backend;
mod certificate;
mod class;
mod filter;
mod grant;
mod listener;
mod matching;
mod route;
mod wire;

pub use address::{BIND_PORTS, OwnedService, owned_service, service_name};
pub use attach::{Attachable, attachable};
pub use certificate::certificate;
pub use class::translate as translate_class;
pub use listener::translate as translate_gateway;
pub use route::{accept, translate_grpc, translate_http};
pub use wire::ParentRef;

/// The name by which GatewayClasses ask for this controller.
pub const CONTROLLER: &str = "weir.dev/gateway-controller";
/// API group.
pub const GROUP: &str = "gateway.networking.k8s.io";

#[cfg(test)]
mod tests;
