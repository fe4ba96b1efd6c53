//! The walk over statements that change rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        DeleteStmt, DropBehavior, IndexElem, InferClause, InsertStmt, MergeStmt, MergeWhenClause,
        OnConflictClause, RangeVar, ReturningClause, ReturningOption, TruncateStmt, UpdateStmt,
    },
};

use super::{
    Action, Name,
    flow::{Carries, Extent, Outputs},
    walk::Walk,
};

impl Walk {
    pub(super) fn insert(&mut self, insert: &InsertStmt) {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override: _,
        } = insert;
        let scope = self.ctes.len();
        self.with(with_clause.as_ref());
        let target = self.changed(relation.as_ref());
        if cols.is_empty() {
            self.writes_column(target.as_ref().map(called), None);
        }
        self.assignments(cols);
        if let Some(query) = select_stmt {
            self.query(query);
            let outputs = self.outputs();
            self.writes(&outputs.all());
        }
        if let Some(conflict) = on_conflict_clause {
            let OnConflictClause { action: _, infer, target_list, where_clause, location: _ } =
                &**conflict;
            if let Some(infer) = infer {
                self.inference(infer);
            }
            if !target_list.is_empty() || where_clause.is_some() {
                self.also_reads(target.as_ref());
            }
            self.calls_target("excluded", target.as_ref());
            self.assignments(target_list);
            self.optional(where_clause.as_deref());
        }
        self.returning(returning_clause.as_ref(), target.as_ref());
        self.ctes.truncate(scope);
    }

    pub(super) fn update(&mut self, update: &UpdateStmt) {
        let UpdateStmt {
            relation,
            target_list,
            where_clause,
            from_clause,
            returning_clause,
            with_clause,
        } = update;
        let scope = self.ctes.len();
        self.with(with_clause.as_ref());
        let target = self.changed(relation.as_ref());
        self.also_reads(target.as_ref());
        self.assignments(target_list);
        self.sources(from_clause);
        self.optional(where_clause.as_deref());
        self.returning(returning_clause.as_ref(), target.as_ref());
        self.ctes.truncate(scope);
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt) {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } =
            delete;
        let scope = self.ctes.len();
        self.with(with_clause.as_ref());
        let target = self.changed(relation.as_ref());
        if where_clause.is_some() || !using_clause.is_empty() {
            self.also_reads(target.as_ref());
        }
        self.sources(using_clause);
        self.optional(where_clause.as_deref());
        self.returning(returning_clause.as_ref(), target.as_ref());
        self.ctes.truncate(scope);
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt) {
        let MergeStmt {
            relation,
            source_relation,
            join_condition,
            merge_when_clauses,
            returning_clause,
            with_clause,
        } = merge;
        let scope = self.ctes.len();
        self.with(with_clause.as_ref());
        let target = self.changed(relation.as_ref());
        self.also_reads(target.as_ref());
        match source_relation {
            Some(source) => self.source(source),
            None => self.opaque("MERGE without a source"),
        }
        self.optional(join_condition.as_deref());
        for clause in merge_when_clauses {
            if let Some(NodeEnum::MergeWhenClause(when)) = &clause.node {
                let MergeWhenClause {
                    match_kind: _,
                    command_type: _,
                    r#override: _,
                    condition,
                    target_list,
                    values,
                } = &**when;
                self.optional(condition.as_deref());
                if target_list.is_empty() && !values.is_empty() {
                    self.writes_column(target.as_ref().map(called), None);
                }
                self.assignments(target_list);
                let carries = self.apart(|walk| walk.expressions(values));
                self.writes(&carries);
            } else {
                self.unknown("MERGE", clause);
            }
        }
        self.returning(returning_clause.as_ref(), target.as_ref());
        self.ctes.truncate(scope);
    }

    pub(super) fn truncate(&mut self, truncate: &TruncateStmt) {
        let TruncateStmt { relations, restart_seqs, behavior } = truncate;
        self.relations(Action::Write, relations);
        if *restart_seqs {
            self.notes.insert("it also restarts the sequences of the tables".to_owned());
            self.demand(Action::Write);
        }
        if *behavior == DropBehavior::DropCascade as i32 {
            self.notes.insert("CASCADE empties tables that the text does not name".to_owned());
            self.demand(Action::Write);
        }
    }

    fn also_reads(&mut self, relation: Option<&RangeVar>) {
        if let Some(relation) = relation {
            self.relation(Action::Read, relation);
        }
    }

    fn returning(&mut self, clause: Option<&ReturningClause>, target: Option<&RangeVar>) {
        let Some(ReturningClause { options, exprs }) = clause else {
            return self.set_outputs(Outputs::default());
        };
        self.also_reads(target);
        self.calls_target("old", target);
        self.calls_target("new", target);
        for option in options {
            if let Some(NodeEnum::ReturningOption(ReturningOption {
                option: _,
                value,
                location: _,
            })) = &option.node
            {
                self.identifier(value);
                self.calls_target(value, target);
                // OLD and NEW under another name are rows of the relation.
                self.stands_for(value, &Carries::reaching(Extent::EveryRow));
            } else {
                self.unknown("RETURNING", option);
            }
        }
        let outputs = self.targets(exprs);
        self.set_outputs(outputs);
    }

    /// A name that RETURNING or ON CONFLICT has for rows of the relation that is changed.
    fn calls_target(&mut self, name: &str, target: Option<&RangeVar>) {
        let known = target.and_then(|target| self.called.get(called(target)).cloned());
        self.also_called(name, &known.into_iter().flatten().collect::<Vec<_>>());
    }

    /// Target columns with their values: `SET` items and the column lists of INSERT.
    fn assignments(&mut self, items: &[Node]) {
        for item in items {
            let Some(NodeEnum::ResTarget(target)) = &item.node else {
                self.unknown("an assignment", item);
                continue;
            };
            self.identifier(&target.name);
            self.writes_column(None, Some(&target.name));
            self.assigned_place(&target.indirection);
            match target.val.as_ref() {
                None => {}
                Some(value) => {
                    let carries = self.apart(|walk| walk.assigned_value(value));
                    self.writes(&carries);
                }
            }
        }
    }

    /// The right-hand side of an assignment, where DEFAULT and a part of a row may stand.
    fn assigned_value(&mut self, value: &Node) {
        if let Some(NodeEnum::MultiAssignRef(part)) = &value.node {
            self.optional(part.source.as_deref());
        } else {
            self.expression(value);
        }
    }

    /// ON CONFLICT's index: columns, expressions, operator classes.
    fn inference(&mut self, infer: &InferClause) {
        let InferClause { index_elems, where_clause, conname, location: _ } = infer;
        self.identifier(conname);
        self.index_elements(index_elems);
        self.optional(where_clause.as_deref());
    }

    /// Columns or expressions of an index. An operator class is code of its own.
    pub(super) fn index_elements(&mut self, elements: &[Node]) {
        for element in elements {
            let Some(NodeEnum::IndexElem(element)) = &element.node else {
                self.unknown("an index", element);
                continue;
            };
            let IndexElem {
                name,
                expr,
                indexcolname: _,
                collation,
                opclass,
                opclassopts,
                ordering: _,
                nulls_ordering: _,
            } = &**element;
            self.identifier(name);
            if expr.is_none() {
                self.writes_column(None, Some(name));
            }
            self.optional(expr.as_deref());
            if !collation.is_empty() {
                self.collation(collation);
            }
            if !opclass.is_empty() {
                match Name::from_nodes(opclass) {
                    Some(class) => self.other_code(&class),
                    None => self.opaque("an operator class is not understood"),
                }
            }
            self.definition_items(opclassopts);
        }
    }
}

/// What a relation is called in the rest of its statement.
fn called(relation: &RangeVar) -> &str {
    relation.alias.as_ref().map_or(&relation.relname, |alias| &alias.aliasname)
}
