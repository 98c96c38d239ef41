//! Judging a release: pure state machines over what was counted.

pub mod evidence;
pub mod guard;
pub mod shared;
