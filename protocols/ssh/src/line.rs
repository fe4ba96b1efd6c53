//! Connections as the operating system keeps them: how a peer that is gone is noticed, and how long one that is there may
//! stand still. It does not read or write.

use countersign_edge::Keepalive;
use socket2::SockRef;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;

/// How long bytes may stand unacknowledged before the connection counts as lost (`TCP_USER_TIMEOUT`). Since Linux 5.11 the
/// same time ends a connection whose peer is there and takes nothing (a window of zero).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// A client may rest for a while in the middle of a large result.
    Answering,
    /// Nothing is executed for a client that is gone: while an operation of its is held, that it is has to be known soon.
    /// Whether it is there is asked every few seconds, so that there is always something on the way.
    Holding,
}

impl Patience {
    const fn time(self) -> Duration {
        match self {
            Self::Answering => Duration::from_mins(5),
            Self::Holding => Duration::from_secs(30),
        }
    }
}

/// How many operations of a connection are held.
#[derive(Debug, Default)]
pub(crate) struct Holds(AtomicUsize);

/// One of them, while it is.
#[derive(Debug)]
#[must_use = "it counts for as long as it lives"]
pub(crate) struct OneHeld(Arc<Holds>);

impl Holds {
    /// One more is held, until this is dropped.
    pub(crate) fn one(self: &Arc<Self>) -> OneHeld {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneHeld(Arc::clone(self))
    }

    /// How patient the connection is now.
    pub(crate) fn patience(&self) -> Patience {
        if self.0.load(Ordering::Relaxed) == 0 { Patience::Answering } else { Patience::Holding }
    }
}

impl Drop for OneHeld {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Prepares a new connection, to an agent or to a target.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    socket.set_nodelay(true)?;
    keepalive.set(&SockRef::from(socket))?;
    be(socket, Patience::Answering)
}

/// Has this patience from now on.
pub(crate) fn be(socket: &TcpStream, patience: Patience) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(Some(patience.time()))
}
