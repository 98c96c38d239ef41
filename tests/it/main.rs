//! Integration tests: a whole proxy between real clients and real backends, over sockets on loopback.
//!
//! One file per subject; what they share is in `support`. Every port comes from the kernel and every wait is bounded, so
//! that all tests may run at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, missing_docs)]

mod support;

mod access_log;
mod accounts;
mod admin_api;
mod analysis;
mod architecture;
#[cfg(feature = "kubernetes")]
mod audit;
mod bad_peers;
mod basics;
mod black_holes;
mod commands;
mod counters;
mod crowds;
mod deploy;
mod dialects;
mod differential;
mod drains;
mod endpoints;
mod forwarding;
mod frames;
mod gateway_rules;
mod grpc;
mod guards;
mod handover;
mod holds;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod large;
mod load;
mod malformed;
mod mirrors;
mod mocks;
mod nginx_tries;
mod pauses;
mod peers;
mod proxy_protocol;
mod reload;
mod reload_files;
mod repeats;
mod rescues;
mod shutdown;
mod stays;
mod strategies;
mod streaming;
mod terminations;
mod tls;
mod unhealthy;
mod upgrades;
mod upstreams;
mod vanishing;
mod weights;
