//! The rules by what their scopes name, so that an operation is put only to those that can reach it. A rule whose scope
//! names another action, agent, group or resource can neither be satisfied nor fail: leaving it out changes no answer.

use super::extent::Weight;
use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicySet, PolicySetError, PrincipalConstraint,
    ResourceConstraint,
};
use std::collections::HashMap;

/// A part of a scope: one entity, or anything.
pub(super) type Part = Option<EntityUid>;

/// Rules whose scopes name the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Slice {
    pub(super) set: PolicySet,
    pub(super) weight: Weight,
}

/// The rules by action, then principal, then resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Slices(HashMap<Part, HashMap<Part, HashMap<Part, Slice>>>);

impl Slices {
    /// Adds a rule of this weight.
    pub(super) fn add(
        &mut self,
        policy: &Policy,
        weight: Weight,
    ) -> Result<(), Box<PolicySetError>> {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::In(uid)
            | PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::IsIn(_, uid) => Some(uid),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::In(uid)
            | ResourceConstraint::Eq(uid)
            | ResourceConstraint::IsIn(_, uid) => Some(uid),
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => vec![None],
            ActionConstraint::Eq(uid) => vec![Some(uid)],
            ActionConstraint::In(uids) => {
                let mut uids: Vec<Part> = uids.into_iter().map(Some).collect();
                uids.sort();
                uids.dedup();
                uids
            }
        };
        for action in actions {
            let of_action = self.0.entry(action).or_default();
            let of_principal = of_action.entry(principal.clone()).or_default();
            let slice = of_principal.entry(resource.clone()).or_default();
            slice.set.add(policy.clone())?;
            slice.weight.add(weight);
        }
        Ok(())
    }

    /// The rules that can reach a question: each list has what its part of a scope can name, and anything (`None`).
    pub(super) fn reaching(
        &self,
        actions: &[Part],
        principals: &[Part],
        resources: &[Part],
    ) -> Vec<&Slice> {
        let of_actions = named(&self.0, actions);
        let of_principals = of_actions.flat_map(|of_action| named(of_action, principals));
        of_principals.flat_map(|of_principal| named(of_principal, resources)).collect()
    }
}

fn named<'m, 'p, T>(
    map: &'m HashMap<Part, T>,
    parts: &'p [Part],
) -> impl Iterator<Item = &'m T> + use<'m, 'p, T> {
    parts.iter().filter_map(|part| map.get(part))
}
