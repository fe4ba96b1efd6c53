//! The walk over queries: SELECT with everything that may stand in it, and WITH with its scopes.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        CommonTableExpr, CteCycleClause, CteSearchClause, GroupingSet, GroupingSetKind, IntoClause,
        LockingClause, SelectStmt, SetOperation, WithClause,
    },
};

use super::{Action, Demand, name, walk::Walk};

impl Walk {
    /// A statement that may stand where a query may: SELECT, or a data-modifying statement in WITH.
    pub(super) fn query(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge),
            _ => self.unknown("a query", node),
        }
    }

    /// SELECT, VALUES, TABLE and their set operations.
    pub(super) fn select(&mut self, select: &SelectStmt) {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op,
            all: _,
            larg,
            rarg,
        } = select;
        let scope = self.ctes.len();
        self.with(with_clause.as_ref());
        let locks_before = self.enter_locking(locking_clause);

        if let Some(into) = into_clause {
            self.new_table(into);
        }
        self.distinct(distinct_clause);
        self.targets(target_list);
        self.sources(from_clause);
        self.optional(where_clause.as_deref());
        self.grouping(group_clause);
        self.optional(having_clause.as_deref());
        self.windows(window_clause);
        self.expressions(values_lists);
        self.sort(sort_clause);
        self.optional(limit_offset.as_deref());
        self.optional(limit_count.as_deref());
        match SetOperation::try_from(*op) {
            Ok(SetOperation::SetopNone) if larg.is_none() && rarg.is_none() => {}
            Ok(
                SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept,
            ) => {
                for arm in [larg, rarg] {
                    match arm {
                        Some(arm) => self.select(arm),
                        None => self.opaque("a set operation lacks an arm"),
                    }
                }
            }
            Ok(SetOperation::SetopNone | SetOperation::Undefined) | Err(_) => {
                self.opaque("a set operation is not understood");
            }
        }

        self.leave_locking(locks_before);
        self.ctes.truncate(scope);
    }

    /// Opens the scope of a WITH clause; the caller closes it by cutting `ctes` back. The name of a table expression
    /// hides a relation from its own WITH item on if the clause is RECURSIVE, else only after it.
    pub(super) fn with(&mut self, clause: Option<&WithClause>) {
        let Some(WithClause { ctes, recursive, location: _ }) = clause else { return };
        let items: Vec<&CommonTableExpr> = ctes
            .iter()
            .filter_map(|node| {
                if let Some(NodeEnum::CommonTableExpr(item)) = &node.node {
                    Some(&**item)
                } else {
                    self.unknown("WITH", node);
                    None
                }
            })
            .collect();
        if *recursive {
            self.ctes.extend(items.iter().map(|item| item.ctename.clone()));
        }
        for item in items {
            self.table_expression(item);
            if !*recursive {
                self.ctes.push(item.ctename.clone());
            }
        }
    }

    fn table_expression(&mut self, item: &CommonTableExpr) {
        let CommonTableExpr {
            ctename,
            aliascolnames,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location: _,
            // Filled by the server's analysis, never by the grammar.
            cterecursive: _,
            cterefcount: _,
            ctecolnames: _,
            ctecoltypes: _,
            ctecoltypmods: _,
            ctecolcollations: _,
        } = item;
        self.identifier(ctename);
        self.plain_names(aliascolnames);
        match ctequery {
            Some(query) => self.query(query),
            None => self.opaque("WITH without a query"),
        }
        if let Some(CteSearchClause { search_col_list, .. }) = search_clause {
            self.plain_names(search_col_list);
        }
        if let Some(cycle) = cycle_clause {
            let CteCycleClause { cycle_col_list, cycle_mark_value, cycle_mark_default, .. } =
                &**cycle;
            self.plain_names(cycle_col_list);
            self.optional(cycle_mark_value.as_deref());
            self.optional(cycle_mark_default.as_deref());
        }
    }

    /// `SELECT ... INTO` and `CREATE TABLE ... AS` make a table.
    pub(super) fn new_table(&mut self, into: &IntoClause) {
        let IntoClause {
            rel,
            col_names,
            access_method,
            options,
            on_commit: _,
            table_space_name,
            view_query,
            skip_data: _,
        } = into;
        self.plain_names(col_names);
        self.definition_items(options);
        if !access_method.is_empty() || !table_space_name.is_empty() {
            self.demand(Action::Admin);
        }
        if view_query.is_some() {
            self.opaque("the query of a view is in an unexpected place");
        }
        match rel {
            Some(relation) => {
                self.relation(Action::Ddl, relation);
                self.relation(Action::Write, relation);
            }
            None => self.opaque("INTO without a relation"),
        }
    }

    /// DISTINCT: nothing, one empty node (plain DISTINCT), or the expressions of DISTINCT ON.
    fn distinct(&mut self, items: &[Node]) {
        match items {
            [only] if only.node.is_none() => {}
            _ => self.expressions(items),
        }
    }

    /// The items of a select or RETURNING list.
    pub(super) fn targets(&mut self, items: &[Node]) {
        for item in items {
            let Some(NodeEnum::ResTarget(target)) = &item.node else {
                self.unknown("a select list", item);
                continue;
            };
            self.identifier(&target.name);
            // In a select list the grammar leaves no indirection on the target itself.
            self.indirections(&target.indirection);
            self.optional(target.val.as_deref());
        }
    }

    fn grouping(&mut self, items: &[Node]) {
        for item in items {
            if let Some(NodeEnum::GroupingSet(GroupingSet { kind, content, location: _ })) =
                &item.node
            {
                if matches!(
                    GroupingSetKind::try_from(*kind),
                    Ok(GroupingSetKind::Undefined) | Err(_)
                ) {
                    self.opaque("a grouping set is not understood");
                }
                self.grouping(content);
            } else {
                self.expression(item);
            }
        }
    }

    fn windows(&mut self, items: &[Node]) {
        for item in items {
            if let Some(NodeEnum::WindowDef(window)) = &item.node {
                self.window(window);
            } else {
                self.unknown("WINDOW", item);
            }
        }
    }

    /// Starts a level whose reads also lock. All relations under the clause count as locked: `OF` names aliases, and a
    /// lock that is demanded without need is the safe error.
    fn enter_locking(&mut self, clauses: &[Node]) -> Option<usize> {
        if clauses.is_empty() {
            return None;
        }
        for clause in clauses {
            if let Some(NodeEnum::LockingClause(LockingClause {
                locked_rels,
                strength: _,
                wait_policy: _,
            })) = &clause.node
            {
                for relation in locked_rels {
                    if !matches!(&relation.node, Some(NodeEnum::RangeVar(_))) {
                        self.unknown("FOR UPDATE OF", relation);
                    }
                }
            } else {
                self.unknown("a locking clause", clause);
            }
        }
        self.locking = self.locking.saturating_add(1);
        Some(self.lock_count())
    }

    fn leave_locking(&mut self, before: Option<usize>) {
        let Some(before) = before else { return };
        self.locking = self.locking.saturating_sub(1);
        if self.lock_count() == before {
            self.demand(Action::Lock);
        }
    }

    fn lock_count(&self) -> usize {
        self.demands.iter().filter(|Demand { action, .. }| *action == Action::Lock).count()
    }

    /// Notes that the names of an alias are names only.
    pub(super) fn alias(&mut self, alias: &pg_query::protobuf::Alias) {
        self.identifier(&alias.aliasname);
        if name::strings(&alias.colnames).is_none() {
            self.opaque("an alias holds something other than names");
        }
    }
}
