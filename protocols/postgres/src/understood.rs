//! What one text means to the session: what it asks for, which fence it can run behind and what it does to the
//! transaction, to settings and to the connection. It judges nothing.

use crate::{
    asked::{Asked, is_allowed},
    catalogue::Known,
    classify::{
        Action as Found, Classified, Demand, Fence, Statement, StatementKind, TransactionStep,
        is_built_in_type, is_pinned_setting, is_plain_spoken, sets_nothing,
    },
    mask::{Code, Named, SetBy, Subject},
    state::Work,
    target::PostgresTarget,
};
use countersign_core::{
    grant::MAX_SHAPE,
    operation::{Action, Demand as PolicyDemand, Effect},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What one text asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Understood {
    pub(crate) classified: Arc<Classified>,
    /// What the relations are that it reads, where that matters.
    pub(crate) known: Arc<Known>,
    /// What its statements run, one by one, as far as the text shows.
    pub(crate) shown: Vec<Code>,
    /// What the catalogue says that they run beside that.
    pub(crate) brought: Code,
    /// What FETCH and EXECUTE among them mean, by the statement's place.
    pub(crate) used: BTreeMap<usize, Named>,
    pub(crate) asked: Asked,
    /// The types, not PostgreSQL's own, that the agent gave to parameters.
    pub(crate) given: BTreeSet<u32>,
    pub(crate) fence: Fence,
    pub(crate) parsing: Parsing,
    pub(crate) runs: Runs,
    pub(crate) copy: Copy,
    /// Whether it begins a transaction block.
    pub(crate) border: Border,
    /// Whether it changes settings, so that later operations mean something else.
    pub(crate) settings: Settings,
    pub(crate) summary: String,
    pub(crate) notes: Vec<String>,
}

/// What the target runs when it only parses the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parsing {
    /// Its own code.
    Quiet,
    /// Perhaps a user's too: the check of a domain that a literal is read as.
    RunsCode,
}

/// Whose code runs when the target plans and executes the text, as far as text and catalogue say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Runs {
    /// PostgreSQL's own, and of that nothing which could set the session differently.
    ServersCode,
    /// Perhaps something else.
    Anything,
}

/// Which COPY the target may begin for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Copy {
    None,
    Out,
    In,
}

/// What it does to the transaction block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Border {
    None,
    Begins,
    /// COMMIT or END: what its transaction did stays.
    Commits,
    Other,
}

/// Whether it changes settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settings {
    Kept,
    /// It runs code that may change any, and the text does not say which.
    Unseen,
    Changed,
    /// Those that the gateway makes itself are among them: it makes them again in front of the next operation.
    PutBack,
}

impl Settings {
    /// Whether the text itself says what it sets.
    pub(crate) const fn says(self) -> bool {
        match self {
            Self::Kept | Self::Unseen => false,
            Self::Changed | Self::PutBack => true,
        }
    }
}

/// Functions that a text may call and still be known to leave the session as it is. Few are enough: behind every other one
/// the session is only made anew.
const STILL: &[&str] = &["avg", "count", "max", "min", "now", "sum"];

/// The most notes a reviewer is given.
const MAX_NOTES: usize = 32;
/// The longest note, in bytes.
const MAX_NOTE: usize = 1024;
/// The longest summary, in bytes, with room for a few words around it: it is a line in lists, and a part of every record,
/// which takes no text of any length. The text itself stands beside it.
const MAX_SUMMARY: usize = 4 * 1024;

