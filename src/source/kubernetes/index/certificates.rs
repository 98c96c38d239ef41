//! Certificates of Ingresses: on which listeners they are served.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Index;
use super::units::Unit;
use crate::model::{Certificate, Listener, TlsServer};
use crate::source::kubernetes::object::Id;

/// The listener that is made for certificates of Ingresses where the process has none of its own.
const HTTPS: &str = "https";

impl Index {
    /// The process's own TLS listeners serve the certificates of Ingresses, too; if it has none, one is made for them.
    pub(super) fn add_certificates(&self, listeners: &mut Vec<Arc<Listener>>) {
        // In the order of their objects, so that nothing changes when nothing did.
        let units: BTreeMap<_, &Unit> = self.units.makers().map(|unit| (unit.rank(), unit)).collect();
        let certificates: Vec<Certificate> = units.values().flat_map(|unit| unit.made.certificates.to_vec()).collect();
        if certificates.is_empty() {
            return;
        }
        let mut found = false;
        for listener in listeners.iter_mut() {
            if let Some(tls) = &listener.tls {
                found = true;
                let mut tls = (**tls).clone();
                tls.certificates.extend(certificates.iter().cloned());
                *listener = Arc::new(Listener { tls: Some(Arc::new(tls)), ..(**listener).clone() });
            }
        }
        if let (false, Some(address)) = (found, self.options.https) {
            let tls = TlsServer {
                certificates,
                client_ca: None,
                client_optional: false,
                only_tls13: false,
                hosts: Vec::new(),
            };
            listeners.push(Arc::new(Listener {
                name: HTTPS.into(),
                address,
                tls: Some(Arc::new(tls)),
                proxy_protocol: false,
                advertised_port: Some(443),
                reserved: false,
                isolated: Vec::new(),
            }));
        }
    }

    /// The names of the listeners that serve certificates of Ingresses.
    pub fn securing(&self) -> impl Iterator<Item = &str> {
        let own = self.base.listeners.iter().filter(|listener| listener.tls.is_some()).map(|listener| &*listener.name);
        let made = self.base.listeners.iter().all(|listener| listener.tls.is_none()).then_some(HTTPS);
        own.chain(made)
    }

    /// Whether an object has certificates that those serve.
    pub fn has_certificates(&self, id: &Id) -> bool {
        self.units.get(id).is_some_and(|unit| !unit.made.certificates.is_empty())
    }
}
