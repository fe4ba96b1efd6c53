//! What a statement text means: which actions on which relations and functions it asks for.
//!
//! The text goes through PostgreSQL's own grammar and the tree is walked against lists of what is understood; whatever is
//! not on a list is `opaque`, which no policy lets pass unseen. This module judges nothing (the policy does), holds no
//! session state and knows no catalogue: that a column is a column, that a table is no view and that a user function does
//! not shadow a built-in one are questions [`Statement::attributes`], [`Statement::functions`] and
//! [`Statement::operators`] leave to the target's catalogue and to the read-only fence.
//!
//! What the caller must guarantee, because it changes what a text means: `standard_conforming_strings` is on,
//! `client_encoding` and the server's encoding are UTF8, and `search_path` is pinned and ends with `pg_temp`.

mod administer;
mod columns;
mod copy;
mod define;
mod demands;
mod derived;
mod expression;
mod flow;
mod functions;
mod govern;
mod grammar;
mod json;
mod modify;
mod name;
mod operators;
mod query;
mod relations;
mod routine;
mod sources;
mod statement;
mod template;
mod text;
mod type_oids;
mod types;
mod utility;
mod walk;
mod wire;
mod worker;

#[cfg(test)]
pub(crate) mod tests;

use std::{collections::BTreeSet, fmt, ops::Range};

use serde::{Deserialize, Serialize};

pub(crate) use columns::is_system_column;
pub use columns::{NamedColumn, Naming};
pub use copy::CopyForm;
pub use demands::policy_demands;
pub use flow::{Carried, Carries, Column, Columns, Extent, Settings};
pub use functions::built_in_functions;
pub(crate) use functions::{is_plain_spoken, sets_nothing};
pub use grammar::{Busy, Grammar, GrammarCommand, GrammarLimits};
pub use name::Name;
pub use operators::built_in_operators;
pub use statement::classify;
pub use type_oids::{built_in_types, is_built_in_type};
pub use utility::is_pinned_setting;
pub use worker::{WORKER_ARGUMENT, run_grammar_worker};

/// The longest statement text that is parsed, in bytes. Longer texts are opaque.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// What one simple-query text or one Parse text means. It is serialisable because it crosses the pipe from the process
/// that runs the grammar; both ends are always the same executable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// Every statement of the text, in order. Empty for a text of blanks, comments and semicolons.
    pub statements: Vec<Statement>,
}

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What sort of statement it is.
    pub kind: StatementKind,
    /// Everything it asks for. Never empty; the strictest verdict over all of them counts.
    pub demands: BTreeSet<Demand>,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// Relations it names, whatever it does to them; names of common table expressions are not among them.
    pub tables: BTreeSet<Name>,
    /// Functions it calls by name, those on the list of harmless built-in ones included. An unqualified one may be
    /// shadowed by a user function with closer argument types, which only the target's catalogue can tell.
    pub functions: BTreeSet<Name>,
    /// Types that it names, and collations, operator classes and sampling methods that are not PostgreSQL's own: they bring
    /// code without being functions, so a list of harmless functions says nothing about them.
    pub types: BTreeSet<Name>,
    /// Operators it uses, unqualified, those that the text only implies included; the same caution as for functions applies.
    pub operators: BTreeSet<String>,
    /// `qualifier.name` references. PostgreSQL runs `name(qualifier)` where the qualifier has no such column, so the
    /// catalogue must confirm them before they count as columns.
    pub attributes: BTreeSet<Name>,
    /// Columns that it names, of each relation that they can belong to.
    pub columns: BTreeSet<NamedColumn>,
    /// The highest `$n`, or 0.
    pub parameters: u16,
    /// What its rows can carry; of DECLARE and PREPARE, those of the query in it.
    pub carried: Carried,
    /// What it does with a name of the session's own.
    pub handle: Handle,
    /// How the rows of a COPY are written; none where it is none, or says it in a way that is not understood.
    pub copied_as: Option<CopyForm>,
    /// The server-side fence it can run behind.
    pub fence: Fence,
    /// A short line for lists: the kind and the relations, never values.
    pub summary: String,
    /// Why it is opaque or stricter than it looks, for the reviewer.
    pub notes: BTreeSet<String>,
    /// The text with constants replaced, for display and grants; never for binding an approval.
    pub normalised: Option<String>,
    /// The fingerprint of `libpg_query` with schema and full relation names counted in, for display and grants only.
    pub fingerprint: Option<String>,
}

/// One thing a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Demand {
    /// What is to be done.
    pub action: Action,
    /// The relation (or, for [`Action::Function`], the function) it is done to; `None` is the target as a whole.
    pub object: Option<Name>,
}

/// What a demand asks for; each is an action of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Reads rows.
    Read,
    /// Changes rows.
    Write,
    /// Creates, changes or drops an object.
    Ddl,
    /// Changes who may do what: grants, owners, row security, security labels.
    Privilege,
    /// Changes roles, or takes another one on.
    Role,
    /// Calls a function, operator or cast that is not on the list of harmless built-in ones.
    Function,
    /// Takes row or table locks, or advisory locks.
    Lock,
    /// COPY, whichever way.
    Copy,
    /// Runs a program or touches files on the target's host.
    Program,
    /// Changes session settings or session objects.
    Session,
    /// Changes nothing but a setting that a client may also give when it logs in.
    Preference,
    /// Shows a harmless setting.
    Show,
    /// Begins, ends or structures a transaction.
    Transaction,
    /// Declares, reads or closes a cursor.
    Cursor,
    /// Prepares, runs or drops a statement by SQL.
    Prepare,
    /// EXPLAIN of something other than a plain read, or with ANALYZE.
    Explain,
    /// LISTEN, UNLISTEN, NOTIFY.
    Notify,
    /// Vacuums, analyses, clusters, reindexes, makes checkpoints.
    Maintain,
    /// Publications, subscriptions, slots, origins.
    Replication,
    /// Databases, table spaces, extensions, connections elsewhere, server settings, other sessions.
    Admin,
    /// Cannot be understood, so nothing about it is known.
    Opaque,
}

