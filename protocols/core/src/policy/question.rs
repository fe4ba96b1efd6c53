//! Putting a matter to Cedar, demand by demand. What is the same for all of them is made once, only the rules that can be
//! reached are asked, and the work is counted. What the answers mean is decided in `evaluate`.

use super::{
    compile::Policies,
    entities::{self, EntityError},
    extent::WORK_OF_DEMAND,
    matter::Matter,
    slices::{Part, Slice},
};
use crate::{
    agent::{Identity, Workload},
    operation::{Action, Demand, Resource},
};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicyId, Request};
use std::collections::BTreeSet;

/// A matter, ready to be asked about.
pub(super) struct Question<'p> {
    policies: &'p Policies,
    matter: &'p Matter,
    principal: EntityUid,
    /// What a rule's scope can name for the principal.
    principals: Vec<Part>,
    context: Context,
    /// The actions, the agent and its groups.
    known: Entities,
    /// The longest text that a pattern can be compared with.
    longest: u64,
    work_left: u64,
}

/// The rules that are satisfied.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) permits: BTreeSet<PolicyId>,
    pub(super) forbids: BTreeSet<PolicyId>,
}

/// Why there is no answer, which denies. Agents are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the operation cannot be put to the policy")]
    Unasked,
    /// Cedar skips a rule that errors; a forbid that was skipped would not forbid.
    #[error("a rule could not be evaluated")]
    RuleFailed,
    #[error("the operation asks for too much at once to be judged: split it")]
    TooMuch,
}

impl From<EntityError> for Unanswered {
    fn from(_: EntityError) -> Self {
        Self::Unasked
    }
}

/// One demand, ready to be asked about.
struct Asking {
    request: Request,
    known: Entities,
    actions: [Part; 3],
    resources: Vec<Part>,
}

impl<'p> Question<'p> {
    /// Makes a matter ready, for answers that take at most so much work.
    pub(super) fn of(
        policies: &'p Policies,
        matter: &'p Matter,
        most_work: u64,
    ) -> Result<Self, Unanswered> {
        let Matter { who, asked } = matter;
        let named = asked.demands.len() + asked.columns.len() + asked.commands.len();
        // Each is looked at once, whatever the rules ask.
        let work_left = most_work.checked_sub(named as u64).ok_or(Unanswered::TooMuch)?;
        let (principal, entities) = entities::principal(who)?;
        let principals =
            std::iter::once(None).chain(entities.iter().map(|entity| Some(entity.uid()))).collect();
        let known = policies.actions.clone().add_entities(entities, None);
        let Workload { repository, branch, job } = &who.workload;
        let Identity { issuer, subject } = &who.agent;
        let texts = [&who.name, &who.role, issuer, subject, repository, branch, job];
        Ok(Self {
            policies,
            matter,
            principal,
            principals,
            context: entities::context(matter)?,
            known: known.map_err(|_| Unanswered::Unasked)?,
            longest: texts.into_iter().map(String::len).max().unwrap_or(0) as u64,
            work_left,
        })
    }

    /// The rules that are satisfied for a demand.
    pub(super) fn ask(&mut self, demand: &Demand) -> Result<Answered, Unanswered> {
        self.spend(WORK_OF_DEMAND)?;
        let asking = self.asking(demand)?;
        let longest = self.longest.max(longest_part(&demand.resource) as u64);
        let mut answered = Answered::default();
        for slice in self.reached(&asking) {
            self.spend(slice.weight.work(longest))?;
            answered.take(&asking, slice)?;
        }
        Ok(answered)
    }

    /// The names of the rules that can be reached, satisfied or not: nothing but a condition of theirs can keep them back.
    pub(super) fn in_reach(&self, demand: &Demand) -> Result<BTreeSet<PolicyId>, Unanswered> {
        let asking = self.asking(demand)?;
        let slices = self.reached(&asking);
        Ok(slices
            .iter()
            .flat_map(|slice| slice.set.policies())
            .map(|rule| rule.id().clone())
            .collect())
    }

    pub(super) fn work_left(&self) -> u64 {
        self.work_left
    }

    fn spend(&mut self, work: u64) -> Result<(), Unanswered> {
        self.work_left = self.work_left.checked_sub(work).ok_or(Unanswered::TooMuch)?;
        Ok(())
    }

    fn reached(&self, asking: &Asking) -> Vec<&'p Slice> {
        let slices = &self.policies.slices;
        slices.reaching(&asking.actions, &self.principals, &asking.resources)
    }

    fn asking(&self, demand: &Demand) -> Result<Asking, Unanswered> {
        let (resource, placed) = entities::resource(&self.matter.who, &demand.resource)?;
        let resources = std::iter::once(None).chain(placed.iter().map(|place| Some(place.uid())));
        let resources = resources.collect();
        let known = self.known.clone().add_entities(placed, None);
        let action = entities::uid("Action", demand.action.name())?;
        let group = entities::uid("Action", Action::protocol(demand.action).name())?;
        let (principal, context) = (self.principal.clone(), self.context.clone());
        let request = Request::new(principal, action.clone(), resource, context, None);
        Ok(Asking {
            request: request.map_err(|_| Unanswered::Unasked)?,
            known: known.map_err(|_| Unanswered::Unasked)?,
            actions: [None, Some(action), Some(group)],
            resources,
        })
    }
}

/// The longest part of a resource that a pattern can be compared with.
fn longest_part(resource: &Resource) -> usize {
    match resource {
        Resource::ApiObject { namespace, group, version, resource, name, subresource } => {
            let parts = [namespace, group, version, resource, name, subresource];
            parts.into_iter().map(String::len).max().unwrap_or(0)
        }
        Resource::Target
        | Resource::Relation { .. }
        | Resource::Path { .. }
        | Resource::Program { .. }
        | Resource::Url { .. } => 0,
    }
}

impl Answered {
    /// Adds what the rules of a slice say. A forbid wins over a permit within a slice as it does between them.
    fn take(&mut self, asking: &Asking, slice: &Slice) -> Result<(), Unanswered> {
        let response = Authorizer::new().is_authorized(&asking.request, &slice.set, &asking.known);
        if response.diagnostics().errors().next().is_some() {
            return Err(Unanswered::RuleFailed);
        }
        let satisfied = response.diagnostics().reason().cloned();
        match response.decision() {
            Decision::Allow => self.permits.extend(satisfied),
            Decision::Deny => self.forbids.extend(satisfied),
        }
        Ok(())
    }
}
