//! What is to be said about an object: conditions for its status, and notes that become Events.

use std::sync::Arc;

use serde_json::Value;

use super::gateway::OwnedService;
use super::object::Id;

/// What is said about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Conditions of the object itself.
    pub conditions: Vec<Condition>,
    /// Routes: one per parent that is ours.
    pub parents: Vec<Parent>,
    /// Gateways: one per listener.
    pub listeners: Vec<ListenerReport>,
    /// Gateways and Ingresses: where they are reached.
    pub addresses: Vec<Value>,
    /// What an operator must know; Events on the object.
    pub notes: Vec<Note>,
    /// Gateways: the Service that it is to have.
    pub service: Option<OwnedService>,
    /// Splits: figures of its versions.
    pub versions: Option<Value>,
    /// Splits: how many replicas there are, and serve it.
    pub replicas: Option<Value>,
    /// It is certainly another controller's, so that what was said of it is taken back.
    pub foreign: bool,
}

/// A condition (`meta/v1.Condition`), without the times that the writer adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Its type.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Condition {
    /// A condition that holds.
    pub fn holds(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: true, reason, message: message.into() }
    }

    /// A condition that does not hold.
    pub fn fails(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: false, reason, message: message.into() }
    }
}

/// What a route is told about one of its parents (Gateway API, `RouteParentStatus`).
#[derive(Clone, Debug, PartialEq)]
pub struct Parent {
    /// The reference as the route has it.
    pub reference: Value,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Listeners that the route is attached to: Gateway and listener name.
    pub attached: Vec<(Id, Arc<str>)>,
}

/// What a Gateway is told about one of its listeners (Gateway API, `ListenerStatus`).
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerReport {
    /// Name.
    pub name: Arc<str>,
    /// The port of the Gateway that it is on.
    pub port: u16,
    /// Routes that are attached.
    pub attached_routes: usize,
    /// Kinds of routes that may attach, as group and kind.
    pub supported_kinds: Vec<Value>,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// Something that an operator must know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Whether it is a problem.
    pub warning: bool,
    /// One word for machines.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}
