//! A log of one node in memory: the real state machine, without consensus and disks. Tests make it fail.

use countersign_core::id::{LogIndex, NodeId};
use countersign_raft_store::{
    apply::StateMachine,
    handle::{BoxFuture, Effects, Log, LogError, Look, Status},
    machine::{Batch, Effect, Machine, StoreError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

/// What becomes of proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They are committed and answered.
    Fair,
    /// They wait until the weather changes.
    NoQuorum,
    /// They are committed, and the answer is lost.
    AnswersLost,
}

#[derive(Debug)]
pub(crate) struct LocalLog {
    state: Mutex<State>,
    applied: watch::Sender<u64>,
    effects: broadcast::Sender<(u64, Vec<Effect>)>,
    weather: watch::Sender<Weather>,
    lapsed_at: Mutex<Option<Instant>>,
    fresh: AtomicBool,
    clock_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    index: u64,
    map: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl LocalLog {
    /// `room` effects are kept for a receiver that falls behind.
    pub(crate) fn new(clock_ms: u64, room: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            applied: watch::Sender::new(0),
            effects: broadcast::Sender::new(room),
            weather: watch::Sender::new(Weather::Fair),
            lapsed_at: Mutex::new(None),
            fresh: AtomicBool::new(true),
            clock_ms: AtomicU64::new(clock_ms),
        })
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    pub(crate) fn lease(&self, held: Lease) {
        self.fresh.store(held == Lease::Valid, Ordering::SeqCst);
        *self.lapsed_at.lock().unwrap() = match held {
            Lease::Valid | Lease::Old => None,
            Lease::Lapsed => Some(Instant::now()),
            Lease::LapsedLongAgo => Instant::now().checked_sub(LONG_AGO),
        };
    }

    pub(crate) fn advance(&self, by_ms: u64) {
        self.clock_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    fn apply(&self, command: Vec<u8>) -> (u64, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        let index = state.index + 1;
        let commands = [command];
        let at_ms = self.clock_ms.load(Ordering::SeqCst);
        let batch = Batch { index, term: 1, at_ms, commands: &commands };
        let mut applied = StateMachine.apply(&state.map, batch).unwrap();
        for (key, value) in applied.writes.iter() {
            match value {
                Some(value) => drop(state.map.insert(key.to_vec(), value.to_vec())),
                None => drop(state.map.remove(key)),
            }
        }
        state.index = index;
        drop(state);
        self.applied.send_replace(index);
        drop(self.effects.send((index, applied.effects)));
        (index, applied.replies.remove(0))
    }
}

/// Whether the serving lease is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    Valid,
    /// It is, but it was confirmed some time ago.
    Old,
    /// Since this moment.
    Lapsed,
    /// As after the machine slept.
    LapsedLongAgo,
}

const LONG_AGO: Duration = Duration::from_mins(1);

impl Log for LocalLog {
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>> {
        Box::pin(async move {
            let mut weather = self.weather.subscribe();
            let now = *weather.wait_for(|weather| *weather != Weather::NoQuorum).await.unwrap();
            let answer = self.apply(command);
            match now {
                Weather::AnswersLost => Err(LogError::Unknown),
                Weather::Fair | Weather::NoQuorum => Ok(answer),
            }
        })
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>> {
        let index = *self.applied.borrow();
        Box::pin(std::future::ready(Ok(index)))
    }

    fn applied(&self, index: u64) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            self.applied.subscribe().wait_for(|applied| *applied >= index).await.unwrap();
            Ok(())
        })
    }

    fn look(&self, look: Look<'_>) -> Result<(), StoreError> {
        let state = self.state.lock().unwrap();
        look(&state.map, state.index);
        Ok(())
    }

    fn lease_lapsed(&self) -> Option<Duration> {
        self.lapsed_at.lock().unwrap().map(|since| since.elapsed())
    }

    fn lease_is_fresh(&self) -> bool {
        self.fresh.load(Ordering::SeqCst)
    }

    fn effects(&self) -> Effects {
        Effects::of_channel(self.effects.subscribe())
    }

    fn status(&self) -> Status {
        let index = LogIndex(*self.applied.borrow());
        Status {
            node: NodeId(1),
            leader: Some(NodeId(1)),
            term: 1,
            last: index,
            applied: index,
            voters: BTreeSet::from([NodeId(1)]),
            learners: BTreeSet::new(),
        }
    }
}
