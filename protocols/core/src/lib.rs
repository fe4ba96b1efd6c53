//! The vocabulary of Countersign and every pure decision it makes.
//!
//! Nothing here reads a clock, draws a random number, does I/O or knows a wire format: a function of this crate gives
//! the same answer on every node. What is serialised is converted at the edges (`raft-store`'s formats, `node/api`).
//!
//! The way of an operation is compulsory by types:
//! [`Session`](session::Session) → [`Operation`](operation::Operation) with its [`Fingerprint`](fingerprint::Fingerprint) →
//! [`Verdict`](policy::Verdict) → [`Cleared`](permit::Cleared) + [`Receipt`](permit::Receipt) →
//! [`Permit`](permit::Permit) → [`Masked`](mask::Masked).

pub mod agent;
pub mod evidence;
pub mod fingerprint;
pub mod gate;
pub mod grant;
pub mod hold;
pub mod id;
pub mod key_words;
pub mod log_time;
pub mod mask;
pub mod operation;
pub mod permit;
pub mod policy;
pub mod record;
pub mod recording;
pub mod refusal;
pub mod reviewer;
pub mod secret;
pub mod session;
pub mod target;
