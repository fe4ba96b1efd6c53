//! The only place of this crate that reads a clock. Wall time stamps entries; boot time, which also runs while the
//! machine sleeps, bounds leases.

use std::time::Duration;

/// A source of time that tests can replace.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Milliseconds since 1970 UTC. May be stepped in both directions.
    fn wall_ms(&self) -> u64;

    /// Time since the machine was started, suspension included (`CLOCK_BOOTTIME`). Never runs back.
    fn since_boot(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let now = duration(rustix::time::clock_gettime(rustix::time::ClockId::Realtime));
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    fn since_boot(&self) -> Duration {
        duration(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
    }
}

/// A clock before its own beginning counts as its beginning.
fn duration(time: rustix::time::Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
