//! Tests of the gate over the real state machine, with a log in memory that can be made to fail.

mod allowed;
mod credentials;
mod grants;
mod held;
pub(crate) mod log;
mod masks;
mod sessions;
pub(crate) mod world;
