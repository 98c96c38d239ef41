//! Writes what is said about one object: its Service, its Events, its status. None of them waits for another one to succeed.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::status::{self, Moment};
use super::{Statement, event, service, withdraw};
use crate::source::kubernetes::object::{Id, ObjectKind, Strings};
use crate::source::kubernetes::report::{Note, Report};

/// How often an object is read again because somebody else has changed it.
const CONFLICTS: usize = 5;
/// How long the API server has for one write: the others must not wait for it for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who writes, and where.
pub struct Hand {
    pub client: Client,
    /// Namespace of the proxy, where Services of Gateways are.
    pub namespace: String,
    /// Name of this replica.
    pub identity: String,
    /// By what name statuses are written: of several installations each has its own.
    pub manager: String,
    /// Labels of the replicas' pods.
    pub selector: Strings,
}

/// What became of it.
#[derive(Default)]
pub struct Outcome {
    /// Notes that are told by now.
    pub told: Vec<Note>,
    /// What could not be written, and why.
    pub failures: Vec<(&'static str, String)>,
}

impl Outcome {
    fn take(&mut self, what: &'static str, result: Result<(), String>) -> bool {
        let succeeded = result.is_ok();
        self.failures.extend(result.err().map(|error| (what, error)));
        succeeded
    }
}

impl Hand {
    /// Writes what a report says, and those of its notes that are `new`.
    pub async fn write(&self, id: &Id, statement: &Statement, report: &Report, new: &[&Note]) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(wanted) = report.service.as_ref().filter(|_| !self.selector.is_empty()) {
            let services = self.services();
            outcome.take("Service", within(service::ensure(&services, wanted, &self.selector)).await);
        }
        outcome.take("status", within(self.status(id, statement, report)).await);
        let events =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"), "events");
        let namespace = if id.namespace.is_empty() { "default" } else { &id.namespace };
        let events = Api::namespaced_with(self.client.clone(), namespace, &events);
        for note in new {
            let told = within(event::tell(&events, (id, &statement.uid), note, &self.identity)).await;
            // One that fails is enough: the others would, too.
            if !outcome.take("Event", told) {
                break;
            }
            outcome.told.push((*note).clone());
        }
        outcome
    }

    /// Removes the Service of a Gateway that has gone.
    pub async fn remove_service(&self, name: &str) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.take("Service", within(service::remove(&self.services(), name)).await);
        outcome
    }

    fn services(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ObjectKind::Service.resource())
    }

    /// Reads the object, and writes its status if it says something else. What changed meanwhile is read again.
    async fn status(&self, id: &Id, statement: &Statement, report: &Report) -> kube::Result<()> {
        let resource = id.kind.resource();
        let api: Api<DynamicObject> = match id.kind.cluster_wide() {
            true => Api::all_with(self.client.clone(), &resource),
            false => Api::namespaced_with(self.client.clone(), &id.namespace, &resource),
        };
        for _ in 0..CONFLICTS {
            let Some(object) = api.get_opt(&id.name).await? else { return Ok(()) };
            if object.metadata.uid.as_deref() != Some(&*statement.uid) {
                return Ok(());
            }
            let now = format!("{:.0}", Timestamp::now());
            let before = object.data.get("status").unwrap_or(&Value::Null);
            let moment = Moment { generation: statement.generation, now: &now };
            let wanted = match report.foreign {
                true => {
                    let managers = object.metadata.managed_fields.as_deref().unwrap_or_default();
                    withdraw::withdrawn(id.kind, before, managers, &self.manager)
                }
                false => status::status(id.kind, report, before, moment),
            };
            let Some(wanted) = wanted else { return Ok(()) };
            if status::is_same(&wanted, before) {
                return Ok(());
            }
            let patch = json!({
                "metadata": {"resourceVersion": object.metadata.resource_version},
                "status": wanted,
            });
            // By this name it is known later which fields are ours.
            let params = PatchParams { field_manager: Some(self.manager.clone()), ..PatchParams::default() };
            match api.patch_status(&id.name, &params, &Patch::Merge(&patch)).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                result => return result.map(|_| ()),
            }
        }
        // Others write it all the time; the next report, or the next try, has another chance.
        let message = format!("{id} changed each of the {CONFLICTS} times that its status was to be written");
        Err(kube::Error::Service(message.into()))
    }
}

async fn within(write: impl Future<Output = kube::Result<()>>) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, write).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the API server has not answered within {} s", PATIENCE.as_secs())),
    }
}
