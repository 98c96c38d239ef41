//! Draining: what takes nothing new while the long-lived connections that it has end in peace.
//!
//! [`DrainState`] is the pure state machine of whatever drains; `control` keeps one for each that is on its way out, and
//! sends an [`Order`] to every worker. A worker's [`Registry`] knows its long-lived connections; at an order it asks them to
//! end, at the rate that a [`Pace`] says. It knows its clients' connections, too ([`Visitor`]), which drains of a listener and
//! of the process ask. How a connection is asked is a matter of its protocol and of `proxy`.
//!
//! Invariants: a connection is asked at most once an order, and only while its order stands; none that was decided after the
//! order began is asked by it.

mod census;
mod order;
mod pace;
mod registry;
mod state;
mod strain;
mod visitors;

pub use census::{Alike, Census, Group, Way};
pub use order::{Closed, Named, Order, Parts, Progress, Subject};
pub use pace::Pace;
pub use registry::{Asked, Registered, Registry, Resident};
pub use state::{Cause, DrainState, Event, Terms};
pub use visitors::{Spoken, Visiting, Visitor};
