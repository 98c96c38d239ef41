//! What stands between us and the API server: told once, and waited for.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kube::core::Status;

use super::object::ObjectKind;

/// The first wait after a request that failed; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after a request that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
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
    told: Option<String>,
}

impl Trouble {
    /// Nothing yet. `verbs`: what is asked of objects of the kind, as rules of RBAC call it.
    pub fn new(kind: ObjectKind, verbs: &'static str) -> Self {
        Self { kind, verbs, namespace: None, failures: 0, told: None }
    }

    /// The same with objects of one namespace.
    pub fn within(self, namespace: Option<Arc<str>>) -> Self {
        Self { namespace, ..self }
    }

    /// How long to wait after an error, which is told when it is a new one. `status`: what the server answered with.
    pub fn wait(&mut self, error: &dyn Error, status: Option<&Status>) -> Duration {
        let (message, wait) = match status.map(|status| (status.code, &status.message)) {
            Some((404, _)) if !self.kind.built_in() => {
                let name = self.kind.name();
                (format!("{name} is not installed: waiting for its CustomResourceDefinition"), NOT_INSTALLED)
            }
            Some((403, detail)) => (self.forbidden(detail), LONGEST_WAIT),
            // A watch that the server has forgotten is listed anew, which is nothing to tell anybody.
            Some((410, _)) => (String::new(), self.backoff()),
            _ => (self.describe(error), self.backoff()),
        };
        self.failures += 1;
        if !message.is_empty() && self.told.as_ref() != Some(&message) {
            tracing::warn!("{message}");
            self.told = Some(message);
        }
        wait
    }

    /// The server has answered again. `told`: also what somebody would like to know.
    pub fn over(&mut self, told: bool) {
        if told {
            self.failures = 0;
            if self.told.take().is_some() {
                tracing::info!("{}: watched again", self.kind.resource().plural);
            }
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
