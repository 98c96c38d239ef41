//! The data plane: moves bytes between clients and endpoints as `decide` says.
//!
//! A request's way: `accept` -> `client` -> `exchange` -> `decide` -> `forward` -> `attempt` (pool or connect, send) ->
//! answer's head -> `relay`, whose end records the request; exactly once, also where it is dropped on the way.

mod accept;
mod admission;
mod attempt;
mod budget;
mod carrier;
mod client;
mod courier;
mod exchange;
mod fault;
mod filter;
mod forward;
mod goodbye;
mod hold;
mod ledger;
mod limits;
mod memo;
mod mirror;
mod outliers;
mod refusal;
mod relay;
mod replay;
mod tries;
mod upgrade;
mod validate;
mod wait;
mod warming;
mod worker;

/// Lets half of what the calling thread keeps for requests to come go: it is called again and again, so that what a peak
/// needed is not kept.
pub fn trim() {
    carrier::trim();
    courier::trim();
    crate::io::trim();
    crate::message::trim();
}

pub use accept::{BindError, bind};
pub use memo::Observer;
pub use validate::host_of;
pub use warming::Warming;
pub use worker::{Command, InFlight, Parts as WorkerParts, Phase, Worker, WorkerHandle};
