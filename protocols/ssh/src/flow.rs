//! How much a peer may send: the window that is granted on a connection's channels.
//!
//! The SSH library grants a window anew when data is received, not when it is used, and only then. So whoever must be slowed
//! down is granted hardly anything more, and the few bytes that it may still send are what gives it the window back once
//! there is room. They are read at a pace that wastes nothing (`wire`). A peer that is granted nothing at all could never be
//! told to go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a peer may send on a channel before it is granted more, in bytes: OpenSSH's own measure.
pub(crate) const WINDOW: u32 = 2 * 1024 * 1024;
/// The same while one of the connection's channels has more than it can pass on. The library grants anew what has fallen
/// below half of it.
const TRICKLE: u32 = 2;
/// The most bytes that wait on all channels of a connection together.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// How a peer is slowed down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Grip {
    /// It is granted hardly anything, and goes on being heard: an agent, whose word on what it can take must arrive.
    Trickle,
    /// It is not read: a target, towards which the library grants its whole window whatever it is told. Its connection
    /// carries one program, so nobody else waits; and that it is read again waits for the agent alone.
    Stop,
}

/// The flow of what one peer sends.
#[derive(Debug)]
pub(crate) struct Flow {
    grip: Grip,
    stalled: AtomicUsize,
    waiting: AtomicUsize,
    trickled: AtomicBool,
}

impl Flow {
    pub(crate) const fn new(grip: Grip) -> Self {
        Self {
            grip,
            stalled: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            trickled: AtomicBool::new(false),
        }
    }

    /// Whether the peer is not to be read now.
    pub(crate) fn is_stopped(&self) -> bool {
        self.grip == Grip::Stop && self.tide() == Tide::Stalled
    }

    /// A channel has more than it can pass on, or has passed it on.
    pub(crate) fn turns(&self, tide: Tide) {
        match tide {
            Tide::Stalled => drop(self.stalled.fetch_add(1, Ordering::Relaxed)),
            Tide::Flowing => drop(self.stalled.fetch_sub(1, Ordering::Relaxed)),
        }
    }

    /// Whether any channel of the connection has more than it can pass on.
    pub(crate) fn tide(&self) -> Tide {
        if self.stalled.load(Ordering::Relaxed) == 0 { Tide::Flowing } else { Tide::Stalled }
    }

    /// On one of the channels so many bytes wait now, in place of so many before.
    pub(crate) fn waits(&self, before: usize, now: usize) {
        // Added first: what is between the two seems too much rather than less than nothing.
        self.waiting.fetch_add(now, Ordering::Relaxed);
        self.waiting.fetch_sub(before, Ordering::Relaxed);
    }

    /// Whether more waits on the channels together than may.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > MOST_WAITING
    }

    /// So many bytes of data were received.
    pub(crate) fn received(&self, bytes: usize) {
        if bytes <= TRICKLE as usize && self.tide() == Tide::Stalled {
            self.trickled.store(true, Ordering::Relaxed);
        }
    }

    /// Whether hardly anything was received since this was asked last, because hardly anything was granted.
    pub(crate) fn trickled(&self) -> bool {
        self.trickled.swap(false, Ordering::Relaxed)
    }

    /// The window that is granted next. It counts for the whole connection, as the library has it.
    pub(crate) fn window(&self) -> u32 {
        match self.tide() {
            Tide::Flowing => WINDOW,
            Tide::Stalled => TRICKLE,
        }
    }
}

/// Whether what comes goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tide {
    Flowing,
    Stalled,
}
