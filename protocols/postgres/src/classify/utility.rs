//! Statements about the session itself: settings, transactions, cursors, prepared statements, EXPLAIN, locks, notifications.

use pg_query::{
    Node, NodeEnum,
    protobuf::{
        AConst, DeclareCursorStmt, DefElem, DiscardMode, ExplainStmt, LockStmt, PrepareStmt,
        TransactionStmt, TransactionStmtKind, VariableSetKind, VariableSetStmt, a_const::Val,
    },
};

use super::{
    Action, Handle, StatementKind, TransactionStep,
    flow::{Carries, Output, Outputs},
    walk::Walk,
};
use crate::startup::PREFERENCES;

/// Settings that SHOW and `current_setting` may say to anybody: what drivers ask for, no paths, no addresses, no secrets.
const HARMLESS_SETTINGS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "in_hot_standby",
    "integer_datetimes",
    "intervalstyle",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_identifier_length",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

/// Settings that the gateway relies on; changing one changes what later texts mean or what the fence holds.
const PINNED_SETTINGS: &[&str] = &[
    "backslash_quote",
    "client_encoding",
    "default_transaction_read_only",
    "escape_string_warning",
    "names",
    "role",
    "search_path",
    "server_encoding",
    "session_authorization",
    "session_preload_libraries",
    "session_replication_role",
    "session characteristics",
    "standard_conforming_strings",
    "transaction_read_only",
    "transaction snapshot",
    "local_preload_libraries",
    "dynamic_library_path",
    "default_table_access_method",
    "row_security",
    "transform_null_equals",
    "array_nulls",
    "allow_in_place_tablespaces",
];

/// Settings that make the session another role.
const ROLE_SETTINGS: &[&str] = &["role", "session_authorization"];

/// The longest constant that is a preference, in bytes, as when it is given at the login.
const MAX_PREFERENCE: usize = 256;

/// Options of EXPLAIN that only shape its output.
const PLAIN_EXPLAIN_OPTIONS: &[&str] = &[
    "verbose",
    "costs",
    "buffers",
    "format",
    "summary",
    "timing",
    "wal",
    "generic_plan",
    "memory",
];

