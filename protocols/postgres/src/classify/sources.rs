//! The walk over FROM items: relations, sub-queries, functions, XMLTABLE, `JSON_TABLE`, samples and joins.

use std::collections::BTreeSet;

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        Alias, ColumnDef, JoinExpr, RangeFunction, RangeSubselect, RangeTableFunc,
        RangeTableFuncCol, RangeTableSample, RangeVar, ResTarget,
    },
};

use super::{
    Action, Name,
    flow::{Carries, Extent},
    functions,
    name::{self, string},
    walk::Walk,
};

impl Walk {
    /// Walks a FROM list.
    pub(super) fn sources(&mut self, items: &[Node]) {
        for item in items {
            self.source(item);
        }
    }

    /// Walks one FROM item.
    pub(super) fn source(&mut self, item: &Node) {
        match &item.node {
            Some(NodeEnum::RangeVar(relation)) => self.range_var(relation),
            Some(NodeEnum::RangeSubselect(subselect)) => {
                let RangeSubselect { lateral: _, subquery, alias } = &**subselect;
                match subquery {
                    Some(query) => self.query(query),
                    None => self.opaque("a sub-query without a query"),
                }
                self.optional_alias(alias.as_ref());
                let outputs = self.outputs();
                let columns = alias.as_ref().and_then(|alias| name::strings(&alias.colnames));
                let alias = alias.as_ref().map(|alias| alias.aliasname.as_str());
                let columns = columns.unwrap_or_default();
                self.query_flows(alias, &columns, &outputs);
                if let Some(alias) = alias {
                    self.flow.derived.is_query(alias, &columns, &outputs);
                }
            }
            // Whatever a function makes of its arguments can be in any of its columns.
            Some(NodeEnum::RangeFunction(function)) => {
                let carries = self.apart(|walk| walk.range_function(function));
                self.spread(&carries);
            }
            Some(NodeEnum::RangeTableFunc(table)) => {
                let carries = self.apart(|walk| walk.xml_table(table));
                self.spread(&carries);
            }
            Some(NodeEnum::JsonTable(table)) => {
                let carries = self.apart(|walk| walk.json_table(table));
                self.spread(&carries);
            }
            Some(NodeEnum::RangeTableSample(sample)) => self.sample(sample),
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            _ => self.unknown("FROM", item),
        }
    }

    fn optional_alias(&mut self, alias: Option<&Alias>) {
        if let Some(alias) = alias {
            self.alias(alias);
        }
    }

    fn range_var(&mut self, relation: &RangeVar) {
        if self.is_cte(relation) {
            self.identifier(&relation.relname);
            let alias = relation.alias.as_ref();
            let name = alias.map_or(&relation.relname, |alias| &alias.aliasname);
            let columns = alias.and_then(|alias| name::strings(&alias.colnames));
            self.flow.derived.is_table(&relation.relname, name, &columns.unwrap_or_default());
        } else {
            self.relation(Action::Read, relation);
        }
        self.optional_alias(relation.alias.as_ref());
        self.flows_from(relation);
    }

