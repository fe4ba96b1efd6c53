//! The walk over queries: SELECT with everything that may stand in it, and WITH with its scopes.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        CommonTableExpr, CteCycleClause, CteSearchClause, GroupingSet, GroupingSetKind, IntoClause,
        LockingClause, ResTarget, SelectStmt, SetOperation, WithClause,
    },
};

use super::{
    Action, Demand,
    flow::{Carries, Extent, Output, Outputs},
    name,
    walk::Walk,
};

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
        let outputs = self.targets(target_list);
        self.sources(from_clause);
        self.optional(where_clause.as_deref());
        self.grouping(group_clause);
        self.optional(having_clause.as_deref());
        let windows = self.apart(|walk| walk.windows(window_clause));
        self.carry(&windows);
        let rows = self.values(values_lists);
        self.sort(sort_clause);
        self.optional(limit_offset.as_deref());
        self.optional(limit_count.as_deref());
        let outputs = match SetOperation::try_from(*op) {
            Ok(SetOperation::SetopNone) if larg.is_none() && rarg.is_none() => {
                if values_lists.is_empty() { outputs.with(&windows) } else { rows }
            }
            Ok(
                SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept,
            ) => {
                let left = self.arm(larg.as_deref());
                left.joined(&self.arm(rarg.as_deref()))
            }
            Ok(SetOperation::SetopNone | SetOperation::Undefined) | Err(_) => {
                self.opaque("a set operation is not understood");
                Outputs::default()
            }
        };

        self.leave_locking(locks_before);
        self.ctes.truncate(scope);
        self.set_outputs(outputs);
    }

    fn arm(&mut self, arm: Option<&SelectStmt>) -> Outputs {
        match arm {
            Some(arm) => self.select(arm),
            None => self.opaque("a set operation lacks an arm"),
        }
        self.outputs()
    }

    /// The rows of VALUES, and what each of their columns carries.
    fn values(&mut self, rows: &[Node]) -> Outputs {
        let mut columns: Vec<Output> = Vec::new();
        for row in rows {
            let Some(NodeEnum::List(row)) = &row.node else {
                self.unknown("VALUES", row);
                continue;
            };
            for (n, item) in row.items.iter().enumerate() {
                let more = self.apart(|walk| walk.expression(item));
                if let Some(Output::One { carries, .. }) = columns.get_mut(n) {
                    carries.add(&more);
                } else {
                    let name = Some(format!("column{}", n + 1));
                    columns.push(Output::One { name, carries: more, plain: None });
                }
            }
        }
        Outputs(columns)
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
        let outputs = self.outputs();
        let columns = name::strings(aliascolnames).unwrap_or_default();
        self.query_flows(Some(ctename), &columns, &outputs);
        self.flow.derived.define(ctename, &columns, &outputs);
        if let Some(CteSearchClause { search_col_list, search_seq_column, .. }) = search_clause {
            let columns = self.apart(|walk| walk.mentioned_names(search_col_list));
            self.stands_for(search_seq_column, &columns);
        }
        if let Some(cycle) = cycle_clause {
            let CteCycleClause {
                cycle_col_list,
                cycle_mark_column,
                cycle_mark_value,
                cycle_mark_default,
                cycle_path_column,
                ..
            } = &**cycle;
            let columns = self.apart(|walk| walk.mentioned_names(cycle_col_list));
            self.stands_for(cycle_path_column, &columns);
            let marks = self.apart(|walk| {
                walk.optional(cycle_mark_value.as_deref());
                walk.optional(cycle_mark_default.as_deref());
            });
            self.stands_for(cycle_mark_column, &marks);
        }
    }

    /// A list of columns by their names alone.
    fn mentioned_names(&mut self, nodes: &[Node]) {
        self.plain_names(nodes);
        for name in name::strings(nodes).unwrap_or_default() {
            self.mention(name);
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

    /// The items of a select or RETURNING list. What they carry is for the caller to pass on.
    pub(super) fn targets(&mut self, items: &[Node]) -> Outputs {
        let mut outputs = Vec::new();
        for item in items {
            let Some(NodeEnum::ResTarget(target)) = &item.node else {
                self.unknown("a select list", item);
                outputs.push(Output::Hidden(Carries::reaching(Extent::Anything)));
                continue;
            };
            self.identifier(&target.name);
            self.gives(&target.name);
            let carries = self.apart(|walk| {
                // In a select list the grammar leaves no indirection on the target itself.
                walk.indirections(&target.indirection);
                walk.optional(target.val.as_deref());
            });
            outputs.push(output(target, carries));
        }
        Outputs(outputs)
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
        self.flow.derived.qualifies(&alias.aliasname);
        if name::strings(&alias.colnames).is_none() {
            self.opaque("an alias holds something other than names");
        }
    }
}

/// What a select list's item brings into the rows.
fn output(target: &ResTarget, carries: Carries) -> Output {
    let star = |node: &Node| match &node.node {
        Some(NodeEnum::ColumnRef(reference)) => reference
            .fields
            .last()
            .is_some_and(|last| matches!(last.node, Some(NodeEnum::AStar(_)))),
        Some(NodeEnum::AIndirection(indirection)) => indirection
            .indirection
            .last()
            .is_some_and(|last| matches!(last.node, Some(NodeEnum::AStar(_)))),
        _ => false,
    };
    match target.val.as_deref() {
        // `(expression).*` brings columns of names that the text does not show.
        Some(value) if star(value) => match &value.node {
            Some(NodeEnum::ColumnRef(_)) => Output::Star(carries),
            _ => Output::Hidden(carries),
        },
        value => {
            let plain = value.and_then(|value| match &value.node {
                Some(NodeEnum::ColumnRef(reference)) => reference.fields.last(),
                _ => None,
            });
            let plain = plain.and_then(name::string).map(ToOwned::to_owned);
            let name = Some(target.name.clone()).filter(|name| !name.is_empty());
            Output::One { name, carries, plain }
        }
    }
}
