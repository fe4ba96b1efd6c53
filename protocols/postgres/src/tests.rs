//! Tests of the whole adapter: raw sockets and real clients in front, a real PostgreSQL behind, a gate of the tests' own.

mod accounts;
mod agent;
mod catalogue;
mod copy;
mod fake;
mod fence;
mod gate;
mod hold;
mod names;
mod place;
mod posture;
mod pressure;
mod queries;
mod upstream;
mod waiting;
mod wire;
