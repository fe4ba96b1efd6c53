//! The one place where what a statement asks for becomes what a policy is asked: actions of the policy language on
//! resources of the target. It decides nothing; it only never lets a demand get lost.

use std::collections::BTreeSet;

use countersign_core::operation::{Action as PolicyAction, Demand as PolicyDemand, Resource};

use super::{Action, Classified, Demand};

impl Action {
    /// The action as policies name it.
    pub const fn policy_action(self) -> PolicyAction {
        match self {
            Self::Read => PolicyAction::PostgresRead,
            Self::Write => PolicyAction::PostgresWrite,
            Self::Ddl => PolicyAction::PostgresDdl,
            Self::Privilege => PolicyAction::PostgresPrivilege,
            Self::Role => PolicyAction::PostgresRole,
            Self::Function => PolicyAction::PostgresFunction,
            Self::Lock => PolicyAction::PostgresLock,
            Self::Copy => PolicyAction::PostgresCopy,
            Self::Program => PolicyAction::PostgresProgram,
            Self::Session => PolicyAction::PostgresSession,
            Self::Preference => PolicyAction::PostgresPreference,
            Self::Show => PolicyAction::PostgresShow,
            Self::Transaction => PolicyAction::PostgresTransaction,
            Self::Cursor => PolicyAction::PostgresCursor,
            Self::Prepare => PolicyAction::PostgresPrepare,
            Self::Explain => PolicyAction::PostgresExplain,
            Self::Notify => PolicyAction::PostgresNotify,
            Self::Maintain => PolicyAction::PostgresMaintain,
            Self::Replication => PolicyAction::PostgresReplication,
            Self::Admin => PolicyAction::PostgresAdmin,
            Self::Opaque => PolicyAction::PostgresOpaque,
        }
    }
}

/// What the policy is asked about one demand. `schema_of` says which schema an unqualified relation is in; where it
/// cannot say, the demand is opaque as well.
pub fn policy_demands(
    demand: &Demand,
    schema_of: impl Fn(&str) -> Option<String>,
) -> BTreeSet<PolicyDemand> {
    let on_target = |action: Action| PolicyDemand {
        action: action.policy_action(),
        resource: Resource::Target,
    };
    let Some(object) = demand.object.as_ref().filter(|_| demand.action != Action::Function) else {
        return BTreeSet::from([on_target(demand.action)]);
    };
    match object.schema.clone().or_else(|| schema_of(&object.name)) {
        Some(schema) => BTreeSet::from([PolicyDemand {
            action: demand.action.policy_action(),
            resource: Resource::Relation { schema, name: object.name.clone() },
        }]),
        None => BTreeSet::from([on_target(demand.action), on_target(Action::Opaque)]),
    }
}

impl Classified {
    /// What the policy is asked about the whole text: everything every statement asks for.
    pub fn policy_demands(
        &self,
        schema_of: impl Fn(&str) -> Option<String>,
    ) -> BTreeSet<PolicyDemand> {
        self.demands().iter().flat_map(|demand| policy_demands(demand, &schema_of)).collect()
    }
}
