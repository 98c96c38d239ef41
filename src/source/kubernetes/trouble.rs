//! What stands between us and the API server: told once, and waited for.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kube::core::Status;
use tokio::time::Instant;

use super::connection::{Connection, Interruption};
use super::object::ObjectKind;

/// The first wait after a request that failed; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after a request that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Failures that long ago say nothing of the next one: a kind may be silent for long after the server has come back.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// How often it is looked whether a kind that the server does not know has been installed.
pub const NOT_INSTALLED: Duration = Duration::from_secs(5);

/// What stands between us and objects of one kind.
pub struct Trouble {
    kind: ObjectKind,
    /// What is asked of them, as rules of RBAC call it.
    verbs: &'static str,
    /// Where; none: everywhere.
    namespace: Option<Arc<str>>,
    failures: u32,
    /// When the last request failed.
    failed: Option<Instant>,
    told: Option<String>,
    /// Where failures are counted; none: nowhere.
    counted: Option<Connection>,
    /// Held for as long as the watch fails.
    interruption: Option<Interruption>,
}

impl Trouble {
    /// Nothing yet. `verbs`: what is asked of objects of the kind, as rules of RBAC call it.
    pub fn new(kind: ObjectKind, verbs: &'static str) -> Self {
        let (namespace, failed, told) = (None, None, None);
        Self { kind, verbs, namespace, failures: 0, failed, told, counted: None, interruption: None }
    }

    /// The same with objects of one namespace.
    pub fn within(self, namespace: Option<Arc<str>>) -> Self {
        Self { namespace, ..self }
    }

    /// The same, counted as an interrupted watch while it lasts.
    pub fn counted(self, connection: &Connection) -> Self {
        Self { counted: Some(connection.clone()), ..self }
    }

    /// How long to wait after an error, which is told when it is a new one. `status`: what the server answered with.
    pub fn wait(&mut self, error: &dyn Error, status: Option<&Status>) -> Duration {
        if self.failed.is_some_and(|failed| failed.elapsed() > FORGOTTEN) {
            self.failures = 0;
        }
        self.failed = Some(Instant::now());
        let (message, wait) = match status.map(|status| (status.code, &status.message)) {
            Some((404, _)) if !self.kind.built_in() => {
                self.interruption = None;
                let name = self.kind.name();
                (format!("{name} is not installed: waiting for its CustomResourceDefinition"), NOT_INSTALLED)
            }
            Some((410, _)) => {
                let plural = self.kind.resource().plural;
                tracing::info!(
                    "{plural}: the API server has forgotten where the watch stood (410): all are listed anew"
                );
                (String::new(), self.backoff())
            }
            Some((403, detail)) => (self.interrupted(self.forbidden(detail)), LONGEST_WAIT),
            _ => (self.interrupted(self.describe(error)), self.backoff()),
        };
        self.failures += 1;
        if !message.is_empty() && self.told.as_ref() != Some(&message) {
            tracing::warn!("{message}");
            self.told = Some(message);
        }
        wait
    }

    fn interrupted(&mut self, message: String) -> String {
        let Self { counted, interruption, .. } = self;
        if interruption.is_none() {
            *interruption = counted.as_ref().map(Connection::interruption);
        }
        message
    }

    /// The server has answered again. `told`: also what somebody would like to know.
    pub fn over(&mut self, told: bool) {
        if told {
            self.failures = 0;
            self.answered();
        }
    }

    /// The server has answered, and may yet end the answer at once: failures are counted on.
    pub fn answered(&mut self) {
        self.interruption = None;
        if self.told.take().is_some() {
            tracing::info!("{}: watched again", self.kind.resource().plural);
        }
    }

    fn backoff(&self) -> Duration {
        let wait = FIRST_WAIT * 2u32.saturating_pow(self.failures.min(10));
        // Replicas, and kinds, must not all come back at once.
        wait.min(LONGEST_WAIT).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    fn forbidden(&self, detail: &str) -> String {
        let resource = self.kind.resource();
        let (group, plural, verbs) = (resource.group, resource.plural, self.verbs);
        let cannot = if verbs == "get" { "read" } else { "watched" };
        let role = match &self.namespace {
            Some(namespace) => format!("Role in namespace {namespace}"),
            None => "ClusterRole".to_owned(),
        };
        format!(
            "{plural} cannot be {cannot}: give the service account a {role} with the rule \
             {{apiGroups: [\"{group}\"], resources: [{plural}], verbs: [{verbs}]}} ({detail})"
        )
    }

    fn describe(&self, error: &dyn Error) -> String {
        let mut text = format!("{}: {error}", self.kind.resource().plural);
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        format!("{text}; what is known is served on")
    }
}

#[cfg(test)]
mod tests;
