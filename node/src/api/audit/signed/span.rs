//! Which events an export has: its ends may be in the state or in the archive, and are looked for by number or by time.

use super::super::{Api, archived::trail};
use crate::{
    api::{
        failure::{Answer, Failure},
        reading,
    },
    app::Node,
    archive::Found,
};
use countersign_api::{audit::ExportRequest, problem::ProblemKind};
use countersign_core::{log_time::LogTime, record::ChainHead};
use countersign_raft_store::{handle::StateView, records::ArchiveFile};

/// The ends of an export.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The event before the first one that is asked for.
    pub(super) after: u64,
    /// The last one; the end of the chain where none is asked for.
    pub(super) last: Option<ChainHead>,
}

/// What was found in the state, or in which file to look on.
enum Looked<T> {
    Here(T),
    In(ArchiveFile),
}

impl Span {
    /// The ends that a request asks for.
    pub(super) async fn of(api: &Api, request: &ExportRequest) -> Answer<Self> {
        let node = api.node()?;
        let mut after = request.after.unwrap_or(0);
        if let Some(from) = request.from {
            after = after.max(first_at(node, from.into()).await? - 1);
        }
        let mut through = request.through;
        if let Some(to) = request.to {
            let last = first_at(node, to.into()).await? - 1;
            through = Some(through.unwrap_or(last).min(last));
        }
        let last = match through {
            Some(through) => head_at(node, through).await?,
            None => None,
        };
        if last.is_some_and(|last| after > last.sequence) {
            return Err(nothing());
        }
        Ok(Self { after, last })
    }
}

pub(super) fn nothing() -> Failure {
    Failure::new(ProblemKind::NotFound, "there are no such events")
}

/// The first event at or after a time; the one behind the head when there is none. Log time never runs back.
pub(in crate::api) async fn first_at(node: &Node, time: LogTime) -> Answer<u64> {
    let looked = reading::linear(node, None, move |view| match Found::time(view, time)? {
        Found::Archived(file) => Ok(Looked::In(file)),
        Found::Here => Ok(Looked::Here(first_here(view, time)?)),
    });
    match looked.await? {
        Looked::Here(sequence) => Ok(sequence),
        Looked::In(file) => {
            let trail = trail(node, &file).await?;
            let first = trail.events().find(|event| event.at >= time);
            first.map(|event| event.sequence).ok_or_else(nothing)
        }
    }
}

fn first_here(view: &StateView, time: LogTime) -> Answer<u64> {
    let (mut low, mut high) = (view.first_event()?.unwrap_or(1), view.chain_head()?.sequence + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match view.audit_event(middle)? {
            Some(event) if event.at >= time => high = middle,
            Some(_) | None => low = middle + 1,
        }
    }
    Ok(low)
}

/// The event of this sequence, with its hash; none where it is the end of the chain, or behind it.
async fn head_at(node: &Node, sequence: u64) -> Answer<Option<ChainHead>> {
    if sequence == 0 {
        return Ok(Some(ChainHead::default()));
    }
    let looked = reading::linear(node, None, move |view| {
        if sequence >= view.chain_head()?.sequence {
            return Ok(Looked::Here(None));
        }
        match Found::event(view, sequence)? {
            Found::Archived(file) => Ok(Looked::In(file)),
            Found::Here => {
                let event = view.audit_event(sequence)?.ok_or_else(nothing)?;
                Ok(Looked::Here(Some(ChainHead { sequence, hash: event.hash() })))
            }
        }
    });
    match looked.await? {
        Looked::Here(head) => Ok(head),
        Looked::In(file) => {
            let trail = trail(node, &file).await?;
            let event = trail.events().find(|event| event.sequence == sequence);
            let hash = event.ok_or_else(nothing)?.hash();
            Ok(Some(ChainHead { sequence, hash }))
        }
    }
}
