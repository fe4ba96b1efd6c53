//! Watching a session while it goes on: a request waits until there is more of its recording behind a cursor. A segment is cut
//! and durable within half a second, so that a watcher on any node is less than a second behind; what is not recorded yet
//! nobody sees.
//!
//! Each request is judged anew, and again before it shows anything: who may not look any more sees nothing more. That somebody
//! watches is in the audit before anything is shown: with the place where it begins, once a minute as long as each request goes
//! on where the one before ended, and again for each that does not. What is over for a while is no longer watched but read
//! (`recordings`), where each page is recorded.

use super::{moments, page, state};
use crate::{
    api::{
        Api,
        caller::{Access, Caller, forbidden, roles_by_now, slowly},
        events,
        failure::{Answer, Failure},
        input::{Asked, cursor},
        reading,
        sessions::session_id,
    },
    app::Node,
};
use axum::{
    Json,
    extract::{Path, State},
};
use countersign_api::{
    problem::{Problem, ProblemKind},
    recording::{RecordingPage, RecordingQuery, RecordingState},
};
use countersign_core::{
    agent::Identity, id::SessionId, log_time::LogTime, recording::SegmentDigest,
};
use countersign_raft_store::{
    command::Administered,
    handle::StateView,
    records::{RecordingRecord, RequestId, SegmentRecord, SessionState},
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a request waits for more.
const WAITS: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Segments of one answer.
const PAGE: usize = 16;
/// How long a recorded look counts for further requests.
const COUNTS_FOR: Duration = Duration::from_mins(1);
/// How long a session that is over can be watched to its end.
const ENDS_WITHIN_MS: u64 = 60_000;
/// Watchers that are remembered; with more, looks are recorded more often.
const MOST_WATCHERS: usize = 4096;

/// Who watches what, as far as it is recorded.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<HashMap<Watcher, Watch>>);

type Watcher = (Identity, SessionId);

/// A recorded look that goes on.
#[derive(Debug)]
struct Watch {
    recorded_at: Instant,
    /// Where the next request goes on.
    next: u64,
}

impl Watchers {
    /// Whether it has to be recorded that somebody watches from there on.
    fn is_due(&self, who: &Watcher, after: u64) -> bool {
        let mut known = self.lock();
        known.retain(|_, watch| watch.recorded_at.elapsed() < COUNTS_FOR);
        known.get(who).is_none_or(|watch| watch.next != after)
    }

    fn recorded(&self, who: Watcher, after: u64) {
        let mut known = self.lock();
        if known.len() < MOST_WATCHERS || known.contains_key(&who) {
            known.insert(who, Watch { recorded_at: Instant::now(), next: after });
        }
    }

    /// Somebody is shown what there is up to this segment.
    fn shown(&self, who: &Watcher, to: u64) {
        if let Some(watch) = self.lock().get_mut(who) {
            watch.next = to;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Watcher, Watch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is behind a cursor.
enum Found {
    Segments(RecordingRecord, SegmentDigest, Vec<SegmentRecord>),
    /// Nothing yet.
    Nothing(RecordingState),
    /// Nothing, and nothing will come.
    Over(RecordingState),
}

/// Waits for what happens next in a session, behind a cursor or from the beginning.
#[utoipa::path(get, path = "/v1/sessions/{id}/live", tag = "sessions", params(("id" = String, Path), RecordingQuery), responses((status = 200, body = RecordingPage), (status = "default", body = Problem)))]
pub(crate) async fn follow(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Asked { query, min }: Asked<RecordingQuery>,
) -> Answer<Json<RecordingPage>> {
    let session = session_id(&id)?;
    let after = cursor(query.cursor.as_deref())?.unwrap_or(0);
    let _slots = events::slots(&api, &caller)?;
    let watcher = (caller.author().identity, session);
    slowly(&api, &watcher.0)?;
    let node = api.node()?;
    let wanted = id.clone();
    let clock = LogTime(api.app.clock.now_ms());
    let known = reading::linear(node, min.get(), move |view| {
        not_over(view, session, clock)?;
        look(view, session, after)
    });
    let mut found = known.await?.ok_or_else(|| Failure::not_found("session", &wanted))?;
    watched(&api, &caller, (&watcher, after)).await?;
    let until = Instant::now() + WAITS;
    let stopping = api.app.shutdown.clone();
    while let Found::Nothing(_) = found
        && Instant::now() < until
        && node.store.has_lease()
    {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stopping.stopping() => break,
        }
        let looked = reading::now(node, move |view| look(view, session, after)).await?;
        found = looked.ok_or_else(|| Failure::not_found("session", &wanted))?;
    }
    may_look(&api, &caller).await?;
    if let Found::Segments(_, _, segments) = &found {
        api.watchers.shown(&watcher, segments.last().map_or(after, |last| last.sequence));
    }
    answer(node, (session, after), found).await.map(Json)
}

/// Whether the caller may still look, after the wait.
async fn may_look(api: &Api, caller: &Caller) -> Answer<()> {
    let (who, now) = (caller.who.clone(), LogTime(api.app.clock.now_ms()));
    let roles = reading::now(api.node()?, move |view| roles_by_now(view, &who, now)).await?;
    let caller = Caller { who: caller.who.clone(), roles };
    if caller.has(Access::Audit) { Ok(()) } else { Err(forbidden(Access::Audit)) }
}

/// Refuses a session that has been over for a while. Log time stands still on an idle cluster, so the clock counts too.
fn not_over(view: &StateView, session: SessionId, clock: LogTime) -> Answer<()> {
    let closed_at = match view.session(session)?.map(|session| session.state) {
        Some(SessionState::Closed { at, .. }) => at,
        Some(SessionState::Open) | None => return Ok(()),
    };
    if view.log_time()?.max(clock) <= closed_at.after_ms(ENDS_WITHIN_MS) {
        return Ok(());
    }
    Err(Failure::new(ProblemKind::Conflict, "the session is over: there is nothing to watch")
        .hint("`countersignctl sessions replay` shows its recording"))
}

async fn answer(
    node: &Node,
    (session, after): (SessionId, u64),
    found: Found,
) -> Answer<RecordingPage> {
    let empty = |state, next: Option<u64>| RecordingPage {
        session_id: session.to_string(),
        state,
        items: Vec::new(),
        next: next.map(|at| at.to_string()),
    };
    match found {
        Found::Nothing(state) => Ok(empty(state, Some(after))),
        Found::Over(state) => Ok(empty(state, None)),
        Found::Segments(recording, before, segments) => {
            let moments = moments(node, &recording, (after, before), &segments).await?;
            let mut page = page(&recording, moments, segments.last());
            if page.next.is_none() && page.state == RecordingState::Unfinished {
                page.next = segments.last().map(|segment| segment.sequence.to_string());
            }
            Ok(page)
        }
    }
}

/// None where there is no such session.
fn look(view: &StateView, session: SessionId, after: u64) -> Answer<Option<Found>> {
    let open = view.session(session)?.map(|session| session.state == SessionState::Open);
    let Some(recording) = view.recording(session)? else {
        let found = |open| if open { Found::Nothing } else { Found::Over };
        return Ok(open.map(|open| found(open)(RecordingState::Unfinished)));
    };
    let segments = view.segments(session, after, PAGE)?;
    if !segments.is_empty() {
        let before = view.segments(session, after.saturating_sub(1), usize::from(after > 0))?;
        let before = before.first().map_or(SegmentDigest::NONE, |segment| segment.digest);
        return Ok(Some(Found::Segments(recording, before, segments)));
    }
    // The end of a recording may come a moment behind that of its session; a node that is lost writes none.
    let state = state(&recording);
    let over = state == RecordingState::Whole || open != Some(true);
    Ok(Some(if over { Found::Over(state) } else { Found::Nothing(state) }))
}

/// Records that somebody watches, unless that was recorded a moment ago.
async fn watched(api: &Api, caller: &Caller, (who, after): (&Watcher, u64)) -> Answer<()> {
    if !api.watchers.is_due(who, after) {
        return Ok(());
    }
    let (node, author) = (api.node()?, caller.author());
    let what = match (who, after) {
        ((_, session), 0) => format!("watch {session}"),
        ((_, session), after) => format!("watch {session} behind segment {after}"),
    };
    let looked = Administered { id: RequestId(rand::random()), node: node.id, what, author };
    reading::committed(node.store.administered(looked)).await?;
    api.watchers.recorded(who.clone(), after);
    Ok(())
}
