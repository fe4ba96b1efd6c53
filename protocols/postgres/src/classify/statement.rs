//! From a text to its statements: objections to the raw text, the parse, and the first step of the walk over each
//! statement. A text that fails on the way is opaque as a whole.

use std::{collections::BTreeSet, ops::Range};

use pg_query::{FingerprintOptions, Node, NodeEnum, protobuf::RawStmt};

use super::{
    Action, Classified, Demand, Fence, Handle, Statement, StatementKind, TransactionStep,
    expression::is_one_value, flow::Carried, name::is_unsure, text, walk::Walk,
};

/// How many relations a summary names before it only counts.
const SUMMARY_TABLES: usize = 8;

/// The most statements one text may have; more make it opaque.
const MAX_STATEMENTS: usize = 1000;

/// The most demands one statement may have, because each is judged by the policy; more make it opaque.
const MAX_DEMANDS: usize = 500;

/// Classifies a text in this process. The grammar is C code that can end the process it runs in: outside the worker
/// process and tests, ask [`super::Grammar`].
pub fn classify(text: &str) -> Classified {
    if let Some(objection) = text::objection(text) {
        return Classified::opaque(text, objection);
    }
    let parsed = match pg_query::parse(text, 0) {
        Ok(parsed) => parsed.protobuf,
        Err(pg_query::Error::Decode(_)) => {
            return Classified::opaque(text, "the statement is nested too deeply");
        }
        Err(_) => return Classified::opaque(text, "PostgreSQL's grammar does not accept the text"),
    };
    if parsed.stmts.len() > MAX_STATEMENTS {
        return Classified::opaque(text, "the text has too many statements");
    }
    let mut statements: Vec<Statement> = parsed.stmts.iter().map(|raw| one(text, raw)).collect();
    if statements.len() > 1 {
        statements.iter_mut().for_each(mark_in_batch);
    }
    Classified { statements }
}

/// Transaction control between other statements of one text would open or close the fence in the middle of it; and a text
/// that changes a setting runs outside of the fence, with whatever else is in it.
fn mark_in_batch(statement: &mut Statement) {
    if statement.demands.iter().any(|demand| demand.action == Action::Preference) {
        statement.demands.insert(Demand { action: Action::Session, object: None });
        statement.notes.insert("a setting together with other statements in one text".to_owned());
    }
    if statement.demands.iter().any(|demand| demand.action == Action::Transaction) {
        statement.demands.insert(Demand { action: Action::Opaque, object: None });
        statement
            .notes
            .insert("transaction control together with other statements in one text".to_owned());
    }
}

fn one(text: &str, raw: &RawStmt) -> Statement {
    let RawStmt { stmt, stmt_location, stmt_len } = raw;
    let Some((span, body)) = span(text, *stmt_location, *stmt_len) else {
        return Statement::opaque(
            0..text.len(),
            "the place of the statement in the text is not understood",
        );
    };
    let Some(node) = stmt else { return Statement::opaque(span, "a statement without a tree") };

    let mut walk = Walk::default();
    let kind = walk.statement(node);
    walk.settle_attributes();
    if walk.demands.len() > MAX_DEMANDS {
        return Statement::opaque(span, "the statement asks for too many things");
    }
    if walk.demands.is_empty() {
        // SELECT 1: it reads, but no relation.
        walk.demand(if matches!(kind, StatementKind::Select | StatementKind::Explain) {
            Action::Read
        } else {
            Action::Opaque
        });
    }
    let columns = walk.settled_columns();
    let handle = handle(&kind, &mut walk);
    let carried = carried(&kind, &handle, &mut walk);
    let options = FingerprintOptions::RANGEVAR_PG17_COMPAT | FingerprintOptions::FULL_RELNAME;
    Statement {
        fence: fence(&kind, &walk.demands),
        summary: summary(&kind, &walk),
        kind,
        demands: walk.demands,
        span,
        tables: walk.tables,
        functions: walk.functions,
        types: walk.types,
        operators: walk.operators,
        columns,
        attributes: walk.attributes,
        parameters: walk.parameters,
        carried,
        handle,
        copied_as: walk.copied_as,
        notes: walk.notes,
        normalised: pg_query::normalize(body).ok(),
        fingerprint: pg_query::fingerprint(body, 0, options)
            .ok()
            .map(|fingerprint| fingerprint.hex),
    }
}

