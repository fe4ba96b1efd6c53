//! An operation as people write it down, for test cases and questions: who asks, and what for. It is what rules can ask about
//! and nothing else, so no text of a statement is parsed here.

use crate::agent::Workload;
use countersign_core::{
    agent::{self, Identity},
    operation::{Action, Demand, Effect, NamedColumn, Resource, Transaction},
    policy::{Asked, Matter, Who, acts_on},
    target::{Protocol, TargetName},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// What something is written in, and how it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct GivenError(String);

/// An operation that somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Who asks.
    pub agent: GivenAgent,
    /// The target's name.
    pub target: String,
    /// The protocol of the target; that of the actions where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The target's role that the agent uses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What is asked for: each action with what it acts on. Nothing is what the gateway does not understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<GivenDemand>,
    /// The columns that it names, as `SCHEMA.RELATION.COLUMN`, or `SCHEMA.RELATION.*` where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The commands that it consists of, as policies see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Whether it stands in an open transaction.
    #[serde(default)]
    pub in_transaction: bool,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenAgent {
    /// The issuer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The name; the subject where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The job that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
}

/// An action and what it acts on: at most one of the others; none is the target as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenDemand {
    /// Such as `postgres:read`.
    pub action: String,
    /// PostgreSQL: `SCHEMA.RELATION`, quoted as in SQL where it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// SSH: a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SSH: a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Kubernetes: a URL that belongs to no resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Kubernetes: `NAMESPACE/RESOURCE.GROUP/NAME/SUBRESOURCE`, as policies write it behind the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Kubernetes: the version of the object's API, such as `v1`, where rules ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Given {
    /// What rules are asked about.
    pub fn matter(&self) -> Result<Matter, GivenError> {
        let demands =
            self.asks.iter().map(GivenDemand::demand).collect::<Result<BTreeSet<_>, _>>()?;
        let GivenAgent { issuer, subject, name, groups, workload } = &self.agent;
        let Workload { repository, branch, job } = workload.clone().unwrap_or_default();
        let who = Who {
            agent: Identity { issuer: issuer.clone(), subject: subject.clone() },
            name: name.clone().unwrap_or_else(|| subject.clone()),
            groups: groups.clone(),
            workload: agent::Workload { repository, branch, job },
            target: TargetName::parse(&self.target)
                .map_err(|_| wrong(format!("`{}` is not a target's name", self.target)))?,
            protocol: self.protocol(&demands)?,
            role: self.role.clone(),
        };
        let asked = Asked {
            demands,
            columns: self.columns.iter().map(|text| column(text)).collect::<Result<_, _>>()?,
            commands: self.commands.iter().cloned().collect(),
            effect: Effect::Passing,
            transaction: if self.in_transaction { Transaction::Open } else { Transaction::None },
        };
        Ok(Matter::new(who, asked))
    }

    fn protocol(&self, demands: &BTreeSet<Demand>) -> Result<Protocol, GivenError> {
        let protocols: BTreeSet<&str> =
            demands.iter().map(|demand| demand.action.protocol().name()).collect();
        let said = self.protocol.as_deref().or_else(|| protocols.first().copied());
        if protocols.iter().any(|other| Some(*other) != said) {
            return Err(wrong("the actions are of several protocols".to_owned()));
        }
        let known = |protocol: &Protocol| Some(protocol.name()) == said;
        Protocol::ALL.iter().copied().find(known).ok_or_else(|| {
            let names: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
            wrong(format!("say `protocol`, one of {}", names.join(", ")))
        })
    }
}

impl GivenDemand {
    fn demand(&self) -> Result<Demand, GivenError> {
        let named = |action: &Action| action.name() == self.action;
        let action = Action::ALL.iter().copied().find(named).ok_or_else(|| {
            wrong(format!("`{}` is not an action; `policy schema` lists them", self.action))
        })?;
        let Self { action: _, relation, path, program, url, object, version } = self;
        if version.is_some() && object.is_none() {
            return Err(wrong("`version` is that of an `object`".to_owned()));
        }
        let resource = match (relation, path, program, url, object) {
            (None, None, None, None, None) => Resource::Target,
            (Some(text), None, None, None, None) => {
                let [schema, name] = parts(text)?;
                Resource::Relation { schema, name }
            }
            (None, Some(path), None, None, None) => Resource::Path { path: path.clone() },
            (None, None, Some(name), None, None) => Resource::Program { name: name.clone() },
            (None, None, None, Some(path), None) => Resource::Url { path: path.clone() },
            (None, None, None, None, Some(text)) => {
                api_object(text, version.as_deref().unwrap_or_default())?
            }
            _several => {
                return Err(wrong(format!("{} acts on one thing at a time", self.action)));
            }
        };
        if !acts_on(action, &resource) {
            return Err(wrong(format!(
                "{} does not act on such a thing; `policy schema` says on what it does",
                self.action
            )));
        }
        Ok(Demand { action, resource })
    }
}

