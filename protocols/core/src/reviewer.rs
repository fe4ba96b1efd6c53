//! Who decides: a human, identified by an issuer and a subject.

use crate::agent::Identity;
use std::collections::BTreeSet;

/// An identified human. Whether this human may decide about a hold is for [`crate::hold`] to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reviewer {
    /// Issuer and subject: what a quorum counts.
    pub identity: Identity,
    /// The name shown to people.
    pub name: String,
    /// Other names of the same human (e-mail, preferred user name), compared with an agent's owner.
    pub also_known_as: BTreeSet<String>,
    /// Groups, from the claims; a missing claim means none.
    pub groups: BTreeSet<String>,
}

/// A name as names are compared: without case and without blanks around it. Which letters are the same without case
/// changes with the version of Unicode, so names are folded where they are proposed and never where the log is applied.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Reviewer {
    /// The same human, also known by the folded form of each name.
    #[must_use]
    pub fn folded(mut self) -> Self {
        let names = [&self.identity.subject, &self.name].into_iter().chain(&self.also_known_as);
        let names: Vec<String> = names.map(|name| folded(name)).collect();
        self.also_known_as.extend(names);
        self
    }

    /// Whether `name`, as another token has it, may be this human. ASCII letters are compared without case, others as they
    /// are (see [`folded`]): in doubt it is.
    pub fn may_be(&self, name: &str) -> bool {
        let name = name.trim_ascii();
        let same = |own: &str| own.trim_ascii().eq_ignore_ascii_case(name);
        same(&self.identity.subject)
            || same(&self.name)
            || same(&self.identity.to_string())
            || self.also_known_as.iter().any(|own| same(own))
    }

    /// Whether two reviewers may be one human. One issuer tells its humans apart; of two issuers, a name that both know is
    /// taken for the same human.
    pub fn may_be_one_with(&self, other: &Self) -> bool {
        if self.identity.issuer == other.identity.issuer {
            return self.identity.subject == other.identity.subject;
        }
        let subject = std::iter::once(&other.identity.subject);
        subject.chain(&other.also_known_as).any(|name| self.may_be(name))
    }
}
