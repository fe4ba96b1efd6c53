//! Connections as the operating system keeps them: how a peer that is gone is noticed. It does not read or write.

use countersign_edge::Keepalive;
use socket2::SockRef;
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// How long bytes may stand unacknowledged before the connection counts as lost (`TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED: Duration = Duration::from_mins(5);

/// Prepares a new connection, to an agent or to a target.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let options = SockRef::from(socket);
    keepalive.set(&options)?;
    options.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}
