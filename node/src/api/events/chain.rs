//! What a stream missed, found in the audit chain: which holds were changed from a log index on, a page at a time, so that
//! neither the length of an absence nor the size of texts decides how much memory it takes.

use super::super::failure::{Answer, Failure};
use countersign_api::problem::ProblemKind;
use countersign_core::id::HoldId;
use countersign_raft_store::handle::{AuditFilter, StateView};

/// Audit events that one page reads.
const PAGE: usize = 100;
/// The most events that a client may have missed; one that missed more reads the list of holds instead.
const MAX_MISSED: u64 = 100_000;

/// A hold that was changed, and the log index of the change.
pub(super) type Change = (u64, HoldId);

/// A part of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// The sequence before its first event.
    after: u64,
    /// The sequence of its last event.
    until: u64,
}

impl Missed {
    /// What happened at log index `index` and after it, until now.
    pub(super) fn from(view: &StateView, index: u64) -> Answer<Self> {
        let until = view.chain_head()?.sequence;
        let after = first_at(view, index, until)?.saturating_sub(1);
        // What was before the first event that is here still, nobody looks up in the archive.
        let archived = view.first_event()?.is_some_and(|first| first > 1 && after < first);
        if archived || until.saturating_sub(after) > MAX_MISSED {
            return Err(too_long_ago());
        }
        Ok(Self { after, until })
    }

    /// The changes of its first page, in order, and what is left of it.
    pub(super) fn page(self, view: &StateView) -> Answer<(Vec<Change>, Option<Self>)> {
        let filter =
            AuditFilter { after: self.after, until: Some(self.until), ..AuditFilter::default() };
        let page = view.audit_events(&filter, PAGE)?;
        // What has left the state since the first page is not left out in silence: the stream ends.
        if page.events.first().is_some_and(|first| first.sequence != self.after + 1) {
            return Err(too_long_ago());
        }
        let mut changes = Vec::new();
        for event in &page.events {
            if let Some(Ok(hold)) = event.fields.get("hold.id").map(|id| id.parse()) {
                changes.push((event.index.0, hold));
            }
        }
        let next = page.next.filter(|next| *next > self.after && *next < self.until);
        Ok((changes, next.map(|after| Self { after, ..self })))
    }
}

fn too_long_ago() -> Failure {
    Failure::new(ProblemKind::BadRequest, "`Last-Event-ID` is too long ago")
        .hint("read the list of holds and follow from now on")
}

/// The sequence of the first event at or after a log index: events are ordered by index, so halving finds it.
fn first_at(view: &StateView, index: u64, head: u64) -> Answer<u64> {
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match view.audit_event(middle)? {
            Some(event) if event.index.0 >= index => high = middle,
            Some(_) | None => low = middle + 1,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::world::World;

    #[tokio::test]
    async fn a_stream_that_catches_up_ends_where_the_archive_was_faster() {
        let world = World::new().await;
        world.signed_events().await;
        let missed = Missed::from(&world.view(), 0).unwrap();
        missed.page(&world.view()).unwrap();
        world.archive(&world.shared_folder()).await.unwrap();
        assert!(missed.page(&world.view()).is_err());
        assert!(Missed::from(&world.view(), 0).is_err());
    }
}
