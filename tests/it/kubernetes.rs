//! `weir run --kubernetes` before an API server in this process: what is served, and what is not lost when the server fails.

mod cluster;
mod faults;
mod serving;
mod writing;
