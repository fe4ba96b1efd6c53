//! From `IdentityProvider` resources to the providers that are trusted.

use super::provider::{Algorithm, ClaimNames, MAX_LEEWAY_S, Plane, Provider};
use countersign_api::resource::{IdentityProviderSpec, OidcProvider, TokenAlgorithm, TokenUse};
use countersign_raft_store::{
    handle::{ReadError, StateView},
    records::ResourceKind,
};

/// The providers of `view`. One that is not readable is left out, and the log says so: its tokens are not accepted.
pub fn providers(view: &StateView) -> Result<Vec<Provider>, ReadError> {
    let resources = view.resources(ResourceKind::IdentityProvider)?;
    let readable = resources.into_iter().filter_map(|resource| {
        match serde_json::from_str::<IdentityProviderSpec>(&resource.body) {
            Ok(IdentityProviderSpec::Oidc(oidc)) => Some(provider(resource.name, oidc)),
            Err(error) => {
                tracing::error!(provider = %resource.name, %error, "an identity provider is not readable");
                None
            }
        }
    });
    Ok(readable.collect())
}

fn provider(name: String, oidc: OidcProvider) -> Provider {
    Provider {
        name,
        issuer: oidc.issuer,
        audiences: oidc.audiences.into_iter().collect(),
        plane: match oidc.token_use {
            TokenUse::Agents => Plane::Agents,
            TokenUse::Reviewers => Plane::Reviewers,
        },
        claims: ClaimNames {
            subject: oidc.claims.subject,
            name: oidc.claims.name,
            groups: oidc.claims.groups,
            owner: oidc.claims.owner,
        },
        ca_file: oidc.ca_file,
        algorithms: oidc
            .algorithms
            .into_iter()
            .map(|algorithm| match algorithm {
                TokenAlgorithm::Rs256 => Algorithm::Rs256,
                TokenAlgorithm::Es256 => Algorithm::Es256,
            })
            .collect(),
        leeway_s: u64::from(oidc.leeway_seconds).min(MAX_LEEWAY_S),
    }
}