/// Whether a setting's value may be shown to anybody.
pub(super) fn is_harmless_setting(name: &str) -> bool {
    HARMLESS_SETTINGS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether the gateway pins a setting, so that a change of it must never reach the target. PostgreSQL compares the names
/// of settings without regard to case.
pub fn is_pinned_setting(name: &str) -> bool {
    PINNED_SETTINGS.contains(&name.to_ascii_lowercase().as_str())
}

impl Walk {
    /// SHOW.
    pub(super) fn show(&mut self, name: &str) -> StatementKind {
        self.demand(Action::Show);
        if !is_harmless_setting(name) {
            self.opaque("it shows a setting that is not on the list of harmless ones");
        }
        let carries = Carries::setting(name);
        self.set_outputs(Outputs(vec![Output::One { name: None, carries, plain: None }]));
        StatementKind::Show
    }

    /// SET and RESET.
    pub(super) fn set(&mut self, set: &VariableSetStmt) -> StatementKind {
        let VariableSetStmt { kind, name, args, jumble_args: _, is_local: _, location: _ } = set;
        self.demand(if is_preference(*kind, name, args) {
            Action::Preference
        } else {
            Action::Session
        });
        if name == "TRANSACTION" && !args.iter().all(narrows) {
            self.opaque("it lifts the read-only fence");
        }
        if ROLE_SETTINGS.iter().any(|role| name.eq_ignore_ascii_case(role)) {
            self.demand(Action::Role);
        }
        if name.is_empty() || is_pinned_setting(name) {
            self.opaque("it changes a setting on which the reading of later statements rests");
        }
        StatementKind::Set(Some(name.to_ascii_lowercase()).filter(|name| !name.is_empty()))
    }

    /// DISCARD.
    pub(super) fn discard(&mut self, target: i32) -> StatementKind {
        self.demand(Action::Session);
        if !matches!(
            DiscardMode::try_from(target),
            Ok(DiscardMode::DiscardPlans | DiscardMode::DiscardSequences)
        ) {
            self.opaque("it resets settings or drops objects on which later statements rest");
        }
        StatementKind::Set(None)
    }

    /// Transaction control.
    pub(super) fn transaction(&mut self, statement: &TransactionStmt) -> StatementKind {
        let TransactionStmt { kind, options, savepoint_name, gid: _, chain, location: _ } =
            statement;
        self.identifier(savepoint_name);
        self.demand(Action::Transaction);
        if *chain {
            self.demand(Action::Session);
            self.notes.insert("AND CHAIN opens the next transaction in the same step".to_owned());
        }
        let step = match TransactionStmtKind::try_from(*kind) {
            Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
                self.transaction_modes(options);
                TransactionStep::Begin
            }
            Ok(TransactionStmtKind::TransStmtCommit) => TransactionStep::Commit,
            Ok(TransactionStmtKind::TransStmtRollback) => TransactionStep::Rollback,
            Ok(TransactionStmtKind::TransStmtSavepoint) => TransactionStep::Savepoint,
            Ok(TransactionStmtKind::TransStmtRelease) => TransactionStep::Release,
            Ok(TransactionStmtKind::TransStmtRollbackTo) => TransactionStep::RollbackTo,
            Ok(
                TransactionStmtKind::TransStmtPrepare
                | TransactionStmtKind::TransStmtCommitPrepared
                | TransactionStmtKind::TransStmtRollbackPrepared,
            ) => {
                self.opaque("two-phase commit settles the work of other sessions");
                TransactionStep::TwoPhase
            }
            Ok(TransactionStmtKind::Undefined) | Err(_) => {
                self.opaque("a transaction statement is not understood");
                return StatementKind::Opaque;
            }
        };
        StatementKind::Transaction(step)
    }

    /// The modes of BEGIN: isolation, READ ONLY and DEFERRABLE narrow; READ WRITE lifts the fence.
    fn transaction_modes(&mut self, options: &[Node]) {
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else {
                self.unknown("BEGIN", option);
                continue;
            };
            let DefElem {
                defnamespace: _,
                defname,
                arg,
                defaction: _,
                location: _,
                arg_location: _,
            } = &**option;
            let value = arg.as_deref().and_then(|arg| arg.node.as_ref());
            match defname.as_str() {
                "transaction_isolation" | "transaction_deferrable" => {}
                "transaction_read_only" if is_one(value) => {}
                "transaction_read_only" => {
                    self.demand(Action::Session);
                    self.notes.insert("READ WRITE lifts the read-only fence".to_owned());
                }
                _ => self.opaque("a transaction mode is not understood"),
            }
        }
    }

    /// EXPLAIN. Without ANALYZE a plain read stays one; else the body's demands and the action itself.
    pub(super) fn explain(&mut self, explain: &ExplainStmt) -> StatementKind {
        let ExplainStmt { query, options } = explain;
        let mut plain = true;
        for option in options {
            let Some(NodeEnum::DefElem(option)) = &option.node else {
                self.unknown("EXPLAIN", option);
                continue;
            };
            // Whatever its value says: of two ANALYZE options the last one wins, and `false` is not worth the risk.
            plain &= PLAIN_EXPLAIN_OPTIONS.contains(&option.defname.to_ascii_lowercase().as_str());
        }
        // A plan shows the text's own constants, and what the planner knows of the columns that it mentions.
        let mentioned = self.apart(|walk| match query {
            Some(body) => {
                plain &= matches!(&body.node, Some(NodeEnum::SelectStmt(_)));
                walk.statement(body);
                let outputs = walk.outputs();
                walk.carry(&outputs.all());
            }
            None => walk.opaque("EXPLAIN without a statement"),
        });
        let output = Output::One { name: None, carries: mentioned, plain: None };
        self.set_outputs(Outputs(vec![output]));
        if !plain || self.demands.iter().any(|demand| demand.action != Action::Read) {
            self.demand(Action::Explain);
        }
        StatementKind::Explain
    }

    /// PREPARE.
    pub(super) fn prepare(&mut self, prepare: &PrepareStmt) -> StatementKind {
        let PrepareStmt { name, argtypes, query } = prepare;
        self.identifier(name);
        self.demand(Action::Prepare);
        for argument in argtypes {
            if let Some(NodeEnum::TypeName(type_name)) = &argument.node {
                self.type_name(Some(type_name));
            } else {
                self.unknown("PREPARE", argument);
            }
        }
        match query {
            Some(body) => drop(self.statement(body)),
            None => self.opaque("PREPARE without a statement"),
        }
        self.handles(Handle::Prepares, name);
        StatementKind::Prepare
    }

    /// DECLARE.
    pub(super) fn declare(&mut self, declare: &DeclareCursorStmt) -> StatementKind {
        let DeclareCursorStmt { portalname, options: _, query } = declare;
        self.identifier(portalname);
        self.demand(Action::Cursor);
        match query {
            Some(query) => self.query(query),
            None => self.opaque("DECLARE without a query"),
        }
        self.handles(Handle::Declares, portalname);
        StatementKind::Cursor
    }

    /// LOCK TABLE.
    pub(super) fn lock(&mut self, lock: &LockStmt) -> StatementKind {
        let LockStmt { relations, mode: _, nowait: _ } = lock;
        self.relations(Action::Lock, relations);
        StatementKind::Lock
    }
}

/// Whether a setting is given constants, or put back to its default, that a client may also give when it logs in, where no
/// policy is asked.
fn is_preference(kind: i32, name: &str, values: &[Node]) -> bool {
    let sets = matches!(
        VariableSetKind::try_from(kind),
        Ok(VariableSetKind::VarSetValue
            | VariableSetKind::VarSetDefault
            | VariableSetKind::VarReset)
    );
    let known = PREFERENCES.iter().any(|preference| preference.eq_ignore_ascii_case(name));
    sets && known && values.iter().all(is_short_constant)
}

fn is_short_constant(value: &Node) -> bool {
    let Some(NodeEnum::AConst(AConst { val: Some(value), isnull: false, .. })) = &value.node else {
        return false;
    };
    match value {
        Val::Ival(_) => true,
        Val::Fval(number) => number.fval.len() <= MAX_PREFERENCE,
        Val::Sval(text) => {
            text.sval.len() <= MAX_PREFERENCE && !text.sval.contains(char::is_control)
        }
        Val::Boolval(_) | Val::Bsval(_) => false,
    }
}

/// Whether a transaction mode leaves the fence as it is.
fn narrows(mode: &Node) -> bool {
    let Some(NodeEnum::DefElem(mode)) = &mode.node else { return false };
    let value = mode.arg.as_deref().and_then(|arg| arg.node.as_ref());
    matches!(mode.defname.as_str(), "transaction_isolation" | "transaction_deferrable")
        || (mode.defname == "transaction_read_only" && is_one(value))
}

/// Whether a constant is the integer 1, which stands for READ ONLY.
fn is_one(value: Option<&NodeEnum>) -> bool {
    let Some(NodeEnum::AConst(AConst { val: Some(Val::Ival(number)), isnull: false, .. })) = value
    else {
        return false;
    };
    number.ival == 1
}
