//! The agent's connection as the operating system keeps it: how a peer that is gone is noticed, and how long one that is
//! there may stand still. It does not read or write.

use socket2::{SockRef, Socket, TcpKeepalive};
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// Idle time before, and between, TCP keep-alive probes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long bytes may stand unacknowledged before the connection counts as lost (`TCP_USER_TIMEOUT`). Since Linux 5.11 the
/// same time ends a connection whose peer is there and takes nothing (a window of zero).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// A client may rest for a while in the middle of a large result.
    Answering,
    /// Nothing is executed for a client that is gone: while its operation is held, that it is has to be known soon. There
    /// is always something on the way then, every heartbeat.
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

/// A second handle on the socket of a connection.
#[derive(Debug)]
pub(crate) struct Line(Socket);

impl Line {
    /// Prepares a new connection.
    pub(crate) fn of(socket: &TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let line = Self(SockRef::from(socket).try_clone()?);
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        line.0.set_tcp_keepalive(&keepalive)?;
        line.0.set_tcp_user_timeout(Some(Patience::Answering.time()))?;
        Ok(line)
    }

    /// Has this patience from now on.
    pub(crate) fn be(&self, patience: Patience) {
        // A socket that does not take it any more is one whose next read fails; nothing admitted is given up for it here.
        if let Err(error) = self.0.set_tcp_user_timeout(Some(patience.time())) {
            tracing::debug!(%error, ?patience, "a time-out could not be set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_line_is_less_patient_while_an_operation_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let line = Line::of(&socket).unwrap();
        let timeout = || SockRef::from(&socket).tcp_user_timeout().unwrap();
        assert_eq!(timeout(), Some(Duration::from_mins(5)));
        line.be(Patience::Holding);
        assert_eq!(timeout(), Some(Duration::from_secs(30)));
        line.be(Patience::Answering);
        assert_eq!(timeout(), Some(Duration::from_mins(5)));
        assert!(SockRef::from(&socket).keepalive().unwrap());
    }
}
