//! Makes the operation that the gate judges: everything that gives a text its meaning, with what it asks for.

use super::{Session, describe, meaning::Meaning, operate::Form};
use crate::{classify::Name, shown::parameters, state::Block, understood::Understood};
use countersign_core::{
    id::OperationId,
    operation::{Classification, NamedColumn, Operation, Transaction},
};
use std::{collections::BTreeSet, sync::Arc};

/// The longest line of columns, in bytes.
const MAX_COLUMNS_LINE: usize = 1024;

/// The settings of an operation, which the next one like it shares.
#[derive(Debug)]
pub(super) struct KeptSettings {
    made_of: MadeOf,
    all: Arc<[(String, String)]>,
}

/// What the settings of operations are made of that can change within a session; the changes themselves only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct MadeOf {
    block: Block,
    protocol: &'static str,
    changes: u64,
}

impl Session {
    /// What every operation of a text shares that is put like this.
    pub(super) fn meaning(&self, understood: Understood, form: &Form) -> Meaning {
        let demands = match form {
            Form::Query | Form::Portal { .. } => understood.asked.demands(),
            Form::Prepare { .. } => describe::preparing(&understood),
        };
        let columns = understood.asked.columns();
        let mut context = vec![
            ("application_name".to_owned(), self.startup.application_name.clone()),
            ("protocol".to_owned(), form.protocol().to_owned()),
        ];
        context.extend(line_of(&columns).map(|line| ("columns".to_owned(), line)));
        context.extend(understood.notes.iter().map(|note| ("note".to_owned(), note.clone())));
        Meaning {
            summary: understood.summary.as_str().into(),
            shape: understood.shape(&demands),
            demands: Arc::new(demands),
            columns: Arc::new(columns),
            context: context.into(),
            understood,
        }
    }

    /// The operation with everything that gives it its meaning.
    pub(super) fn operation(
        &mut self,
        meaning: &Meaning,
        text: Arc<[u8]>,
        form: &Form,
    ) -> Operation {
        let parameters = match form {
            Form::Query | Form::Prepare { .. } => Vec::new(),
            Form::Portal { portal, .. } => parameters(portal),
        };
        let settings = self.settings(form.protocol());
        let classification = Classification {
            id: OperationId::from_bytes(rand::random()),
            text,
            parameters,
            settings,
            summary: Arc::clone(&meaning.summary),
            demands: Arc::clone(&meaning.demands),
            columns: Arc::clone(&meaning.columns),
            commands: Arc::default(),
            shape: match form {
                Form::Query | Form::Portal { .. } => meaning.shape.clone(),
                // Nothing is executed, so there is nothing to grant.
                Form::Prepare { .. } => None,
            },
            effect: self.effect(&meaning.understood, form),
            transaction: match self.block {
                Block::Idle => Transaction::None,
                Block::Implicit(_) | Block::Explicit | Block::Failed => Transaction::Open,
            },
            context: Arc::clone(&meaning.context),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the adapter's one place that makes operations"
        )]
        let operation = Operation::classified(&self.opened, classification);
        operation
    }

    /// Every setting that changes what a text means, in a fixed order.
    fn settings(&mut self, kind: &'static str) -> Arc<[(String, String)]> {
        let made = MadeOf { block: self.block, protocol: kind, changes: self.changes.count() };
        if let Some(kept) = &self.kept_settings
            && kept.made_of == made
        {
            return Arc::clone(&kept.all);
        }
        let all: Arc<[(String, String)]> = self.every_setting(kind).into();
        self.kept_settings = Some(KeptSettings { made_of: made, all: Arc::clone(&all) });
        all
    }

    fn every_setting(&self, kind: &str) -> Vec<(String, String)> {
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
        all.extend(self.changes.settings());
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
