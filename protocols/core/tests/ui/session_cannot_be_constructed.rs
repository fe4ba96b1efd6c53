//! A session is opened by the gate, for an agent that was identified.
use countersign_core::{
    agent::Agent,
    id::SessionId,
    log_time::LogTime,
    session::Session,
    target::Target,
};

fn forged(id: SessionId, agent: Agent, target: Target, opened_at: LogTime) -> Session {
    Session { id, agent, target, role: String::new(), opened_at }
}

fn main() {}