impl Action {
    /// The action's id in the policy language.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Read => "postgres:read",
            Self::Write => "postgres:write",
            Self::Ddl => "postgres:ddl",
            Self::Privilege => "postgres:privilege",
            Self::Role => "postgres:role",
            Self::Function => "postgres:function",
            Self::Lock => "postgres:lock",
            Self::Copy => "postgres:copy",
            Self::Program => "postgres:program",
            Self::Session => "postgres:session",
            Self::Preference => "postgres:preference",
            Self::Show => "postgres:show",
            Self::Transaction => "postgres:transaction",
            Self::Cursor => "postgres:cursor",
            Self::Prepare => "postgres:prepare",
            Self::Explain => "postgres:explain",
            Self::Notify => "postgres:notify",
            Self::Maintain => "postgres:maintain",
            Self::Replication => "postgres:replication",
            Self::Admin => "postgres:admin",
            Self::Opaque => "postgres:opaque",
        }
    }

    /// Whether a statement that asks for nothing else changes nothing and runs no code but PostgreSQL's own.
    const fn is_plain(self) -> bool {
        matches!(self, Self::Read | Self::Show | Self::Transaction)
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.action.id();
        let word = action.strip_prefix("postgres:").unwrap_or(action);
        match &self.object {
            Some(object) => write!(f, "{word} {object}"),
            None => f.write_str(word),
        }
    }
}

/// What sort of statement a text is; the session needs it to follow the server's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementKind {
    /// SELECT, VALUES, TABLE, also WITH in front of them.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// TRUNCATE.
    Truncate,
    /// COPY towards the agent.
    CopyOut,
    /// COPY from the agent.
    CopyIn,
    /// COPY that moves nothing over this connection: files and programs.
    CopyAside,
    /// EXPLAIN.
    Explain,
    /// Transaction control.
    Transaction(TransactionStep),
    /// SET, RESET and DISCARD; the setting's name, or `None` where many change.
    Set(Option<String>),
    /// SHOW.
    Show,
    /// DECLARE, FETCH, MOVE, CLOSE.
    Cursor,
    /// PREPARE.
    Prepare,
    /// EXECUTE.
    Execute,
    /// DEALLOCATE.
    Deallocate,
    /// LOCK TABLE.
    Lock,
    /// LISTEN, UNLISTEN, NOTIFY.
    Notify,
    /// Definition of objects.
    Define,
    /// Roles, privileges, maintenance, replication.
    Administer,
    /// DO and CALL.
    Routine,
    /// Not understood.
    Opaque,
}

/// What a statement does with a name that is the session's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handle {
    /// Nothing that could be followed.
    #[default]
    None,
    /// DECLARE gives it to a cursor.
    Declares(String),
    /// FETCH reads the cursor.
    Fetches(String),
    /// PREPARE gives it to a statement.
    Prepares(String),
    /// EXECUTE runs the statement, with parameters that no row flows into.
    Executes(String),
    /// LISTEN: it is a channel.
    Listens(String),
}

/// A step of transaction control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionStep {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint,
    /// RELEASE SAVEPOINT.
    Release,
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// The server-side fence a statement can run behind once it is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fence {
    /// It needs nothing but a READ ONLY transaction.
    ReadOnly,
    /// It may change something: it runs outside the fence, and only after approval.
    Writes,
    /// It moves transaction borders, so it cannot be wrapped.
    TransactionControl,
}

impl Statement {
    /// Whether it asks only to read relations, to show harmless settings or to place transaction borders.
    pub fn is_plain(&self) -> bool {
        !self.demands.is_empty() && self.demands.iter().all(|demand| demand.action.is_plain())
    }

    /// Whether it copies rows towards the agent.
    pub(crate) fn moves_rows_out(&self) -> bool {
        self.kind == StatementKind::CopyOut
    }

    /// A statement of which nothing is known but where it stands.
    pub(crate) fn opaque(span: Range<usize>, note: impl Into<String>) -> Self {
        Self {
            kind: StatementKind::Opaque,
            demands: BTreeSet::from([Demand { action: Action::Opaque, object: None }]),
            span,
            tables: BTreeSet::new(),
            functions: BTreeSet::new(),
            types: BTreeSet::new(),
            operators: BTreeSet::new(),
            attributes: BTreeSet::new(),
            columns: BTreeSet::new(),
            parameters: 0,
            carried: Carried::unknown(),
            handle: Handle::None,
            copied_as: None,
            fence: Fence::Writes,
            summary: "statement that cannot be understood".to_owned(),
            notes: BTreeSet::from([note.into()]),
            normalised: None,
            fingerprint: None,
        }
    }
}

impl Classified {
    /// A text of which nothing is known.
    pub(crate) fn opaque(text: &str, note: impl Into<String>) -> Self {
        Self { statements: vec![Statement::opaque(0..text.len(), note)] }
    }

    /// Whether the text holds more than one statement.
    pub fn is_batch(&self) -> bool {
        self.statements.len() > 1
    }

    /// Everything that every statement of the text asks for.
    pub fn demands(&self) -> BTreeSet<Demand> {
        self.statements.iter().flat_map(|statement| statement.demands.iter().cloned()).collect()
    }
}
