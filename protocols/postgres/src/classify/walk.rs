//! What a walk over one statement's tree gathers, and the few ways in which it may be added to. The walk itself is in the
//! sibling files, one per part of the grammar; they match every field of the query nodes, so that a field which a later
//! grammar adds does not compile until somebody has thought about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use pg_query::{Node, NodeEnum, protobuf::RangeVar};

use super::{
    Action, Demand, Handle, Name,
    columns::Written,
    copy::CopyForm,
    flow::{Extent, Flow},
    functions,
    name::is_unsure,
    operators, relations,
};

/// The state of the walk over one statement.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) demands: BTreeSet<Demand>,
    pub(super) tables: BTreeSet<Name>,
    pub(super) functions: BTreeSet<Name>,
    pub(super) types: BTreeSet<Name>,
    pub(super) operators: BTreeSet<String>,
    pub(super) attributes: BTreeSet<Name>,
    pub(super) notes: BTreeSet<String>,
    pub(super) parameters: u16,
    /// Names of the common table expressions in scope, innermost last.
    pub(super) ctes: Vec<String>,
    /// Aliases of functions in FROM whose rows are plain values, with the columns that are known to exist.
    pub(super) value_aliases: BTreeMap<String, BTreeSet<String>>,
    /// Columns as the text writes them, and what each relation is called in it.
    pub(super) written_columns: BTreeSet<Written>,
    pub(super) called: BTreeMap<String, BTreeSet<Name>>,
    /// How many locking clauses enclose the place of the walk.
    pub(super) locking: u32,
    /// What flows where.
    pub(super) flow: Flow,
    /// What is done with a name of the session's own.
    pub(super) handle: Handle,
    /// How a COPY writes its rows.
    pub(super) copied_as: Option<CopyForm>,
}

impl Walk {
    /// Demands an action on the target as a whole.
    pub(super) fn demand(&mut self, action: Action) {
        self.reach_of(action);
        self.demands.insert(Demand { action, object: None });
    }

    /// Demands an action on a named relation or function.
    pub(super) fn demand_on(&mut self, action: Action, object: &Name) {
        if object.is_unsure() {
            self.opaque("a name may be cut at another character by the server");
        }
        self.reach_of(action);
        self.demands.insert(Demand { action, object: Some(object.clone()) });
    }

    /// Code that the text does not show can bring anything.
    fn reach_of(&mut self, action: Action) {
        match action {
            Action::Function
            | Action::Program
            | Action::Session
            | Action::Prepare
            | Action::Privilege
            | Action::Role
            | Action::Maintain
            | Action::Replication
            | Action::Admin
            | Action::Opaque => self.reach(Extent::Anything),
            Action::Read
            | Action::Write
            | Action::Ddl
            | Action::Lock
            | Action::Copy
            | Action::Preference
            | Action::Show
            | Action::Transaction
            | Action::Cursor
            | Action::Explain
            | Action::Notify => {}
        }
    }

    /// Marks the statement as not understood.
    pub(super) fn opaque(&mut self, note: impl Into<String>) {
        self.demand(Action::Opaque);
        self.notes.insert(note.into());
    }

    /// Marks the statement as not understood because of a node that no list names.
    pub(super) fn unknown(&mut self, context: &str, node: &Node) {
        let label = node.node.as_ref().map_or_else(|| "empty node".to_owned(), label);
        self.opaque(format!("{label} is not understood in {context}"));
    }

    /// A relation of the text, to which `action` is done. The name is never that of a common table expression.
    pub(super) fn relation(&mut self, action: Action, relation: &RangeVar) {
        // inh: ONLY or not, relpersistence: TEMP or not, alias: handled by the caller; none changes what is named.
        let RangeVar {
            catalogname,
            schemaname,
            relname,
            inh: _,
            relpersistence: _,
            alias: _,
            location: _,
        } = relation;
        if !catalogname.is_empty() {
            self.opaque("a three-part name is not understood");
        }
        let name = if schemaname.is_empty() {
            Name::bare(relname.clone())
        } else {
            Name::in_schema(schemaname.clone(), relname.clone())
        };
        let means = meant(name);
        self.calls_relation(relation, &means);
        for name in means {
            self.touch(action, name);
        }
    }

