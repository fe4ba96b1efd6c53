//! Connections as the operating system keeps them: how a peer that is gone is noticed, and how long an agent that is there
//! may stand still. It does not read or write.

use crate::socket::Socket;
use countersign_edge::Keepalive;
use std::{io, time::Duration};

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

/// The socket of an agent's connection, for how patient it is.
#[derive(Debug)]
pub(crate) struct Line(Socket);

impl Line {
    /// Prepares a new connection.
    pub(crate) fn of(socket: &Socket, keepalive: Keepalive) -> io::Result<Self> {
        socket.tcp().set_nodelay(true)?;
        keepalive.set(&socket.options())?;
        socket.options().set_tcp_user_timeout(Some(Patience::Answering.time()))?;
        Ok(Self(socket.clone()))
    }

    /// Has this patience from now on.
    pub(crate) fn be(&self, patience: Patience) {
        // A socket that does not take it any more is one whose next read fails; nothing admitted is given up for it here.
        if let Err(error) = self.0.options().set_tcp_user_timeout(Some(patience.time())) {
            tracing::debug!(%error, ?patience, "a time-out could not be set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_line_is_less_patient_while_an_operation_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::new(socket);
        let seconds = Duration::from_secs;
        let keepalive = Keepalive { idle: seconds(7), interval: seconds(3), probes: 5 };
        let line = Line::of(&socket, keepalive).unwrap();
        let timeout = || socket.options().tcp_user_timeout().unwrap();
        assert_eq!(timeout(), Some(Duration::from_mins(5)));
        line.be(Patience::Holding);
        assert_eq!(timeout(), Some(Duration::from_secs(30)));
        line.be(Patience::Answering);
        assert_eq!(timeout(), Some(Duration::from_mins(5)));
        let options = socket.options();
        assert!(options.keepalive().unwrap() && socket.tcp().nodelay().unwrap());
        assert_eq!(options.tcp_keepalive_time().unwrap(), seconds(7));
        assert_eq!(options.tcp_keepalive_interval().unwrap(), seconds(3));
        assert_eq!(options.tcp_keepalive_retries().unwrap(), 5);
    }
}
