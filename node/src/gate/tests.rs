//! Tests of the gate over the real state machine, with a log in memory that can be made to fail.

mod allowed;
mod held;
mod log;
mod sessions;
mod world;
