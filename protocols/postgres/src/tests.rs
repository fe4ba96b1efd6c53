//! Tests of the whole adapter: raw sockets and real clients in front, a real PostgreSQL behind, a gate of the tests' own.

mod agent;
mod fence;
mod gate;
mod hold;
mod place;
mod queries;
mod wire;
