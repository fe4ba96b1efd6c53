//! Makes the operation that the gate judges: everything that gives a text its meaning, with what it asks for.

use super::{Session, describe, operate::Form, value::parameters};
use crate::{classify::Name, state::Block, understood::Understood};
use countersign_core::{
    id::OperationId,
    operation::{Classification, NamedColumn, Operation, Transaction},
};
use std::{collections::BTreeSet, sync::Arc};

/// The longest line of columns, in bytes.
const MAX_COLUMNS_LINE: usize = 1024;

impl Session {
    /// The operation with everything that gives it its meaning.
    pub(super) fn operation(
        &self,
        understood: &Understood,
        text: Arc<[u8]>,
        form: &Form,
    ) -> Operation {
        let (parameters, kind) = match form {
            Form::Query => (Vec::new(), "simple"),
            Form::Portal { portal, .. } => (parameters(portal), "extended"),
            Form::Prepare { .. } => (Vec::new(), "preparation"),
        };
        let demands = match form {
            Form::Query | Form::Portal { .. } => understood.asked.demands(),
            Form::Prepare { .. } => describe::preparing(understood),
        };
        let mut context = vec![
            ("application_name".to_owned(), self.startup.application_name.clone()),
            ("protocol".to_owned(), kind.to_owned()),
        ];
        let columns = understood.asked.columns();
        context.extend(line_of(&columns).map(|line| ("columns".to_owned(), line)));
        context.extend(understood.notes.iter().map(|note| ("note".to_owned(), note.clone())));
        let classification = Classification {
            id: OperationId::from_bytes(rand::random()),
            text,
            parameters,
            settings: self.settings(kind),
            summary: understood.summary.clone(),
            demands,
            columns,
            effect: self.effect(understood, form),
            transaction: match self.block {
                Block::Idle => Transaction::None,
                Block::Implicit(_) | Block::Explicit | Block::Failed => Transaction::Open,
            },
            context,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the adapter's one place that makes operations"
        )]
        let operation = Operation::classified(&self.opened, classification);
        operation
    }

    /// Every setting that changes what a text means, in a fixed order.
    fn settings(&self, kind: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut all = vec![
            pair("role", &self.role),
            pair("database", &self.database),
            ("search_path".to_owned(), crate::upstream::search_path(&self.target.search_path)),
            pair("standard_conforming_strings", "on"),
            pair("client_encoding", "UTF8"),
            pair("transaction", self.block.name()),
        ];
        if kind == "preparation" {
            // What is approved as a preparation is never taken for an execution.
            all.push(pair("protocol", kind));
        }
        all.extend(self.startup.settings.iter().cloned());
        all.extend(self.changes.iter().map(|change| pair("set", &change.text)));
        all
    }
}

/// The columns for whoever decides, as many as fit into a line.
fn line_of(columns: &BTreeSet<NamedColumn>) -> Option<String> {
    let mut line = String::new();
    for (n, NamedColumn { schema, relation, column }) in columns.iter().enumerate() {
        let relation = Name::in_schema(schema, relation);
        let column =
            column.as_ref().map_or_else(|| "*".to_owned(), |name| Name::bare(name).to_string());
        let named = format!("{relation}.{column}");
        if line.len() + named.len() > MAX_COLUMNS_LINE {
            return Some(format!("{line} and {} more", columns.len() - n));
        }
        line.push_str(if n == 0 { "" } else { ", " });
        line.push_str(&named);
    }
    (!line.is_empty()).then_some(line)
}
