//! Stopping in order: readiness fails, listeners stop accepting, sessions get a grace, then everything stops.
//!
//! Who does which step is decided in [`crate::serve`]; here are only the two signals and the wait for them.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two signals of a shutdown. Clones are the same shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
}

impl Shutdown {
    /// A shutdown that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to drain: `/readyz` fails, listeners close, nothing new is opened.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Whether the node drains, or has stopped.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until the node drains.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Stops everything that is still going on.
    pub fn stop(&self) {
        self.draining.cancel();
        self.stopping.cancel();
    }

    /// Waits until everything must stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// The signal to drain, for what takes a token.
    pub fn drain_token(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// The signal to stop, for what takes a token.
    pub fn stop_token(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

/// Waits for the operating system to ask the process to end (SIGTERM or SIGINT).
pub async fn asked_to_end() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
