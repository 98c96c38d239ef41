//! Towards the endpoints: which one, and over which connection.

pub mod balance;
mod connect;
mod pool;

pub use connect::{ConnectError, Demand, LocalExecutor};
pub use pool::{Connection, Lease, Multiplexed, Pool};
