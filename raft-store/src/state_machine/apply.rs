//! Applies a group of entries: through the pure machine, in one atomic write. What cannot be applied ends the process; an
//! entry is never skipped.

use std::io;
use std::sync::atomic::Ordering;

use openraft::EntryPayload;
use rocksdb::WriteBatch;

use super::recent::Remembered;
use super::{AppliedState, Shared, applied_state};
use crate::disk::{Family, StateView};
use crate::encoding::Encoded;
use crate::halt::halt;
use crate::machine::{Applied, Batch, Effect, Halt, Overlay, View, Writes};
use crate::raft_types::{Entry, EntryData, Mark, Membership, Replies, StoredMembership};

/// The state while a group is applied, before it is written.
struct Group<'a> {
    shared: &'a Shared,
    base: Remembered<'a>,
    state: AppliedState,
    writes: Writes,
    effects: Vec<(u64, Vec<Effect>)>,
}

impl Shared {
    /// Applies the entries and returns the replies of each.
    pub(super) fn apply(&self, entries: &[Entry]) -> io::Result<Vec<Replies>> {
        let state = applied_state(&self.disk)?;
        let base = self.recent.over(StateView::current(&self.disk, state.slot));
        let mut group =
            Group { shared: self, base, state, writes: Writes::new(), effects: Vec::new() };
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            match group.apply(entry) {
                Ok(reply) => replies.push(reply),
                Err(reason) => halt("applying an entry", &Chain(&reason)),
            }
        }
        let Group { state, writes, effects, base, .. } = group;
        drop(base);
        self.write(&state, &writes)?;
        self.recent.wrote(writes);
        self.diverged.send_if_modified(|known| {
            let before = std::mem::replace(known, state.diverged_at);
            before != *known
        });
        self.greatest_id.fetch_max(state.greatest_id, Ordering::AcqRel);
        for (index, effects) in effects {
            self.effects.send(index, effects);
        }
        self.applied.send_replace(state.applied.map_or(0, |id| id.index));
        Ok(replies)
    }

    /// Data and record in one step. Not synced: after a crash the log is applied again from the record's index.
    fn write(&self, state: &AppliedState, writes: &Writes) -> io::Result<()> {
        let family = self.disk.family(Family::State(state.slot))?;
        let mut batch = WriteBatch::default();
        for (key, value) in writes.iter() {
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        batch.put_cf(self.disk.family(Family::Meta)?, applied_state::KEY, state.encode()?);
        self.disk.write("applying entries", batch);
        self.machine.written(writes);
        Ok(())
    }
}

impl Group<'_> {
    fn apply(&mut self, entry: &Entry) -> Result<Replies, Halt> {
        let index = entry.log_id.index;
        let replies = match &entry.payload {
            EntryPayload::Blank => Replies::default(),
            EntryPayload::Normal(EntryData::Batch { at_ms, commands }) => {
                let term = entry.log_id.leader_id.term;
                self.batch(Batch { index, term, at_ms: *at_ms, commands })?
            }
            EntryPayload::Normal(EntryData::Checkpoint { of }) => {
                self.checkpoint(index, *of);
                Replies::default()
            }
            EntryPayload::Membership(membership) => {
                self.membership(entry, membership);
                Replies::default()
            }
        };
        self.state.applied = Some(entry.log_id);
        Ok(replies)
    }

    fn batch(&mut self, batch: Batch<'_>) -> Result<Replies, Halt> {
        let view = Overlay::new(&self.base, &self.writes);
        let Applied { writes, replies, effects } = self.shared.machine.apply(&view, batch)?;
        if replies.len() != batch.commands.len() {
            let detail = format!("{} replies to {} commands", replies.len(), batch.commands.len());
            return Err(Halt::UnreadableState { detail });
        }
        for (key, value) in writes.iter() {
            if let Some(old) = view.get(key)? {
                self.state.hash.remove(key, &old);
            }
            if let Some(value) = value {
                self.state.hash.add(key, value);
            }
        }
        self.writes.extend(writes);
        if !effects.is_empty() {
            self.effects.push((batch.index, effects));
        }
        Ok(Replies(replies))
    }

    /// Compares with what a majority held at the previous checkpoint, then makes this the previous one.
    fn checkpoint(&mut self, index: u64, majority: Option<Mark>) {
        if let (Some(own), Some(majority)) = (self.state.mark, majority)
            && own.index == majority.index
            && own.hash != majority.hash
        {
            tracing::error!(
                index = own.index,
                own = %own.hash,
                majority = %majority.hash,
                "the state of this node differs from that of the majority; it serves no more"
            );
            self.state.diverged_at.get_or_insert(own.index);
        }
        self.state.mark = Some(Mark { index, hash: self.state.hash });
    }

    fn membership(&mut self, entry: &Entry, membership: &Membership) {
        let greatest = membership.nodes().map(|(id, _)| *id).max().unwrap_or(0);
        self.state.greatest_id = self.state.greatest_id.max(greatest);
        self.state.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
    }
}

/// An error with all its causes, for the last words of the process.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
