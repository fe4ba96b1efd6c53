//! The matter: all that a rule can ask about an operation. What is not in it (the text, the values, the time) cannot change
//! what policies say, so a matter that was recorded can be judged again. It judges nothing.

use crate::{
    agent::{Identity, Workload},
    operation::{Action, Demand, Effect, NamedColumn, Operation, Resource, Transaction},
    session::Session,
    target::{Protocol, TargetName},
};
use std::collections::BTreeSet;

/// All that a rule can ask about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Matter {
    /// Who asks, and where.
    pub who: Who,
    /// What is asked for.
    pub asked: Asked,
}

/// Who asks, and where: what all operations of a session have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Who {
    /// The agent.
    pub agent: Identity,
    /// Its name.
    pub name: String,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// The job that it is.
    pub workload: Workload,
    /// The target.
    pub target: TargetName,
    /// The target's protocol.
    pub protocol: Protocol,
    /// The target's role that the agent uses.
    pub role: String,
}

/// What an operation asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Asked {
    /// What it is judged by. Nothing at all is judged as opaque (invariant `opaque_is_not_allowed`).
    pub demands: BTreeSet<Demand>,
    /// The columns that it names.
    pub columns: BTreeSet<NamedColumn>,
    /// The commands that it consists of.
    pub commands: BTreeSet<String>,
    /// Whether it can leave anything behind.
    pub effect: Effect,
    /// Whether it stands in an open transaction.
    pub transaction: Transaction,
}

impl Matter {
    /// The matter of an operation.
    pub fn of(session: &Session, operation: &Operation) -> Self {
        Self::new(Who::of(session), Asked::of(operation))
    }

    /// The matter of what somebody asks for.
    pub fn new(who: Who, asked: Asked) -> Self {
        let Asked { mut demands, .. } = asked;
        if demands.is_empty() {
            let action = Action::opaque_of(who.protocol);
            demands.insert(Demand { action, resource: Resource::Target });
        }
        Self { who, asked: Asked { demands, ..asked } }
    }
}

impl Who {
    /// Who has a session.
    pub fn of(session: &Session) -> Self {
        let agent = session.agent();
        Self {
            agent: agent.identity.clone(),
            name: agent.name.clone(),
            groups: agent.groups.clone(),
            workload: agent.workload.clone(),
            target: session.target().name.clone(),
            protocol: session.target().protocol,
            role: session.role().to_owned(),
        }
    }
}

impl Asked {
    /// What an operation asks for.
    pub fn of(operation: &Operation) -> Self {
        let found = operation.classification();
        Self {
            demands: BTreeSet::clone(&found.demands),
            columns: BTreeSet::clone(&found.columns),
            commands: BTreeSet::clone(&found.commands),
            effect: operation.effect(),
            transaction: operation.transaction(),
        }
    }
}
