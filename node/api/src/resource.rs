//! Resources: what administrators declare. Documents of `kind`, `name` and `spec`; an unknown field is an error.
//!
//! Reading and checking one document is done here; whether a whole set holds together is checked where it is applied.

mod apply;
mod binding;
mod document;
mod identity_provider;
mod kubernetes_target;
mod mask_rule;
mod policy;
mod secret_reference;
mod ssh_target;
mod target;

pub use apply::{
    Applied, ApplyAnswer, ApplyRequest, ApplyResult, Change, ResourceDocument, ResourceReference,
    changes,
};
pub use binding::BindingSpec;
pub use document::{Document, Invalid, Spec, check_name};
pub use identity_provider::{
    BrowserSignIn, Claims, IdentityProviderSpec, MAX_LEEWAY_SECONDS, OidcProvider, TokenAlgorithm,
    TokenUse,
};
pub use kubernetes_target::{
    Impersonate, KubernetesTarget, KubernetesTls, is_impersonation_prefix,
};
pub use mask_rule::{Mask, MaskJsonPath, MaskPattern, MaskRuleSpec, PartialMask};
pub use policy::PolicySpec;
pub use secret_reference::{SecretReference, SecretReferenceError};
pub use ssh_target::{SshRole, SshTarget};
pub use target::{
    AddressError, BindingMode, CertificateReferences, PostgresAddress, PostgresRole,
    PostgresTarget, RecordRows, TargetSpec, TargetTls, TlsMode,
};

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// The kinds of resources that this version knows.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
pub enum Kind {
    /// Whose tokens are believed.
    IdentityProvider,
    /// What groups of a provider may do in the API.
    Binding,
    /// What agents reach.
    Target,
    /// Cedar rules.
    Policy,
    /// What of answers agents do not see.
    MaskRule,
}

impl Kind {
    /// Every kind, in the order in which they are best created.
    pub const ALL: &[Self] =
        &[Self::IdentityProvider, Self::Binding, Self::Target, Self::Policy, Self::MaskRule];

    /// The name on the wire and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdentityProvider => "IdentityProvider",
            Self::Binding => "Binding",
            Self::Target => "Target",
            Self::Policy => "Policy",
            Self::MaskRule => "MaskRule",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this version does not know resources of kind `{0}`: it knows IdentityProvider, Binding, Target, Policy and MaskRule"
)]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;

    /// Exactly the kind's name; case does not matter, so that `get target` finds targets.
    fn from_str(text: &str) -> Result<Self, KindError> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| KindError(text.chars().take(64).collect()))
    }
}

/// A resource as it is in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// Its name, unique within the kind.
    pub name: String,
    /// Its body, as it was applied. Secrets in it are references.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// The log index of its last change; its `ETag` too.
    pub revision: u64,
    /// Log time of its last change.
    pub updated_at: Timestamp,
    /// Who changed it last.
    pub author: String,
}

/// `PUT /v1/resources/{kind}/{name}`: the body of the resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// Its body.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
}

#[cfg(test)]
mod tests;
