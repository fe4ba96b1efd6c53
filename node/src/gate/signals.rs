//! What one session hears from outside: cancels, and the end.

use countersign_core::{
    gate::{BoxFuture, Signal, Signals},
    refusal::Refusal,
};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// The listening end of a session's line.
#[derive(Debug)]
pub(super) struct SessionSignals {
    ended: watch::Receiver<Option<Refusal>>,
    cancels: watch::Receiver<u64>,
    expires: Instant,
    said_end: Said,
}

/// Whether the end was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    NotYet,
    End,
}

impl SessionSignals {
    pub(super) fn new(
        ended: watch::Receiver<Option<Refusal>>,
        cancels: watch::Receiver<u64>,
        lives: Duration,
    ) -> Self {
        Self { ended, cancels, expires: Instant::now() + lives, said_end: Said::NotYet }
    }

    async fn hear(&mut self) -> Signal {
        if self.said_end == Said::End {
            return std::future::pending().await;
        }
        let signal = tokio::select! {
            biased;
            refusal = end_of(&mut self.ended) => Signal::End(refusal),
            () = tokio::time::sleep_until(self.expires) => Signal::End(Refusal::SessionEnded {
                reason: "the proof of identity has expired".to_owned(),
            }),
            Ok(()) = self.cancels.changed() => Signal::Cancel,
        };
        if matches!(signal, Signal::End(_)) {
            self.said_end = Said::End;
        }
        signal
    }
}

/// The last word. A line that is gone without one belongs to a session that was closed here.
async fn end_of(ended: &mut watch::Receiver<Option<Refusal>>) -> Refusal {
    let word = match ended.wait_for(Option::is_some).await {
        Ok(word) => word.clone(),
        Err(_gone) => None,
    };
    match word {
        Some(refusal) => refusal,
        None => std::future::pending().await,
    }
}

impl Signals for SessionSignals {
    fn next(&mut self) -> BoxFuture<'_, Signal> {
        Box::pin(self.hear())
    }
}
