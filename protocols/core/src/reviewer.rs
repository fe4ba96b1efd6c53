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

impl Reviewer {
    /// Whether `owner`, as an agent's token names it, may be this human. Compared without case: in doubt it is.
    pub fn may_be(&self, owner: &str) -> bool {
        let same = |name: &str| name.trim().to_lowercase() == owner.trim().to_lowercase();
        same(&self.identity.subject)
            || same(&self.name)
            || same(&self.identity.to_string())
            || self.also_known_as.iter().any(|name| same(name))
    }
}
