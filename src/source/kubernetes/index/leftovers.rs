//! Services of Gateways that nobody has any more: of such that were deleted, or given to another controller, while no replica ran.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Index;
use crate::source::kubernetes::gateway::{GATEWAY_LABEL, is_of_another, service_name};
use crate::source::kubernetes::object::{Id, Object, ObjectKind};

impl Index {
    /// The Services of Gateways, of these namespaces or of all, that are no Gateway's that is ours or may be again. To be asked only when all Gateways and
    /// classes are known.
    pub fn leftovers(&self, namespaces: &[String]) -> Vec<Id> {
        let may_be_ours = |(_, object): &(&Id, &Object)| !is_of_another(object, |class| self.objects.get(class));
        let gateways = self.objects.of(ObjectKind::Gateway, None).filter(may_be_ours).map(|(id, _)| id);
        // One that cannot be understood is there all the same.
        let malformed = self.objects.malformed_ids(ObjectKind::Gateway);
        let kept: BTreeSet<Arc<str>> = gateways.chain(malformed).map(service_name).collect();
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
}
