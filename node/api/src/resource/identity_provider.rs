//! IdentityProvider: whose tokens are believed, for whom, and which claims say what.

use super::Invalid;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// The most that a provider's clock may be off, in seconds.
pub const MAX_LEEWAY_SECONDS: u32 = 120;
/// The leeway when it is not said, in seconds.
const DEFAULT_LEEWAY_SECONDS: u32 = 30;
/// The most groups that a provider is said to have.
const MAX_GROUPS: usize = 1000;
/// The most claims that hold other names of a human.
const MAX_OTHER_NAMES: usize = 16;
/// The most audiences of a provider.
const MAX_AUDIENCES: usize = 16;

/// The most scopes that a browser's sign-in asks for.
const MAX_SCOPES: usize = 16;

/// The body of an IdentityProvider: its protocol, and that protocol's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum IdentityProviderSpec {
    /// OpenID Connect: the issuer is discovered, tokens are JWTs signed with its keys.
    Oidc(OidcProvider),
}

/// An OpenID Connect issuer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// The issuer, exactly as its tokens say it; an https URL.
    pub issuer: String,
    /// The audiences that are accepted; a token must be for one of them.
    pub audiences: Vec<String>,
    /// Whose tokens these are.
    #[serde(rename = "for")]
    pub token_use: TokenUse,
    /// Which claim says what.
    #[serde(default)]
    pub claims: Claims,
    /// The groups that its tokens may put somebody into; any, when it is not said. Where tokens of several issuers have the
    /// same use, each must say it: otherwise whoever controls one of them could make a group of another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The certificates to trust when the issuer is asked (PEM), on every node; the system's when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ca_file: Option<PathBuf>,
    /// The signature algorithms that are accepted.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// How people sign in at it with their browsers, for the reviewers' page; they cannot, when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<BrowserSignIn>,
    /// How much the issuer's clock may be off, in seconds: at most 120.
    #[serde(default = "default_leeway")]
    pub leeway_seconds: u32,
}

/// The gateway as a client of the issuer's (authorization code flow with PKCE: OpenID Connect Core 1.0, section 3.1; RFC 7636).
/// The issuer sends people back to `https://HOST/login/callback`, for every host name that the page is reached by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserSignIn {
    /// The client's id; one of the `audiences`, because the issuer's tokens are for it.
    pub client_id: String,
    /// The client's secret, a reference (`file:PATH`, `env:NAME`); without it the client is a public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// What is asked for; `openid` is among it.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn default_algorithms() -> Vec<TokenAlgorithm> {
    vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256]
}

fn default_leeway() -> u32 {
    DEFAULT_LEEWAY_SECONDS
}

/// Whose tokens a provider issues. The two are never mixed: an agent's token is no reviewer's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// Automation that connects to targets.
    Agents,
    /// Humans that use the API.
    Reviewers,
}

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

/// Which claim says what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// The subject; `sub` unless it is said.
    pub subject: String,
    /// The name shown to people; `preferred_username` unless it is said.
    pub name: String,
    /// The groups; `groups` unless it is said. Without the claim there are none.
    pub groups: String,
    /// The human an agent acts for; `owner` unless it is said.
    pub owner: String,
    /// Claims with other names of the same human, each a string or a list of them, compared with an agent's owner; `email` and
    /// `preferred_username` unless it is said. The usual claims of that kind are compared in any case. One of these that is
    /// there and cannot be read makes the token refused.
    pub also_known_as: Vec<String>,
    /// Of a CI system's tokens, the claim with the repository (GitHub: `repository`, GitLab: `project_path`). What these three say is
    /// shown to reviewers, part of what they approve, and `context.workload` of policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The claim with the branch (both: `ref`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The claim that names the job, and stays the same from run to run (GitHub: `job_workflow_ref`, GitLab: `ci_config_ref_uri`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            name: "preferred_username".to_owned(),
            groups: "groups".to_owned(),
            owner: "owner".to_owned(),
            also_known_as: vec!["email".to_owned(), "preferred_username".to_owned()],
            repository: None,
            branch: None,
            job: None,
        }
    }
}

