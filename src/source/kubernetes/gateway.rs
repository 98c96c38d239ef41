//! The Gateway API: Gateways make listeners, routes attach to them.

mod address;
mod attach;
mod backend;
mod certificate;
mod class;
mod filter;
mod frontend;
mod grant;
mod listener;
mod matching;
mod mirror;
mod retry;
mod route;
mod said;
mod session;
mod wire;

#[cfg(test)]
pub use address::{BIND_PORTS, owned_service};
pub use address::{GATEWAY_LABEL, OwnedService, addresses, service_name};
pub use attach::{Attachable, attachable};
pub use certificate::certificate;
pub use class::{is_of_another, translate as translate_class};
pub use grant::allows;
pub use listener::translate as translate_gateway;
pub use route::{accept, plain_split, translate_grpc, translate_http};
pub use wire::ParentRef;

/// The name by which GatewayClasses ask for this controller.
pub const CONTROLLER: &str = "weir.dev/gateway-controller";
/// Features that are carried (Gateway API, `GatewayClass.status.supportedFeatures`), sorted.
pub const FEATURES: &[&str] = &[
    "GRPCRoute",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayPort8080",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetry",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
];
/// API group.
pub const GROUP: &str = "gateway.networking.k8s.io";

#[cfg(test)]
mod tests;
