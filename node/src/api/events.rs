//! The stream of hold events (server-sent events). The id of an event is the log index of the change, the same on every
//! node, so a client that lost its node goes on with another by `Last-Event-ID`. Several holds may change at one index: a
//! resumed stream begins with all holds of the index that the client names, and repeats rather than leaves out. The first
//! event, `begin`, has the index that the stream follows from, so that it can be resumed before the first change too.
//!
//! What happened before the stream was opened, or while a slow client lagged, is found in the audit chain, a page at a time.

mod chain;

use super::{
    Api,
    caller::{Caller, roles_by_now},
    convert::{self, Extent},
    failure::{Answer, Failure},
    input::{Asked, Nothing},
    reading,
    shares::Share,
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
use chain::{Change, Missed};
use countersign_api::{
    hold::HoldEvent,
    problem::{Problem, ProblemKind},
};
use countersign_core::{agent::Identity, id::HoldId, log_time::LogTime};
use countersign_raft_store::{effect::Effect, handle::Effects};
use futures::{Stream, stream};
use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast::error::RecvError},
    time::{Instant, MissedTickBehavior, interval},
};

/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a stream looks whether it may go on: lease, the token's end, what the state says of its caller.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a node may be without its lease before its streams end: the client then asks another node.
const MAX_UNLEASED: Duration = Duration::from_secs(5);

/// Follows the holds that the caller may see.
#[utoipa::path(get, path = "/v1/holds/events", tag = "holds", params(("last-event-id" = Option<u64>, Header, description = "Go on with this log index")), responses((status = 200, content_type = "text/event-stream", body = HoldEvent), (status = "default", body = Problem)))]
pub(crate) async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    caller: Caller,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let slots = slots(&api, &caller)?;
    let node = Arc::clone(api.node()?);
    // Subscribed before the state is read: nothing falls between.
    let effects = node.store.effects();
    reading::linear(&node, min.get(), |_| Ok(())).await?;
    let head = node.store.status().applied.0;
    let begin = match asked(&headers)? {
        None => Begin { after: head, missed: None },
        Some(index) if index > head => {
            return Err(Failure::new(
                ProblemKind::BadRequest,
                "`Last-Event-ID` is beyond the end of the log",
            )
            .hint("is it an index of this cluster? without it the stream begins now"));
        }
        Some(index) => {
            let missed = reading::now(&node, move |view| Missed::from(view, index)).await?;
            Begin { after: index, missed: Some(missed) }
        }
    };
    let first = Event::default().event("begin").id(begin.after.to_string());
    let first = first.data(format!("{{\"index\":{}}}", begin.after));
    let following = Following::begin((api, node, caller), effects, begin, slots);
    let events = stream::unfold(Some(following), |following| async move {
        let mut following = following?;
        let event = following.next().await?;
        Some((Ok(event), Some(following)))
    });
    let stream = futures::StreamExt::chain(stream::iter([Ok(first)]), events);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// A place among all streams, and one among the caller's.
pub(super) type Slots = (OwnedSemaphorePermit, Share<Identity>);

pub(super) fn slots(api: &Api, caller: &Caller) -> Answer<Slots> {
    let share = api.streams_of.take(caller.author().identity).ok_or_else(|| {
        Failure::new(ProblemKind::TooManyRequests, "you have too many event streams open")
            .hint("close some of them")
    })?;
    let slot = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| {
        Failure::new(ProblemKind::Overloaded, "too many event streams are open on this node")
    })?;
    Ok((slot, share))
}

/// The log index that the client wants to go on with.
fn asked(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let wrong = || Failure::new(ProblemKind::BadRequest, "`Last-Event-ID` is not a log index");
    value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong)
}

/// Where a stream begins.
struct Begin {
    after: u64,
    missed: Option<Missed>,
}

/// One client's stream.
struct Following {
    api: Api,
    node: Arc<Node>,
    caller: Caller,
    effects: Effects,
    /// What is still to be found in the chain, before new effects are listened to.
    missed: Option<Missed>,
    /// The log index of the last event that was made ready, and the holds that were at that index.
    last: u64,
    at_last: BTreeSet<HoldId>,
    ready: VecDeque<HoldEvent>,
    looked_at: Option<Instant>,
    leased_at: Instant,
    _slots: Slots,
}

