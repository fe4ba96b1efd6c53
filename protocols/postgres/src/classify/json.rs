//! The walk over XML and SQL/JSON constructors. PostgreSQL 15 and older have no SQL/JSON grammar: `json_array(a)` is a call of
//! a user function there. So each SQL/JSON constructor also demands the function of its name.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        JsonAggConstructor, JsonArgument, JsonArrayAgg, JsonArrayConstructor,
        JsonArrayQueryConstructor, JsonBehavior, JsonExprOp, JsonFuncExpr, JsonIsPredicate,
        JsonKeyValue, JsonObjectAgg, JsonObjectConstructor, JsonOutput, JsonParseExpr,
        JsonScalarExpr, JsonSerializeExpr, JsonTable, JsonTableColumn, JsonTableColumnType,
        JsonTablePathSpec, JsonValueExpr, XmlExpr, XmlSerialize,
    },
};

use super::{Action, Name, walk::Walk};

impl Walk {
    /// Walks a constructor; any other node is opaque.
    pub(super) fn constructor(&mut self, node: &Node) {
        match &node.node {
            // The column's own default; what it runs is part of writing the table.
            Some(NodeEnum::SetToDefault(_)) => {}
            Some(NodeEnum::XmlExpr(expression)) => {
                let XmlExpr {
                    xpr: _,
                    op: _,
                    name: _,
                    named_args,
                    arg_names: _,
                    args,
                    xmloption: _,
                    indent: _,
                    r#type: _,
                    typmod: _,
                    location: _,
                } = &**expression;
                let outputs = self.targets(named_args);
                self.carry(&outputs.all());
                self.expressions(args);
            }
            Some(NodeEnum::XmlSerialize(serialize)) => {
                let XmlSerialize { xmloption: _, expr, type_name, indent: _, location: _ } =
                    &**serialize;
                self.optional(expr.as_deref());
                self.type_name(type_name.as_ref());
            }
            Some(NodeEnum::JsonIsPredicate(predicate)) => {
                let JsonIsPredicate { expr, format: _, item_type: _, unique_keys: _, location: _ } =
                    &**predicate;
                self.optional(expr.as_deref());
            }
            Some(NodeEnum::JsonKeyValue(pair)) => self.json_pair(pair),
            Some(NodeEnum::JsonValueExpr(value)) => self.json_value(Some(value)),
            Some(NodeEnum::JsonArgument(argument)) => self.json_argument(argument),
            _ => self.json_constructor(node),
        }
    }

    fn json_constructor(&mut self, node: &Node) {
        match &node.node {
            Some(NodeEnum::JsonObjectConstructor(object)) => {
                let JsonObjectConstructor {
                    exprs,
                    output,
                    absent_on_null: _,
                    unique: _,
                    location: _,
                } = object;
                self.json_call("json_object", output.as_ref());
                self.expressions(exprs);
            }
            Some(NodeEnum::JsonArrayConstructor(array)) => {
                let JsonArrayConstructor { exprs, output, absent_on_null: _, location: _ } = array;
                self.json_call("json_array", output.as_ref());
                self.expressions(exprs);
            }
            Some(NodeEnum::JsonArrayQueryConstructor(array)) => {
                let JsonArrayQueryConstructor {
                    query,
                    output,
                    format: _,
                    absent_on_null: _,
                    location: _,
                } = &**array;
                self.json_call("json_array", output.as_ref());
                match query {
                    Some(query) => self.query(query),
                    None => self.opaque("a sub-query without a query"),
                }
                let outputs = self.outputs();
                self.carry(&outputs.all());
            }
            Some(NodeEnum::JsonObjectAgg(aggregate)) => {
                let JsonObjectAgg { constructor, arg, absent_on_null: _, unique: _ } = &**aggregate;
                self.json_aggregate("json_objectagg", constructor.as_deref());
                if let Some(pair) = arg {
                    self.json_pair(pair);
                }
            }
            Some(NodeEnum::JsonArrayAgg(aggregate)) => {
                let JsonArrayAgg { constructor, arg, absent_on_null: _ } = &**aggregate;
                self.json_aggregate("json_arrayagg", constructor.as_deref());
                self.json_value(arg.as_deref());
            }
            Some(NodeEnum::JsonParseExpr(parse)) => {
                let JsonParseExpr { expr, output, unique_keys: _, location: _ } = &**parse;
                self.json_call("json", output.as_ref());
                self.json_value(expr.as_deref());
            }
            Some(NodeEnum::JsonScalarExpr(scalar)) => {
                let JsonScalarExpr { expr, output, location: _ } = &**scalar;
                self.json_call("json_scalar", output.as_ref());
                self.optional(expr.as_deref());
            }
            Some(NodeEnum::JsonSerializeExpr(serialize)) => {
                let JsonSerializeExpr { expr, output, location: _ } = &**serialize;
                self.json_call("json_serialize", output.as_ref());
                self.json_value(expr.as_deref());
            }
            Some(NodeEnum::JsonFuncExpr(function)) => self.json_function(function),
            _ => self.unknown("an expression", node),
        }
    }

