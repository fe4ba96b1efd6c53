//! What there is to find out about a held operation: of what a plan is wanted, and which transaction is open.

use super::{Link, Session, operate::Form};
use crate::{
    classify::{Classified, StatementKind},
    evidence::{Inquiry, Open, Statement, Subject, runs_code},
    understood::Understood,
};
use countersign_core::operation::Operation;
use std::sync::Arc;

impl Session {
    pub(super) fn inquiry(
        &self,
        classified: &Classified,
        understood: &Understood,
        operation: &Operation,
        form: &Form,
    ) -> Arc<Inquiry> {
        let subject = match self.no_plan(classified, understood, form) {
            Some(reason) => Subject::Nothing(reason),
            None => Subject::Statement(Box::new(statement(classified, operation, form))),
        };
        Arc::new(Inquiry {
            target: Arc::clone(&self.target),
            agent: self.opened.agent().identity.clone(),
            role: self.role.clone(),
            database: self.database.clone(),
            settings: self.startup.settings.clone(),
            preferences: self.changes.preferences(),
            subject,
            transaction: self.open_transaction(),
        })
    }

    /// Why no plan is asked for.
    fn no_plan(
        &self,
        classified: &Classified,
        understood: &Understood,
        form: &Form,
    ) -> Option<&'static str> {
        let [one] = classified.statements.as_slice() else {
            return Some("several statements have no plan together");
        };
        let planned = match one.kind {
            StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge => true,
            StatementKind::Truncate
            | StatementKind::CopyOut
            | StatementKind::CopyIn
            | StatementKind::CopyAside
            | StatementKind::Explain
            | StatementKind::Transaction(_)
            | StatementKind::Set(_)
            | StatementKind::Show
            | StatementKind::Cursor
            | StatementKind::Prepare
            | StatementKind::Execute
            | StatementKind::Deallocate
            | StatementKind::Lock
            | StatementKind::Notify
            | StatementKind::Define
            | StatementKind::Administer
            | StatementKind::Routine
            | StatementKind::Opaque => false,
        };
        if !planned {
            return Some("the target makes no plan of a statement of this kind");
        }
        if matches!(form, Form::Prepare { .. }) {
            return Some("the statement is prepared and not executed");
        }
        if self.changes.goes_beyond_preferences() {
            return Some("the session has changed settings that a plan depends on, or may have");
        }
        runs_code(understood)
    }

    fn open_transaction(&self) -> Option<Open> {
        match (&self.link, self.open_since) {
            (Link::Up(upstream), Some(since)) => {
                Some(Open { process: upstream.cancel.process(), since })
            }
            (Link::NotDialled, _) | (Link::Up(_), None) => None,
        }
    }
}

fn statement(classified: &Classified, operation: &Operation, form: &Form) -> Statement {
    let text = Arc::clone(&operation.classification().text);
    let (type_oids, parameters) = match form {
        Form::Portal { portal, .. } => {
            (portal.statement.type_oids.clone(), Arc::clone(&portal.parameters))
        }
        Form::Query | Form::Prepare { .. } => (Vec::new(), Arc::from([])),
    };
    Statement { text, classified: Arc::new(classified.clone()), type_oids, parameters }
}
