//! Connections as the operating system keeps them: how a peer that is gone is noticed. It does not read or write.

use socket2::{SockRef, TcpKeepalive};
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// How long bytes may stand unacknowledged before the connection counts as lost (`TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED: Duration = Duration::from_mins(5);

/// How TCP asks a silent peer whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Between two probes.
    pub interval: Duration,
    /// Probes without an answer after which the connection counts as lost.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(15), interval: Duration::from_secs(15), probes: 4 }
    }
}

/// Prepares a new connection, to an agent or to a target.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    let Keepalive { idle, interval, probes } = keepalive;
    socket.set_nodelay(true)?;
    let options = SockRef::from(socket);
    let asking = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
    options.set_tcp_keepalive(&asking)?;
    options.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}
