//! Weir: a reverse proxy that splits traffic between versions of a service and loses nothing doing it.

pub mod admin;
pub mod cli;
pub mod cluster;
pub mod control;
pub mod decide;
pub mod demo;
pub mod drain;
pub mod echo;
pub mod endpoint;
pub mod head;
pub mod http1;
pub mod http2;
pub mod io;
pub mod lifecycle;
pub mod message;
pub mod model;
pub mod proxy;
pub mod record;
pub mod rollout;
pub mod route;
pub mod snapshot;
pub mod source;
pub mod split;
pub mod upstream;

#[cfg(test)]
mod testing;
