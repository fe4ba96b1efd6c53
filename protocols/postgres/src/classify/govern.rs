//! Statements about who may do what, about roles, the upkeep of tables, replication, and the server as a whole. They name
//! the relations they are about; what else stands in them is not taken apart.

use pg_query::{
    Node, NodeEnum,
    protobuf::{GrantStmt, GrantTargetType, ObjectType, VacuumRelation, VacuumStmt},
};

use super::{Action, Name, name, walk::Walk};

impl Walk {
    /// Publications and subscriptions. A subscription connects elsewhere and brings rows from there.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    pub(super) fn replicates(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::CreatePublicationStmt(create) => self.published(&create.pubobjects),
            NodeEnum::AlterPublicationStmt(alter) => self.published(&alter.pubobjects),
            NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::AlterSubscriptionStmt(_)
            | NodeEnum::DropSubscriptionStmt(_) => {
                self.opaque("a subscription connects to another server");
            }
            _ => return false,
        }
        self.demand(Action::Replication);
        true
    }

    fn published(&mut self, objects: &[Node]) {
        for object in objects {
            let Some(NodeEnum::PublicationObjSpec(spec)) = &object.node else {
                self.unknown("a publication", object);
                continue;
            };
            let Some(table) = &spec.pubtable else { continue };
            if let Some(relation) = &table.relation {
                self.relation(Action::Replication, relation);
            }
            self.optional(table.where_clause.as_deref());
            self.plain_names(&table.columns);
            self.writes_columns(&table.columns);
            if let (Some(relation), []) = (&table.relation, table.columns.as_slice()) {
                self.writes_column(Some(&relation.relname), None);
            }
        }
    }

    /// Privileges, owners, row security, labels; and roles.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    pub(super) fn empowers(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::GrantStmt(grant) => self.grant(grant),
            NodeEnum::GrantRoleStmt(_) => {
                self.demand(Action::Role);
                self.demand(Action::Privilege);
            }
            NodeEnum::AlterDefaultPrivilegesStmt(_) | NodeEnum::ReassignOwnedStmt(_) => {
                self.demand(Action::Privilege);
            }
            NodeEnum::DropOwnedStmt(_) => {
                self.demand(Action::Ddl);
                self.demand(Action::Privilege);
                self.notes.insert("it drops objects that the text does not name".to_owned());
            }
            NodeEnum::CreatePolicyStmt(policy) => {
                self.defined(policy.table.as_ref());
                self.demand(Action::Privilege);
                self.optional(policy.qual.as_deref());
                self.optional(policy.with_check.as_deref());
            }
            NodeEnum::AlterPolicyStmt(policy) => {
                self.defined(policy.table.as_ref());
                self.demand(Action::Privilege);
                self.optional(policy.qual.as_deref());
                self.optional(policy.with_check.as_deref());
            }
            NodeEnum::AlterOwnerStmt(alter) => {
                self.defined(alter.relation.as_ref());
                self.demand(Action::Privilege);
                if ObjectType::try_from(alter.object_type) == Ok(ObjectType::ObjectDatabase) {
                    self.demand(Action::Admin);
                }
            }
            NodeEnum::SecLabelStmt(label) => {
                self.demand(Action::Privilege);
                self.about_object(Action::Privilege, label.objtype, label.object.as_deref());
            }
            NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::AlterRoleSetStmt(_)
            | NodeEnum::DropRoleStmt(_) => self.demand(Action::Role),
            _ => return false,
        }
        true
    }

    fn grant(&mut self, grant: &GrantStmt) {
        self.demand(Action::Privilege);
        let whole =
            GrantTargetType::try_from(grant.targtype) != Ok(GrantTargetType::AclTargetObject);
        let relations = matches!(
            ObjectType::try_from(grant.objtype),
            Ok(ObjectType::ObjectTable | ObjectType::ObjectSequence)
        );
        if !whole && relations {
            self.relations(Action::Privilege, &grant.objects);
            for privilege in &grant.privileges {
                if let Some(NodeEnum::AccessPriv(privilege)) = &privilege.node {
                    self.writes_columns(&privilege.cols);
                }
            }
        }
    }

    /// The relation that a comment or a label is put on, or that is dropped, where it is one or belongs to one.
    pub(super) fn about_object(&mut self, action: Action, object_type: i32, object: Option<&Node>) {
        let inside = match ObjectType::try_from(object_type) {
            Ok(
                ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectSequence
                | ObjectType::ObjectIndex
                | ObjectType::ObjectForeignTable,
            ) => 0,
            // The last name is the column's, the policy's, the rule's.
            Ok(
                ObjectType::ObjectColumn
                | ObjectType::ObjectPolicy
                | ObjectType::ObjectRule
                | ObjectType::ObjectTrigger
                | ObjectType::ObjectTabconstraint,
            ) => 1,
            Ok(_) | Err(_) => return,
        };
        let names = match object {
            Some(Node { node: Some(NodeEnum::List(list)) }) => {
                let end = list.items.len().saturating_sub(inside);
                list.items.get(..end)
            }
            Some(_) | None => None,
        };
        match names.and_then(Name::from_nodes) {
            Some(relation) => {
                if let (Ok(ObjectType::ObjectColumn), Some(column)) =
                    (ObjectType::try_from(object_type), object.and_then(last_name))
                {
                    self.also_called(&relation.name, std::slice::from_ref(&relation));
                    self.writes_column(None, Some(column));
                }
                self.named_relation(action, relation);
            }
            None => self.opaque("the relation of an object is not understood"),
        }
    }

    /// The upkeep of tables and indexes: it rewrites and locks them, and can run the functions of their indexes.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    pub(super) fn maintains(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::VacuumStmt(vacuum) => self.vacuum(vacuum),
            NodeEnum::ClusterStmt(cluster) => self.maintained(cluster.relation.as_ref()),
            NodeEnum::ReindexStmt(reindex) => self.maintained(reindex.relation.as_ref()),
            NodeEnum::CheckPointStmt(_) => self.demand(Action::Maintain),
            _ => return false,
        }
        true
    }

    fn vacuum(&mut self, vacuum: &VacuumStmt) {
        let VacuumStmt { options: _, rels, is_vacuumcmd: _ } = vacuum;
        if rels.is_empty() {
            self.demand(Action::Maintain);
        }
        for node in rels {
            if let Some(NodeEnum::VacuumRelation(VacuumRelation { relation, oid: _, va_cols })) =
                &node.node
            {
                self.maintained(relation.as_ref());
                self.plain_names(va_cols);
                self.writes_columns(va_cols);
            } else {
                self.unknown("VACUUM", node);
            }
        }
    }

    fn maintained(&mut self, relation: Option<&pg_query::protobuf::RangeVar>) {
        match relation {
            Some(relation) => self.relation(Action::Maintain, relation),
            None => self.demand(Action::Maintain),
        }
    }

    /// Databases, table spaces, server settings.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller declares the rest opaque"
    )]
    pub(super) fn governs(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::AlterSystemStmt(_)
            | NodeEnum::CreatedbStmt(_)
            | NodeEnum::AlterDatabaseStmt(_)
            | NodeEnum::AlterDatabaseRefreshCollStmt(_)
            | NodeEnum::AlterDatabaseSetStmt(_)
            | NodeEnum::DropdbStmt(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::DropTableSpaceStmt(_)
            | NodeEnum::AlterTableSpaceOptionsStmt(_)
            | NodeEnum::AlterTableMoveAllStmt(_) => {}
            _ => return false,
        }
        self.demand(Action::Admin);
        true
    }
}

/// The last of a list of names.
fn last_name(object: &Node) -> Option<&str> {
    if let Some(NodeEnum::List(list)) = &object.node {
        list.items.last().and_then(name::string)
    } else {
        None
    }
}
