//! What policies were found to say, kept: the same matter is judged alike as long as the policies are the same. Everything
//! that a rule can ask about is a part of the matter, so that no finding is ever taken for another one's.
//!
//! It judges nothing, and knows no revision: other policies have findings of their own.

use super::DenyReason;
use crate::{
    agent::Identity,
    hold::HoldTerms,
    operation::{Demand, Effect, NamedColumn, Operation, Transaction},
    permit::AuditLevel,
    session::Session,
    target::{Protocol, TargetName},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// Findings that are kept; when there are more, all are forgotten.
const MOST: usize = 4096;
/// Demands of a matter whose finding is kept: most operations have one or two.
const MOST_DEMANDS: usize = 16;
/// Columns of a matter whose finding is kept.
const MOST_COLUMNS: usize = 64;
/// Commands of a matter whose finding is kept.
const MOST_COMMANDS: usize = 8;

/// All that a rule can ask about. What is not in it (the text, the values, the time) cannot change a finding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Matter {
    pub(super) agent: Identity,
    pub(super) name: String,
    pub(super) groups: BTreeSet<String>,
    pub(super) target: TargetName,
    pub(super) protocol: Protocol,
    pub(super) role: String,
    pub(super) demands: BTreeSet<Demand>,
    pub(super) columns: BTreeSet<NamedColumn>,
    pub(super) commands: BTreeSet<String>,
    pub(super) effect: Effect,
    pub(super) transaction: Transaction,
}

impl Matter {
    /// The matter of an operation; `demands` are those that it is judged by.
    pub(super) fn of(session: &Session, operation: &Operation, demands: BTreeSet<Demand>) -> Self {
        let agent = session.agent();
        Self {
            agent: agent.identity.clone(),
            name: agent.name.clone(),
            groups: agent.groups.clone(),
            target: session.target().name.clone(),
            protocol: session.target().protocol,
            role: session.role().to_owned(),
            demands,
            columns: BTreeSet::clone(&operation.classification().columns),
            commands: BTreeSet::clone(&operation.classification().commands),
            effect: operation.effect(),
            transaction: operation.transaction(),
        }
    }
}

/// What policies say of a matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    Allow { rules: Vec<String>, audit: AuditLevel },
    Hold(HoldTerms),
    Deny(DenyReason),
}

/// The findings of one set of policies. Copies share them, as they share the policies.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Mutex<BTreeMap<Matter, Finding>>>);

impl Findings {
    /// What was found of a matter, or what `find` says of it.
    pub(super) fn get_or_find(
        &self,
        matter: Matter,
        find: impl FnOnce(&Matter) -> Finding,
    ) -> Finding {
        if matter.demands.len() > MOST_DEMANDS
            || matter.columns.len() > MOST_COLUMNS
            || matter.commands.len() > MOST_COMMANDS
        {
            return find(&matter);
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&matter).cloned();
        if let Some(known) = known {
            return known;
        }
        // Without the lock: it is the same whoever finds it.
        let found = find(&matter);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(matter, found.clone());
        found
    }
}

#[cfg(test)]
impl Findings {
    pub(super) fn kept(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
