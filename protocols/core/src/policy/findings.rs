//! What policies were found to say, kept: the same matter is judged alike as long as the policies are the same. Everything
//! that a rule can ask about is a part of the matter, so that no finding is ever taken for another one's.
//!
//! It judges nothing, and knows no revision: other policies have findings of their own.

use super::{DenyReason, Matter};
use crate::{hold::HoldTerms, permit::AuditLevel};
use std::{
    collections::BTreeMap,
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

/// What policies say of a matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It may be admitted.
    Allow {
        /// The rules that permit.
        rules: Vec<String>,
        /// When its intent must be recorded.
        audit: AuditLevel,
    },
    /// Humans decide.
    Hold(HoldTerms),
    /// It does not go through.
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
        if matter.asked.demands.len() > MOST_DEMANDS
            || matter.asked.columns.len() > MOST_COLUMNS
            || matter.asked.commands.len() > MOST_COMMANDS
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
