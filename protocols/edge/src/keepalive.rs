//! How a peer that is gone without a word is noticed. It does not read or write.

use socket2::{SockRef, TcpKeepalive};
use std::{io, time::Duration};

/// How TCP asks a silent peer whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Between two probes.
    pub interval: Duration,
    /// Probes without an answer after which the connection counts as lost. Where there is a user time-out, that counts in its
    /// place, as long as probes go unanswered.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(15), interval: Duration::from_secs(15), probes: 4 }
    }
}

impl Keepalive {
    /// Has a socket ask like this.
    pub fn set(self, socket: &SockRef<'_>) -> io::Result<()> {
        let Self { idle, interval, probes } = self;
        let all = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
        socket.set_tcp_keepalive(&all)
    }
}
