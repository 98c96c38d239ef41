//! HTTP/2 frame by frame (RFC 9113): what clients may send, and what is refused of what they may not.

mod connection;
mod connects;
mod floods;
mod flow;
mod requests;
mod upstream;
mod wire;
