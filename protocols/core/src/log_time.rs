//! Log time: the clock that all nodes agree on. Each entry carries the leader's clock and the state machine keeps the
//! greatest seen, so time never runs back and expiry falls on the same entry everywhere. Nothing here reads a clock.

use std::fmt;

/// Milliseconds since the Unix epoch, as the log says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogTime(pub u64);

impl LogTime {
    /// The later of this time and a leader's clock: what the state machine holds after an entry.
    #[must_use]
    pub fn advanced_to(self, clock_ms: u64) -> Self {
        Self(self.0.max(clock_ms))
    }

    /// This time plus a span in milliseconds; stays at the greatest time instead of wrapping.
    #[must_use]
    pub fn after_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}