impl Following {
    fn begin(
        (api, node, caller): (Api, Arc<Node>, Caller),
        effects: Effects,
        begin: Begin,
        slots: Slots,
    ) -> Self {
        Self {
            api,
            node,
            caller,
            effects,
            missed: begin.missed,
            last: begin.after,
            at_last: BTreeSet::new(),
            ready: VecDeque::new(),
            looked_at: None,
            leased_at: Instant::now(),
            _slots: slots,
        }
    }

    /// The next event; `None` ends the stream, and the client comes back, here or elsewhere.
    async fn next(&mut self) -> Option<Event> {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.look().await.ok()?;
            if let Some(event) = self.ready.pop_front() {
                return written(&event);
            }
            if let Some(missed) = self.missed.take() {
                self.catch_up(missed).await.ok()?;
                continue;
            }
            let stopping = self.api.app.shutdown.clone();
            tokio::select! {
                () = stopping.stopping() => return None,
                _ = look.tick() => {}
                happened = self.effects.recv() => match happened {
                    Ok((index, bytes)) => self.take(index, &bytes).await.ok()?,
                    Err(RecvError::Lagged(_)) => self.lagged().await.ok()?,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Whether the stream may go on, looked at once in a while: what the state says counts, however few effects arrive.
    async fn look(&mut self) -> Answer<()> {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        if self.node.store.has_lease() {
            self.leased_at = Instant::now();
        } else if self.leased_at.elapsed() >= MAX_UNLEASED {
            return Err(Failure::no_quorum());
        }
        let now = LogTime(self.api.app.clock.now_ms());
        let who = self.caller.who.clone();
        self.caller.roles =
            reading::now(&self.node, move |view| roles_by_now(view, &who, now)).await?;
        Ok(())
    }

    async fn take(&mut self, index: u64, bytes: &[u8]) -> Answer<()> {
        let happened = self.node.store.effect(index, bytes)?;
        match happened.effect {
            Effect::HoldChanged { hold, .. } if index >= self.last => {
                self.make_ready(vec![(index, hold)]).await
            }
            Effect::Revoked { .. } | Effect::IssuerRevoked { .. } => {
                // Perhaps of this caller: what the state says is looked at before the next event goes out.
                self.looked_at = None;
                Ok(())
            }
            Effect::HoldChanged { .. }
            | Effect::GrantChanged { .. }
            | Effect::SessionEnded { .. }
            | Effect::CancelRequested { .. }
            | Effect::ResourcesChanged { .. }
            | Effect::NodeUp { .. }
            | Effect::NodeRemoved { .. } => Ok(()),
        }
    }

    /// Effects were lost, revocations perhaps among them: the state and the chain say what they were.
    async fn lagged(&mut self) -> Answer<()> {
        self.looked_at = None;
        let last = self.last;
        self.missed = Some(reading::now(&self.node, move |view| Missed::from(view, last)).await?);
        Ok(())
    }

    /// Makes ready what the next page of the chain knows.
    async fn catch_up(&mut self, missed: Missed) -> Answer<()> {
        let (changes, rest) = reading::now(&self.node, move |view| missed.page(view)).await?;
        self.missed = rest;
        self.make_ready(changes).await
    }

    async fn make_ready(&mut self, mut changes: Vec<Change>) -> Answer<()> {
        changes.retain(|(index, hold)| self.is_new(*index, *hold));
        let caller = self.caller.clone();
        let events = reading::now(&self.node, move |view| {
            let mut events = Vec::new();
            for (index, hold) in changes {
                let record = view.hold(hold)?.filter(|record| caller.may_see(&record.hold.terms));
                if let Some(record) = record {
                    let hold = convert::hold(view, &record, Extent::Excerpt)?;
                    events.push(HoldEvent { index, hold });
                }
            }
            Ok(events)
        })
        .await?;
        self.ready.extend(events);
        Ok(())
    }

    /// Whether the change was not made ready before; remembers it.
    fn is_new(&mut self, index: u64, hold: HoldId) -> bool {
        if index > self.last {
            self.last = index;
            self.at_last.clear();
        }
        index == self.last && self.at_last.insert(hold)
    }
}

fn written(event: &HoldEvent) -> Option<Event> {
    Event::default().event("hold").id(event.index.to_string()).json_data(event).ok()
}
