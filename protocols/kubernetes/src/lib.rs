//! The Kubernetes adapter: what an agent asks of an API server is read, classified, put to the gate and forwarded.
//!
//! The way of a connection: [`serve`] accepts it, `downstream` takes its requests apart and `credential` opens a session for
//! each proof and target on it. A request is an `exchange`: it goes from [`classify`] over the gate to `forward`, and what
//! comes back goes through [`mask`] and `answer`. The target is reached by `upstream`, a session's own connections. Policy is
//! not judged here, and what is asked, decided and done is recorded by the gate.
//!
//! Programs in containers are reached over WebSocket (`upgrade`). Other streams are refused: port-forward, SPDY, a watch over
//! WebSocket.

pub mod body;
pub mod classify;
pub mod headers;
pub mod mask;
pub mod request;
pub mod status;

mod answer;
mod credential;
mod downstream;
mod exchange;
mod forward;
mod framing;
mod hold_notice;
mod line;
mod memory;
mod record;
mod serve;
mod session;
mod state;
mod target;
mod upgrade;
mod upstream;

pub use serve::{ServeConfig, serve};
pub use target::{
    ClientCertificate, Credential, Impersonation, KubernetesTarget, PrefixError, TargetTls, Targets,
};

#[cfg(test)]
mod tests;
