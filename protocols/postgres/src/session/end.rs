//! The end of a session: the last word to the agent, the account of what was under way, the gate's and the target's notice.

use super::{End, Link, Session};
use crate::{
    error::{Complaint, Severity, SqlState},
    frame,
    mask::Masker,
};
use countersign_core::gate::CloseReason;
use std::time::Duration;
use tokio::time::timeout;

/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Session {
    /// Ends the session.
    pub(super) async fn finish(mut self, end: End) {
        self.settle_the_rest().await;
        let (complaint, reason) = match end {
            End::Terminated => (None, CloseReason::Agent),
            End::AgentGone(error) => {
                tracing::debug!(session.id = %self.opened.id(), %error, "the agent is gone");
                (None, CloseReason::Agent)
            }
            End::Violation(complaint) => (Some(complaint), CloseReason::Agent),
            End::Refused(refusal) => {
                (Some(Complaint::from(&refusal)), CloseReason::Refused(refusal))
            }
            End::TargetLost(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(session.id = %self.opened.id(), error, "the target's connection was lost");
                let complaint = Complaint::new(
                    SqlState::CONNECTION_FAILURE,
                    "the connection to the target was lost",
                );
                (Some(complaint), CloseReason::Target)
            }
        };
        let told = complaint.is_some();
        if let Some(complaint) = complaint
            && self.writer.is_between_messages()
        {
            self.writer.say(Masker::own(complaint.encode(Severity::Fatal)));
        }
        // Whoever does not read the last words goes without them.
        drop(timeout(LAST_WORDS, self.writer.close()).await);
        if let Link::Up(mut upstream) = self.link {
            upstream.writer.queue(&frame::empty(b'X'));
            drop(timeout(LAST_WORDS, upstream.writer.flush()).await);
        }
        self.around.gate.close(self.opened.id(), reason).await;
        if told {
            tokio::select! {
                () = self.reader.drain() => {}
                () = self.around.shutdown.cancelled() => {}
            }
        }
    }

    /// What was under way is stopped as far as the target lets it, and recorded as what it is: unknown.
    async fn settle_the_rest(&mut self) {
        let Some(account) = self.in_flight.take() else { return };
        if let Link::Up(upstream) = &self.link
            && account.is_underway()
        {
            let cancel = upstream.cancel.clone();
            drop(timeout(LAST_WORDS, cancel.send()).await);
        }
        self.around.gate.settle(&self.opened, account.settle()).await;
    }
}
