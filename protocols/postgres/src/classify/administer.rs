//! Objects that carry code or connections. These statements are not taken apart: they demand their action as a whole, and
//! `opaque` for what comes with them. Privileges, roles, upkeep and the server itself are in `govern.rs`.

use pg_query::NodeEnum;

use super::{Action, StatementKind, walk::Walk};

impl Walk {
    /// The last list; what is not on it either is opaque.
    pub(super) fn administer(&mut self, node: &NodeEnum) -> StatementKind {
        if self.carries_code(node) {
            return StatementKind::Define;
        }
        if self.empowers(node)
            || self.maintains(node)
            || self.replicates(node)
            || self.governs(node)
        {
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
            NodeEnum::CreateTrigStmt(trigger) => {
                self.defined(trigger.relation.as_ref());
                self.writes_columns(&trigger.columns);
            }
            NodeEnum::RuleStmt(rule) => self.defined(rule.relation.as_ref()),
            NodeEnum::CreateForeignTableStmt(table) => {
                self.defined(table.base_stmt.as_ref().and_then(|base| base.relation.as_ref()));
            }
            NodeEnum::CreateFunctionStmt(_)
            | NodeEnum::AlterFunctionStmt(_)
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
            NodeEnum::CreateEventTrigStmt(_)
            | NodeEnum::AlterEventTrigStmt(_)
            | NodeEnum::CreateExtensionStmt(_)
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
}
