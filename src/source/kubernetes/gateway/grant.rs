//! ReferenceGrants: who may point into another namespace (Gateway API, `ReferenceGrant`).

use std::sync::Arc;

use super::wire::GrantSpec;
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Id, ObjectKind};

/// Whether `from` may point to `to`: always within a namespace, elsewhere if a grant there says so.
pub fn allows(reader: &Reader<'_>, from: &Id, to: &Id) -> bool {
    if from.namespace == to.namespace {
        return true;
    }
    let namespace = Arc::clone(&to.namespace);
    let grants = reader.of(ObjectKind::ReferenceGrant, Some(&namespace));
    grants.filter_map(|(_, object)| object.spec::<GrantSpec>().ok()).any(|grant| {
        let source = grant.from.iter().any(|source| {
            source.group == from.kind.group() && source.kind == from.kind.name() && *source.namespace == *from.namespace
        });
        let aim = grant.to.iter().any(|aim| {
            aim.group == to.kind.group()
                && aim.kind == to.kind.name()
                && aim.name.as_deref().is_none_or(|name| name == &*to.name)
        });
        source && aim
    })
}
