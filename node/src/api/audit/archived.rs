//! Searching what has left the state: a page of the events of one file of the archive. A page never goes beyond its file; its
//! cursor does.

use super::{Failure, MAX_BYTES, length};
use crate::{
    api::failure::Answer,
    app::Node,
    archive::{ArchiveError, Trail},
};
use countersign_api::{
    audit::{AuditEvent, query::Search},
    page::Page,
    problem::ProblemKind,
};
use countersign_core::record;
use countersign_raft_store::{handle::AuditFilter, records::ArchiveFile};
use std::time::Duration;
use tokio::time::timeout;

/// How long a file of the archive is waited for.
const READ_WITHIN: Duration = Duration::from_secs(20);

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Read(error) => error.into(),
            ArchiveError::Nowhere => Self::new(ProblemKind::NotFound, error.to_string()),
            error @ (ArchiveError::Sign(_)
            | ArchiveError::Line(_)
            | ArchiveError::Bucket(_)
            | ArchiveError::Folder(_)
            | ArchiveError::Unproved { .. }
            | ArchiveError::Other(_)
            | ArchiveError::Absent(_)
            | ArchiveError::Log(_)) => Self::internal("the archive of the audit", &error),
        }
    }
}

/// The events of a file.
pub(in crate::api) async fn trail(node: &Node, file: &ArchiveFile) -> Answer<Trail> {
    match timeout(READ_WITHIN, Trail::of(&node.archive, &node.store, file)).await {
        Ok(trail) => Ok(trail?),
        Err(_late) => {
            Err(Failure::new(ProblemKind::Overloaded, "the archive of the audit does not answer"))
        }
    }
}

/// What is searched for in a file.
pub(super) struct Wanted {
    pub(super) filter: AuditFilter,
    pub(super) search: Search,
    pub(super) limit: usize,
}

impl Wanted {
    fn takes(&self, event: &record::AuditEvent) -> bool {
        self.filter.from_time.is_none_or(|from| event.at >= from)
            && self.filter.to_time.is_none_or(|to| event.at < to)
            && self.search.takes(event)
    }

    /// A page of what follows `filter.after`; its cursor is the last event that was looked at.
    pub(super) fn forwards(&self, trail: &Trail) -> Page<AuditEvent> {
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, self.filter.after);
        for event in trail.events().filter(|event| event.sequence > self.filter.after) {
            if self.filter.to_time.is_some_and(|to| event.at >= to) {
                return Page { items, next: None };
            }
            if items.len() >= self.limit || bytes >= MAX_BYTES {
                break;
            }
            last = event.sequence;
            if self.takes(event) {
                bytes += length(event);
                items.push(AuditEvent::from(event));
            }
        }
        Page { items, next: Some(last.to_string()) }
    }

    /// A page of what comes before, from event `last` back to the one after `filter.after`; its cursor is the event before
    /// which to go on.
    pub(super) fn backwards(
        &self,
        trail: &Trail,
        (last, file): (u64, &ArchiveFile),
    ) -> Page<AuditEvent> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        for event in trail.events().rev().filter(|event| event.sequence <= last) {
            let before = self.filter.from_time.is_some_and(|from| event.at < from);
            if before || event.sequence <= self.filter.after {
                return Page { items, next: None };
            }
            if items.len() >= self.limit || bytes >= MAX_BYTES {
                return Page { items, next: Some((event.sequence + 1).to_string()) };
            }
            if self.takes(event) {
                bytes += length(event);
                items.push(AuditEvent::from(event));
            }
        }
        let more = file.after > self.filter.after;
        Page { items, next: more.then(|| (file.after + 1).to_string()) }
    }
}
