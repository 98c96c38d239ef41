//! Services of Gateways that nobody has any more: of such that were deleted, or given to another controller, while no replica ran.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Index;
use crate::source::kubernetes::gateway::{CONTROLLER, GATEWAY_LABEL, service_name};
use crate::source::kubernetes::object::{Id, Object, ObjectKind};

impl Index {
    /// The Services of Gateways, of these namespaces or of all, that are no Gateway's of ours. To be asked only when all Gateways and
    /// classes are known.
    pub fn leftovers(&self, namespaces: &[String]) -> Vec<Id> {
        let of_ours = |(id, object): &(&Id, &Object)| !self.is_of_another(object) && id.kind == ObjectKind::Gateway;
        let gateways = self.objects.of(ObjectKind::Gateway, None).filter(of_ours).map(|(id, _)| id.clone());
        // One that cannot be understood is there all the same.
        let malformed = self.objects.malformed_ids(ObjectKind::Gateway);
        let kept: BTreeSet<Arc<str>> = gateways.chain(malformed).map(|id| service_name(&id)).collect();
        let looked_at = |label: &str| {
            let namespace = label.split_once('.').map_or(label, |(namespace, _)| namespace);
            namespaces.is_empty() || namespaces.iter().any(|known| known == namespace)
        };
        let services = self.objects.of(ObjectKind::Service, Some(&self.options.namespace));
        let left = |(id, object): &(&Id, &Object)| {
            object.labels.get(GATEWAY_LABEL).is_some_and(looked_at) && !kept.contains(&id.name)
        };
        services.filter(left).map(|(id, _)| id.clone()).collect()
    }

    /// Whether a Gateway is of a class that is there and another controller's. One of a class that is not there may be ours again
    /// when the class is: its address stays.
    fn is_of_another(&self, gateway: &Object) -> bool {
        let Ok(spec) = gateway.spec::<Value>() else { return false };
        let class = Id::new(ObjectKind::GatewayClass, "", spec["gatewayClassName"].as_str().unwrap_or_default());
        let controller = |class: &Object| class.spec::<Value>().ok().map(|spec| spec["controllerName"].clone());
        self.objects.get(&class).and_then(controller).is_some_and(|controller| controller != CONTROLLER)
    }
}
