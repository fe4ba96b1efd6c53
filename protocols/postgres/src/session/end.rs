//! The end of a session: the last word to the agent, the account of what was under way, the gate's and the target's notice.

use super::{End, Left, Link, Session};
use crate::{
    error::{Complaint, Severity, SqlState},
    frame,
    mask::Masker,
    record::Account,
    upstream::Upstream,
};
use countersign_core::{gate::CloseReason, id::HoldId, operation::Effect, refusal::Refusal};
use std::time::Duration;
use tokio::time::timeout;

/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Session {
    /// Ends the session.
    pub(super) async fn finish(mut self, end: End) {
        let under_way = self.in_flight.as_ref().and_then(Account::under_way);
        self.settle_the_rest().await;
        let (complaint, reason) = self.last_words(end, under_way);
        let told = complaint.is_some();
        if let Some(complaint) = complaint
            && self.writer.is_between_messages()
        {
            self.writer.say(Masker::own(complaint.encode(Severity::Fatal)));
        }
        // Whoever does not read the last words goes without them.
        drop(timeout(LAST_WORDS, self.writer.close()).await);
        if let Link::Up(upstream) = self.link {
            hang_up(*upstream, under_way).await;
        }
        self.around.gate.close(self.opened.id(), reason).await;
        if told {
            tokio::select! {
                () = self.reader.drain() => {}
                () = self.around.shutdown.cancelled() => {}
            }
        }
    }

    /// What the agent and the record hear. An agent whose operation was under way must not believe that nothing happened.
    fn last_words(&self, end: End, under_way: Option<Effect>) -> (Option<Complaint>, CloseReason) {
        match end {
            End::Terminated => (None, CloseReason::Agent),
            End::AgentGone(error) => {
                tracing::debug!(session.id = %self.opened.id(), %error, "the agent is gone");
                (None, CloseReason::Agent)
            }
            End::Violation(complaint) => (Some(complaint), CloseReason::Agent),
            End::Refused(refusal) => {
                let refusal = match under_way {
                    Some(effect) => refusal.after_forward(effect),
                    None => refusal,
                };
                (Some(Complaint::from(&refusal)), CloseReason::Refused(refusal))
            }
            End::TargetLost(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(session.id = %self.opened.id(), error, "the target's connection was lost");
                let lost = "the connection to the target was lost";
                let complaint = match under_way {
                    Some(Effect::Lasting) => {
                        Complaint::from(&Refusal::OutcomeUnknown { reason: lost.to_owned() })
                    }
                    Some(Effect::Passing) | None => {
                        Complaint::new(SqlState::CONNECTION_FAILURE, lost)
                    }
                };
                (Some(complaint), CloseReason::Target)
            }
            End::HungUp => {
                tracing::info!(session.id = %self.opened.id(), "the target has ended the session");
                (None, CloseReason::Target)
            }
            End::LostWhileHeld { hold, left, state } => {
                tracing::info!(
                    session.id = %self.opened.id(), hold.id = %hold, ?left, ?state,
                    "the target hung up while an operation was held"
                );
                (Some(lost_while_held(hold, left, state)), CloseReason::Target)
            }
        }
    }

    /// What was under way is stopped as far as the target lets it, and recorded as what it is: unknown.
    async fn settle_the_rest(&mut self) {
        self.accounts.abandon();
        self.settle_what_is_over().await;
        let (masked, _) = self.masker.answered();
        let Some(mut account) = self.in_flight.take() else { return };
        account.masked(&masked);
        if let Link::Up(upstream) = &self.link
            && account.under_way().is_some()
        {
            let cancel = upstream.cancel.clone();
            drop(timeout(LAST_WORDS, cancel.send()).await);
        }
        self.around.gate.settle(&self.opened, account.settle()).await;
    }
}

/// What an agent hears whose target went away while its operation was held: the target's own SQLSTATE, and what became of the
/// hold.
fn lost_while_held(hold: HoldId, left: Left, state: SqlState) -> Complaint {
    match left {
        Left::Open => {
            let lost = "the connection to the target was lost while the operation was held";
            Complaint::new(state, lost)
                .detail(format!("Hold {hold} stays open; nothing of it was executed."))
                .hint(
                    "Send exactly the same operation again, through any node, to take up the hold.",
                )
        }
        Left::Void => {
            let ended = "the target ended the transaction while its operation was held";
            let hint = if state == SqlState::IDLE_IN_TRANSACTION_TIMEOUT {
                "The target's idle_in_transaction_session_timeout is shorter than the wait for approval: send what is held outside of transactions."
            } else {
                "Begin the transaction anew."
            };
            Complaint::new(state, ended)
                .detail(format!(
                    "Hold {hold} is void; nothing of it was executed, and what the transaction had done is rolled back."
                ))
                .hint(hint)
        }
    }
}

/// Ends the connection to the target. Terminate is said only where nothing is under way: whatever of an operation is not
/// written yet stays unwritten.
async fn hang_up(mut upstream: Upstream, under_way: Option<Effect>) {
    if under_way.is_none() && upstream.writer.is_idle() {
        upstream.writer.queue(&frame::empty(b'X'));
        drop(timeout(LAST_WORDS, upstream.writer.flush()).await);
    }
}
