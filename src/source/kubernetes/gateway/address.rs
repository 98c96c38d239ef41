//! Where a Gateway is reached: a Service of its own, which leads each of its ports to one that the replicas bind.
//!
//! The Service is the record of which port is bound for which: replicas read it there, so that they agree, also after all of
//! them were restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Body, Id, Object, ObjectKind, Service, TargetPort};

/// Ports that replicas bind for Gateways: none needs a privilege, and the kernel hands out none of them.
pub const BIND_PORTS: Range<u16> = 20_000..30_000;
/// Label of Services that belong to a Gateway.
pub const GATEWAY_LABEL: &str = "weir.dev/gateway";
/// Longest name of a Service.
const MAX_NAME: usize = 63;

/// The Service that a Gateway is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedService {
    /// Name, in the namespace of the proxy.
    pub name: Arc<str>,
    /// The Gateway, as `namespace.name` in its label.
    pub gateway: Id,
    /// Port of the Gateway, and the port that replicas bind for it.
    pub ports: BTreeMap<u16, u16>,
    /// Labels that the Gateway asks for.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the Gateway asks for.
    pub annotations: BTreeMap<String, String>,
}

impl OwnedService {
    /// The value of its label: which Gateway it belongs to, as far as a label is long enough.
    pub fn label(&self) -> String {
        let name = format!("{}.{}", self.gateway.namespace, self.gateway.name);
        name[..name.len().min(MAX_NAME)].trim_end_matches(['.', '-', '_']).to_owned()
    }
}

/// The name of the Service of a Gateway: readable, and unique whatever its length.
pub fn service_name(gateway: &Id) -> Arc<str> {
    let hash = xxh3_64(format!("{}/{}", gateway.namespace, gateway.name).as_bytes()) as u32;
    let readable = format!("gw-{}-{}", gateway.namespace, gateway.name).replace('.', "-");
    let readable = &readable[..readable.len().min(MAX_NAME - 9)];
    format!("{}-{hash:08x}", readable.trim_end_matches('-')).into()
}

/// The Service that `gateway` is to have for `ports`; ports that it has already stay bound as they are.
pub fn owned_service(reader: &Reader<'_>, gateway: &Id, ports: &BTreeSet<u16>) -> OwnedService {
    let name = service_name(gateway);
    let others = bound_by_others(reader, &name);
    let mut taken: BTreeSet<u16> = others.iter().map(|(_, number)| *number).collect();
    // Gateways that were made at the same time may have come to the same number: it is that of the first by name.
    let is_first = |number: &u16| !others.iter().any(|(other, bound)| bound == number && **other < name);
    let mut known = existing(reader, gateway).map(bound).unwrap_or_default();
    let mut own = BTreeSet::new();
    known.retain(|_, number| is_first(number) && own.insert(*number));
    taken.extend(own);
    let mut bind = BTreeMap::new();
    for port in ports {
        let number = known.get(port).copied().unwrap_or_else(|| free(&name, *port, &taken));
        taken.insert(number);
        bind.insert(*port, number);
    }
    OwnedService { name, gateway: gateway.clone(), ports: bind, labels: BTreeMap::new(), annotations: BTreeMap::new() }
}

/// The Service that a Gateway has.
pub fn existing<'i>(reader: &Reader<'i>, gateway: &Id) -> Option<&'i Service> {
    reader.service(&reader.options.namespace, &service_name(gateway))
}

/// Ports of a Service with the ports of the pods that they lead to.
pub fn bound(service: &Service) -> BTreeMap<u16, u16> {
    let target = |target: &Option<TargetPort>| target.as_ref().and_then(TargetPort::number);
    service.ports.iter().filter_map(|port| Some((port.port, target(&port.target_port)?))).collect()
}

/// Where a Service is reached: the addresses of its load balancer, else its own.
pub fn addresses(service: &Service) -> Vec<Value> {
    let typed = |address: &str| {
        let kind = if address.parse::<std::net::IpAddr>().is_ok() { "IPAddress" } else { "Hostname" };
        serde_json::json!({"type": kind, "value": address})
    };
    match &*service.addresses {
        [] => service.cluster_ip.iter().map(|own| typed(&own.to_string())).collect(),
        given => given.iter().map(|address| typed(address)).collect(),
    }
}

/// What other Gateways have bound, with the names of their Services.
fn bound_by_others<'i>(reader: &Reader<'i>, own: &str) -> Vec<(&'i Arc<str>, u16)> {
    let namespace = Arc::clone(&reader.options.namespace);
    let services = reader.of(ObjectKind::Service, Some(&namespace));
    let of_gateway = |(id, object): &(&Id, &Object)| *id.name != *own && object.labels.contains_key(GATEWAY_LABEL);
    let mut all = Vec::new();
    for (id, object) in services.filter(of_gateway) {
        if let Body::Service(service) = &object.body {
            all.extend(bound(service).into_values().map(|number| (&id.name, number)));
        }
    }
    all
}

/// A port that nobody has, the same each time as long as nobody takes it.
fn free(name: &str, port: u16, taken: &BTreeSet<u16>) -> u16 {
    let count = BIND_PORTS.end - BIND_PORTS.start;
    let first = (xxh3_64(format!("{name}:{port}").as_bytes()) % u64::from(count)) as u16;
    let candidates = (0..count).map(|step| BIND_PORTS.start + (first + step) % count);
    // With 10,000 Gateway ports something has to be shared; the listener that comes second then cannot be bound.
    candidates.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or(BIND_PORTS.start)
}
