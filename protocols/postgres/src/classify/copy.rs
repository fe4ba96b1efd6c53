//! COPY in all its forms. None of them is a plain read: the rows do not travel as `DataRow` messages.

use pg_query::{
    Node, NodeEnum,
    protobuf::{CopyStmt, DefElem, RangeVar},
};

use super::{
    Action, StatementKind,
    flow::{Carries, Output, Outputs},
    name::strings,
    walk::Walk,
};

/// Options of COPY that shape the text of the rows and nothing else. `encoding` and `convert_selectively` are absent.
const KNOWN_OPTIONS: &[&str] = &[
    "format",
    "delimiter",
    "null",
    "default",
    "header",
    "quote",
    "escape",
    "force_quote",
    "force_not_null",
    "force_null",
    "freeze",
    "on_error",
    "log_verbosity",
    "reject_limit",
];

impl Walk {
    pub(super) fn copy(&mut self, copy: &CopyStmt) -> StatementKind {
        let CopyStmt {
            relation,
            query,
            attlist,
            is_from,
            is_program,
            filename,
            options,
            where_clause,
        } = copy;
        match (relation, query) {
            (Some(relation), None) => {
                self.relation(Action::Copy, relation);
                self.relation(if *is_from { Action::Write } else { Action::Read }, relation);
                self.copied_columns(relation, attlist);
            }
            (None, Some(query)) => {
                self.demand(Action::Copy);
                self.query(query);
            }
            (Some(_), Some(_)) | (None, None) => self.opaque("COPY is not understood"),
        }
        self.plain_names(attlist);
        if relation.is_some() {
            self.writes_columns_or_all(attlist);
        }
        self.copy_options(options);
        self.optional(where_clause.as_deref());
        if *is_program || !filename.is_empty() {
            self.demand(Action::Program);
            return StatementKind::CopyAside;
        }
        if *is_from { StatementKind::CopyIn } else { StatementKind::CopyOut }
    }

    /// The columns that a COPY of a relation moves.
    fn copied_columns(&mut self, relation: &RangeVar, columns: &[Node]) {
        self.flows_from(relation);
        let one = |name: &str| Output::One {
            name: None,
            carries: Carries::column(name),
            plain: Some(name.to_owned()),
        };
        let outputs = match strings(columns) {
            Some(columns) if !columns.is_empty() => columns.into_iter().map(one).collect(),
            Some(_) | None => vec![Output::Star(Carries::column(&relation.relname))],
        };
        self.set_outputs(Outputs(outputs));
    }

    fn copy_options(&mut self, options: &[Node]) {
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else {
                self.unknown("COPY", option);
                continue;
            };
            let DefElem {
                defnamespace,
                defname,
                arg: _,
                defaction: _,
                location: _,
                arg_location: _,
            } = &**option;
            if !defnamespace.is_empty() || !KNOWN_OPTIONS.contains(&defname.as_str()) {
                self.opaque("an option of COPY is not understood");
            }
        }
    }
}
