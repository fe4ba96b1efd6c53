//! What arrives on one channel, until somebody takes it. The library must never wait for who takes it: while it waits it reads
//! no window either, and two sides that wait for each other would wait for ever. So everything is taken from it at once,
//! into a queue whose bytes are limited: by the flow, and where a peer sends more than it was granted, by the end of the
//! channel.

mod arrived;

pub(crate) use arrived::{Arrived, Killed, Size, signal_name};

use crate::flow::{Flow, Tide, WINDOW};
use arrived::{arrived, counts, is_interrupt};
use bytes::BytesMut;
use russh::{ChannelMsg, ChannelReadHalf};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, task::AbortHandle};

/// Bytes from which on the peer is granted hardly anything more.
const HIGH: usize = 1024 * 1024;
/// Bytes below which it is granted its window again.
const LOW: usize = HIGH / 4;
/// The most bytes. The peer may send its window when the flow turns, and once more when another channel of its connection is
/// granted one just then.
const MOST: usize = HIGH + 3 * WINDOW as usize;
/// Pieces up to this size are put together with those before them.
const SMALL: usize = 1024;
/// Up to this size.
const TOGETHER: usize = 32 * 1024;

/// Nothing more arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// The channel was closed, or its connection was lost.
    Closed,
    /// The peer sent more than it was granted.
    TooMuch,
}

/// What interrupts a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alarm {
    Over(Over),
    /// The agent wants the program to stop.
    Interrupted,
}

/// Whether a byte can mean Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Terminal {
    Some,
    None,
}

/// What arrives on a channel.
#[derive(Debug)]
pub(crate) struct Inflow {
    shared: Arc<Shared>,
    pump: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    flow: Arc<Flow>,
}

#[derive(Debug)]
struct Queue {
    arrived: VecDeque<Piece>,
    bytes: usize,
    /// What the connection counts of them.
    counted: usize,
    tide: Tide,
    terminal: Terminal,
    interrupted: bool,
    finished: bool,
    over: Option<Over>,
}

#[derive(Debug)]
enum Piece {
    Data(BytesMut),
    Other(Arrived),
}

impl Piece {
    fn counts(&self) -> usize {
        match self {
            Self::Data(bytes) => counts(bytes.len()),
            Self::Other(other) => other.counts(),
        }
    }

    fn arrived(self) -> Arrived {
        match self {
            Self::Data(bytes) => Arrived::Data(bytes.freeze()),
            Self::Other(other) => other,
        }
    }
}

impl Inflow {
    /// Takes everything from `channel` from now on.
    pub(crate) fn of(channel: ChannelReadHalf, flow: Arc<Flow>) -> Self {
        let shared = Arc::new(Shared::of(flow));
        let pump = tokio::spawn(pump(channel, Arc::clone(&shared))).abort_handle();
        Self { shared, pump }
    }

    /// What arrives is typed in a terminal.
    pub(crate) fn is_typed(&self) {
        self.shared.queue().terminal = Terminal::Some;
    }

    /// The next thing that arrived. Safe to drop and call again.
    pub(crate) async fn next(&self) -> Result<Arrived, Over> {
        self.when(|shared, queue| match queue.arrived.pop_front() {
            Some(piece) => {
                queue.bytes = queue.bytes.saturating_sub(piece.counts());
                shared.turn(queue);
                Some(Ok(piece.arrived()))
            }
            None => queue.over.map(Err),
        })
        .await
    }

    /// Waits until nothing more arrives, whatever is still to be taken, or the agent wants the program to stop. Takes
    /// nothing. Safe to drop and call again.
    pub(crate) async fn alarm(&self) -> Alarm {
        self.when(|_, queue| queue.alarmed()).await
    }

    /// The same, without a wait.
    pub(crate) fn alarmed(&self) -> Option<Alarm> {
        self.shared.queue().alarmed()
    }

    /// A program was asked for: what arrived before was not for it.
    pub(crate) fn begins(&self) {
        self.shared.queue().interrupted = false;
        self.forget_signals();
    }

    /// The program runs from now on: signals that have arrived were for none.
    pub(crate) fn forget_signals(&self) {
        let mut queue = self.shared.queue();
        queue.arrived.retain(|piece| !matches!(piece, Piece::Other(Arrived::Signal(_))));
        queue.bytes = queue.arrived.iter().map(Piece::counts).sum();
        self.shared.turn(&mut queue);
    }

    /// Whether the peer has said that it sends no more.
    pub(crate) fn is_finished(&self) -> bool {
        self.shared.queue().finished
    }

    /// Whether everything that arrives has arrived.
    pub(crate) fn is_over(&self) -> Option<Over> {
        self.shared.queue().over
    }

