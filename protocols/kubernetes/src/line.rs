//! Connections as the operating system keeps them: how a peer that is gone is noticed, and how long one that is there may
//! stand still. It does not read or write.

use countersign_edge::Keepalive;
use socket2::SockRef;
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// How long bytes may stand unacknowledged before an agent's connection counts as lost (`TCP_USER_TIMEOUT`). Since Linux 5.11
/// the same time ends a connection whose peer is there and takes nothing (a window of zero). A client may rest for a while in
/// the middle of a long answer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Prepares a new connection to an agent.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    probed(socket, keepalive)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(PATIENCE))
}

/// Prepares a connection whose peer is asked whether it is there.
pub(crate) fn probed(socket: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    socket.set_nodelay(true)?;
    keepalive.set(&SockRef::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn an_agent_that_takes_nothing_is_given_up_at_some_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let seconds = Duration::from_secs;
        prepare(&socket, Keepalive { idle: seconds(7), interval: seconds(3), probes: 5 }).unwrap();
        let socket = SockRef::from(&socket);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(PATIENCE));
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(7));
    }
}
