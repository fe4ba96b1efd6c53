//! The edges of an adapter, which are the same whatever is spoken between them: connections are accepted, few of them before
//! anybody is identified; peers that are gone are noticed; what the gateway logs in with is found where a target's definition
//! says. What is said on a connection is the adapters' business, and who may what the gate's.

mod accept;
mod keepalive;
mod places;
mod secret_reference;

pub use accept::{Incoming, accept};
pub use keepalive::Keepalive;
pub use places::Place;
pub use secret_reference::{SecretError, SecretReference};
