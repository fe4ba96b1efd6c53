//! The walk over tables, views, indexes and sequences: what is defined and which relations and functions the definition
//! names. Objects that carry code of their own are in `administer.rs`.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, Constraint, CreateSchemaStmt,
        CreateStmt, CreateTableAsStmt, DefElem, DropBehavior, DropStmt, IndexStmt, ObjectType,
        PartitionBoundSpec, PartitionElem, PartitionRangeDatum, PartitionSpec, RangeVar,
        RenameStmt, TypeName, ViewStmt,
    },
};

use super::{Action, Name, walk::Walk};

/// Spellings of integer columns with a sequence of their own; they are types in a column definition only.
const SERIAL_TYPES: &[&str] =
    &["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"];

impl Walk {
    /// A definition of a relation. Returns `false` if the node is none.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: the caller tries the next list"
    )]
    pub(super) fn define(&mut self, node: &NodeEnum) -> bool {
        match node {
            NodeEnum::CreateStmt(create) => self.create_table(create),
            NodeEnum::CreateTableAsStmt(create) => self.create_table_as(create),
            NodeEnum::ViewStmt(view) => self.create_view(view),
            NodeEnum::IndexStmt(index) => self.create_index(index),
            NodeEnum::AlterTableStmt(alter) => self.alter_table(alter),
            NodeEnum::DropStmt(drop) => self.drop_objects(drop),
            NodeEnum::CreateSchemaStmt(create) => self.create_schema(create),
            NodeEnum::CreateSeqStmt(create) => self.defined(create.sequence.as_ref()),
            NodeEnum::AlterSeqStmt(alter) => self.defined(alter.sequence.as_ref()),
            NodeEnum::RefreshMatViewStmt(refresh) => {
                self.defined(refresh.relation.as_ref());
                self.demand(Action::Maintain);
                self.opaque("it runs the stored query of the view");
            }
            NodeEnum::RenameStmt(rename) => self.rename(rename),
            NodeEnum::AlterObjectSchemaStmt(alter) => {
                self.renamed(alter.object_type, alter.relation.as_ref());
                if let Some(relation) = &alter.relation {
                    let moved = Name::in_schema(&alter.newschema, &relation.relname);
                    self.named_relation(Action::Ddl, moved);
                }
            }
            NodeEnum::CreateEnumStmt(_) | NodeEnum::AlterEnumStmt(_) => self.demand(Action::Ddl),
            NodeEnum::CommentStmt(comment) => {
                self.demand(Action::Ddl);
                self.about_object(Action::Ddl, comment.objtype, comment.object.as_deref());
            }
            NodeEnum::CompositeTypeStmt(create) => {
                self.demand(Action::Ddl);
                self.table_elements(&create.coldeflist);
            }
            _ => return false,
        }
        true
    }

    /// The relation that is defined, changed or dropped.
    pub(super) fn defined(&mut self, relation: Option<&RangeVar>) {
        match relation {
            Some(relation) => self.relation(Action::Ddl, relation),
            None => self.demand(Action::Ddl),
        }
    }

    fn rename(&mut self, rename: &RenameStmt) {
        let RenameStmt {
            rename_type,
            relation_type: _,
            relation,
            object: _,
            subname,
            newname,
            behavior: _,
            missing_ok: _,
        } = rename;
        self.renamed(*rename_type, relation.as_ref());
        match (relation, ObjectType::try_from(*rename_type)) {
            (Some(_), Ok(ObjectType::ObjectColumn)) => {
                self.writes_column(None, Some(subname));
                self.writes_new_column(newname);
            }
            // What belongs to a relation.
            (Some(_), _) if !subname.is_empty() => {}
            (Some(relation), _) => {
                let schema = Some(relation.schemaname.clone()).filter(|name| !name.is_empty());
                self.named_relation(Action::Ddl, Name { schema, name: newname.clone() });
            }
            (None, _) => {}
        }
    }

    fn renamed(&mut self, object: i32, relation: Option<&RangeVar>) {
        self.defined(relation);
        match ObjectType::try_from(object) {
            Ok(ObjectType::ObjectRole) => self.demand(Action::Role),
            Ok(_) if relation.is_some() => {}
            Ok(_) => self.demand(Action::Admin),
            Err(_) => self.opaque("a kind of object is not understood"),
        }
    }

    fn create_table(&mut self, create: &CreateStmt) {
        let CreateStmt {
            relation,
            table_elts,
            inh_relations,
            partbound,
            partspec,
            of_typename,
            constraints,
            nnconstraints,
            options,
            oncommit: _,
            tablespacename,
            access_method,
            if_not_exists: _,
        } = create;
        self.defined(relation.as_ref());
        self.table_elements(table_elts);
        self.relations(Action::Ddl, inh_relations);
        if let Some(bound) = partbound {
            self.partition_bound(bound);
        }
        if let Some(spec) = partspec {
            self.partition_spec(spec);
        }
        if let Some(type_name) = of_typename {
            self.type_name(Some(type_name));
        }
        self.table_elements(constraints);
        self.table_elements(nnconstraints);
        self.definition_items(options);
        if !tablespacename.is_empty() || !access_method.is_empty() {
            self.demand(Action::Admin);
        }
    }

    fn create_table_as(&mut self, create: &CreateTableAsStmt) {
        let CreateTableAsStmt { query, into, objtype: _, is_select_into: _, if_not_exists: _ } =
            create;
        match into {
            Some(into) => self.new_table(into),
            None => self.opaque("CREATE TABLE AS without a table"),
        }
        match query {
            Some(query) => drop(self.statement(query)),
            None => self.opaque("CREATE TABLE AS without a query"),
        }
    }

    fn create_view(&mut self, create: &ViewStmt) {
        let ViewStmt { view, aliases, query, replace: _, options, with_check_option: _ } = create;
        self.defined(view.as_ref());
        self.plain_names(aliases);
        self.definition_items(options);
        match query {
            Some(query) => self.query(query),
            None => self.opaque("a view without a query"),
        }
    }

    fn create_index(&mut self, index: &IndexStmt) {
        self.defined(index.relation.as_ref());
        self.index_elements(&index.index_params);
        self.index_elements(&index.index_including_params);
        self.definition_items(&index.options);
        self.optional(index.where_clause.as_deref());
        if !index.exclude_op_names.is_empty() {
            self.opaque("the operators of an exclusion constraint are not understood");
        }
        if !index.table_space.is_empty() {
            self.demand(Action::Admin);
        }
    }

    fn create_schema(&mut self, create: &CreateSchemaStmt) {
        let CreateSchemaStmt { schemaname: _, authrole, schema_elts, if_not_exists: _ } = create;
        self.demand(Action::Ddl);
        if authrole.is_some() {
            self.demand(Action::Privilege);
        }
        for element in schema_elts {
            // Unqualified names in it belong to the new schema.
            self.opaque("names inside CREATE SCHEMA belong to the new schema");
            drop(self.statement(element));
        }
    }

    fn drop_objects(&mut self, statement: &DropStmt) {
        let DropStmt { objects, remove_type, behavior, missing_ok: _, concurrent: _ } = statement;
        let what = ObjectType::try_from(*remove_type);
        let relations = matches!(
            what,
            Ok(ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectSequence
                | ObjectType::ObjectIndex
                | ObjectType::ObjectForeignTable)
        );
        for object in objects {
            if !relations {
                self.demand(Action::Ddl);
            }
            self.about_object(Action::Ddl, *remove_type, Some(object));
        }
        if let Some(action) = beyond_definitions(what.ok()) {
            self.demand(action);
        }
        if *behavior == DropBehavior::DropCascade as i32 {
            self.notes.insert("CASCADE drops objects that the text does not name".to_owned());
            self.demand(Action::Ddl);
        }
    }

    fn alter_table(&mut self, alter: &AlterTableStmt) {
        let AlterTableStmt { relation, cmds, objtype: _, missing_ok: _ } = alter;
        self.defined(relation.as_ref());
        for command in cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = &command.node else {
                self.unknown("ALTER TABLE", command);
                continue;
            };
            self.alter_command(command);
        }
    }

    fn alter_command(&mut self, command: &AlterTableCmd) {
        let AlterTableCmd {
            subtype,
            name,
            num: _,
            newowner,
            def,
            behavior,
            missing_ok: _,
            recurse: _,
        } = command;
        if !name.is_empty() {
            // A column's, a constraint's or a trigger's.
            self.writes_column(None, Some(name));
        }
        match AlterTableType::try_from(*subtype) {
            Ok(
                AlterTableType::AtAddColumn
                | AlterTableType::AtColumnDefault
                | AlterTableType::AtDropNotNull
                | AlterTableType::AtSetNotNull
                | AlterTableType::AtSetStatistics
                | AlterTableType::AtSetOptions
                | AlterTableType::AtResetOptions
                | AlterTableType::AtSetStorage
                | AlterTableType::AtSetCompression
                | AlterTableType::AtDropColumn
                | AlterTableType::AtAddConstraint
                | AlterTableType::AtAlterConstraint
                | AlterTableType::AtValidateConstraint
                | AlterTableType::AtDropConstraint
                | AlterTableType::AtAlterColumnType
                | AlterTableType::AtSetRelOptions
                | AlterTableType::AtResetRelOptions
                | AlterTableType::AtAttachPartition
                | AlterTableType::AtDetachPartition
                | AlterTableType::AtDetachPartitionFinalize,
            ) if newowner.is_none() => {}
            Ok(
                AlterTableType::AtChangeOwner
                | AlterTableType::AtEnableRowSecurity
                | AlterTableType::AtDisableRowSecurity
                | AlterTableType::AtForceRowSecurity
                | AlterTableType::AtNoForceRowSecurity,
            ) => self.demand(Action::Privilege),
            // Triggers, rules, inheritance, access methods and what later releases add.
            _ => self.demand(Action::Admin),
        }
        if *behavior == DropBehavior::DropCascade as i32 {
            self.notes.insert("CASCADE drops objects that the text does not name".to_owned());
            self.demand(Action::Ddl);
        }
        if let Some(definition) = def {
            if let Some(NodeEnum::ColumnDef(column)) = &definition.node
                && !column.colname.is_empty()
            {
                self.writes_new_column(&column.colname);
            }
            self.definition(definition);
        }
    }

    fn definition(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::ColumnDef(column)) => self.column_definition(column),
            Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint),
            Some(NodeEnum::List(list)) => self.definition_items(&list.items),
            Some(NodeEnum::RangeVar(relation)) => self.relation(Action::Ddl, relation),
            Some(NodeEnum::PartitionCmd(command)) => {
                self.defined(command.name.as_ref());
                if let Some(bound) = &command.bound {
                    self.partition_bound(bound);
                }
            }
            Some(
                NodeEnum::AtalterConstraint(_)
                | NodeEnum::ReplicaIdentityStmt(_)
                | NodeEnum::String(_)
                | NodeEnum::Integer(_)
                | NodeEnum::Boolean(_)
                | NodeEnum::Float(_),
            ) => {}
            _ => self.expression(node),
        }
    }

    fn table_elements(&mut self, elements: &[Node]) {
        for element in elements {
            if let Some(NodeEnum::TableLikeClause(like)) = &element.node {
                self.defined(like.relation.as_ref());
                if let Some(relation) = &like.relation {
                    self.relation(Action::Read, relation);
                }
            } else {
                self.definition(element);
            }
        }
    }

    fn column_definition(&mut self, column: &ColumnDef) {
        self.identifier(&column.colname);
        if !column.type_name.as_ref().is_some_and(is_serial) && column.type_name.is_some() {
            self.type_name(column.type_name.as_ref());
        }
        self.optional(column.raw_default.as_deref());
        self.optional(column.cooked_default.as_deref());
        if let Some(collation) = &column.coll_clause {
            self.collate(collation);
        }
        self.table_elements(&column.constraints);
        if !column.fdwoptions.is_empty() {
            self.opaque("options of a foreign table are not understood");
        }
    }

    fn constraint(&mut self, constraint: &Constraint) {
        self.optional(constraint.raw_expr.as_deref());
        self.optional(constraint.where_clause.as_deref());
        self.definition_items(&constraint.options);
        for columns in [
            &constraint.keys,
            &constraint.including,
            &constraint.fk_attrs,
            &constraint.fk_del_set_cols,
            &constraint.pk_attrs,
        ] {
            self.writes_columns(columns);
        }
        if let Some(relation) = &constraint.pktable {
            self.relation(Action::Ddl, relation);
            self.relation(Action::Read, relation);
            if constraint.pk_attrs.is_empty() {
                // Its primary key, whichever columns that has.
                self.writes_column(Some(&relation.relname), None);
            }
        }
        if !constraint.exclusions.is_empty() || !constraint.cooked_expr.is_empty() {
            self.opaque("an exclusion constraint is not understood");
        }
        if !constraint.indexspace.is_empty() {
            self.demand(Action::Admin);
        }
    }

    fn partition_spec(&mut self, spec: &PartitionSpec) {
        for element in &spec.part_params {
            if let Some(NodeEnum::PartitionElem(element)) = &element.node {
                let PartitionElem { name: _, expr, collation, opclass, location: _ } = &**element;
                self.optional(expr.as_deref());
                if !collation.is_empty() || !opclass.is_empty() {
                    self.opaque(
                        "a partition key with a collation or an operator class is not understood",
                    );
                }
            } else {
                self.unknown("PARTITION BY", element);
            }
        }
    }

    fn partition_bound(&mut self, bound: &PartitionBoundSpec) {
        for datum in bound.listdatums.iter().chain(&bound.lowerdatums).chain(&bound.upperdatums) {
            if let Some(NodeEnum::PartitionRangeDatum(datum)) = &datum.node {
                let PartitionRangeDatum { kind: _, value, location: _ } = &**datum;
                self.optional(value.as_deref());
            } else {
                self.expression(datum);
            }
        }
    }

    /// `WITH (...)` and other lists of options; their values are words and numbers.
    pub(super) fn definition_items(&mut self, items: &[Node]) {
        for item in items {
            let Some(NodeEnum::DefElem(element)) = &item.node else {
                self.unknown("a list of options", item);
                continue;
            };
            let DefElem {
                defnamespace: _,
                defname,
                arg,
                defaction: _,
                location: _,
                arg_location: _,
            } = &**element;
            self.identifier(defname);
            let value = arg.as_deref().map(|arg| &arg.node);
            let plain = match value {
                None | Some(None) => true,
                Some(Some(value)) => matches!(
                    value,
                    NodeEnum::String(_)
                        | NodeEnum::Integer(_)
                        | NodeEnum::Float(_)
                        | NodeEnum::Boolean(_)
                        | NodeEnum::AConst(_)
                        | NodeEnum::TypeName(_)
                ),
            };
            if !plain {
                self.demand(Action::Admin);
            }
        }
    }
}

/// What dropping an object of this kind is beside a change of definitions.
const fn beyond_definitions(kind: Option<ObjectType>) -> Option<Action> {
    match kind {
        Some(ObjectType::ObjectPolicy) => Some(Action::Privilege),
        Some(ObjectType::ObjectPublication) => Some(Action::Replication),
        Some(
            ObjectType::ObjectExtension
            | ObjectType::ObjectFdw
            | ObjectType::ObjectForeignServer
            | ObjectType::ObjectEventTrigger
            | ObjectType::ObjectLanguage
            | ObjectType::ObjectAccessMethod,
        ) => Some(Action::Admin),
        Some(_) => None,
        None => Some(Action::Opaque),
    }
}

fn is_serial(type_name: &TypeName) -> bool {
    Name::from_nodes(&type_name.names)
        .is_some_and(|name| name.schema.is_none() && SERIAL_TYPES.contains(&name.name.as_str()))
}
