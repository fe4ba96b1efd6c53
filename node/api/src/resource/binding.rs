//! Binding: what a group of a provider may do in the API. Who may decide about a hold is the policy's to say, not a binding's.

use super::{Invalid, check_name};
use crate::agent::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of a Binding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    /// The name of an IdentityProvider for reviewers.
    pub provider: String,
    /// A group, as that provider's tokens name it.
    pub group: String,
    /// What its members may do.
    pub role: Role,
}

impl BindingSpec {
    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        if let Err(message) = check_name(&self.provider) {
            found.push(Invalid::at("/provider", message));
        }
        if self.group.trim().is_empty() {
            found.push(Invalid::at("/group", "a group has a name"));
        }
    }
}
