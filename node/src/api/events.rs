//! The stream of hold events (server-sent events). It begins with an event `begin`, whose id is the log index that the
//! stream follows from, so that a client which loses it before the first change can resume it too. The id of an event is the log index of the change, the same on every
//! node, so a client that lost its node goes on with another by `Last-Event-ID`.
//!
//! What happened before the stream was opened, or while a slow client lagged, is found in the audit chain.

use super::{
    Api,
    caller::{Caller, Who},
    convert,
    failure::{Answer, Failure},
    reading,
};
use crate::app::Node;
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use countersign_api::{
    hold::HoldEvent,
    problem::{Problem, ProblemKind},
};
use countersign_core::{agent::Identity, id::HoldId, log_time::LogTime};
use countersign_raft_store::{
    effect::Effect,
    handle::{AuditFilter, Effects, StateView},
};
use futures::{Stream, StreamExt, stream};
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast::error::RecvError},
    time::{MissedTickBehavior, interval},
};

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks whether it may go on: lease, shutdown, the token's end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many seconds in a row a node may be without its lease before its streams end: the client then asks another node.
const MAX_UNLEASED: u32 = 5;
/// Audit events that one look into the chain reads.
const CHAIN_PAGE: usize = 1000;
/// The most events that a client may have missed; one that missed more reads the list of holds instead.
const MAX_MISSED: u64 = 100_000;

/// Follows the holds.
#[utoipa::path(get, path = "/v1/holds/events", tag = "holds", params(("last-event-id" = Option<u64>, Header, description = "Go on after this log index")), responses((status = 200, content_type = "text/event-stream", body = HoldEvent), (status = "default", body = Problem)))]
pub(crate) async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    caller: Caller,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let slot = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        Failure::new(ProblemKind::Overloaded, "too many event streams are open on this node")
    })?;
    let node = Arc::clone(api.node()?);
    // Subscribed before the state is read: nothing falls between.
    let effects = node.store.effects();
    let last = match headers.get("last-event-id") {
        None => reading::linear(&node, None, |_| Ok(()))
            .await
            .map(|()| node.store.status().applied.0)?,
        Some(value) => {
            let wrong =
                || Failure::new(ProblemKind::BadRequest, "`Last-Event-ID` is not a log index");
            let index = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            reading::linear(&node, None, |_| Ok(())).await?;
            index
        }
    };
    let (identity, expires_at) = match caller.who {
        Who::Bootstrap => (None, None),
        Who::Reviewer { reviewer, expires_at, .. } => (Some(reviewer.identity), Some(expires_at)),
    };
    let mut following = Following {
        api,
        node,
        effects,
        last,
        ready: VecDeque::new(),
        identity,
        expires_at,
        unleased: 0,
        _slot: slot,
    };
    let begin = Event::default().event("begin").id(last.to_string()).data("{}");
    following.catch_up().await?;
    let changes = stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        let event = following.next().await?;
        Some((Ok(event), Some(following)))
    });
    let stream = stream::once(std::future::ready(Ok(begin))).chain(changes);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One client's stream.
struct Following {
    api: Api,
    node: Arc<Node>,
    effects: Effects,
    /// The log index of the last event that was made ready.
    last: u64,
    ready: VecDeque<HoldEvent>,
    identity: Option<Identity>,
    expires_at: Option<LogTime>,
    unleased: u32,
    _slot: OwnedSemaphorePermit,
}

impl Following {
    /// The next event; `None` ends the stream, and the client comes back, here or elsewhere.
    async fn next(&mut self) -> Option<Event> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(event) = self.ready.pop_front() {
                return written(&event);
            }
            let stopping = self.api.app.shutdown.clone();
            tokio::select! {
                () = stopping.stopping() => return None,
                _ = look.tick() => if !self.may_go_on() { return None },
                happened = self.effects.recv() => match happened {
                    Ok((index, bytes)) => self.take(index, &bytes).await.ok()?,
                    Err(RecvError::Lagged(_)) => self.catch_up().await.ok()?,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn may_go_on(&mut self) -> bool {
        self.unleased = if self.node.store.has_lease() { 0 } else { self.unleased + 1 };
        let now = LogTime(self.api.app.clock.now_ms());
        self.unleased < MAX_UNLEASED && self.expires_at.is_none_or(|end| now < end)
    }

    async fn take(&mut self, index: u64, bytes: &[u8]) -> Answer<()> {
        let happened = self.node.store.effect(index, bytes)?;
        match happened.effect {
            Effect::HoldChanged { hold, .. } if index >= self.last => {
                self.make_ready(vec![(index, hold)]).await
            }
            Effect::Revoked { identity } if Some(&identity) == self.identity.as_ref() => {
                Err(Failure::new(ProblemKind::NotIdentified, "this identity was revoked"))
            }
            Effect::HoldChanged { .. }
            | Effect::Revoked { .. }
            | Effect::SessionEnded { .. }
            | Effect::CancelRequested { .. }
            | Effect::ResourcesChanged { .. }
            | Effect::NodeUp { .. }
            | Effect::NodeRemoved { .. } => Ok(()),
        }
    }

    /// Makes ready what the chain knows to have happened after the last event.
    async fn catch_up(&mut self) -> Answer<()> {
        let last = self.last;
        let missed = reading::now(&self.node, move |view| missed(view, last)).await?;
        self.make_ready(missed).await
    }

    async fn make_ready(&mut self, changes: Vec<(u64, HoldId)>) -> Answer<()> {
        let events = reading::now(&self.node, move |view| {
            let mut events = Vec::new();
            for (index, hold) in changes {
                if let Some(record) = view.hold(hold)? {
                    events.push(HoldEvent { index, hold: convert::hold(view, &record)? });
                }
            }
            Ok(events)
        })
        .await?;
        if let Some(event) = events.last() {
            self.last = self.last.max(event.index);
        }
        self.ready.extend(events);
        Ok(())
    }
}

fn written(event: &HoldEvent) -> Option<Event> {
    Event::default().event("hold").id(event.index.to_string()).json_data(event).ok()
}

/// The holds that audit events after log index `last` are about, in order.
fn missed(view: &StateView, last: u64) -> Answer<Vec<(u64, HoldId)>> {
    let head = view.chain_head()?.sequence;
    let mut after = first_after(view, last, head)?.saturating_sub(1);
    if head.saturating_sub(after) > MAX_MISSED {
        return Err(Failure::new(ProblemKind::BadRequest, "`Last-Event-ID` is too long ago")
            .hint("read the list of holds and follow from now on"));
    }
    let mut found = Vec::new();
    while after < head {
        let filter = AuditFilter { after, until: Some(head), ..AuditFilter::default() };
        let page = view.audit_events(&filter, CHAIN_PAGE)?;
        for event in &page.events {
            if let Some(Ok(hold)) = event.fields.get("hold.id").map(|id| id.parse()) {
                found.push((event.index.0, hold));
            }
        }
        match page.next {
            Some(next) if next > after => after = next,
            Some(_) | None => break,
        }
    }
    Ok(found)
}

/// The sequence of the first event after log index `last`: events are ordered by index, so halving finds it.
fn first_after(view: &StateView, last: u64, head: u64) -> Answer<u64> {
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match view.audit_event(middle)? {
            Some(event) if event.index.0 > last => high = middle,
            Some(_) | None => low = middle + 1,
        }
    }
    Ok(low)
}
