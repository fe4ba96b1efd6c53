//! Grants as the API shows them.

use super::decision;
use countersign_api::{
    agent::Reviewer,
    grant::{Grant, GrantState},
};
use countersign_core::{
    grant::{GrantEnd, GrantState as State},
    log_time::LogTime,
};
use countersign_raft_store::records::GrantRecord;

/// A grant at log time `now`.
pub(crate) fn grant(record: &GrantRecord, now: LogTime) -> Grant {
    let kept = &record.grant;
    let (state, state_reason) = match &kept.state {
        // Until the next tick its end is not recorded; it covers nothing all the same.
        State::InForce if now >= kept.expires_at => (GrantState::Expired, None),
        State::InForce => (GrantState::InForce, None),
        State::Over { end: GrantEnd::Expired, .. } => (GrantState::Expired, None),
        State::Over { end: GrantEnd::Revoked { reason }, .. } => {
            (GrantState::Revoked, Some(reason.clone()))
        }
        State::Over { end: GrantEnd::Invalidated { reason }, .. } => {
            (GrantState::Invalidated, Some(reason.clone()))
        }
    };
    Grant {
        id: kept.id.to_string(),
        state,
        state_reason,
        hold: record.hold.to_string(),
        agent: Reviewer {
            issuer: kept.agent.issuer.clone(),
            subject: kept.agent.subject.clone(),
            name: record.agent_name.clone(),
        },
        target: kept.target.to_string(),
        protocol: record.protocol.name().to_owned(),
        shape: record.shape.clone(),
        summary: record.summary.clone(),
        template: kept.template.to_string(),
        rules: kept.terms.rules.clone(),
        policy_revision: kept.revision.0,
        decisions: record.decisions.iter().map(decision).collect(),
        granted_at: record.granted_at.into(),
        expires_at: kept.expires_at.into(),
        uses: record.uses,
        last_used_at: record.last_used_at.map(Into::into),
    }
}