    fn join(&mut self, join: &JoinExpr) {
        let JoinExpr {
            jointype: _,
            is_natural,
            larg,
            rarg,
            using_clause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = join;
        for side in [larg, rarg] {
            match side {
                Some(side) => self.source(side),
                None => self.opaque("a join lacks a side"),
            }
        }
        if *is_natural || !using_clause.is_empty() {
            self.implied_equality();
        }
        if *is_natural || alias.is_some() || join_using_alias.is_some() {
            // The columns in common, or all of them under other names.
            self.writes_column(None, None);
        }
        self.plain_names(using_clause);
        self.writes_columns(using_clause);
        self.optional(quals.as_deref());
        self.optional_alias(join_using_alias.as_ref());
        self.optional_alias(alias.as_ref());
        // Its columns under other names, or all of them as a row.
        for alias in [join_using_alias, alias].into_iter().flatten() {
            self.alias_flows(alias, &Carries::reaching(Extent::EveryRow));
        }
    }

    fn sample(&mut self, sample: &RangeTableSample) {
        let RangeTableSample { relation, method, args, repeatable, location: _ } = sample;
        match relation {
            Some(relation) => self.source(relation),
            None => self.opaque("a sample without a relation"),
        }
        match Name::from_nodes(method) {
            Some(method) if matches!(method.built_in(), Some("bernoulli" | "system")) => {}
            Some(method) => self.other_code(&method),
            None => self.opaque("a sampling method is not understood"),
        }
        self.expressions(args);
        self.optional(repeatable.as_deref());
    }

    /// A function in FROM, or several by ROWS FROM. Where its rows are plain values, `alias.name` is a call with that
    /// value unless it is one of the columns collected here.
    fn range_function(&mut self, item: &RangeFunction) {
        let RangeFunction { lateral: _, ordinality, is_rowsfrom: _, functions, alias, coldeflist } =
            item;
        let mut columns = BTreeSet::new();
        let mut called = None;
        if *ordinality {
            columns.insert("ordinality".to_owned());
        }
        self.column_definitions(coldeflist, &mut columns);
        for entry in functions {
            let Some(NodeEnum::List(pair)) = &entry.node else {
                self.unknown("a function in FROM", entry);
                continue;
            };
            let Some((function, definitions)) = pair.items.split_first() else {
                self.opaque("a function in FROM lacks its call");
                continue;
            };
            self.expression(function);
            if let Some(NodeEnum::FuncCall(call)) = &function.node {
                called = Name::from_nodes(&call.funcname);
            } else if alias.is_none() {
                // CURRENT_USER, CAST and the like stand under a name of the server's choice.
                self.opaque("an expression in FROM without an alias is not understood");
            }
            for definition in definitions {
                match &definition.node {
                    None => {}
                    Some(NodeEnum::List(list)) => {
                        self.column_definitions(&list.items, &mut columns);
                    }
                    Some(_) => self.unknown("a column definition list", definition),
                }
            }
        }
        if let Some(called) = &called {
            columns
                .extend(functions::output_columns(called).iter().map(|&column| column.to_owned()));
        }
        self.optional_alias(alias.as_ref());
        self.value_alias(alias.as_ref(), called.map(|called| called.name), columns);
    }

    fn value_alias(
        &mut self,
        alias: Option<&Alias>,
        function: Option<String>,
        mut columns: BTreeSet<String>,
    ) {
        let qualifier = match alias {
            Some(alias) => {
                columns.extend(alias.colnames.iter().filter_map(string).map(ToOwned::to_owned));
                Some(alias.aliasname.clone())
            }
            None => function,
        };
        if let Some(qualifier) = qualifier {
            self.flow.derived.qualifies(&qualifier);
            // A single value's column takes the alias as its name.
            columns.insert(qualifier.clone());
            match self.value_aliases.get_mut(&qualifier) {
                // The same alias in two scopes: only what is a column in both is certain.
                Some(known) => known.retain(|column| columns.contains(column)),
                None => {
                    self.value_aliases.insert(qualifier, columns);
                }
            }
        }
    }

    /// `AS alias(column type, ...)` behind a function in FROM.
    fn column_definitions(&mut self, nodes: &[Node], columns: &mut BTreeSet<String>) {
        for node in nodes {
            let Some(NodeEnum::ColumnDef(definition)) = &node.node else {
                self.unknown("a column definition list", node);
                continue;
            };
            let ColumnDef { colname, type_name, coll_clause, constraints, raw_default, .. } =
                &**definition;
            columns.insert(colname.clone());
            self.type_name(type_name.as_ref());
            if let Some(collation) = coll_clause {
                self.collate(collation);
            }
            if !constraints.is_empty() || raw_default.is_some() {
                self.opaque("a column definition of a function has a constraint");
            }
        }
    }

    /// XMLTABLE.
    fn xml_table(&mut self, table: &RangeTableFunc) {
        let RangeTableFunc {
            lateral: _,
            docexpr,
            rowexpr,
            namespaces,
            columns,
            alias,
            location: _,
        } = table;
        self.optional(docexpr.as_deref());
        self.optional(rowexpr.as_deref());
        for namespace in namespaces {
            if let Some(NodeEnum::ResTarget(target)) = &namespace.node {
                let ResTarget { name: _, indirection: _, val, location: _ } = &**target;
                self.optional(val.as_deref());
            } else {
                self.unknown("XMLNAMESPACES", namespace);
            }
        }
        for column in columns {
            if let Some(NodeEnum::RangeTableFuncCol(column)) = &column.node {
                let RangeTableFuncCol {
                    colname,
                    type_name,
                    for_ordinality,
                    is_not_null: _,
                    colexpr,
                    coldefexpr,
                    location: _,
                } = &**column;
                self.identifier(colname);
                if !*for_ordinality {
                    self.type_name(type_name.as_ref());
                }
                self.optional(colexpr.as_deref());
                self.optional(coldefexpr.as_deref());
            } else {
                self.unknown("XMLTABLE", column);
            }
        }
        self.optional_alias(alias.as_ref());
    }

    /// The relation that a data-modifying statement changes; a table expression of that name does not hide it.
    pub(super) fn changed(&mut self, relation: Option<&RangeVar>) -> Option<RangeVar> {
        let Some(relation) = relation else {
            self.opaque("a statement changes no named relation");
            return None;
        };
        self.relation(Action::Write, relation);
        self.optional_alias(relation.alias.as_ref());
        self.changed_flows(relation);
        Some(relation.clone())
    }

    /// A list of relations, each with the same action.
    pub(super) fn relations(&mut self, action: Action, nodes: &[Node]) {
        for node in nodes {
            if let Some(NodeEnum::RangeVar(relation)) = &node.node {
                self.relation(action, relation);
            } else if let Some(name) = string(node) {
                self.named_relation(action, Name::bare(name));
            } else {
                self.unknown("a list of relations", node);
            }
        }
    }
}
