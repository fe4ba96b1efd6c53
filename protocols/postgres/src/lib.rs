//! The PostgreSQL adapter: what an agent says over protocol 3.0 is read, classified, put to the gate and forwarded.
//!
//! The way of a connection: [`serve`] accepts it, `startup` takes it to TLS and a start-up packet, `credential` to an open
//! session, and `session` runs it. A statement goes from `classify` over the gate to `forward`; `fence` and `catalogue`
//! stand behind the classifier; `hold_notice` is what a waiting agent hears. Policy is not judged here and nothing is
//! recorded here: that is the gate's.

pub mod classify;

mod asked;
mod catalogue;
mod credential;
mod error;
mod evidence;
mod fence;
mod forward;
mod frame;
mod hold_notice;
mod line;
mod mask;
mod record;
mod serve;
mod session;
mod shown;
mod socket;
mod startup;
mod state;
mod target;
mod understood;
mod upstream;
mod weigh;

pub use classify::{Grammar, GrammarCommand, GrammarLimits, WORKER_ARGUMENT, run_grammar_worker};
pub use serve::{ServeConfig, serve};
pub use startup::AnyCertificate;
pub use target::{
    ChannelBinding, ClientCertificate, PostgresTarget, RecordedRows, TargetAddress, TargetRole,
    TargetTls, Targets,
};

#[cfg(test)]
mod tests;