    async fn when<T>(&self, mut found: impl FnMut(&Shared, &mut Queue) -> Option<T>) -> T {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = found(&self.shared, &mut self.shared.queue()) {
                return found;
            }
            changed.await;
        }
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.pump.abort();
        let mut queue = self.shared.queue();
        queue.bytes = 0;
        queue.over = Some(Over::Closed);
        self.shared.turn(&mut queue);
    }
}

impl Shared {
    fn of(flow: Arc<Flow>) -> Self {
        let queue = Queue {
            arrived: VecDeque::new(),
            bytes: 0,
            counted: 0,
            tide: Tide::Flowing,
            terminal: Terminal::None,
            interrupted: false,
            finished: false,
            over: None,
        };
        Self { queue: Mutex::new(queue), changed: Notify::new(), flow }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slows the peer down, or lets it go on.
    fn turn(&self, queue: &mut Queue) {
        self.flow.waits(std::mem::replace(&mut queue.counted, queue.bytes), queue.bytes);
        let tide = match queue.tide {
            Tide::Flowing if queue.bytes > HIGH => Tide::Stalled,
            Tide::Stalled if queue.bytes < LOW => Tide::Flowing,
            same @ (Tide::Flowing | Tide::Stalled) => same,
        };
        if tide != queue.tide {
            queue.tide = tide;
            self.flow.turns(tide);
        }
    }

    fn hear(&self, message: &ChannelMsg) {
        let mut queue = self.queue();
        queue.interrupted |= is_interrupt(message, queue.terminal);
    }

    /// Whether there is room for more.
    fn put(&self, arrived: Arrived) -> Result<(), Over> {
        let mut queue = self.queue();
        if queue.over.is_some() {
            return Err(Over::Closed);
        }
        queue.finished |= matches!(arrived, Arrived::Eof);
        match (arrived, queue.arrived.back_mut()) {
            (Arrived::Data(bytes), Some(Piece::Data(before)))
                if bytes.len() < SMALL && before.len() + bytes.len() <= TOGETHER =>
            {
                let counted = counts(before.len());
                before.extend_from_slice(&bytes);
                let more = counts(before.len()) - counted;
                queue.bytes = queue.bytes.saturating_add(more);
            }
            (Arrived::Data(bytes), _) => queue.push(Piece::Data(bytes.into())),
            (other, _) => queue.push(Piece::Other(other)),
        }
        self.turn(&mut queue);
        // Where the connection's channels have too much together, one that has little is not to blame.
        let full = queue.bytes > MOST || (queue.bytes > LOW && self.flow.is_full());
        if full {
            queue.over = Some(Over::TooMuch);
        }
        drop(queue);
        self.changed.notify_waiters();
        if full { Err(Over::TooMuch) } else { Ok(()) }
    }

    fn end(&self) {
        self.queue().over.get_or_insert(Over::Closed);
        self.changed.notify_waiters();
    }
}

impl Queue {
    fn alarmed(&self) -> Option<Alarm> {
        match self.over {
            Some(over) => Some(Alarm::Over(over)),
            None => self.interrupted.then_some(Alarm::Interrupted),
        }
    }

    fn push(&mut self, piece: Piece) {
        self.bytes = self.bytes.saturating_add(piece.counts());
        self.arrived.push_back(piece);
    }
}

async fn pump(mut channel: ChannelReadHalf, shared: Arc<Shared>) {
    while let Some(message) = channel.wait().await {
        shared.hear(&message);
        let Some(arrived) = arrived(message) else { continue };
        let put = arrived.and_then(|arrived| shared.put(arrived));
        if put.is_err() {
            break;
        }
    }
    shared.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Grip;
    use bytes::Bytes;

    #[test]
    fn the_channels_of_a_connection_have_one_measure_together() {
        let flow = Arc::new(Flow::new(Grip::Trickle));
        let megabyte = Bytes::from(vec![0; 1024 * 1024]);
        let channels: Vec<_> = (0..64).map(|_| Shared::of(Arc::clone(&flow))).collect();
        let small = Shared::of(Arc::clone(&flow));
        // No channel has too much for itself.
        let kept =
            channels.iter().take_while(|one| one.put(Arrived::Data(megabyte.clone())).is_ok());
        assert_eq!(kept.count(), 16);
        small.put(Arrived::Eof).expect("who has little is not to blame");
        // What was taken makes room.
        for taken in channels.iter().take(3) {
            let mut queue = taken.queue();
            queue.arrived.clear();
            queue.bytes = 0;
            taken.turn(&mut queue);
        }
        assert_eq!(small.put(Arrived::Data(megabyte)), Ok(()));
    }
}