impl IdentityProviderSpec {
    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        match self {
            Self::Oidc(provider) => provider.check(found),
        }
    }
}

impl OidcProvider {
    fn check(&self, found: &mut Vec<Invalid>) {
        // OpenID Connect Discovery 1.0, section 3: https, without query and fragment.
        let plain = self.issuer.strip_prefix("https://").is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@', ' '])
        });
        if !plain {
            let message = "an issuer is an https URL without query, fragment and credentials";
            found.push(Invalid::at("/oidc/issuer", message));
        }
        let empty = self.audiences.iter().any(|audience| audience.trim().is_empty());
        if empty || self.audiences.is_empty() || self.audiences.len() > MAX_AUDIENCES {
            let message = format!("name 1 to {MAX_AUDIENCES} audiences");
            found.push(Invalid::at("/oidc/audiences", message));
        }
        let nameless = |groups: &Vec<String>| groups.iter().any(|group| group.trim().is_empty());
        if self.groups.as_ref().is_some_and(|g| g.len() > MAX_GROUPS || nameless(g)) {
            let message = format!("list at most {MAX_GROUPS} groups, each with a name");
            found.push(Invalid::at("/oidc/groups", message));
        }
        if self.algorithms.is_empty() {
            found.push(Invalid::at("/oidc/algorithms", "name at least one algorithm"));
        }
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            let message = format!("at most {MAX_LEEWAY_SECONDS}");
            found.push(Invalid::at("/oidc/leeway_seconds", message));
        }
        if self.ca_file.as_ref().is_some_and(|file| !file.is_absolute()) {
            found.push(Invalid::at("/oidc/ca_file", "the path is absolute"));
        }
        if let Some(browser) = &self.browser {
            self.check_browser(browser, found);
        }
        let Claims { subject, name, groups, owner, also_known_as, repository, branch, job } =
            &self.claims;
        if also_known_as.len() > MAX_OTHER_NAMES || also_known_as.iter().any(String::is_empty) {
            let message = format!("name at most {MAX_OTHER_NAMES} claims, each with a name");
            found.push(Invalid::at("/oidc/claims/also_known_as", message));
        }
        let workload = [("repository", repository), ("branch", branch), ("job", job)];
        let workload =
            workload.into_iter().filter_map(|(claim, value)| Some((claim, value.as_ref()?)));
        for (claim, value) in
            [("subject", subject), ("name", name), ("groups", groups), ("owner", owner)]
                .into_iter()
                .chain(workload)
        {
            if value.is_empty() {
                found.push(Invalid::at(format!("/oidc/claims/{claim}"), "a claim has a name"));
            }
        }
    }

    fn check_browser(&self, browser: &BrowserSignIn, found: &mut Vec<Invalid>) {
        if self.token_use != TokenUse::Reviewers {
            let message = "only people have browsers: this provider is for agents";
            found.push(Invalid::at("/oidc/browser", message));
        }
        if !self.audiences.contains(&browser.client_id) {
            let message = "the client is one of the `audiences`: its tokens are for it";
            found.push(Invalid::at("/oidc/browser/client_id", message));
        }
        let is_reference = |secret: &String| {
            ["file:/", "env:"]
                .iter()
                .any(|kind| secret.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()))
        };
        if browser.client_secret.as_ref().is_some_and(|secret| !is_reference(secret)) {
            let message = "a secret is `file:/ABSOLUTE/PATH` or `env:NAME`";
            found.push(Invalid::at("/oidc/browser/client_secret", message));
        }
        // RFC 6749, section 3.3: a scope is a word of printable ASCII without quotes.
        let is_scope = |scope: &String| {
            !scope.is_empty()
                && scope.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\')
        };
        let asks_for_identity = browser.scopes.iter().any(|scope| scope == "openid");
        if !asks_for_identity
            || browser.scopes.len() > MAX_SCOPES
            || !browser.scopes.iter().all(is_scope)
        {
            let message = format!("name at most {MAX_SCOPES} scopes, `openid` among them");
            found.push(Invalid::at("/oidc/browser/scopes", message));
        }
    }
}
