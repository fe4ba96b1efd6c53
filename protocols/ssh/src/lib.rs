//! The SSH adapter: what an agent asks of a host is read, classified, put to the gate and forwarded.
//!
//! The way of a connection: [`serve`] accepts it, `downstream` takes it through key exchange and `credential` to an open
//! session. Each channel runs one program: `channel` takes its request from `classify` over the gate to `forward`, and
//! relays what the program says; of SFTP (`sftp`), each request goes this way by itself (`channel::files`). `hold_notice` is what a waiting agent hears. Each program has a connection to the target
//! for itself (`upstream`). Policy is not judged here, and what is asked, decided and done is recorded by the gate.

pub mod classify;

mod algorithms;
mod channel;
mod credential;
mod downstream;
mod error;
mod flow;
mod forward;
mod hold_notice;
mod inflow;
mod line;
mod mask;
mod record;
mod serve;
mod session;
mod sftp;
mod state;
mod target;
mod upstream;
mod wire;

pub use serve::{HostKey, HostKeys, ServeConfig, serve};
pub use target::{
    HostKeyError, HostTrust, NotCertified, Pass, RoleProof, SessionAuthority, SshTarget,
    TargetRole, Targets,
};

#[cfg(test)]
mod tests;
