//! Objects that carry code, privileges, maintenance and everything else that reaches beyond rows and tables. These
//! statements are not taken apart: they demand their action as a whole, and `opaque` where code comes with them.

use pg_query::NodeEnum;

use super::{Action, StatementKind, walk::Walk};

impl Walk {
    /// The last list; what is not on it either is opaque.
    pub(super) fn administer(&mut self, node: &NodeEnum) -> StatementKind {
        if self.carries_code(node) {
            return StatementKind::Define;
        }
        if self.replicates(node) || self.governs(node) {
            return StatementKind::Administer;
        }
        self.opaque(format!("{} is not understood as a statement", super::walk::label(node)));
        StatementKind::Opaque
    }

    /// Functions, triggers, rules, operators, types, languages, extensions, foreign data.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    fn carries_code(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::CreateTrigStmt(trigger) => self.defined(trigger.relation.as_ref()),
            NodeEnum::RuleStmt(rule) => self.defined(rule.relation.as_ref()),
            NodeEnum::CreateForeignTableStmt(table) => {
                self.defined(table.base_stmt.as_ref().and_then(|base| base.relation.as_ref()));
            }
            NodeEnum::CreateFunctionStmt(_)
            | NodeEnum::AlterFunctionStmt(_)
            | NodeEnum::CreateEventTrigStmt(_)
            | NodeEnum::AlterEventTrigStmt(_)
            | NodeEnum::DefineStmt(_)
            | NodeEnum::CreateDomainStmt(_)
            | NodeEnum::AlterDomainStmt(_)
            | NodeEnum::CreateRangeStmt(_)
            | NodeEnum::AlterTypeStmt(_)
            | NodeEnum::AlterOperatorStmt(_)
            | NodeEnum::CreateOpClassStmt(_)
            | NodeEnum::CreateOpFamilyStmt(_)
            | NodeEnum::AlterOpFamilyStmt(_)
            | NodeEnum::CreateCastStmt(_)
            | NodeEnum::CreateConversionStmt(_)
            | NodeEnum::CreateTransformStmt(_)
            | NodeEnum::CreatePlangStmt(_)
            | NodeEnum::CreateAmStmt(_)
            | NodeEnum::CreateStatsStmt(_)
            | NodeEnum::AlterStatsStmt(_)
            | NodeEnum::AlterTsdictionaryStmt(_)
            | NodeEnum::AlterTsconfigurationStmt(_)
            | NodeEnum::AlterCollationStmt(_)
            | NodeEnum::AlterObjectDependsStmt(_) => self.demand(Action::Ddl),
            NodeEnum::CreateExtensionStmt(_)
            | NodeEnum::AlterExtensionStmt(_)
            | NodeEnum::AlterExtensionContentsStmt(_)
            | NodeEnum::CreateFdwStmt(_)
            | NodeEnum::AlterFdwStmt(_)
            | NodeEnum::CreateForeignServerStmt(_)
            | NodeEnum::AlterForeignServerStmt(_)
            | NodeEnum::CreateUserMappingStmt(_)
            | NodeEnum::AlterUserMappingStmt(_)
            | NodeEnum::DropUserMappingStmt(_)
            | NodeEnum::ImportForeignSchemaStmt(_) => {
                self.demand(Action::Ddl);
                self.demand(Action::Admin);
            }
            NodeEnum::LoadStmt(_) => {
                self.demand(Action::Admin);
                self.demand(Action::Program);
            }
            _ => return false,
        }
        self.opaque("it brings code or connections that the text does not show");
        true
    }

    /// Publications and subscriptions.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    fn replicates(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::CreatePublicationStmt(_)
            | NodeEnum::AlterPublicationStmt(_)
            | NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::AlterSubscriptionStmt(_)
            | NodeEnum::DropSubscriptionStmt(_) => {
                self.demand(Action::Replication);
                self.demand(Action::Admin);
                true
            }
            _ => false,
        }
    }

    /// Roles, privileges, databases, table spaces, server settings, maintenance.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller declares the rest opaque"
    )]
    fn governs(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::CreatePolicyStmt(policy) => self.defined(policy.table.as_ref()),
            NodeEnum::AlterPolicyStmt(policy) => self.defined(policy.table.as_ref()),
            NodeEnum::ClusterStmt(cluster) => self.defined(cluster.relation.as_ref()),
            NodeEnum::ReindexStmt(reindex) => self.defined(reindex.relation.as_ref()),
            NodeEnum::AlterOwnerStmt(alter) => self.defined(alter.relation.as_ref()),
            NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::AlterRoleSetStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::DropOwnedStmt(_)
            | NodeEnum::ReassignOwnedStmt(_)
            | NodeEnum::SecLabelStmt(_)
            | NodeEnum::AlterSystemStmt(_)
            | NodeEnum::CreatedbStmt(_)
            | NodeEnum::AlterDatabaseStmt(_)
            | NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | NodeEnum::AlterDatabaseSetStmt(_)
            | NodeEnum::DropdbStmt(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::DropTableSpaceStmt(_)
            | NodeEnum::AlterTableSpaceOptionsStmt(_)
            | NodeEnum::AlterTableMoveAllStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::CheckPointStmt(_) => {}
            _ => return false,
        }
        self.demand(Action::Admin);
        true
    }
}