fn api_object(text: &str, version: &str) -> Result<Resource, GivenError> {
    let mut parts = text.splitn(4, '/').map(str::to_owned);
    let (Some(namespace), Some(kind)) = (parts.next(), parts.next()) else {
        return Err(wrong(format!("`{text}` is not NAMESPACE/RESOURCE.GROUP/NAME/SUBRESOURCE")));
    };
    let (resource, group) = kind.split_once('.').unwrap_or((&kind, ""));
    Ok(Resource::ApiObject {
        namespace,
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        name: parts.next().unwrap_or_default(),
        subresource: parts.next().unwrap_or_default(),
    })
}

fn column(text: &str) -> Result<NamedColumn, GivenError> {
    let [schema, relation, column] = parts(text)?;
    Ok(NamedColumn { schema, relation, column: (column != "*").then_some(column) })
}

/// The names that dots separate, outside of quotes (PostgreSQL's `quote_ident`).
fn parts<const N: usize>(text: &str) -> Result<[String; N], GivenError> {
    let (mut found, mut quoted, mut chars) = (vec![String::new()], false, text.chars().peekable());
    while let Some(c) = chars.next() {
        let part = found.last_mut();
        match (c, quoted, part) {
            ('"', true, Some(part)) if chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            ('"', _, _) => quoted = !quoted,
            ('.', false, _) => found.push(String::new()),
            (other, _, Some(part)) => part.push(other),
            (_, _, None) => {}
        }
    }
    let wanted = || wrong(format!("`{text}` does not have {N} parts with dots between them"));
    if quoted || found.iter().any(String::is_empty) {
        return Err(wanted());
    }
    found.try_into().map_err(|_| wanted())
}

fn wrong(what: String) -> GivenError {
    GivenError(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(asks: GivenDemand) -> Result<Resource, String> {
        asks.demand().map(|demand| demand.resource).map_err(|error| error.to_string())
    }

    fn on(action: &str) -> GivenDemand {
        GivenDemand { action: action.to_owned(), ..GivenDemand::default() }
    }

    #[test]
    fn an_action_is_asked_for_on_what_it_acts_on() {
        let text = |text: &str| Some(text.to_owned());
        let read = || on("postgres:read");
        for possible in [
            read(),
            GivenDemand { relation: text("public.a"), ..read() },
            GivenDemand { path: text("/etc"), ..on("ssh:read") },
            GivenDemand { program: text("uptime"), ..on("ssh:exec") },
            GivenDemand { url: text("/version"), ..on("kubernetes:get") },
            GivenDemand { object: text("dev/pods/web"), ..on("kubernetes:get") },
            on("kubernetes:opaque"),
        ] {
            assert!(demand(possible.clone()).is_ok(), "{possible:?}");
        }
        for impossible in [
            GivenDemand { path: text("/etc"), ..read() },
            GivenDemand { object: text("dev/pods/web"), ..read() },
            GivenDemand { relation: text("public.a"), ..on("ssh:read") },
            on("kubernetes:get"),
        ] {
            let refused = demand(impossible.clone()).unwrap_err();
            assert!(refused.contains("does not act on"), "{impossible:?}: {refused}");
        }
    }

    #[test]
    fn an_object_has_the_version_that_is_said_and_nothing_else_has_one() {
        let version = |version: &str| Some(version.to_owned());
        let pods =
            || GivenDemand { object: Some("dev/pods/web".to_owned()), ..on("kubernetes:get") };
        let of = |asks| match demand(asks) {
            Ok(Resource::ApiObject { version, .. }) => version,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(pods()), "");
        assert_eq!(of(GivenDemand { version: version("v1"), ..pods() }), "v1");
        let beside = GivenDemand { version: version("v1"), ..on("postgres:read") };
        assert!(demand(beside).unwrap_err().contains("`version`"));
    }
}