/// What its rows can carry, where it is of a kind whose text shows that.
fn carried(kind: &StatementKind, handle: &Handle, walk: &mut Walk) -> Carried {
    let opaque = walk.demands.iter().any(|demand| demand.action == Action::Opaque);
    if matches!(handle, Handle::Declares(_) | Handle::Prepares(_)) && !opaque {
        return walk.carried();
    }
    match kind {
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::CopyOut
        | StatementKind::Explain
        | StatementKind::Show
            if !opaque =>
        {
            walk.carried()
        }
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::Truncate
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
        | StatementKind::Opaque => Carried::unknown(),
    }
}

/// What the statement itself does with a name; what one does that it explains, nobody does.
fn handle(kind: &StatementKind, walk: &mut Walk) -> Handle {
    let names = matches!(
        kind,
        StatementKind::Cursor
            | StatementKind::Prepare
            | StatementKind::Execute
            | StatementKind::Notify
    );
    if names { std::mem::take(&mut walk.handle) } else { Handle::None }
}

/// Where a statement stands: the grammar gives a length of 0 for "up to the end".
fn span(text: &str, location: i32, length: i32) -> Option<(Range<usize>, &str)> {
    let start = usize::try_from(location).ok()?;
    let length = usize::try_from(length).ok()?;
    let end = if length == 0 { text.len() } else { start.checked_add(length)? };
    text.get(start..end).map(|body| (start..end, body))
}

fn fence(kind: &StatementKind, demands: &BTreeSet<Demand>) -> Fence {
    if matches!(kind, StatementKind::Transaction(_)) {
        return Fence::TransactionControl;
    }
    let reads = demands
        .iter()
        .all(|demand| matches!(demand.action, Action::Read | Action::Show | Action::Explain));
    if reads { Fence::ReadOnly } else { Fence::Writes }
}

/// The kind and the relations; never a value.
fn summary(kind: &StatementKind, walk: &Walk) -> String {
    let word = match kind {
        StatementKind::Select => "SELECT",
        StatementKind::Insert => "INSERT",
        StatementKind::Update => "UPDATE",
        StatementKind::Delete => "DELETE",
        StatementKind::Merge => "MERGE",
        StatementKind::Truncate => "TRUNCATE",
        StatementKind::CopyOut => "COPY out",
        StatementKind::CopyIn => "COPY in",
        StatementKind::CopyAside => "COPY with a file or program of the target",
        StatementKind::Explain => "EXPLAIN",
        StatementKind::Transaction(step) => match step {
            TransactionStep::Begin => "BEGIN",
            TransactionStep::Commit => "COMMIT",
            TransactionStep::Rollback => "ROLLBACK",
            TransactionStep::Savepoint => "SAVEPOINT",
            TransactionStep::Release => "RELEASE SAVEPOINT",
            TransactionStep::RollbackTo => "ROLLBACK TO SAVEPOINT",
            TransactionStep::TwoPhase => "two-phase commit",
        },
        StatementKind::Set(_) => "SET",
        StatementKind::Show => "SHOW",
        StatementKind::Cursor => "cursor",
        StatementKind::Prepare => "PREPARE",
        StatementKind::Execute => "EXECUTE",
        StatementKind::Deallocate => "DEALLOCATE",
        StatementKind::Lock => "LOCK",
        StatementKind::Notify => "LISTEN or NOTIFY",
        StatementKind::Define => "definition",
        StatementKind::Administer => "administration",
        StatementKind::Routine => "DO or CALL",
        StatementKind::Opaque => "statement that cannot be understood",
    };
    if walk.tables.is_empty() {
        return word.to_owned();
    }
    let named: Vec<String> =
        walk.tables.iter().take(SUMMARY_TABLES).map(ToString::to_string).collect();
    let more = walk.tables.len().saturating_sub(SUMMARY_TABLES);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{word}: {}{rest}", named.join(", "))
}

