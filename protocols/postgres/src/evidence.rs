//! What reviewers are shown beside a held operation: the target's plan with the rows it expects, and the age and locks of
//! the transaction that the operation waits in. It is gathered while the hold is pending, over a connection of its own,
//! within a time of its own; the agent's connection is never asked.
//!
//! EXPLAIN executes nothing, but planning evaluates what it can: immutable functions, stable ones for its estimates, the
//! literals of the text. So a plan is asked for only where nothing but PostgreSQL's own code can run: the text asks to read,
//! write or lock and for nothing else, and the catalogue, asked over this very connection, knows of no code that stands
//! behind the names. Behind that stand a read-only transaction and short time-outs. Where there is no plan, the evidence says
//! why. Nothing here judges, and nothing waits for it.

mod ask;
mod gathering;
mod plan;
mod transaction;

pub(crate) use ask::runs_code;
pub(crate) use gathering::{AskingPlaces, Gathering};

use crate::{classify::Classified, state::Bound, target::PostgresTarget};
use countersign_core::agent::Identity;
use std::sync::Arc;
use tokio::time::Instant;

/// What there is to find out about a held operation.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) target: Arc<PostgresTarget>,
    /// Whose statement it is: the grammar's time is shared by agent.
    pub(crate) agent: Identity,
    pub(crate) role: String,
    pub(crate) database: String,
    /// The agent's settings, which literals are read by.
    pub(crate) settings: Vec<(String, String)>,
    /// The statements by which it has changed them since.
    pub(crate) preferences: Vec<String>,
    pub(crate) subject: Subject,
    pub(crate) transaction: Option<Open>,
}

/// Of what a plan is wanted.
#[derive(Debug)]
pub(crate) enum Subject {
    Statement(Box<Statement>),
    /// Of nothing, and why, for people.
    Nothing(&'static str),
}

/// One statement with what it is bound to.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: Arc<[u8]>,
    pub(crate) classified: Arc<Classified>,
    pub(crate) type_oids: Vec<u32>,
    pub(crate) parameters: Arc<[Bound]>,
}

/// The transaction that is open in the agent's session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// The process that serves the session at the target.
    pub(crate) process: u32,
    /// Since when it is open, as far as this node knows.
    pub(crate) since: Instant,
}
