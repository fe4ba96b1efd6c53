//! What a command sees and collects while it is applied: the state with the changes so far on top, its own changes,
//! its effects, log time. Nothing here knows what a command means.

use crate::{
    effect::Effect,
    format::{FormatError, Stored},
    handle::{ReadError, audit_event},
    key_space::Single,
    limits::{Limit, MAX_NAME, MAX_SHORT_TEXT},
    machine::{Overlay, Pair, StoreError, View, Writes},
    reply::{Answer, StateRefusal},
    state,
};
use countersign_core::{
    id::{LogIndex, NodeId, Revision},
    log_time::LogTime,
    record::AuditEvent,
};
use std::collections::BTreeSet;

/// How many keys of a table are fetched at a time.
const PAGE: usize = 256;

/// What applying a command comes to.
pub(super) type Done = Result<Answer, Stop>;

/// Why a command does not go on.
pub(super) enum Stop {
    /// It is refused; every node refuses it.
    Refused(Box<StateRefusal>),
    /// The state cannot be read: this node must halt.
    Unreadable(ReadError),
}

impl From<StateRefusal> for Stop {
    fn from(refusal: StateRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<FormatError> for Stop {
    fn from(error: FormatError) -> Self {
        Self::Unreadable(error.into())
    }
}

/// One batch under way.
pub(super) struct Step<'a> {
    base: &'a dyn View,
    kept: Writes,
    kept_effects: Vec<Effect>,
    own: Writes,
    own_effects: Vec<Effect>,
    /// The log entry.
    pub(super) index: LogIndex,
    /// Log time.
    pub(super) now: LogTime,
}

impl<'a> Step<'a> {
    pub(super) fn new(base: &'a dyn View, index: LogIndex, now: LogTime) -> Self {
        Self {
            base,
            kept: Writes::new(),
            kept_effects: Vec::new(),
            own: Writes::new(),
            own_effects: Vec::new(),
            index,
            now,
        }
    }

    /// Keeps the changes made so far, whatever becomes of the command. A command is refused before its first change of its
    /// own, or after its last one, so what this keeps early is never half a command.
    pub(super) fn keep(&mut self) {
        self.kept.extend(std::mem::take(&mut self.own));
        self.kept_effects.append(&mut self.own_effects);
    }

    /// Forgets the changes made since the last [`Step::keep`].
    pub(super) fn discard(&mut self) {
        self.own = Writes::new();
        self.own_effects.clear();
    }

    pub(super) fn finish(self) -> (Writes, Vec<Effect>) {
        (self.kept, self.kept_effects)
    }

    fn see<T>(&self, look: impl FnOnce(&dyn View) -> Result<T, ReadError>) -> Result<T, Stop> {
        let kept = Overlay::new(self.base, &self.kept);
        Ok(look(&Overlay::new(&kept, &self.own))?)
    }

    pub(super) fn has(&self, key: &[u8]) -> Result<bool, Stop> {
        self.see(|view| Ok(view.get(key)?.is_some()))
    }

    pub(super) fn get<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, Stop> {
        self.see(|view| state::get(view, key))
    }

    /// The nodes that belong to the cluster, up or not.
    pub(super) fn members(&self) -> Result<Vec<NodeId>, Stop> {
        self.see(state::members)
    }

    /// The keys of recordings that every one of them opens.
    pub(super) fn keys_of_every_node(&self) -> Result<BTreeSet<[u8; 16]>, Stop> {
        self.see(state::keys_of_every_node)
    }

    pub(super) fn audit_event(&self, sequence: u64) -> Result<Option<AuditEvent>, Stop> {
        self.see(|view| audit_event(view, sequence))
    }

    pub(super) fn id_at(&self, key: &[u8]) -> Result<Option<[u8; 16]>, Stop> {
        self.see(|view| state::id_at(view, key))
    }

    /// The number that lies there; 0 where there is none.
    pub(super) fn number_at(&self, key: &[u8]) -> Result<u64, Stop> {
        self.see(|view| state::number_at(view, key))
    }

    pub(super) fn number(&self, what: Single) -> Result<u64, Stop> {
        self.see(|view| state::number(view, what))
    }

    pub(super) fn put<T: Stored>(&mut self, key: Vec<u8>, value: &T) -> Result<(), Stop> {
        self.own.put(key, value.encode()?);
        Ok(())
    }

    pub(super) fn put_bytes(&mut self, key: Vec<u8>, bytes: &[u8]) {
        self.own.put(key, bytes);
    }

    pub(super) fn put_number(&mut self, key: Vec<u8>, number: u64) {
        self.own.put(key, number.to_be_bytes());
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.own.delete(key);
    }

    /// The first pairs below `prefix`.
    pub(super) fn first(&self, prefix: &[u8], limit: usize) -> Result<Vec<Pair>, Stop> {
        self.see(|view| Ok(view.scan(prefix, None, limit)?))
    }

    /// Every pair below `prefix`.
    pub(super) fn all(&self, prefix: &[u8]) -> Result<Vec<Pair>, Stop> {
        self.see(|view| {
            let mut found: Vec<Pair> = Vec::new();
            loop {
                let after = found.last().map(|(key, _)| key.clone());
                let page = view.scan(prefix, after.as_deref(), PAGE)?;
                let full = page.len() == PAGE;
                found.extend(page);
                if !full {
                    return Ok(found);
                }
            }
        })
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.own_effects.push(effect);
    }

    /// The policy revision in force.
    pub(super) fn policy_revision(&self) -> Result<Revision, Stop> {
        self.number(Single::PolicyRevision).map(Revision)
    }

    /// Refuses unless `revision` is the policy revision in force (invariant `revision_in_force`).
    pub(super) fn in_force(&self, revision: Revision) -> Result<(), Stop> {
        let in_force = self.policy_revision()?;
        if revision == in_force {
            Ok(())
        } else {
            Err(StateRefusal::StaleRevision { in_force }.into())
        }
    }
}

/// Refuses texts that are longer than the state takes.
pub(super) fn short<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<(), Stop> {
    within(texts.into_iter().map(str::len).max().unwrap_or(0), MAX_SHORT_TEXT, Limit::ShortText)
}

/// Refuses names that are longer than the state takes.
pub(super) fn named<'t>(names: impl IntoIterator<Item = &'t str>) -> Result<(), Stop> {
    within(names.into_iter().map(str::len).max().unwrap_or(0), MAX_NAME, Limit::Name)
}

/// Refuses what is more than `most`.
pub(super) fn within(size: usize, most: usize, limit: Limit) -> Result<(), Stop> {
    if size <= most { Ok(()) } else { Err(StateRefusal::OverLimit { limit }.into()) }
}
