//! The recorder of one session: takes its entries, cuts them into segments, and makes the session wait, or end, when they
//! do not become durable fast enough.
//!
//! A task of the recorder's own writes, one segment after the other; it begins with the first entry, so that a session in
//! which nothing happens costs nothing. What is cut is durable, on average, well within [`WINDOW_TIME`].

use super::{Inner, NotDurable, Recordings, Ribbon};
use crate::{clock, metrics::counters};
use countersign_core::{
    gate::BoxFuture,
    id::SessionId,
    mask::Masked,
    recording::{Entry, Moment, Position, Recorder, Room, SegmentHeader, entry},
    refusal::Refusal,
};
use countersign_raft_store::handle::{LogError, ProposeError};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

/// Bytes that may be lost with the node: what is taken and not durable yet.
const WINDOW_BYTES: usize = 256 * 1024;
/// For how long an entry may be in that state before its session waits.
const WINDOW_TIME: Duration = Duration::from_secs(1);
/// A segment is cut when it has so many bytes, or within so long of its first entry. Far below what a segment may be, so that the
/// window is kept.
const CUT_BYTES: usize = 96 * 1024;
const CUT_TIME: Duration = Duration::from_millis(400);
/// The recorders of a node cut at the same moments, so far apart, so that what they cut is made durable together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How long a session waits for room before it ends.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// How long the end of a recording may take.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The recording cannot be kept any more: its session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// Called once when a recording is lost.
type OnLoss = Box<dyn Fn() + Send + Sync>;

/// The recorder of one session. Clones are the same recorder.
#[derive(Clone)]
pub(crate) struct SessionRecorder {
    desk: Arc<Desk>,
}

struct Desk {
    recordings: Recordings,
    session: SessionId,
    on_loss: OnLoss,
    state: Mutex<State>,
    /// Rings for who waits for room or for the end.
    written: Notify,
    /// Rings for the task that writes.
    taken: Notify,
}

/// What is taken and not durable.
struct State {
    /// The contents of segments to come, each with the time of its first entry; only the last one still grows.
    gathered: VecDeque<(Vec<u8>, Instant)>,
    /// The bytes that are being written, and when the first of them was taken.
    writing: Option<(usize, Instant)>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing has happened.
    Blank,
    /// The task writes.
    Runs,
    /// The last entry is taken.
    Ends,
    /// Everything is durable, and nothing more is taken.
    Ended,
    /// It cannot be kept.
    Lost,
}

/// What the task does next.
enum Turn {
    Wait(Option<Instant>),
    Write(Vec<u8>, Position),
    Stop,
}

impl std::fmt::Debug for SessionRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRecorder").field("session", &self.desk.session).finish()
    }
}

impl SessionRecorder {
    /// A recorder of this session; `on_loss` ends it when its recording cannot be kept.
    pub(crate) fn new(recordings: Recordings, session: SessionId, on_loss: OnLoss) -> Self {
        let state = State { gathered: VecDeque::new(), writing: None, phase: Phase::Blank };
        let desk = Desk {
            recordings,
            session,
            on_loss,
            state: Mutex::new(state),
            written: Notify::new(),
            taken: Notify::new(),
        };
        Self { desk: Arc::new(desk) }
    }

    /// Ends the recording, if there is one, with this entry; returns once all of it is durable.
    pub(crate) async fn finish(&self, last: Masked<Entry>) -> Result<(), Lost> {
        {
            let mut state = self.desk.lock();
            match state.phase {
                Phase::Blank => {
                    state.phase = Phase::Ended;
                    return Ok(());
                }
                Phase::Runs => {
                    state.add(last.into_inner());
                    state.phase = Phase::Ends;
                }
                Phase::Ends | Phase::Ended => {}
                Phase::Lost => return Err(Lost),
            }
        }
        self.desk.taken.notify_one();
        let ended = self.desk.until(|state| match state.phase {
            Phase::Ended => Some(Ok(())),
            Phase::Lost => Some(Err(Lost)),
            Phase::Blank | Phase::Runs | Phase::Ends => None,
        });
        timeout(ENDS_WITHIN, ended).await.unwrap_or(Err(Lost))
    }
}

impl Recorder for SessionRecorder {
    fn take(&self, entry: Masked<Entry>) -> Result<Room, Refusal> {
        let (begins, due, room) = {
            let mut state = self.desk.lock();
            let begins = match state.phase {
                Phase::Blank => true,
                Phase::Runs => false,
                Phase::Ends | Phase::Ended | Phase::Lost => return Err(Refusal::NotRecorded),
            };
            state.phase = Phase::Runs;
            let first = state.gathered.is_empty();
            state.add(entry.into_inner());
            (begins, first || state.bytes() >= CUT_BYTES, state.room())
        };
        if begins {
            tokio::spawn(Arc::clone(&self.desk).write());
        } else if due {
            self.desk.taken.notify_one();
        }
        Ok(room)
    }

    fn room(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async {
            let room = self.desk.until(|state| match (state.phase, state.room()) {
                (Phase::Lost, _) => Some(Err(Refusal::NotRecorded)),
                (Phase::Blank | Phase::Runs | Phase::Ends | Phase::Ended, Room::Left) => {
                    Some(Ok(()))
                }
                (Phase::Blank | Phase::Runs | Phase::Ends | Phase::Ended, Room::Full) => None,
            });
            match timeout(STALLED_AFTER, room).await {
                Ok(room) => room,
                Err(_stalled) => {
                    tracing::error!(session.id = %self.desk.session, "a recording has stalled: the session ends");
                    self.desk.lose();
                    Err(Refusal::NotRecorded)
                }
            }
        })
    }
}

