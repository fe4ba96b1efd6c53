//! Stopping in order: readiness fails, listeners stop accepting, sessions get a grace, then everything stops.
//!
//! Who does which step is decided in [`crate::serve`]; here are only the two signals and the wait for them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two signals of a shutdown. Clones are the same shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
    why: Arc<OnceLock<Why>>,
    /// Whether an administrator takes the node out of service, without stopping it.
    out_of_service: Arc<AtomicBool>,
}

/// Why a node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The operating system asks for it, by this signal.
    Asked(&'static str),
    /// The node has lost its place in the cluster.
    Superseded(&'static str),
    /// A part that should go on has ended.
    Failed(&'static str),
}

impl Shutdown {
    /// A shutdown that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to drain: `/readyz` fails, nothing new is opened. The first reason stays.
    pub fn drain(&self, why: Why) {
        // An error says that there is a reason already.
        let _ = self.why.set(why);
        self.draining.cancel();
    }

    /// Why the node drains; `None` while it does not.
    pub fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// Whether the node drains, or has stopped.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Takes the node out of service: `/readyz` fails and no new session is opened; what is open goes on.
    pub fn take_out_of_service(&self) {
        self.out_of_service.store(true, Ordering::Relaxed);
    }

    /// Puts the node into service again.
    pub fn put_into_service(&self) {
        self.out_of_service.store(false, Ordering::Relaxed);
    }

    /// Whether the node takes no new agents: it is out of service, or stops.
    pub fn takes_no_more(&self) -> bool {
        self.out_of_service.load(Ordering::Relaxed) || self.is_draining()
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

/// Drains when the operating system asks the process to end (SIGTERM or SIGINT); a second time, stops at once.
pub fn drain_on_signals(shutdown: Shutdown) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "drains");
        shutdown.drain(Why::Asked(name));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("asked a second time: stops at once");
        shutdown.stop();
    });
    Ok(())
}
