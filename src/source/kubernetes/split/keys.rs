//! Keys that sticky cookies are signed with, from a Secret that a Split refers to.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::resource::{SecretKey, SplitSpec};
use crate::model::{ClientId, Split};
use crate::source::file::build;
use crate::source::kubernetes::index::Reader;
use crate::source::kubernetes::object::{Body, Id, ObjectKind};
use crate::source::kubernetes::report::Condition;

/// What is known of the keys that a Split refers to.
#[derive(Clone)]
pub enum Keys {
    /// It refers to none.
    Unsigned,
    /// They are there; the first signs, all verify.
    Known(Vec<Arc<[u8]>>),
    /// They cannot be used; why.
    Missing(Condition),
}

impl Keys {
    /// What `spec`, that of the Split `id`, refers to.
    pub fn of(reader: &Reader<'_>, id: &Id, spec: &SplitSpec) -> Self {
        let Some(reference) = spec.sticky.as_ref().and_then(|sticky| sticky.key_secret_ref.as_ref()) else {
            return Self::Unsigned;
        };
        match find(reader, id, reference) {
            Ok(keys) => Self::Known(keys),
            Err((reason, message)) => {
                let message = format!("{message}; until then no cookie is set, and requests go by the weights");
                Self::Missing(Condition::fails("ResolvedRefs", reason, message))
            }
        }
    }

    /// The condition of the Split, which is `resolved` if nothing is to be said of keys.
    pub fn condition(&self, resolved: Condition) -> Condition {
        match self {
            Self::Missing(missing) if resolved.holds => missing.clone(),
            _ => resolved,
        }
    }

    /// Signs the cookie of a split. Without the keys there is none: one that anybody could write is not what was asked for.
    pub fn sign(&self, split: &mut Split) {
        match (self, split.sticky.as_deref_mut().map(|sticky| &mut sticky.client)) {
            (Self::Known(known), Some(ClientId::Cookie { keys, .. })) => keys.clone_from(known),
            (Self::Missing(_), _) => split.sticky = None,
            _ => {}
        }
    }
}

fn find(reader: &Reader<'_>, id: &Id, reference: &SecretKey) -> Result<Vec<Arc<[u8]>>, (&'static str, String)> {
    let SecretKey { name, key } = reference;
    let secret = Id::new(ObjectKind::Secret, Arc::clone(&id.namespace), name.as_str());
    let invalid = |what: String| ("InvalidSecret", format!("{secret}: {what}"));
    let found = reader.named(&secret).ok_or_else(|| {
        let create = format!("kubectl -n {} create secret generic {name} --from-literal={key}=…", id.namespace);
        ("SecretNotFound", format!("there is no {secret}, or no right to read it: create it, as with `{create}`"))
    })?;
    let Body::Secret(data) = &found.body else { return Err(invalid("has no data".to_owned())) };
    let text = data.get(key).ok_or_else(|| {
        let known: Vec<&str> = data.iter().map(|(known, _)| known).collect();
        invalid(format!("has no key {key} in its data; it has: {}", known.join(", ")))
    })?;
    let content = STANDARD.decode(text).map_err(|error| invalid(format!("{key} is no base64: {error}")))?;
    build::signing_keys(&content, key).map_err(invalid)
}
