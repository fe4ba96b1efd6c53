//! The stages of a shutdown, and the signals that begin it. Which step belongs to which stage is decided in
//! `drain`; here are only the stages and the wait for them.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// How far a shutdown has come. There is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has not begun.
    Serves,
    /// `/readyz` fails; agents whom the load balancer still sends are served.
    Leaves,
    /// Nothing new is opened; what is open goes on.
    Closed,
    /// Everything ends.
    Stops,
}

/// A shutdown. Clones are the same shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown {
    stage: Arc<watch::Sender<Stage>>,
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

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Serves)),
            stopping: CancellationToken::new(),
            why: Arc::default(),
            out_of_service: Arc::default(),
        }
    }
}

impl Shutdown {
    /// A shutdown that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins: `/readyz` fails from now on. The first reason stays.
    pub fn drain(&self, why: Why) {
        // An error says that there is a reason already.
        let _ = self.why.set(why);
        self.reach(Stage::Leaves);
    }

    /// Opens nothing new from now on.
    pub fn close(&self) {
        self.reach(Stage::Closed);
    }

    /// Stops everything that is still going on.
    pub fn stop(&self) {
        self.reach(Stage::Stops);
        self.stopping.cancel();
    }

    fn reach(&self, wanted: Stage) {
        self.stage.send_if_modified(|stage| {
            let further = *stage < wanted;
            *stage = (*stage).max(wanted);
            further
        });
    }

    fn has_reached(&self, stage: Stage) -> bool {
        *self.stage.borrow() >= stage
    }

    /// Why the node drains; `None` while it does not.
    pub fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// Takes the node out of service: `/readyz` fails and no new session is opened; what is open goes on.
    pub fn take_out_of_service(&self) {
        self.out_of_service.store(true, Ordering::Relaxed);
    }

    /// Puts the node into service again.
    pub fn put_into_service(&self) {
        self.out_of_service.store(false, Ordering::Relaxed);
    }

    /// Whether the node should get no new agents: it is out of service, or is about to end.
    pub fn wants_no_more(&self) -> bool {
        self.out_of_service.load(Ordering::Relaxed) || self.has_reached(Stage::Leaves)
    }

    /// Whether the node takes no new agents any more.
    pub fn takes_no_more(&self) -> bool {
        self.out_of_service.load(Ordering::Relaxed) || self.has_reached(Stage::Closed)
    }

    /// Waits until the shutdown begins.
    pub async fn draining(&self) {
        let mut stage = self.stage.subscribe();
        if stage.wait_for(|stage| *stage >= Stage::Leaves).await.is_err() {
            // This shutdown holds the sender, so this does not happen; not to begin is the safe answer.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until everything must stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Whether everything must stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Runs what should go on until the node stops. Should it end before, by a panic too, the node drains and stops: it would
    /// go on without hearing of revocations, without its lease, or without anybody who can ask it.
    pub fn keep_running(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let shutdown = self.clone();
        tokio::spawn(async move {
            let ended = tokio::spawn(work).await;
            // A node that drains is on its way already, and parts end as what they stand on does.
            if shutdown.wants_no_more() {
                return;
            }
            let panicked = ended.is_err();
            tracing::error!(panicked, "{name} has ended: the node stops");
            shutdown.drain(Why::Failed(name));
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shutdown_goes_through_its_stages_and_never_back() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.wants_no_more() && !shutdown.takes_no_more());
        shutdown.drain(Why::Asked("SIGTERM"));
        shutdown.draining().await;
        assert!(shutdown.wants_no_more() && !shutdown.takes_no_more());
        shutdown.close();
        shutdown.drain(Why::Failed("later"));
        assert!(shutdown.takes_no_more() && !shutdown.is_stopping());
        assert_eq!(shutdown.why(), Some(Why::Asked("SIGTERM")));
        shutdown.stop();
        shutdown.stopping().await;
        assert!(shutdown.takes_no_more() && shutdown.is_stopping());
    }

    #[tokio::test]
    async fn a_stop_wakes_who_waits_for_the_drain() {
        let shutdown = Shutdown::new();
        let waits = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.draining().await }
        });
        shutdown.stop();
        waits.await.unwrap();
    }

    #[tokio::test]
    async fn what_ends_or_panics_before_the_node_stops_it() {
        let ends: [fn(); 2] = [|| {}, || panic!("on purpose")];
        for end in ends {
            let shutdown = Shutdown::new();
            shutdown.keep_running("a part", async move { end() });
            shutdown.draining().await;
            assert_eq!(shutdown.why(), Some(Why::Failed("a part")));
        }
    }

    #[tokio::test]
    async fn what_ends_with_the_node_is_no_failure() {
        let shutdown = Shutdown::new();
        shutdown.drain(Why::Asked("SIGTERM"));
        let stopping = shutdown.clone();
        shutdown.keep_running("a part", async move { stopping.stopping().await });
        shutdown.stop();
        tokio::task::yield_now().await;
        assert_eq!(shutdown.why(), Some(Why::Asked("SIGTERM")));
    }
}
