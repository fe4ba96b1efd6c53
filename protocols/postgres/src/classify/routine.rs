//! Calls in every notation: `f(x)`, `x.f`, `(x).f`, and the window and aggregate clauses around them.

use pg_query::{
    Node, NodeEnum,
    protobuf::{AIndirection, ColumnRef, FuncCall, SortBy, SortByDir, WindowDef, a_const::Val},
};

use super::{
    Name,
    expression::is_one_value,
    flow::Extent,
    name::{self, strings},
    utility,
    walk::Walk,
};

/// Built-in functions that take a whole row, so that `alias.name` calls them where the alias has no such column. Those
/// that say nothing of a row but that it is there (`count`, `num_nulls`, `pg_typeof`) are left out: columns are called so.
const ROW_FUNCTIONS: &[&str] = &[
    "any_out",
    "any_value",
    "anycompatible_out",
    "anycompatiblenonarray_out",
    "anyelement_out",
    "anynonarray_out",
    "array_agg",
    "concat",
    "hash_record",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "max",
    "min",
    "pg_column_size",
    "quote_literal",
    "quote_nullable",
    "record_out",
    "record_send",
    "row_to_json",
    "to_json",
    "to_jsonb",
];
/// Those of them that hardly any column is called: behind a qualifier they are taken for the call.
const SELDOM_COLUMNS: &[&str] =
    &["row_to_json", "to_json", "to_jsonb", "record_out", "record_send", "hash_record"];

impl Walk {
    /// A call in function notation.
    pub(super) fn function(&mut self, call: &FuncCall) {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location: _,
        } = call;
        match Name::from_nodes(funcname) {
            Some(name) => self.called_function(name, args),
            None => self.opaque("the name of a function is not understood"),
        }
        self.expressions(args);
        self.sort(agg_order);
        self.optional(agg_filter.as_deref());
        if let Some(window) = over {
            self.window(window);
        }
    }

    fn called_function(&mut self, name: Name, args: &[Node]) {
        if let Some(setting) = harmless_setting(&name, args) {
            self.tell_setting(setting);
            self.functions.insert(name);
            return;
        }
        if name.built_in() == Some("format_type") && !args.first().is_some_and(is_one_value) {
            self.lists_names("pg_type");
        }
        self.call(name);
    }

    /// A window definition, named or inline, with its frame.
    pub(super) fn window(&mut self, window: &WindowDef) {
        let WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location: _,
        } = window;
        self.expressions(partition_clause);
        self.sort(order_clause);
        self.optional(start_offset.as_deref());
        self.optional(end_offset.as_deref());
    }

    /// ORDER BY items. `USING operator` picks an operator, and with it code, by name.
    pub(super) fn sort(&mut self, items: &[Node]) {
        for item in items {
            let Some(NodeEnum::SortBy(sort)) = &item.node else {
                self.unknown("ORDER BY", item);
                continue;
            };
            let SortBy { node, sortby_dir, sortby_nulls: _, use_op, location: _ } = &**sort;
            self.optional(node.as_deref());
            if !use_op.is_empty() {
                self.operator(use_op);
            } else if *sortby_dir == SortByDir::SortbyUsing as i32 {
                self.opaque("ORDER BY USING without an operator");
            }
        }
    }

    /// A column reference: `c`, `t.c`, `s.t.c`, `t.*`. With a qualifier it can be a call; see [`Walk::settle_attributes`].
    pub(super) fn column(&mut self, reference: &ColumnRef) {
        let ColumnRef { fields, location: _ } = reference;
        let names = match fields.split_last() {
            Some((last, before)) if matches!(last.node, Some(NodeEnum::AStar(_))) => {
                // `s.t.*` at most: with another part in front it names a database.
                self.writes_column(before.last().and_then(name::string), None);
                match before {
                    [] => self.reach(Extent::EveryRow),
                    [alias] | [_, alias] => {
                        self.plain_names(before);
                        if let Some(alias) = name::string(alias) {
                            self.mention(alias);
                        }
                    }
                    _ => self.opaque("a whole-row reference is not understood"),
                }
                return;
            }
            _ => strings(fields),
        };
        match names.as_deref() {
            Some([column]) => {
                self.identifier(column);
                self.writes_column(None, Some(column));
                self.mention(column);
            }
            Some([qualifier, column] | [_, qualifier, column]) => {
                self.identifier(qualifier);
                self.identifier(column);
                self.writes_column(Some(qualifier), Some(column));
                self.mention_of(qualifier, column);
                if ROW_FUNCTIONS.contains(column) {
                    self.mention(qualifier);
                }
                if SELDOM_COLUMNS.contains(column) {
                    self.notes
                        .insert("a column reference can be a call with the whole row".to_owned());
                    self.unlisted_call(&Name::bare(*column));
                }
                self.attributes.insert(Name::in_schema(*qualifier, *column));
            }
            _ => self.opaque("a column reference is not understood"),
        }
    }

    /// `(expression).name` calls `name` with the expression unless the value has such a field, also where the value is of
    /// a plain type: `('file'::text).pg_read_file` reads the file.
    pub(super) fn indirection(&mut self, indirection: &AIndirection) {
        let AIndirection { arg, indirection } = indirection;
        self.optional(arg.as_deref());
        self.indirections(indirection);
    }

    /// The steps after an expression: fields, subscripts, `.*`.
    pub(super) fn indirections(&mut self, steps: &[Node]) {
        for step in steps {
            if let Some(field) = name::string(step) {
                self.notes.insert("a field of an expression can be a function call".to_owned());
                self.call(Name::bare(field));
            } else if let Some(NodeEnum::AIndices(indices)) = &step.node {
                self.subscript(indices);
            } else if !matches!(step.node, Some(NodeEnum::AStar(_))) {
                self.unknown("a subscript", step);
            }
        }
    }

    /// The target column of an INSERT or UPDATE: subscripts and sub-fields name places, they call nothing.
    pub(super) fn assigned_place(&mut self, steps: &[Node]) {
        for step in steps {
            if let Some(field) = name::string(step) {
                self.identifier(field);
            } else if let Some(NodeEnum::AIndices(indices)) = &step.node {
                self.subscript(indices);
            } else {
                self.unknown("an assignment", step);
            }
        }
    }
}

/// `current_setting('name')` with a literal, harmless name says what SHOW would say.
fn harmless_setting<'a>(name: &Name, args: &'a [Node]) -> Option<&'a str> {
    let Some("current_setting") = name.built_in() else { return None };
    let Some(NodeEnum::AConst(constant)) = args.first().and_then(|arg| arg.node.as_ref()) else {
        return None;
    };
    let Some(Val::Sval(text)) = &constant.val else { return None };
    Some(text.sval.as_str()).filter(|setting| utility::is_harmless_setting(setting))
}