impl Walk {
    /// Walks one statement and says of what kind it is. What no list names is opaque.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: what no list names is opaque"
    )]
    pub(super) fn statement(&mut self, node: &Node) -> StatementKind {
        let Some(inner) = &node.node else {
            self.unknown("a statement", node);
            return StatementKind::Opaque;
        };
        match inner {
            NodeEnum::SelectStmt(select) => {
                self.select(select);
                if select.into_clause.is_some() {
                    StatementKind::Define
                } else {
                    StatementKind::Select
                }
            }
            NodeEnum::InsertStmt(insert) => {
                self.insert(insert);
                StatementKind::Insert
            }
            NodeEnum::UpdateStmt(update) => {
                self.update(update);
                StatementKind::Update
            }
            NodeEnum::DeleteStmt(delete) => {
                self.delete(delete);
                StatementKind::Delete
            }
            NodeEnum::MergeStmt(merge) => {
                self.merge(merge);
                StatementKind::Merge
            }
            NodeEnum::TruncateStmt(truncate) => {
                self.truncate(truncate);
                StatementKind::Truncate
            }
            NodeEnum::CopyStmt(copy) => self.copy(copy),
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::TransactionStmt(transaction) => self.transaction(transaction),
            NodeEnum::LockStmt(lock) => self.lock(lock),
            _ => self.session_statement(inner),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum of 271 nodes: what no list names is opaque"
    )]
    fn session_statement(&mut self, node: &NodeEnum) -> StatementKind {
        match node {
            NodeEnum::VariableSetStmt(set) => self.set(set),
            NodeEnum::VariableShowStmt(show) => self.show(&show.name),
            NodeEnum::DiscardStmt(discard) => self.discard(discard.target),
            NodeEnum::ConstraintsSetStmt(_) => {
                self.demand(Action::Session);
                StatementKind::Set(None)
            }
            NodeEnum::PrepareStmt(prepare) => self.prepare(prepare),
            NodeEnum::ExecuteStmt(execute) => {
                self.demand(Action::Prepare);
                self.expressions(&execute.params);
                let calls = self.demands.iter().any(|demand| demand.action == Action::Function);
                if execute.params.iter().all(is_one_value) && !calls {
                    self.handles(Handle::Executes, &execute.name);
                }
                self.opaque("EXECUTE runs a statement that the text does not show");
                StatementKind::Execute
            }
            NodeEnum::DeallocateStmt(_) => {
                self.demand(Action::Prepare);
                self.demand(Action::Session);
                StatementKind::Deallocate
            }
            NodeEnum::DeclareCursorStmt(declare) => self.declare(declare),
            NodeEnum::FetchStmt(fetch) => {
                self.demand(Action::Cursor);
                self.handles(Handle::Fetches, &fetch.portalname);
                self.opaque("FETCH runs a cursor or portal that the text does not show");
                StatementKind::Cursor
            }
            NodeEnum::ClosePortalStmt(_) => {
                self.demand(Action::Cursor);
                self.demand(Action::Session);
                StatementKind::Cursor
            }
            NodeEnum::ListenStmt(listen) => {
                self.demand(Action::Notify);
                self.handles(Handle::Listens, &listen.conditionname);
                StatementKind::Notify
            }
            NodeEnum::NotifyStmt(_) | NodeEnum::UnlistenStmt(_) => {
                self.demand(Action::Notify);
                StatementKind::Notify
            }
            NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) => {
                if let NodeEnum::CallStmt(call) = node
                    && let Some(call) = &call.funccall
                {
                    self.function(call);
                }
                self.opaque("DO and CALL run code that the text does not show");
                StatementKind::Routine
            }
            _ if self.define(node) => StatementKind::Define,
            _ => self.administer(node),
        }
    }

    /// The statement does something with a name of the session's own, if it is sure where the server cuts that.
    pub(super) fn handles(&mut self, what: impl FnOnce(String) -> Handle, name: &str) {
        self.handle = if is_unsure(name) { Handle::None } else { what(name.to_owned()) };
    }
}