impl Understood {
    /// Reads what the classifier found.
    pub(crate) fn of(classified: &Arc<Classified>, target: &PostgresTarget) -> Self {
        let statements = &classified.statements;
        let asked = Asked::of(classified, target);
        let any = |kinds: fn(&StatementKind) -> bool| {
            statements.iter().any(|statement| kinds(&statement.kind))
        };
        let copy = if any(|kind| *kind == StatementKind::CopyIn) {
            Copy::In
        } else if any(|kind| *kind == StatementKind::CopyOut) {
            Copy::Out
        } else {
            Copy::None
        };
        // What a COPY takes out of the target is read as rows are.
        let reads = asked.demands().iter().all(|demand| {
            matches!(demand.action, Action::PostgresRead | Action::PostgresShow)
                || demand.action == Action::PostgresCopy && copy == Copy::Out
        });
        let fence = match statements.as_slice() {
            [one] if one.fence == Fence::TransactionControl => Fence::TransactionControl,
            // What only calls functions that the administrator declares harmless reads too.
            _ if reads => Fence::ReadOnly,
            many if many.iter().all(|statement| statement.fence == Fence::ReadOnly) => {
                Fence::ReadOnly
            }
            _ => Fence::Writes,
        };
        let border = if any(|kind| *kind == StatementKind::Transaction(TransactionStep::Begin)) {
            Border::Begins
        } else if any(|kind| *kind == StatementKind::Transaction(TransactionStep::Commit)) {
            Border::Commits
        } else if any(|kind| matches!(kind, StatementKind::Transaction(_))) {
            Border::Other
        } else {
            Border::None
        };
        let settings = settings(statements, target);
        Self {
            classified: Arc::clone(classified),
            known: Arc::default(),
            shown: statements
                .iter()
                .map(|statement| Code::of(statement, |name| is_allowed(name, statement, target)))
                .collect(),
            brought: Code::OfText,
            used: BTreeMap::new(),
            asked,
            given: BTreeSet::new(),
            fence,
            parsing: Parsing::Quiet,
            runs: if fence == Fence::ReadOnly && statements.iter().all(is_still) {
                Runs::ServersCode
            } else {
                Runs::Anything
            },
            copy,
            border,
            settings,
            summary: summary(statements.iter().map(|statement| statement.summary.as_str())),
            notes: statements
                .iter()
                .flat_map(|statement| statement.notes.iter())
                .take(MAX_NOTES)
                .map(|note| cut(note, MAX_NOTE))
                .collect(),
        }
    }

    /// The same where the agent gave the parameters these types. What other types than PostgreSQL's own bring, the catalogue
    /// is asked.
    pub(crate) fn typed(mut self, type_oids: &[u32]) -> Self {
        self.given = type_oids.iter().copied().filter(|oid| !is_built_in_type(*oid)).collect();
        if !self.given.is_empty() {
            self.runs = Runs::Anything;
        }
        self
    }

    /// The text without its constants, where each of them is nothing but a value: one statement that reads and changes rows
    /// and does nothing besides, as `demands` say. Only of such a one can another with other values be approved beforehand.
    pub(crate) fn shape(&self, demands: &BTreeSet<PolicyDemand>) -> Option<Arc<str>> {
        let [statement] = self.classified.statements.as_slice() else { return None };
        let kind = matches!(
            statement.kind,
            StatementKind::Select
                | StatementKind::Insert
                | StatementKind::Update
                | StatementKind::Delete
                | StatementKind::Merge
        );
        let only_rows = demands.iter().all(|demand| {
            matches!(
                demand.action,
                Action::PostgresRead | Action::PostgresWrite | Action::PostgresLock
            )
        });
        let shape = statement.normalised.as_deref()?;
        (kind && only_rows && shape.len() <= MAX_SHAPE).then(|| shape.into())
    }

    /// What its answer is about, for the masker.
    pub(crate) fn subject(&self) -> Subject {
        let code = self.code();
        let quiet =
            |(n, statement): (usize, &Statement)| self.used.contains_key(&n) || is_quiet(statement);
        let is_quiet = self.classified.statements.iter().enumerate().all(quiet);
        Subject {
            classified: Arc::clone(&self.classified),
            known: Arc::clone(&self.known),
            code,
            used: self.used.clone(),
            leaves: if is_quiet && code == Code::OfText { SetBy::Known } else { SetBy::Anybody },
        }
    }

    /// Whether behind one of its statements the session's names surely stand for what they stood for in front of it: it gives
    /// and takes none, ends no transaction, where triggers that were put off would run, and runs no code of a user's.
    pub(crate) fn keeps_names(&self, statement: &Statement) -> bool {
        let kind = matches!(
            statement.kind,
            StatementKind::Select
                | StatementKind::Show
                | StatementKind::Transaction(TransactionStep::Begin)
        );
        kind && is_quiet(statement) && self.brought == Code::OfText
    }

    /// Which code it runs, all in all.
    pub(crate) fn code(&self) -> Code {
        let shown = self.shown.iter().enumerate();
        let not_followed = shown.filter(|(n, _)| !self.used.contains_key(n));
        not_followed.map(|(_, code)| *code).fold(self.brought, Code::and)
    }

    /// Whether it can leave anything behind, in a transaction that has done `work`.
    pub(crate) const fn effect(&self, work: Work) -> Effect {
        match (self.fence, self.border, work) {
            (Fence::Writes, _, _) | (Fence::TransactionControl, Border::Commits, Work::Done) => {
                Effect::Lasting
            }
            (Fence::ReadOnly, _, _)
            | (Fence::TransactionControl, Border::Commits, Work::None)
            | (Fence::TransactionControl, Border::None | Border::Begins | Border::Other, _) => {
                Effect::Passing
            }
        }
    }

    /// It reaches something by which settings are changed, unless it only reads.
    pub(crate) fn may_set(&mut self) {
        if self.fence == Fence::Writes && self.settings == Settings::Kept {
            self.settings = Settings::Unseen;
        }
    }

