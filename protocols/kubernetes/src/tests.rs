//! The adapter from its sockets: agents that are clients and agents that are not, a gate for tests, and a server that is an
//! API server as far as it is asked.

mod attacks;
mod containers;
mod endings;
mod gate;
mod holds;
mod raw;
mod requests;
mod server;
mod streams;
mod world;
