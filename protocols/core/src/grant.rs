//! A grant: an approval that covers the same agent, target and template of an operation for a time. It is made when a hold is
//! approved and everybody who approved said "for so long"; it exists only where policy lets it.
//!
//! Nothing here forwards anything. [`Grant::clear`] clears an operation as far as the node that asks knows; the log looks
//! again when the intent is recorded that names the grant, and counts it.

mod template;

pub use template::{Template, Templated};

use crate::{
    agent::Identity,
    hold::HoldTerms,
    id::{GrantId, Revision},
    log_time::LogTime,
    mask::MaskPlan,
    operation::Operation,
    permit::{Approval, AuditLevel, Basis, Cleared},
    session::Session,
    target::TargetName,
};

/// Bytes of the shape of an operation: one that is longer is covered by no grant.
pub const MAX_SHAPE: usize = 16 * 1024;

/// What was granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Its id: the bytes of the hold's that it was made with.
    pub id: GrantId,
    /// The agent, and no other.
    pub agent: Identity,
    /// The human that the agent acted for.
    pub owner: Option<String>,
    /// The target.
    pub target: TargetName,
    /// The revision of the target's definition.
    pub target_revision: Revision,
    /// What an operation must be like.
    pub template: Template,
    /// What its approvals have met.
    pub terms: HoldTerms,
    /// The policy revision that they were met under.
    pub revision: Revision,
    /// Log time at which it ends.
    pub expires_at: LogTime,
    /// Where it stands.
    pub state: GrantState,
}

/// Where a grant stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// It covers operations until its time is over.
    InForce,
    /// It covers nothing any more.
    Over {
        /// Why.
        end: GrantEnd,
        /// Log time.
        at: LogTime,
    },
}

/// Why a grant is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantEnd {
    /// Somebody has revoked it.
    Revoked {
        /// Why.
        reason: String,
    },
    /// Its time ran out.
    Expired,
    /// What it was given under has changed.
    Invalidated {
        /// What.
        reason: String,
    },
}

impl GrantEnd {
    /// The name in the API and the audit.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Revoked { .. } => "revoked",
            Self::Expired => "expired",
            Self::Invalidated { .. } => "invalidated",
        }
    }
}

/// An operation that a grant is to cover.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// Its agent.
    pub agent: &'a Identity,
    /// The human that the agent acts for.
    pub owner: Option<&'a str>,
    /// The target.
    pub target: &'a TargetName,
    /// The revision of the target's definition.
    pub target_revision: Revision,
    /// What it is like.
    pub template: &'a Template,
    /// The rules that hold it.
    pub rules: &'a [String],
    /// The policy revision that it was judged under.
    pub revision: Revision,
}

impl Grant {
    /// Whether it covers an operation at log time `now`.
    pub fn covers(&self, operation: Covered<'_>, now: LogTime) -> bool {
        self.state == GrantState::InForce
            && now < self.expires_at
            && *operation.agent == self.agent
            && operation.owner == self.owner.as_deref()
            && *operation.target == self.target
            && operation.target_revision == self.target_revision
            && *operation.template == self.template
            && operation.rules == self.terms.rules
            && operation.revision == self.revision
    }

    /// Clears an operation that policy holds on `terms`, under the revision of `masks`, if it is covered. Only the gate may
    /// call this (see `clippy.toml`).
    pub fn clear(
        &self,
        (session, operation): (&Session, &Operation),
        terms: &HoldTerms,
        masks: MaskPlan,
        now: LogTime,
    ) -> Option<Cleared> {
        let template = operation.template()?;
        let covered = Covered {
            agent: &session.agent().identity,
            owner: session.agent().owner.as_deref(),
            target: &session.target().name,
            target_revision: session.target().revision,
            template: &template,
            rules: &terms.rules,
            revision: masks.revision(),
        };
        // Inside a transaction a client may be kept waiting for less: nobody waits here.
        let same = HoldTerms { wait_ms: self.terms.wait_ms, ..terms.clone() } == self.terms;
        (same && self.covers(covered, now)).then(|| {
            let basis = Basis {
                operation: operation.id(),
                fingerprint: *operation.fingerprint(),
                audit: AuditLevel::BeforeForward,
                revision: masks.revision(),
                rules: terms.rules.clone(),
                approval: Some(Approval::Grant(self.id)),
            };
            Cleared::new(basis, masks)
        })
    }
}

#[cfg(test)]
mod tests;
