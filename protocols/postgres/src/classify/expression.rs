//! The walk over value expressions. FROM items, JSON and XML constructors, calls and names with dots have files of their
//! own; a node that is not in this match is opaque.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AArrayExpr, AConst, AExpr, AExprKind, AIndices, BoolExpr, CaseExpr, CaseWhen, CoalesceExpr,
        CollateClause, MinMaxExpr, NullTest, ParamRef, RowExpr, SubLink, SubLinkType, TypeCast,
        TypeName,
    },
};

use super::{Action, Name, name, types, walk::Walk};

impl Walk {
    /// Walks a list of expressions.
    pub(super) fn expressions(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.expression(node);
        }
    }

    /// Walks an expression that may be absent.
    pub(super) fn optional(&mut self, node: Option<&Node>) {
        if let Some(node) = node {
            self.expression(node);
        }
    }

    /// Walks one expression.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: what is not named here is opaque"
    )]
    pub(super) fn expression(&mut self, node: &Node) {
        let Some(inner) = &node.node else { return self.unknown("an expression", node) };
        match inner {
            NodeEnum::AConst(constant) => constant_is_known(constant),
            NodeEnum::ColumnRef(reference) => self.column(reference),
            NodeEnum::ParamRef(parameter) => self.parameter(*parameter),
            NodeEnum::AExpr(expression) => self.operation(expression),
            NodeEnum::BoolExpr(expression) => self.boolean(expression),
            NodeEnum::FuncCall(call) => self.function(call),
            NodeEnum::TypeCast(cast) => self.cast(cast),
            NodeEnum::CollateClause(clause) => self.collate(clause),
            NodeEnum::SubLink(link) => self.sub_link(link),
            NodeEnum::CaseExpr(case) => self.case(case),
            NodeEnum::CoalesceExpr(expression) => {
                let CoalesceExpr { xpr: _, coalescetype: _, coalescecollid: _, args, location: _ } =
                    &**expression;
                self.expressions(args);
            }
            NodeEnum::MinMaxExpr(expression) => {
                let MinMaxExpr {
                    xpr: _,
                    minmaxtype: _,
                    minmaxcollid: _,
                    inputcollid: _,
                    op: _,
                    args,
                    location: _,
                } = &**expression;
                self.expressions(args);
            }
            // CURRENT_DATE, CURRENT_USER and the like: facts of the session.
            NodeEnum::SqlvalueFunction(_) => {}
            NodeEnum::NullTest(test) => {
                let NullTest { xpr: _, arg, nulltesttype: _, argisrow: _, location: _ } = &**test;
                self.optional(arg.as_deref());
            }
            NodeEnum::BooleanTest(test) => self.optional(test.arg.as_deref()),
            NodeEnum::AArrayExpr(array) => {
                let AArrayExpr { elements, list_start: _, list_end: _, location: _ } = array;
                self.expressions(elements);
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr { xpr: _, args, row_typeid: _, row_format: _, colnames, location: _ } =
                    &**row;
                self.expressions(args);
                self.expressions(colnames);
            }
            NodeEnum::AIndirection(indirection) => self.indirection(indirection),
            NodeEnum::GroupingFunc(grouping) => self.expressions(&grouping.args),
            NodeEnum::NamedArgExpr(argument) => self.optional(argument.arg.as_deref()),
            // Row lists of IN.
            NodeEnum::List(list) => self.expressions(&list.items),
            NodeEnum::MergeSupportFunc(_) => self.call(Name::bare("merge_action")),
            NodeEnum::CurrentOfExpr(_) => self.demand(Action::Cursor),
            _ => self.constructor(node),
        }
    }

    fn parameter(&mut self, parameter: ParamRef) {
        let ParamRef { number, location: _ } = parameter;
        match u16::try_from(number) {
            Ok(number) => self.parameters = self.parameters.max(number),
            Err(_) => self.opaque("a parameter's number is out of range"),
        }
    }

    fn operation(&mut self, expression: &AExpr) {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
            expression;
        match AExprKind::try_from(*kind) {
            Ok(
                AExprKind::AexprOp
                | AExprKind::AexprOpAny
                | AExprKind::AexprOpAll
                | AExprKind::AexprDistinct
                | AExprKind::AexprNotDistinct
                | AExprKind::AexprNullif
                | AExprKind::AexprIn
                | AExprKind::AexprLike
                | AExprKind::AexprIlike
                | AExprKind::AexprSimilar,
            ) => self.operator(name),
            // The name is the keyword; the comparisons are these of the operands' types, the latter two for NOT.
            Ok(
                AExprKind::AexprBetween
                | AExprKind::AexprNotBetween
                | AExprKind::AexprBetweenSym
                | AExprKind::AexprNotBetweenSym,
            ) => {
                self.operators.extend(["<=", ">=", "<", ">"].map(str::to_owned));
            }
            Ok(AExprKind::Undefined) | Err(_) => {
                self.opaque("a kind of operation is not understood");
            }
        }
        self.optional(lexpr.as_deref());
        self.optional(rexpr.as_deref());
    }

    fn boolean(&mut self, expression: &BoolExpr) {
        let BoolExpr { xpr: _, boolop: _, args, location: _ } = expression;
        self.expressions(args);
    }

    fn case(&mut self, case: &CaseExpr) {
        let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location: _ } =
            case;
        if arg.is_some() {
            self.implied_equality();
        }
        self.optional(arg.as_deref());
        for node in args {
            if let Some(NodeEnum::CaseWhen(when)) = &node.node {
                let CaseWhen { xpr: _, expr, result, location: _ } = &**when;
                self.optional(expr.as_deref());
                self.optional(result.as_deref());
            } else {
                self.unknown("CASE", node);
            }
        }
        self.optional(defresult.as_deref());
    }

    fn sub_link(&mut self, link: &SubLink) {
        let SubLink {
            xpr: _,
            sub_link_type,
            sub_link_id: _,
            testexpr,
            oper_name,
            subselect,
            location: _,
        } = link;
        self.optional(testexpr.as_deref());
        if !oper_name.is_empty() {
            self.operator(oper_name);
        } else if testexpr.is_some() {
            self.implied_equality();
        }
        match subselect {
            Some(query) => self.query(query),
            None => self.opaque("a sub-query without a query"),
        }
        let outputs = self.outputs();
        // EXISTS looks at no column of what it finds.
        if SubLinkType::try_from(*sub_link_type) != Ok(SubLinkType::ExistsSublink) {
            self.carry(&outputs.all());
        }
    }

    fn cast(&mut self, cast: &TypeCast) {
        let TypeCast { arg, type_name, location: _ } = cast;
        self.optional(arg.as_deref());
        let one_value = type_name.as_ref().is_some_and(|name| name.array_bounds.is_empty())
            && arg.as_deref().is_some_and(is_one_value);
        self.named_type(type_name.as_ref(), if one_value { Values::One } else { Values::Any });
    }

    /// A type by name; any but PostgreSQL's own is a call, because it can bring code of its own.
    pub(super) fn type_name(&mut self, type_name: Option<&TypeName>) {
        self.named_type(type_name, Values::Any);
    }

    fn named_type(&mut self, type_name: Option<&TypeName>, values: Values) {
        let Some(type_name) = type_name else { return self.opaque("a type without a name") };
        let TypeName {
            names,
            type_oid,
            setof,
            pct_type,
            typmods,
            typemod: _,
            array_bounds: _,
            location: _,
        } = type_name;
        if *setof || *pct_type || *type_oid != 0 {
            self.opaque("a set or the type of a column is not understood as a type");
        }
        self.expressions(typmods);
        match Name::from_nodes(names) {
            Some(name) if types::is_built_in(&name) => {
                if let (Values::Any, Some(relation)) = (values, types::looked_up_in(&name)) {
                    self.lists_names(relation);
                }
                self.types.insert(name);
            }
            Some(name) => self.other_code(&name),
            None => self.opaque("the name of a type is not understood"),
        }
    }

    /// A conversion of as many values as there are rows says the names of this relation of the catalogue.
    pub(super) fn lists_names(&mut self, relation: &str) {
        self.notes
            .insert("a conversion of many values can list the names of the catalogue".to_owned());
        self.named_relation(Action::Read, Name::in_schema("pg_catalog", relation));
    }

    pub(super) fn collate(&mut self, clause: &CollateClause) {
        let CollateClause { arg, collname, location: _ } = clause;
        self.optional(arg.as_deref());
        self.collation(collname);
    }

    /// A collation cannot run code; one of a named schema is still no part of a plain read.
    pub(super) fn collation(&mut self, parts: &[Node]) {
        match Name::from_nodes(parts) {
            Some(name) if name.built_in().is_some() => drop(self.types.insert(name)),
            Some(name) => self.other_code(&name),
            None => self.opaque("the name of a collation is not understood"),
        }
    }

    /// Subscripts and slices, `[n]` and `[n:m]`.
    pub(super) fn subscript(&mut self, indices: &AIndices) {
        let AIndices { is_slice: _, lidx, uidx } = indices;
        self.optional(lidx.as_deref());
        self.optional(uidx.as_deref());
    }

    /// A list of names that cannot call anything: USING columns, alias columns.
    pub(super) fn plain_names(&mut self, nodes: &[Node]) {
        match name::strings(nodes) {
            Some(names) => names.into_iter().for_each(|name| self.identifier(name)),
            None => self.opaque("a list of names holds something else"),
        }
    }
}

/// How many values a conversion can be fed with by one execution.
#[derive(Clone, Copy)]
enum Values {
    /// A single one, which the text or its parameters say.
    One,
    /// As many as there are rows.
    Any,
}

/// Whether an expression is a constant or a parameter, converted or not.
pub(super) fn is_one_value(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_one_value),
        _ => false,
    }
}

/// A constant holds no code whatever its kind; the match makes a new kind of constant a compile error.
fn constant_is_known(constant: &AConst) {
    let AConst { isnull: _, location: _, val: _ } = constant;
}
