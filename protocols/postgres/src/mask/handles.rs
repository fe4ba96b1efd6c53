//! What the names of a session's own stand for: cursors and statements that it declared or prepared by SQL, and channels
//! that it listens to. FETCH and EXECUTE say nothing of where their rows come from; the text behind the name does.
//!
//! A name is believed from the moment that the target has said that the statement which gives it is complete, so that
//! nothing else can have had it, and until code runs that could give it to something else. It is only a hint: what is not
//! known of a name is covered.

use super::Subject;
use crate::{
    catalogue::Known,
    classify::{Classified, Handle, Statement},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Names that are followed, at most, of each sort.
const MAX_NAMES: usize = 100;
/// The longest text that is kept behind a name, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A statement of some text, under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pub(crate) classified: Arc<Classified>,
    /// Which of the text's.
    pub(crate) statement: usize,
    /// What its relations were when it got the name.
    pub(crate) known: Arc<Known>,
}

impl Named {
    pub(crate) fn statement(&self) -> Option<&Statement> {
        self.classified.statements.get(self.statement)
    }
}

/// The names of one session.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    cursors: BTreeMap<String, Named>,
    prepared: BTreeMap<String, Named>,
    channels: BTreeSet<String>,
}

impl Handles {
    /// The n-th statement of a text is complete.
    pub(crate) fn complete(&mut self, subject: &Subject, n: usize) {
        let Some(statement) = subject.classified.statements.get(n) else { return };
        let named = || Named {
            classified: Arc::clone(&subject.classified),
            statement: n,
            known: Arc::clone(&subject.known),
        };
        let looked_up = statement.tables.is_empty() || *subject.known != Known::default();
        let followed = looked_up && statement.span.end <= MAX_TEXT;
        match &statement.handle {
            Handle::Declares(name) if followed => give(&mut self.cursors, name, named()),
            Handle::Prepares(name) if followed => give(&mut self.prepared, name, named()),
            Handle::Declares(name) => drop(self.cursors.remove(name)),
            Handle::Prepares(name) => drop(self.prepared.remove(name)),
            Handle::None | Handle::Fetches(_) | Handle::Executes(_) | Handle::Listens(_) => {}
        }
    }

    /// The agent itself listens to this channel.
    pub(crate) fn listens(&mut self, channel: &str) {
        if self.channels.len() < MAX_NAMES {
            self.channels.insert(channel.to_owned());
        }
    }

    /// Whether it does.
    pub(crate) fn hears(&self, channel: &str) -> bool {
        self.channels.contains(channel)
    }

    /// The statement that one uses by its name.
    pub(crate) fn meant(&self, handle: &Handle) -> Option<&Named> {
        match handle {
            Handle::Fetches(name) => self.cursors.get(name),
            Handle::Executes(name) => self.prepared.get(name),
            Handle::None | Handle::Declares(_) | Handle::Prepares(_) | Handle::Listens(_) => None,
        }
    }

    /// The names may stand for something else from now on.
    pub(crate) fn forget(&mut self) {
        self.cursors.clear();
        self.prepared.clear();
    }
}

fn give(names: &mut BTreeMap<String, Named>, name: &str, named: Named) {
    if names.len() < MAX_NAMES || names.contains_key(name) {
        names.insert(name.to_owned(), named);
    }
}
