//! Statement and portal names. Towards the target all names are the gateway's own, each used once and none to be guessed, so
//! that names that are equal on 63 bytes, or that SQL could reach, do not matter. A portal keeps the statement it was bound to.

use super::budget::{Budget, Charge, Exhausted};
use crate::classify::Classified;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

/// The longest name, as in PostgreSQL (`NAMEDATALEN` - 1); a longer one would be cut there.
const MAX_NAME: usize = 63;
/// Prepared statements of one session, at most.
const MAX_STATEMENTS: usize = 5_000;
/// Portals of one session, at most.
const MAX_PORTALS: usize = 1_000;

/// A statement that was parsed, as far as the agent knows.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its name at the target.
    pub(crate) name: String,
    pub(crate) text: Arc<[u8]>,
    pub(crate) type_oids: Vec<u32>,
    /// The types that the target said its parameters have, once it was asked. They only serve to show values to people.
    pub(crate) described: OnceLock<Vec<u32>>,
    pub(crate) classified: Arc<Classified>,
    _charge: Charge,
}

/// A value that was bound, as it was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bound {
    pub(crate) format: u16,
    /// The type that the agent said at Parse; 0 where it left it to the target.
    pub(crate) type_oid: u32,
    /// `None` is null.
    pub(crate) value: Option<Vec<u8>>,
}

/// A portal.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) statement: Arc<Prepared>,
    pub(crate) parameters: Arc<[Bound]>,
    pub(crate) result_formats: Vec<u16>,
    pub(crate) place: PortalPlace,
    _charge: Arc<Charge>,
}

/// Where a portal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PortalPlace {
    /// Only here: it was never executed.
    Here,
    /// At the target, under this name: its operation was admitted.
    AtTarget(String),
}

/// Why a name cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NameError {
    #[error("the name is longer than 63 bytes")]
    TooLong,
    #[error("a prepared statement of this name exists already")]
    DuplicateStatement,
    #[error("a portal of this name exists already")]
    DuplicatePortal,
    #[error("there is no prepared statement of this name")]
    NoStatement,
    #[error("there is no portal of this name")]
    NoPortal,
    #[error("the session has too many prepared statements or portals")]
    TooMany,
    #[error("the session's prepared statements and portals are too large")]
    TooLarge,
}

impl From<Exhausted> for NameError {
    fn from(Exhausted: Exhausted) -> Self {
        Self::TooLarge
    }
}

/// Something at the target that no name means any more, by its name there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stale {
    Statement(String),
    Portal(String),
}

/// The names of one session.
#[derive(Debug)]
pub(crate) struct Names {
    /// Part of every name at the target, drawn for this session: SQL that others wrote cannot name, and so cannot take
    /// or use, what the gateway makes there.
    mark: u64,
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    /// Statements that the target has confirmed, by their names there.
    confirmed: HashSet<String>,
    stale: Vec<Stale>,
    budget: Budget,
    next: u64,
}

impl Names {
    /// The names of a new session; `mark` is a random number.
    pub(crate) fn new(mark: u64) -> Self {
        Self {
            mark,
            statements: HashMap::new(),
            portals: HashMap::new(),
            confirmed: HashSet::new(),
            stale: Vec::new(),
            budget: Budget::default(),
            next: 0,
        }
    }

    fn fresh(&mut self, letter: char) -> String {
        self.next += 1;
        format!("cs_{:016x}_{letter}{}", self.mark, self.next)
    }

    /// Takes a Parse.
    pub(crate) fn prepare(
        &mut self,
        name: String,
        text: Arc<[u8]>,
        type_oids: Vec<u32>,
        classified: Arc<Classified>,
    ) -> Result<(), NameError> {
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if name.is_empty() {
            self.close_statement("");
        } else if self.statements.contains_key(&name) {
            return Err(NameError::DuplicateStatement);
        }
        if self.statements.len() >= MAX_STATEMENTS {
            return Err(NameError::TooMany);
        }
        // What was read of a text has about its length again.
        let charge = self.budget.charge(2 * text.len() + 4 * type_oids.len())?;
        let prepared = Prepared {
            name: self.fresh('s'),
            text,
            type_oids,
            described: OnceLock::new(),
            classified,
            _charge: charge,
        };
        self.statements.insert(name, Arc::new(prepared));
        Ok(())
    }