    /// As [`Self::relation`], for a decoded name.
    pub(super) fn named_relation(&mut self, action: Action, name: Name) {
        for name in meant(name) {
            self.touch(action, name);
        }
    }

    fn touch(&mut self, action: Action, name: Name) {
        self.demand_on(action, &name);
        if action == Action::Write && name.schema.as_deref() == Some("pg_catalog") {
            self.demand(relations::governed_by(&name.name));
        }
        if self.locking > 0 && action == Action::Read {
            self.demand_on(Action::Lock, &name);
        }
        self.tables.insert(name);
    }

    /// A call of a function by its decoded name.
    pub(super) fn call(&mut self, name: Name) {
        if !functions::is_harmless(&name) {
            self.unlisted_call(&name);
        }
        if let Some(bare) = functions::once_ordinary(&name) {
            self.functions.insert(Name::bare(bare));
        }
        self.functions.insert(name);
    }

    /// Demands what a call demands that is not harmless.
    pub(super) fn unlisted_call(&mut self, name: &Name) {
        let before = self.flow_extent();
        self.demand_on(Action::Function, name);
        if functions::is_plain_spoken(name) {
            self.set_flow_extent(before);
        }
        for action in functions::effects(name) {
            self.demand(action);
        }
    }

    /// What is no function and not PostgreSQL's own, but brings code: a type, a collation, an operator class.
    pub(super) fn other_code(&mut self, name: &Name) {
        self.demand_on(Action::Function, name);
        self.types.insert(name.clone());
    }

    /// The operator by which rows are compared where the text writes none.
    pub(super) fn implied_equality(&mut self) {
        self.operators.insert("=".to_owned());
    }

    /// An operator, as the list of its name parts.
    pub(super) fn operator(&mut self, parts: &[Node]) {
        match Name::from_nodes(parts) {
            Some(name) => {
                if !operators::is_built_in(&name) {
                    self.demand_on(Action::Function, &name);
                }
                if name.schema.is_none() {
                    self.operators.insert(name.name);
                }
            }
            None => self.opaque("the name of an operator is not understood"),
        }
    }

    /// Remembers an alias or another identifier only to see whether the server may cut it elsewhere.
    pub(super) fn identifier(&mut self, text: &str) {
        if is_unsure(text) {
            self.opaque("a name may be cut at another character by the server");
        }
    }

    /// Whether an unqualified relation name is a common table expression here.
    pub(super) fn is_cte(&self, relation: &RangeVar) -> bool {
        relation.schemaname.is_empty()
            && relation.catalogname.is_empty()
            && self.ctes.contains(&relation.relname)
    }

    /// Judges the `alias.name` references once every alias of the statement is known.
    pub(super) fn settle_attributes(&mut self) {
        let calls: Vec<Name> = self
            .attributes
            .iter()
            .filter(|attribute| {
                let qualifier = attribute.schema.as_deref().unwrap_or_default();
                self.value_aliases
                    .get(qualifier)
                    .is_some_and(|columns| !columns.contains(&attribute.name))
            })
            .map(|attribute| Name::bare(attribute.name.clone()))
            .collect();
        for name in calls {
            self.notes.insert(
                "a column reference to a function in FROM can be a function call".to_owned(),
            );
            self.call(name);
        }
    }
}

/// What a name of a relation can mean. PostgreSQL looks in `pg_catalog` first.
fn meant(name: Name) -> Vec<Name> {
    if name.schema.is_some() || !relations::may_be_catalogue(&name.name) {
        return vec![name];
    }
    let catalogue = Name::in_schema("pg_catalog", name.name.clone());
    if relations::is_catalogue(&name.name) { vec![catalogue] } else { vec![catalogue, name] }
}

/// The name of a node's type, without its contents.
pub(super) fn label(node: &NodeEnum) -> String {
    /// Takes what is written up to the first bracket, then refuses more, which ends the formatting early.
    struct Head(String);
    impl fmt::Write for Head {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if let Some((head, _)) = text.split_once(['(', '{', ' ']) {
                self.0.push_str(head);
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut head = Head(String::new());
    // The error is the normal end: it stops the formatting after the name.
    let _ended = write!(head, "{node:?}");
    head.0
}
