//! Who exists in a development cluster: agent `ci-bot`, reviewers `dana` and `rui`, administrator `ada`, and anybody
//! else who is asked for.

use super::{
    directory::Directory,
    issuer::{self, Wanted},
};
use crate::cli::Person;
use std::time::Duration;

/// The audience of agents' tokens.
pub(super) const AGENTS: &str = "countersign-agents";
/// The audience of people's tokens.
pub(super) const PEOPLE: &str = "countersign-people";
/// How long tokens of `dev env` are valid: a walk through the cluster.
const LIFETIME: Duration = Duration::from_hours(1);

/// Whom a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) audience: &'static str,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) owner: Option<String>,
}

/// An agent or a reviewer, with the groups of the sample unless others are given.
pub(super) fn person(
    who: Person,
    name: &str,
    groups: Option<Vec<String>>,
    owner: Option<String>,
) -> Bearer {
    let (audience, usual, usual_owner) = match (who, name) {
        (Person::Agent, "ci-bot") => (AGENTS, &["ci"][..], Some("sam".to_owned())),
        (Person::Agent, _) => (AGENTS, &["ci"][..], None),
        (Person::Reviewer, "ada") => (PEOPLE, &["platform-admins"][..], None),
        (Person::Reviewer, _) => (PEOPLE, &["dba", "ops"][..], None),
    };
    let usual = usual.iter().copied().map(str::to_owned);
    let mut groups = groups.unwrap_or_else(|| usual.collect());
    // `--groups ""` asks for none, not for a group without a name.
    groups.retain(|group| !group.is_empty());
    Bearer { audience, name: name.to_owned(), groups, owner: owner.or(usual_owner) }
}

/// A fresh token of one of the sample's people.
pub(super) async fn of(directory: &Directory, who: Person, name: &str) -> anyhow::Result<String> {
    let wanted =
        Wanted { person: person(who, name, None, None), lifetime: LIFETIME, algorithm: None };
    issuer::mint(directory, &wanted).await
}