impl State {
    fn add(&mut self, entry: Entry) {
        let at_ms = clock::now_ms();
        for entry in entry.pieces() {
            match self.gathered.back_mut() {
                Some((content, _)) if content.len() < CUT_BYTES => {
                    Moment { at_ms, entry }.write(content);
                }
                Some(_) | None => {
                    let mut content = entry::begin();
                    Moment { at_ms, entry }.write(&mut content);
                    self.gathered.push_back((content, Instant::now()));
                }
            }
        }
    }

    /// The bytes that are not written yet.
    fn bytes(&self) -> usize {
        self.gathered.iter().map(|(content, _)| content.len()).sum()
    }

    /// Whether what is not durable is within the window.
    fn room(&self) -> Room {
        let (writing, begun) = self.writing.unzip();
        let bytes = self.bytes() + writing.unwrap_or_default();
        let oldest = begun.or_else(|| self.gathered.front().map(|(_, since)| *since));
        if bytes > WINDOW_BYTES || oldest.is_some_and(|since| since.elapsed() > WINDOW_TIME) {
            Room::Full
        } else {
            Room::Left
        }
    }

    /// `opened` is from when on the moments are counted at which recorders cut.
    fn turn(&mut self, opened: Instant) -> Turn {
        let ends = match self.phase {
            Phase::Runs => false,
            Phase::Ends => true,
            Phase::Blank | Phase::Ended | Phase::Lost => return Turn::Stop,
        };
        let Some((content, since)) = self.gathered.front() else { return Turn::Wait(None) };
        let cut = cut(opened, *since);
        if !ends && content.len() < CUT_BYTES && Instant::now() < cut {
            return Turn::Wait(Some(cut));
        }
        let Some((content, since)) = self.gathered.pop_front() else { return Turn::Wait(None) };
        self.writing = Some((content.len(), since));
        let last = ends && self.gathered.is_empty();
        Turn::Write(content, if last { Position::Last } else { Position::Followed })
    }
}

impl Desk {
    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the state gives an answer.
    async fn until<T>(&self, mut answer: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            // Listening begins before the look, so that no change falls between.
            let written = self.written.notified();
            if let Some(answer) = answer(&self.lock()) {
                return answer;
            }
            written.await;
        }
    }

    /// Writes segments until the recording ends or is lost.
    async fn write(self: Arc<Self>) {
        let inner = Arc::clone(&self.recordings.inner);
        let mut ribbon = match Ribbon::begin(self.session, &inner).await {
            Ok(ribbon) => ribbon,
            Err(error) => return self.give_up(&error.into()),
        };
        loop {
            let turn = self.lock().turn(inner.opened);
            match turn {
                Turn::Stop => return,
                Turn::Wait(None) => self.taken.notified().await,
                Turn::Wait(Some(cut)) => tokio::select! {
                    () = self.taken.notified() => {}
                    () = sleep_until(cut) => {}
                },
                Turn::Write(content, position) => {
                    if let Err(error) = keep(&inner, &mut ribbon, (content, position)).await {
                        return self.give_up(&error);
                    }
                    self.kept(position);
                }
            }
        }
    }

    fn kept(&self, position: Position) {
        {
            let mut state = self.lock();
            state.writing = None;
            if position == Position::Last && state.phase == Phase::Ends {
                state.phase = Phase::Ended;
            }
        }
        self.written.notify_waiters();
    }

    fn give_up(&self, error: &NotDurable) {
        let (session, reason) = (self.session, error as &dyn std::error::Error);
        if let NotDurable::Index(ProposeError::Log(LogError::Stopped)) = error {
            tracing::info!(session.id = %session, reason, "a recording ends with its node");
        } else {
            tracing::error!(session.id = %session, reason, "a recording cannot be kept: its session ends");
        }
        self.lose();
    }

    fn lose(&self) {
        {
            let mut state = self.lock();
            if matches!(state.phase, Phase::Lost | Phase::Ended) {
                return;
            }
            state.phase = Phase::Lost;
        }
        counters::recording_lost();
        self.written.notify_waiters();
        self.taken.notify_one();
        (self.on_loss)();
    }
}

/// When a segment is cut that begins at `since`: at the last of the moments that is soon enough.
fn cut(opened: Instant, since: Instant) -> Instant {
    let latest = since.duration_since(opened) + CUT_TIME;
    let beyond = latest.as_nanos() % TOGETHER.as_nanos();
    opened + latest.saturating_sub(Duration::from_nanos(u64::try_from(beyond).unwrap_or(0)))
}

/// Makes the next segment of a recording durable.
async fn keep(
    inner: &Inner,
    ribbon: &mut Ribbon,
    (content, position): (Vec<u8>, Position),
) -> Result<(), NotDurable> {
    let header = SegmentHeader {
        session: ribbon.walk.session(),
        sequence: ribbon.walk.sequence() + 1,
        position,
        key: ribbon.key.id(),
        previous: ribbon.walk.last(),
    };
    inner.keep(ribbon, header, content).await
}
