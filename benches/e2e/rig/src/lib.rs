//! What the programs of the rig share.

pub mod http1;
pub mod life;
pub mod poll;
pub mod websocket;
