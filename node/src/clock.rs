//! The wall clock: the only place of the node that reads it. What the cluster decides by is log time
//! ([`countersign_core::log_time`]), which the leader's clock moves; this one judges tokens and stamps log lines.

use std::time::{Duration, SystemTime};

/// Milliseconds since the Unix epoch; 0 when the clock stands before it.
pub fn now_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clock that tokens are judged by. Tests set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    Wall,
    /// A clock that stands still, in milliseconds since the Unix epoch.
    Fixed(u64),
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    pub fn now_ms(self) -> u64 {
        match self {
            Self::Wall => now_ms(),
            Self::Fixed(now_ms) => now_ms,
        }
    }
}
