//! Bytes between sockets: connections with what was read ahead and what is to be written, and the pump that moves bodies.

mod alarm;
mod date;
mod http1;
mod http2;
mod keepalive;
mod pump;
mod silence;
mod splice;
mod stream;
mod turn;
mod wire;

pub use alarm::Alarm;
pub use date::date;
pub use http1::Http1;
pub use http2::{Driver, Http2, Session};
pub use keepalive::{Due, KeepAlive};
pub use pump::{Pump, Ready, Side, Sink, Source, Stopped};
pub use silence::{Line, LineOwner, Probing, UNACKNOWLEDGED, find_dead, is_dead};
pub use stream::Stream;
pub use turn::{Turn, rounds};
pub use wire::{Inbox, Outbox, Wire};

/// Lets half of what the calling thread keeps go.
pub fn trim() {
    alarm::trim();
    turn::trim();
}