    /// Takes a Bind.
    pub(crate) fn bind(
        &mut self,
        name: String,
        statement: Arc<Prepared>,
        (parameters, result_formats): (Vec<Bound>, Vec<u16>),
    ) -> Result<(), NameError> {
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if name.is_empty() {
            self.close_portal("");
        } else if self.portals.contains_key(&name) {
            return Err(NameError::DuplicatePortal);
        }
        if self.portals.len() >= MAX_PORTALS {
            return Err(NameError::TooMany);
        }
        let values = parameters
            .iter()
            .map(|bound| size_of::<Bound>() + bound.value.as_ref().map_or(0, Vec::len));
        let charge = self.budget.charge(values.sum::<usize>() + 2 * result_formats.len())?;
        let portal = Portal {
            statement,
            parameters: parameters.into(),
            result_formats,
            place: PortalPlace::Here,
            _charge: Arc::new(charge),
        };
        self.portals.insert(name, portal);
        Ok(())
    }

    pub(crate) fn statement(&self, name: &str) -> Result<&Arc<Prepared>, NameError> {
        self.statements.get(name).ok_or(NameError::NoStatement)
    }

    pub(crate) fn portal(&self, name: &str) -> Result<&Portal, NameError> {
        self.portals.get(name).ok_or(NameError::NoPortal)
    }

    /// A name at the target for a portal that is about to be bound there.
    pub(crate) fn portal_name(&mut self) -> String {
        self.fresh('p')
    }

    /// The portal's operation was admitted and goes to the target.
    pub(crate) fn portal_at_target(&mut self, name: &str, at_target: String) {
        if let Some(portal) = self.portals.get_mut(name) {
            portal.place = PortalPlace::AtTarget(at_target);
        }
    }

    /// Whether some name means the portal that has this name at the target.
    pub(crate) fn has_at_target(&self, at_target: &str) -> bool {
        self.portals
            .values()
            .any(|portal| matches!(&portal.place, PortalPlace::AtTarget(name) if name == at_target))
    }

    /// The target has confirmed a Parse.
    pub(crate) fn confirm(&mut self, statement: &Prepared) {
        // A statement that was closed between its Bind and its Execute has no name any more.
        if self.statements.values().any(|known| known.name == statement.name) {
            self.confirmed.insert(statement.name.clone());
        } else {
            self.stale.push(Stale::Statement(statement.name.clone()));
        }
    }

    /// The target has refused a Parse: no statement of the name came to be.
    pub(crate) fn parse_failed(&mut self, statement: &Prepared) {
        self.statements.retain(|_, known| known.name != statement.name);
    }

    /// The target may have dropped any statement by now: each is parsed there again before it is used. What it has not
    /// dropped is closed in front of that, so that its name there is free.
    pub(crate) fn doubt_all(&mut self) {
        self.stale.extend(self.confirmed.drain().map(Stale::Statement));
    }

    /// All statements were dropped, as the agent wanted.
    pub(crate) fn deallocate_all(&mut self) {
        self.doubt_all();
        self.statements.clear();
    }

    pub(crate) fn is_confirmed(&self, statement: &Prepared) -> bool {
        self.confirmed.contains(&statement.name)
    }

    /// Closing what does not exist is no error.
    pub(crate) fn close_statement(&mut self, name: &str) {
        if let Some(statement) = self.statements.remove(name)
            && self.confirmed.remove(&statement.name)
        {
            self.stale.push(Stale::Statement(statement.name.clone()));
        }
    }

    pub(crate) fn close_portal(&mut self, name: &str) {
        if let Some(Portal { place: PortalPlace::AtTarget(name), .. }) = self.portals.remove(name) {
            self.stale.push(Stale::Portal(name));
        }
    }

    /// A simple Query drops the unnamed statement and portal.
    pub(crate) fn simple_query(&mut self) {
        self.close_statement("");
        self.close_portal("");
    }

    /// No portal outlives its transaction, here or at the target.
    pub(crate) fn transaction_ended(&mut self) {
        self.portals.clear();
        self.stale.retain(|stale| matches!(stale, Stale::Statement(_)));
    }

    /// What is to be closed at the target; each is given once.
    pub(crate) fn take_stale(&mut self) -> Vec<Stale> {
        std::mem::take(&mut self.stale)
    }
}
