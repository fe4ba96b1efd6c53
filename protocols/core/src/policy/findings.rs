//! What policies were found to say, kept: the same matter is judged alike as long as the policies are the same. Everything
//! that a rule can ask about is a part of the matter, so that no finding is ever taken for another one's.
//!
//! It judges nothing, and knows no revision: other policies have findings of their own. What is kept is bounded: what is long
//! is found anew each time.

use super::{Asked, DenyReason, Matter, Who, who_decides};
use crate::{
    agent::Identity,
    hold::HoldTerms,
    operation::{NamedColumn, Resource},
    permit::AuditLevel,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Findings that are kept; when there are more, all are forgotten.
const MOST: usize = 4096;
/// Bytes of a matter whose finding is kept, and of that finding: most have a few hundred. Together with [`MOST`] they bound
/// what one set of policies keeps.
const MOST_BYTES: usize = 4 * 1024;
/// What a value costs beside its text: its place in a set, and the text's own bookkeeping.
const BYTES_OF_VALUE: usize = 64;

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

impl Finding {
    /// The rules that decide.
    pub fn rules(&self) -> &[String] {
        match self {
            Self::Allow { rules, audit: _ } => rules,
            Self::Hold(terms) => &terms.rules,
            Self::Deny(reason) => &reason.rules,
        }
    }
}

/// The findings of one set of policies. Copies share them, as they share the policies.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Mutex<BTreeMap<Matter, Finding>>>);

impl Findings {
    /// What was found of a matter, or what `find` says of it, if it says anything.
    pub(super) fn get_or_find(
        &self,
        matter: Matter,
        find: impl FnOnce(&Matter) -> Option<Finding>,
    ) -> Option<Finding> {
        if of_matter(&matter) > MOST_BYTES {
            return find(&matter);
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&matter).cloned();
        if known.is_some() {
            return known;
        }
        // Without the lock: it is the same whoever finds it.
        let found = find(&matter)?;
        if of_finding(&found) > MOST_BYTES {
            return Some(found);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(matter, found.clone());
        Some(found)
    }
}

/// What a matter takes, in bytes; counted no further than it matters.
fn of_matter(Matter { who, asked }: &Matter) -> usize {
    let Who {
        agent: Identity { issuer, subject },
        name,
        groups,
        workload,
        target,
        protocol: _,
        role,
    } = who;
    let Asked { demands, columns, commands, effect: _, transaction: _ } = asked;
    let values = demands.len() + columns.len() + commands.len() + groups.len();
    if values > MOST_BYTES / BYTES_OF_VALUE {
        return usize::MAX;
    }
    let of_who = [issuer, subject, name, role].into_iter().chain(groups).map(String::len);
    let of_columns = columns.iter().map(|NamedColumn { schema, relation, column }| {
        schema.len() + relation.len() + column.as_ref().map_or(0, String::len)
    });
    let of_demands = demands.iter().map(|demand| of_resource(&demand.resource));
    let of_workload = workload.parts().map(|(_name, said)| said.len());
    let of_who = of_who.chain(of_workload);
    let texts = of_who.chain(of_columns).chain(of_demands).chain(commands.iter().map(String::len));
    values * BYTES_OF_VALUE + target.as_str().len() + texts.sum::<usize>()
}

fn of_resource(resource: &Resource) -> usize {
    match resource {
        Resource::Target => 0,
        Resource::Relation { schema, name } => schema.len() + name.len(),
        Resource::Path { path: name }
        | Resource::Program { name }
        | Resource::Url { path: name } => name.len(),
        Resource::ApiObject { namespace, group, version, resource, name, subresource } => {
            let parts = [namespace, group, version, resource, name, subresource];
            parts.into_iter().map(String::len).sum()
        }
    }
}

/// What a finding takes, in bytes. What a denial says beside its rules is short.
fn of_finding(finding: &Finding) -> usize {
    let decide = match finding {
        Finding::Hold(terms) => who_decides(terms).len(),
        Finding::Allow { .. } | Finding::Deny(_) => 0,
    };
    decide + finding.rules().iter().map(|name| BYTES_OF_VALUE + name.len()).sum::<usize>()
}

#[cfg(test)]
impl Findings {
    pub(super) fn kept(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
