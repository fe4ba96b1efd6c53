//! A session: an identified agent connected to one target. Made only by the gate, after identification.

use crate::{agent::Agent, id::SessionId, log_time::LogTime, target::Target};

/// An open session. Classify takes one, so nothing can be classified for an agent that was not identified.
#[derive(Clone, Debug)]
pub struct Session {
    id: SessionId,
    agent: Agent,
    target: Target,
    role: String,
    opened_at: LogTime,
}

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The session's id, drawn by the node.
    pub id: SessionId,
    /// The identified agent.
    pub agent: Agent,
    /// The target, at its present revision.
    pub target: Target,
    /// The role of the target that the agent uses.
    pub role: String,
    /// Log time of the opening.
    pub opened_at: LogTime,
}

impl Session {
    /// A session that the replicated state has accepted. Only the gate may call this (see `clippy.toml`).
    pub fn opened(opening: Opening) -> Self {
        let Opening { id, agent, target, role, opened_at } = opening;
        Self { id, agent, target, role, opened_at }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The target and its revision when the session was opened.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The target's role that the agent uses.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// When it was opened.
    pub fn opened_at(&self) -> LogTime {
        self.opened_at
    }
}
