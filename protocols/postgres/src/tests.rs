//! Tests of the whole adapter: raw sockets and real clients in front, a real PostgreSQL behind, a gate of the tests' own.

mod agent;
mod catalogue;
mod copy;
mod fence;
mod gate;
mod hold;
mod names;
mod place;
mod pressure;
mod queries;
mod upstream;
mod waiting;
mod wire;
