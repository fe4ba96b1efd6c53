//! From the claims of a verified token to an agent or a reviewer. A claim that is there and is not of the form it should
//! have is an error, never "not there": a lookup that fails must not make an owner or a group disappear unnoticed.

use super::provider::{ClaimNames, Provider};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    log_time::LogTime,
    reviewer::Reviewer,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The longest subject, name, owner or group, in bytes.
const MAX_TEXT: usize = 1024;
/// The most groups, or other names in one claim, of a principal.
const MAX_LISTED: usize = 1000;
/// Claims that may hold another name of the same human (OpenID Connect Core 1.0, section 5.1, and Entra's `upn`), besides
/// those that the provider's definition names.
const OTHER_NAMES: &[&str] =
    &["sub", "email", "preferred_username", "upn", "unique_name", "name", "nickname", "login"];

/// A claim that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {problem}")]
pub struct ClaimError {
    claim: String,
    problem: &'static str,
}

/// What the claims say.
#[derive(Debug)]
pub(super) struct Mapped {
    identity: Identity,
    name: String,
    owner: Option<String>,
    groups: BTreeSet<String>,
    workload: Workload,
    also_known_as: BTreeSet<String>,
}

impl Mapped {
    pub(super) fn of(provider: &Provider, claims: &Map<String, Value>) -> Result<Self, ClaimError> {
        let names = &provider.claims;
        let subject = text(claims, &names.subject)?
            .ok_or_else(|| error(&names.subject, "is needed and missing"))?;
        let name = text(claims, &names.name)?.unwrap_or_else(|| subject.clone());
        Ok(Self {
            identity: Identity { issuer: provider.issuer.clone(), subject },
            name,
            owner: text(claims, &names.owner)?,
            groups: provider.asserts.of(groups(claims, &names.groups)?),
            workload: workload(claims, names)?,
            also_known_as: other_names(claims, &names.also_known_as)?,
        })
    }

    pub(super) fn into_agent(self, expires_at: LogTime) -> Agent {
        let Self { identity, name, owner, groups, workload, also_known_as: _ } = self;
        Agent { identity, name, owner, groups, workload, expires_at }
    }

    pub(super) fn into_reviewer(self) -> Reviewer {
        let Self { identity, name, owner: _, groups, workload: _, also_known_as } = self;
        Reviewer { identity, name, also_known_as, groups }
    }
}

/// Other names of the human. Of the claims that the definition does not name, one that is null says nothing.
fn other_names(
    claims: &Map<String, Value>,
    named: &[String],
) -> Result<BTreeSet<String>, ClaimError> {
    let mut found = BTreeSet::new();
    for claim in named {
        found.extend(texts(claims, claim)?);
    }
    let unnamed = OTHER_NAMES.iter().filter(|claim| !named.iter().any(|named| named == *claim));
    for claim in unnamed.filter(|claim| claims.get(**claim) != Some(&Value::Null)) {
        found.extend(texts(claims, claim)?);
    }
    Ok(found)
}

/// What the claims say that the definition names; a claim that is not there says nothing.
fn workload(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Workload, ClaimError> {
    let said = |claim: &Option<String>| match claim {
        Some(claim) => text(claims, claim).map(Option::unwrap_or_default),
        None => Ok(String::new()),
    };
    Ok(Workload {
        repository: said(&names.repository)?,
        branch: said(&names.branch)?,
        job: said(&names.job)?,
    })
}

fn text(claims: &Map<String, Value>, claim: &str) -> Result<Option<String>, ClaimError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => plain(claim, text).map(Some),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
        ) => Err(error(claim, "is not a string")),
    }
}

/// No groups where there is no claim, or null, which is how some providers write an empty list.
fn groups(claims: &Map<String, Value>, claim: &str) -> Result<BTreeSet<String>, ClaimError> {
    if claims.get(claim) == Some(&Value::Null) {
        return Ok(BTreeSet::new());
    }
    texts(claims, claim)
}

/// A string, or a list of strings; nothing where there is no claim.
fn texts(claims: &Map<String, Value>, claim: &str) -> Result<BTreeSet<String>, ClaimError> {
    let Some(Value::Array(listed)) = claims.get(claim) else {
        return Ok(text(claims, claim)?.into_iter().collect());
    };
    if listed.len() > MAX_LISTED {
        return Err(error(claim, "lists too many"));
    }
    listed
        .iter()
        .map(|item| match item {
            Value::String(text) => plain(claim, text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => Err(error(claim, "lists something that is not a string")),
        })
        .collect()
}

fn plain(claim: &str, text: &str) -> Result<String, ClaimError> {
    if text.is_empty() {
        Err(error(claim, "is empty"))
    } else if text.len() > MAX_TEXT {
        Err(error(claim, "is too long"))
    } else if text.chars().any(char::is_control) {
        Err(error(claim, "has control characters"))
    } else {
        Ok(text.to_owned())
    }
}

fn error(claim: &str, problem: &'static str) -> ClaimError {
    ClaimError { claim: claim.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What the claims come to where the definition names three of them.
    fn workload_of(claims: &Value) -> Result<Workload, ClaimError> {
        let named = |claim: &str| Some(claim.to_owned());
        let names = ClaimNames {
            repository: named("repository"),
            branch: named("ref"),
            job: named("job_workflow_ref"),
            ..ClaimNames::default()
        };
        workload(claims.as_object().unwrap(), &names)
    }

    #[test]
    fn a_job_is_what_the_named_claims_say_and_nothing_else() {
        let all = json!({"repository": "shop", "ref": "refs/heads/main", "job_workflow_ref": "x@y", "run_id": "7"});
        let found = workload_of(&all).unwrap();
        let said = found.parts().map(|(_name, said)| said);
        assert_eq!(said, ["shop", "refs/heads/main", "x@y"]);
        assert_eq!(workload_of(&json!({"repo": "shop"})).unwrap(), Workload::default());
        let unnamed = workload(all.as_object().unwrap(), &ClaimNames::default());
        assert_eq!(unnamed.unwrap(), Workload::default());
    }

    #[test]
    fn a_claim_about_the_job_that_cannot_be_read_is_an_error_and_not_absent() {
        for value in [json!(null), json!(7), json!(["main"]), json!(""), json!("a\nb")] {
            assert!(workload_of(&json!({"ref": value.clone()})).is_err(), "{value}");
        }
    }
}
