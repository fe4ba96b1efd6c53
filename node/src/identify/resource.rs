//! From `IdentityProvider` resources to the providers that are trusted.

use super::provider::{Algorithm, Asserts, Browser, ClaimNames, MAX_LEEWAY_S, Plane, Provider};
use countersign_api::resource::{
    BrowserSignIn, IdentityProviderSpec, OidcProvider, TokenAlgorithm, TokenUse,
};
use countersign_core::id::Revision;
use countersign_edge::SecretReference;
use countersign_raft_store::{
    handle::{ReadError, StateView},
    records::ResourceKind,
};
use std::collections::BTreeSet;

/// The providers of `view`. One that is not readable is left out, and the log says so: its tokens are not accepted.
pub fn providers(view: &StateView) -> Result<Vec<Provider>, ReadError> {
    let resources = view.resources(ResourceKind::IdentityProvider)?;
    let readable = resources.into_iter().filter_map(|resource| {
        match serde_json::from_str::<IdentityProviderSpec>(&resource.body) {
            Ok(IdentityProviderSpec::Oidc(oidc)) => {
                Some(provider(resource.name, resource.revision, oidc))
            }
            Err(error) => {
                tracing::error!(provider = %resource.name, %error, "an identity provider is not readable");
                None
            }
        }
    });
    Ok(scoped(readable.collect()))
}

/// A group is a name, and names are unique within one issuer only. Where several issuers serve one plane, those count that
/// its definition lists: a provider without a list has none, instead of any of the others'.
fn scoped(mut providers: Vec<Provider>) -> Vec<Provider> {
    let issuers: BTreeSet<(&str, String)> =
        providers.iter().map(|one| (one.plane.name(), one.issuer.clone())).collect();
    for provider in &mut providers {
        let name = provider.plane.name();
        let shared = issuers.iter().filter(|(plane, _)| *plane == name).count() > 1;
        if shared && provider.asserts == Asserts::Any {
            tracing::warn!(provider = %provider.name, "it lists no groups and is not the only issuer: its tokens put nobody into a group");
            provider.asserts = Asserts::Only(BTreeSet::new());
        }
    }
    providers
}

fn provider(name: String, revision: Revision, oidc: OidcProvider) -> Provider {
    Provider {
        name,
        revision,
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
            also_known_as: oidc.claims.also_known_as,
            repository: oidc.claims.repository,
            branch: oidc.claims.branch,
            job: oidc.claims.job,
        },
        asserts: match oidc.groups {
            None => Asserts::Any,
            Some(groups) => Asserts::Only(groups.into_iter().collect()),
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
        browser: oidc.browser.and_then(browser),
        leeway_s: u64::from(oidc.leeway_seconds).min(MAX_LEEWAY_S),
    }
}

/// How people sign in. Definitions whose secret is no reference are refused where they are made.
fn browser(defined: BrowserSignIn) -> Option<Browser> {
    let client_secret = match defined.client_secret.map(|secret| SecretReference::parse(&secret)) {
        None => None,
        Some(Ok(reference)) => Some(reference),
        Some(Err(error)) => {
            tracing::error!(%error, "an identity provider's client_secret is not usable: nobody signs in at it");
            return None;
        }
    };
    Some(Browser { client_id: defined.client_id, client_secret, scopes: defined.scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, token_use: &str, groups: Option<&[&str]>) -> Provider {
        let mut spec = serde_json::json!({
            "issuer": format!("https://{name}.example"), "audiences": ["cs"], "for": token_use,
        });
        if let Some(groups) = groups {
            spec["groups"] = serde_json::json!(groups);
        }
        provider(name.to_owned(), Revision(1), serde_json::from_value(spec).unwrap())
    }

    fn counted(providers: Vec<Provider>, name: &str) -> Vec<String> {
        let providers = scoped(providers);
        let one = providers.iter().find(|one| one.name == name).unwrap();
        let claimed = BTreeSet::from(["dba".to_owned(), "ops".to_owned()]);
        one.asserts.of(claimed).into_iter().collect()
    }

    #[test]
    fn the_only_issuer_of_a_plane_may_assert_any_group() {
        let both = || vec![of("staff", "reviewers", None), of("ci", "agents", None)];
        assert_eq!(counted(both(), "staff"), ["dba", "ops"]);
        assert_eq!(counted(both(), "ci"), ["dba", "ops"]);
    }

    #[test]
    fn a_second_issuer_asserts_only_the_groups_that_it_is_said_to_have() {
        let both = || {
            vec![
                of("staff", "reviewers", Some(&["dba"])),
                of("partner", "reviewers", Some(&["ops"])),
            ]
        };
        assert_eq!(counted(both(), "staff"), ["dba"]);
        assert_eq!(counted(both(), "partner"), ["ops"]);
        // Without a list, whoever controls the second issuer could make anybody a `dba`.
        let unlisted = vec![of("staff", "reviewers", Some(&["dba"])), of("new", "reviewers", None)];
        assert!(counted(unlisted, "new").is_empty());
    }

    #[test]
    fn what_a_definition_says_about_claims_is_what_tokens_are_read_by() {
        let spec = serde_json::json!({
            "issuer": "https://id.example.com", "audiences": ["cs"], "for": "reviewers",
            "claims": {
                "subject": "oid", "name": "display_name", "groups": "roles", "owner": "manager",
                "also_known_as": ["employee_number"], "branch": "ref",
            },
        });
        let provider =
            provider("people".to_owned(), Revision(1), serde_json::from_value(spec).unwrap());
        let expected = ClaimNames {
            subject: "oid".to_owned(),
            name: "display_name".to_owned(),
            groups: "roles".to_owned(),
            owner: "manager".to_owned(),
            also_known_as: vec!["employee_number".to_owned()],
            branch: Some("ref".to_owned()),
            ..ClaimNames::default()
        };
        assert_eq!(provider.claims, expected);
    }
}