    /// Something a look at the target has added.
    pub(crate) fn demand(&mut self, action: Action, note: impl Into<String>) {
        let note = note.into();
        self.asked.of_target(action);
        self.runs = Runs::Anything;
        if action != Action::PostgresRead {
            self.fence = Fence::Writes;
            self.may_set();
            self.brought = Code::Unseen;
        }
        let note = cut(&note, MAX_NOTE);
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Whether nothing that a statement names could set the session differently. What it reaches beyond that, the catalogue says.
fn is_still(statement: &Statement) -> bool {
    let kind = matches!(statement.kind, StatementKind::Select | StatementKind::Show);
    let calls = statement.functions.iter().all(|function| {
        function.schema.as_deref().is_none_or(|schema| schema == "pg_catalog")
            && STILL.contains(&function.name.as_str())
    });
    kind && calls && statement.types.is_empty()
}

/// Whether a statement runs nothing that could set the session, or its names, to something: no code of a user's, no triggers.
fn is_quiet(statement: &Statement) -> bool {
    statement.demands.iter().all(|Demand { action, object }| match (action, object) {
        (
            Found::Read
            | Found::Lock
            | Found::Copy
            | Found::Show
            | Found::Preference
            | Found::Transaction
            | Found::Cursor
            | Found::Prepare
            | Found::Explain
            | Found::Notify,
            _,
        )
        // A sequence.
        | (Found::Write, None) => true,
        (Found::Function, Some(name)) => is_plain_spoken(name),
        (
            Found::Function
            | Found::Write
            | Found::Ddl
            | Found::Program
            | Found::Session
            | Found::Privilege
            | Found::Role
            | Found::Maintain
            | Found::Replication
            | Found::Admin
            | Found::Opaque,
            _,
        ) => false,
    })
}

/// Whether statements change settings.
fn settings(statements: &[Statement], target: &PostgresTarget) -> Settings {
    let any = |kinds: fn(&StatementKind) -> bool| {
        statements.iter().any(|statement| kinds(&statement.kind))
    };
    let limits = target.read_limit.is_some()
        && any(|kind| *kind == StatementKind::Set(Some("statement_timeout".to_owned())));
    if limits
        || any(
            |kind| matches!(kind, StatementKind::Set(name) if name.as_deref().is_some_and(is_pinned_setting)),
        )
    {
        Settings::PutBack
    } else if any(|kind| matches!(kind, StatementKind::Set(_))) || statements.iter().any(sets) {
        Settings::Changed
    } else if statements.iter().any(|statement| may_set(statement, target)) {
        Settings::Unseen
    } else {
        Settings::Kept
    }
}

/// Whether a statement changes settings by another name than SET.
fn sets(statement: &Statement) -> bool {
    // EXPLAIN ANALYZE carries out what it explains.
    let by_hand = matches!(statement.kind, StatementKind::Update | StatementKind::Explain)
        && statement.tables.iter().any(|table| table.name == "pg_settings");
    by_hand || statement.functions.iter().any(|function| function.name == "set_config")
}

/// Whether a statement runs code that may set anything. What triggers and defaults run, no text says, but the catalogue.
fn may_set(statement: &Statement, target: &PostgresTarget) -> bool {
    let asks = |action| statement.demands.iter().any(|demand| demand.action == action);
    // What EXECUTE, FETCH, DO and CALL run is written elsewhere, and so is what nobody has understood. Where the triggers of
    // a TRUNCATE are that cascades, nobody looks.
    let elsewhere = matches!(
        statement.kind,
        StatementKind::Routine | StatementKind::Opaque | StatementKind::Truncate
    ) || asks(Found::Opaque) && (asks(Found::Prepare) || asks(Found::Cursor));
    let calls = statement.demands.iter().filter(|demand| demand.action == Found::Function);
    elsewhere
        || calls
            .filter_map(|demand| demand.object.as_ref())
            .any(|name| !sets_nothing(name) && !is_allowed(name, statement, target))
}

/// One line over all statements; where it becomes too long, with the count of those it leaves out.
fn summary<'a>(statements: impl ExactSizeIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    let count = statements.len();
    for (n, statement) in statements.enumerate() {
        let between = if n == 0 { "" } else { "; " };
        if n > 0 && line.len() + between.len() + statement.len() > MAX_SUMMARY {
            return format!("{line}; and {} more statements", count - n);
        }
        line.push_str(between);
        line.push_str(&cut(statement, MAX_SUMMARY));
    }
    line
}

/// The beginning of a text that is too long, with the length of the whole.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    let beginning = text.get(..end).unwrap_or_default();
    format!("{beginning}… ({} bytes in all)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the replicated state takes of a summary (`MAX_SHORT_TEXT` of raft-store).
    const TAKEN: usize = 8 * 1024;

    #[test]
    fn a_summary_fits_into_a_record_however_many_statements_a_text_has() {
        let few = summary(["SELECT of a", "DELETE of b"].into_iter());
        assert_eq!(few, "SELECT of a; DELETE of b");
        let names = vec!["SELECT of public.a_relation_with_quite_a_long_name"; 1000];
        let many = summary(names.into_iter());
        assert!(many.len() < TAKEN / 2 + 64, "{}", many.len());
        assert!(many.ends_with("; and 922 more statements"), "{many}");
        let long = "é".repeat(TAKEN);
        let one = summary([long.as_str(), "SELECT"].into_iter());
        assert!(one.len() < TAKEN / 2 + 64, "{}", one.len());
        assert!(one.ends_with("… (16384 bytes in all); and 1 more statements"), "{one}");
    }

    #[test]
    fn only_a_single_statement_that_touches_rows_and_nothing_else_has_a_shape() {
        let target = crate::asked::tests::target(&[]);
        let shape = |text: &str| {
            let understood = Understood::of(&Arc::new(crate::classify::classify(text)), &target);
            understood.shape(&understood.asked.demands()).map(|shape| shape.to_string())
        };
        let plain = Some("DELETE FROM t WHERE id = $1".to_owned());
        assert_eq!(shape("DELETE FROM t WHERE id = 7"), plain);
        assert_eq!(shape("DELETE FROM t WHERE id = 'x'"), plain);
        assert_ne!(shape("DELETE FROM t WHERE id = 7 OR 1 = 1"), plain);
        assert_ne!(shape("DELETE FROM t"), plain);
        assert_ne!(shape("DELETE FROM u WHERE id = 7"), plain);
        for text in [
            "DELETE FROM t; DELETE FROM t",
            "SELECT pg_terminate_backend(7)",
            "UPDATE t SET a = mine(1)",
            "SET search_path TO other",
            "COPY t TO PROGRAM 'sh'",
            "ALTER ROLE app PASSWORD 'x'",
            "EXECUTE p(1)",
            "TRUNCATE t",
            "DO 'begin end'",
            "not a statement",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
    }

    #[test]
    fn what_may_set_something_is_told_from_what_says_so_and_from_what_does_not() {
        use Settings::{Changed, Kept, PutBack, Unseen};
        let target = crate::asked::tests::target(&["mine"]);
        for (text, settings) in [
            ("SELECT lower(name) FROM t", Kept),
            ("SELECT nextval('s'), pg_advisory_lock(1), lo_create(0)", Kept),
            ("SELECT mine(1)", Kept),
            ("DECLARE c CURSOR FOR SELECT 1", Kept),
            ("PREPARE p AS DELETE FROM t", Kept),
            // For sessions to come.
            ("ALTER ROLE app SET search_path TO other", Kept),
            ("ALTER DATABASE d SET my.tenant TO '1'", Kept),
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path TO other AS 'SELECT 1'",
                Kept,
            ),
            ("SET LOCAL my.tenant TO '1'", Changed),
            ("RESET my.tenant", Changed),
            ("PREPARE p AS SELECT set_config('my.tenant', '1', false)", Changed),
            ("DECLARE c CURSOR FOR SELECT set_config('my.tenant', '1', false)", Changed),
            ("UPDATE pg_settings SET setting = '1' WHERE name = 'my.tenant'", Changed),
            ("SET search_path TO other", PutBack),
            ("SET LOCAL ROLE other", PutBack),
            ("EXECUTE p", Unseen),
            ("CREATE TABLE t AS EXECUTE p", Unseen),
            ("EXPLAIN ANALYZE EXECUTE p", Unseen),
            ("FETCH c", Unseen),
            ("MOVE c", Unseen),
            ("DO 'BEGIN END'", Unseen),
            ("CALL p()", Unseen),
            ("SELECT f(1)", Unseen),
            ("SELECT other.mine(1)", Unseen),
            ("SELECT 1 OPERATOR(public.+) 1", Unseen),
            ("SELECT 'x'::mood", Unseen),
            ("INSERT INTO t SELECT public.nextval('s')", Unseen),
            ("SELECT query_to_xml('SELECT 1', true, true, '')", Unseen),
            ("SELECT dblink('', '')", Unseen),
            ("TRUNCATE t", Unseen),
            ("no statement", Unseen),
        ] {
            let classified = Arc::new(crate::classify::classify(text));
            assert_eq!(Understood::of(&classified, &target).settings, settings, "{text}");
        }
    }
}
