//! Tokens of the development issuer, for people and agents of any name, group and owner.

use crate::cluster::Cluster;

/// A token to be asked for.
#[derive(Debug, Clone)]
pub struct Identity<'a> {
    kind: &'static str,
    name: &'a str,
    groups: Option<&'a str>,
    owner: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Automation of this name.
    pub fn agent(name: &'a str) -> Self {
        Self { kind: "agent", name, groups: None, owner: None }
    }

    /// A human of this name.
    pub fn reviewer(name: &'a str) -> Self {
        Self { kind: "reviewer", ..Self::agent(name) }
    }

    /// In these groups, separated by commas, instead of those of the sample.
    #[must_use]
    pub fn in_groups(mut self, groups: &'a str) -> Self {
        self.groups = Some(groups);
        self
    }

    /// Acting for this human.
    #[must_use]
    pub fn owned_by(mut self, owner: &'a str) -> Self {
        self.owner = Some(owner);
        self
    }

    /// The token.
    pub async fn token(&self, cluster: &Cluster) -> anyhow::Result<String> {
        let mut arguments = vec!["token", self.kind, self.name];
        if let Some(groups) = self.groups {
            arguments.extend(["--groups", groups]);
        }
        if let Some(owner) = self.owner {
            arguments.extend(["--owner", owner]);
        }
        Ok(cluster.dev(&arguments).await?.trim().to_owned())
    }
}
