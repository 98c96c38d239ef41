//! The data plane: moves bytes between clients and endpoints as `decide` says.
//!
//! A request's way: `accept` -> `serve` -> `exchange` -> `decide` -> `forward` -> `attempt` (pool or connect, send) ->
//! answer's head -> `body`, whose end or `Drop` records the request exactly once.

mod accept;
mod attempt;
mod body;
mod exchange;
mod fault;
mod filter;
mod forward;
mod gate;
mod ledger;
mod refusal;
mod serve;
mod stream;
mod tries;
mod upgrade;
mod validate;
mod worker;

pub use accept::{BindError, bind};
pub use validate::host_of;
pub use worker::{Command, Parts as WorkerParts, Phase, Worker, WorkerHandle};
