//! COPY in all its forms. None of them is a plain read: the rows do not travel as `DataRow` messages. How a row is written, in
//! letters that the statement can choose, is told to whoever has to read it.

use pg_query::{
    Node, NodeEnum,
    protobuf::{CopyStmt, DefElem, RangeVar},
};
use serde::{Deserialize, Serialize};

use super::{
    Action, StatementKind,
    flow::{Carries, Output, Outputs},
    name::{string, strings},
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

/// How COPY writes its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyForm {
    /// Values with backslashes in front of what is special.
    Text {
        /// What stands between values.
        delimiter: char,
    },
    /// Values in quotes where they hold anything special.
    Csv {
        /// What stands between values.
        delimiter: char,
        /// What stands around a value.
        quote: char,
        /// What stands in front of a quote, or of itself, in a value.
        escape: char,
    },
    /// Values behind their lengths.
    Binary,
}

impl CopyForm {
    /// What the options say, each of which stands once (the server takes no other).
    fn of(options: &[Node]) -> Option<Self> {
        let mut format = "text".to_owned();
        let (mut delimiter, mut quote, mut escape) = (None, None, None);
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else { return None };
            match option.defname.as_str() {
                "format" => format = said(option)?,
                "delimiter" => delimiter = Some(letter(option)?),
                "quote" => quote = Some(letter(option)?),
                "escape" => escape = Some(letter(option)?),
                // They say what stands for no value, or are about other things.
                _ => {}
            }
        }
        match format.as_str() {
            "text" => Some(Self::Text { delimiter: delimiter.unwrap_or('\t') }),
            "csv" => {
                let quote = quote.unwrap_or('"');
                let (delimiter, escape) = (delimiter.unwrap_or(','), escape.unwrap_or(quote));
                Some(Self::Csv { delimiter, quote, escape })
            }
            "binary" => Some(Self::Binary),
            _ => None,
        }
    }
}

/// The value of an option as the server reads it (`defGetString`), where it is a word or a whole number.
fn said(option: &DefElem) -> Option<String> {
    let value = option.arg.as_deref()?;
    if let Some(NodeEnum::Integer(number)) = &value.node {
        return Some(number.ival.to_string());
    }
    string(value).map(ToOwned::to_owned)
}

/// The same where it is one letter.
fn letter(option: &DefElem) -> Option<char> {
    let text = said(option)?;
    let mut letters = text.chars();
    letters.next().filter(|letter| letter.is_ascii() && letters.next().is_none())
}

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
        self.copied_as = CopyForm::of(options);
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
