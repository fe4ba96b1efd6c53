//! What arrives on one channel, until somebody takes it. The library must never wait for who takes it: while it waits it reads
//! no window either, and two sides that wait for each other would wait for ever. So everything is taken from it at once,
//! into a queue whose bytes are limited: by the flow, and where a peer sends more than it was granted, by the end of the
//! channel.

use crate::flow::{Flow, Tide, WINDOW};
use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf, Sig};
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
/// What a thing that arrived counts at least, so that a million empty ones are not nothing.
const LEAST: usize = 64;
/// Pieces up to this size are put together with those before them.
const SMALL: usize = 1024;
/// Up to this size.
const TOGETHER: usize = 32 * 1024;
/// What a terminal sends for Ctrl-C.
const INTERRUPT: u8 = 3;

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Arrived {
    Data(Bytes),
    /// Of the error output.
    Error(Bytes),
    Eof,
    Signal(Sig),
    Resized(Size),
    ExitStatus(u32),
    ExitSignal(Killed),
    /// The request was taken.
    Success,
    /// The request was refused.
    Failure,
}

/// The size of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// By which signal a program ended.
#[derive(Clone, Debug)]
pub(crate) struct Killed {
    pub(crate) signal: Sig,
    pub(crate) core_dumped: bool,
    pub(crate) message: String,
    pub(crate) language: String,
}

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
    tide: Tide,
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
        let bytes = match self {
            Self::Data(bytes) => bytes.len(),
            Self::Other(Arrived::Error(bytes) | Arrived::Data(bytes)) => bytes.len(),
            Self::Other(
                Arrived::Eof
                | Arrived::Signal(_)
                | Arrived::Resized(_)
                | Arrived::ExitStatus(_)
                | Arrived::ExitSignal(_)
                | Arrived::Success
                | Arrived::Failure,
            ) => 0,
        };
        bytes.max(LEAST)
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
    pub(crate) fn of(channel: ChannelReadHalf, flow: Arc<Flow>, terminal: Terminal) -> Self {
        let queue = Queue {
            arrived: VecDeque::new(),
            bytes: 0,
            tide: Tide::Flowing,
            interrupted: false,
            finished: false,
            over: None,
        };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Notify::new(), flow });
        let pump = tokio::spawn(pump(channel, Arc::clone(&shared), terminal)).abort_handle();
        Self { shared, pump }
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
        self.when(|_, queue| match queue.over {
            Some(over) => Some(Alarm::Over(over)),
            None => queue.interrupted.then_some(Alarm::Interrupted),
        })
        .await
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
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slows the peer down, or lets it go on.
    fn turn(&self, queue: &mut Queue) {
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
                let counted = before.len().max(LEAST);
                before.extend_from_slice(&bytes);
                let counts = before.len().max(LEAST);
                queue.bytes = queue.bytes.saturating_add(counts - counted);
            }
            (Arrived::Data(bytes), _) => queue.push(Piece::Data(bytes.into())),
            (other, _) => queue.push(Piece::Other(other)),
        }
        let full = queue.bytes > MOST;
        if full {
            queue.over = Some(Over::TooMuch);
        }
        self.turn(&mut queue);
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
    fn push(&mut self, piece: Piece) {
        self.bytes = self.bytes.saturating_add(piece.counts());
        self.arrived.push_back(piece);
    }
}

async fn pump(mut channel: ChannelReadHalf, shared: Arc<Shared>, terminal: Terminal) {
    while let Some(message) = channel.wait().await {
        if is_interrupt(&message, terminal) {
            shared.queue().interrupted = true;
        }
        let Some(arrived) = arrived(message) else { continue };
        let put = arrived.and_then(|arrived| shared.put(arrived));
        if put.is_err() {
            break;
        }
    }
    shared.end();
}

fn is_interrupt(message: &ChannelMsg, terminal: Terminal) -> bool {
    if let ChannelMsg::Signal { signal: Sig::INT | Sig::TERM | Sig::KILL | Sig::QUIT } = message {
        return true;
    }
    match (message, terminal) {
        (ChannelMsg::Data { data }, Terminal::Some) => data.contains(&INTERRUPT),
        (_, Terminal::Some | Terminal::None) => false,
    }
}

/// What a message says to who takes it; nothing, or that nothing more arrives.
fn arrived(message: ChannelMsg) -> Option<Result<Arrived, Over>> {
    Some(Ok(match message {
        ChannelMsg::Data { data } => Arrived::Data(data),
        // RFC 4254, 5.2: SSH_EXTENDED_DATA_STDERR is the only one that is defined.
        ChannelMsg::ExtendedData { data, ext: 1 } => Arrived::Error(data),
        ChannelMsg::Eof => Arrived::Eof,
        ChannelMsg::Close | ChannelMsg::OpenFailure(_) => return Some(Err(Over::Closed)),
        ChannelMsg::Signal { signal } => Arrived::Signal(signal),
        ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
            Arrived::Resized(Size {
                columns: col_width,
                rows: row_height,
                width: pix_width,
                height: pix_height,
            })
        }
        ChannelMsg::ExitStatus { exit_status } => Arrived::ExitStatus(exit_status),
        ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, lang_tag } => {
            Arrived::ExitSignal(Killed {
                signal: signal_name,
                core_dumped,
                message: error_message,
                language: lang_tag,
            })
        }
        ChannelMsg::Success => Arrived::Success,
        ChannelMsg::Failure => Arrived::Failure,
        // Requests are answered where they arrive (`downstream`); the rest is the library's own affair.
        ChannelMsg::ExtendedData { .. }
        | ChannelMsg::Open { .. }
        | ChannelMsg::RequestPty { .. }
        | ChannelMsg::RequestShell { .. }
        | ChannelMsg::Exec { .. }
        | ChannelMsg::RequestSubsystem { .. }
        | ChannelMsg::RequestX11 { .. }
        | ChannelMsg::SetEnv { .. }
        | ChannelMsg::AgentForward { .. }
        | ChannelMsg::XonXoff { .. }
        | ChannelMsg::WindowAdjusted { .. }
        | _ => return None,
    }))
}