    fn json_call(&mut self, name: &str, output: Option<&JsonOutput>) {
        self.demand_on(Action::Function, &Name::bare(name));
        if let Some(JsonOutput { type_name, returning: _ }) = output {
            self.type_name(type_name.as_ref());
        }
    }

    fn json_aggregate(&mut self, name: &str, constructor: Option<&JsonAggConstructor>) {
        let Some(JsonAggConstructor { output, agg_filter, agg_order, over, location: _ }) =
            constructor
        else {
            return self.opaque("a JSON aggregate is not understood");
        };
        self.json_call(name, output.as_ref());
        self.optional(agg_filter.as_deref());
        self.sort(agg_order);
        if let Some(window) = over {
            self.window(window);
        }
    }

    fn json_pair(&mut self, pair: &JsonKeyValue) {
        let JsonKeyValue { key, value } = pair;
        self.optional(key.as_deref());
        self.json_value(value.as_deref());
    }

    fn json_value(&mut self, value: Option<&JsonValueExpr>) {
        if let Some(JsonValueExpr { raw_expr, formatted_expr, format: _ }) = value {
            self.optional(raw_expr.as_deref());
            self.optional(formatted_expr.as_deref());
        }
    }

    fn json_argument(&mut self, argument: &JsonArgument) {
        let JsonArgument { val, name } = argument;
        self.identifier(name);
        self.json_value(val.as_deref());
    }

    fn json_behaviour(&mut self, behaviour: Option<&JsonBehavior>) {
        if let Some(JsonBehavior { btype: _, expr, coerce: _, location: _ }) = behaviour {
            self.optional(expr.as_deref());
        }
    }

    fn json_function(&mut self, function: &JsonFuncExpr) {
        let JsonFuncExpr {
            op,
            column_name: _,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper: _,
            quotes: _,
            location: _,
        } = function;
        let name = match JsonExprOp::try_from(*op) {
            Ok(JsonExprOp::JsonExistsOp) => "json_exists",
            Ok(JsonExprOp::JsonQueryOp) => "json_query",
            Ok(JsonExprOp::JsonValueOp) => "json_value",
            Ok(JsonExprOp::JsonTableOp) => "json_table",
            Ok(JsonExprOp::Undefined) | Err(_) => {
                return self.opaque("a JSON function is not understood");
            }
        };
        self.json_call(name, output.as_ref());
        self.json_value(context_item.as_deref());
        self.optional(pathspec.as_deref());
        self.expressions(passing);
        self.json_behaviour(on_empty.as_deref());
        self.json_behaviour(on_error.as_deref());
    }

    /// `JSON_TABLE` in FROM.
    pub(super) fn json_table(&mut self, table: &JsonTable) {
        let JsonTable {
            context_item,
            pathspec,
            passing,
            columns,
            on_error,
            alias,
            lateral: _,
            location: _,
        } = table;
        self.json_call("json_table", None);
        self.json_value(context_item.as_deref());
        self.json_path(pathspec.as_deref());
        self.expressions(passing);
        self.json_columns(columns);
        self.json_behaviour(on_error.as_deref());
        if let Some(alias) = alias {
            self.alias(alias);
        }
    }

    fn json_path(&mut self, path: Option<&JsonTablePathSpec>) {
        if let Some(JsonTablePathSpec { string, name, name_location: _, location: _ }) = path {
            self.identifier(name);
            self.optional(string.as_deref());
        }
    }

    fn json_columns(&mut self, columns: &[Node]) {
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = &column.node else {
                self.unknown("JSON_TABLE", column);
                continue;
            };
            let JsonTableColumn {
                coltype,
                name,
                type_name,
                pathspec,
                format: _,
                wrapper: _,
                quotes: _,
                columns,
                on_empty,
                on_error,
                location: _,
            } = &**column;
            self.identifier(name);
            match JsonTableColumnType::try_from(*coltype) {
                Ok(JsonTableColumnType::JtcForOrdinality | JsonTableColumnType::JtcNested) => {}
                Ok(
                    JsonTableColumnType::JtcRegular
                    | JsonTableColumnType::JtcExists
                    | JsonTableColumnType::JtcFormatted,
                ) => {
                    self.type_name(type_name.as_ref());
                }
                Ok(JsonTableColumnType::Undefined) | Err(_) => {
                    self.opaque("a column of JSON_TABLE is not understood");
                }
            }
            self.json_path(pathspec.as_deref());
            self.json_columns(columns);
            self.json_behaviour(on_empty.as_deref());
            self.json_behaviour(on_error.as_deref());
        }
    }
}
