//! The loop of a session and the first look at each message.

use super::{End, Link, Session, Stop};
use crate::{
    error::{Complaint, Severity, SqlState},
    frame::{self, FrameError, FrontendKind, Head},
    mask::Masker,
    state::{Block, Flow, Work},
};
use bytes::Bytes;
use countersign_core::gate::CancelKey;
use std::time::Duration;
use tokio::time::Instant;

/// Who says something next.
enum Next {
    Agent(Head),
    Target(Head),
}

impl Session {
    /// From the greeting to the end.
    pub(super) async fn converse(&mut self, key: CancelKey) -> End {
        self.greet(key);
        if let Err(end) = self.ready().await {
            return end;
        }
        loop {
            let step = match self.next().await {
                Ok(Next::Agent(head)) => self.take(head).await,
                Ok(Next::Target(head)) => self.target_speaks(head).await,
                Err(end) => Err(end),
            };
            // An agent that sends and does not read is not read any further.
            let recorded = match step {
                Ok(()) => self.recorded().await,
                Err(end) => Err(end),
            };
            let gathered = match recorded {
                Ok(()) => self.writer.gather().await.map_err(End::agent),
                Err(end) => Err(end),
            };
            if let Err(end) = gathered {
                return end;
            }
            self.settle_what_is_over().await;
        }
    }

    /// Waits for the next message. What was said so far is written before it waits.
    async fn next(&mut self) -> Result<Next, End> {
        if let Some(head) = self.reader.buffered_head().map_err(End::agent)? {
            return Ok(Next::Agent(head));
        }
        self.writer.flush().await.map_err(End::agent)?;
        let Self { reader, link, .. } = self;
        match link {
            Link::NotDialled => reader.head().await.map(Next::Agent).map_err(End::agent),
            Link::Up(upstream) => tokio::select! {
                biased;
                head = upstream.reader.head() => head.map(Next::Target).map_err(End::TargetLost),
                head = reader.head() => head.map(Next::Agent).map_err(End::agent),
            },
        }
    }

    /// What the target says between operations. An error is its last word, behind which it hangs up.
    async fn target_speaks(&mut self, head: Head) -> Result<(), End> {
        self.relay_aside(head).await?;
        if head.kind == b'E' { Err(End::HungUp) } else { Ok(()) }
    }

    /// Takes one message of the agent's.
    async fn take(&mut self, head: Head) -> Result<(), End> {
        let kind = match FrontendKind::of(head) {
            Ok(kind) => kind,
            Err(FrameError::TooLong { most, .. }) => return self.take_too_long(head, most).await,
            Err(error) => return Err(End::agent(error)),
        };
        match (self.flow, kind) {
            (_, FrontendKind::Terminate) => Err(End::Terminated),
            (_, FrontendKind::Sync) => {
                self.reader.whole(head).await.map_err(End::agent)?;
                let synced = self.sync().await;
                self.after_extended(synced).await
            }
            // "accept but ignore these messages, per protocol spec; we probably got here because a frontend is still
            // sending after receipt of a COPY failure": the server does the same.
            (_, FrontendKind::CopyData | FrontendKind::CopyDone | FrontendKind::CopyFail) => {
                self.skip(head).await
            }
            (
                Flow::SkipToSync,
                FrontendKind::Bind
                | FrontendKind::Close
                | FrontendKind::Describe
                | FrontendKind::Execute
                | FrontendKind::Flush
                | FrontendKind::FunctionCall
                | FrontendKind::Parse
                | FrontendKind::Query,
            ) => self.skip(head).await,
            (_, FrontendKind::Password) => {
                Err(End::agent(FrameError::UnknownType { kind: head.kind }))
            }
            (Flow::Ready, kind @ (FrontendKind::FunctionCall | FrontendKind::Query)) => {
                // An error of the pipeline before it is that pipeline's: everything up to the Sync is passed over.
                if let Err(stop) = self.resolve_pending().await {
                    self.skip(head).await?;
                    return self.after_extended(Err(stop)).await;
                }
                if kind == FrontendKind::FunctionCall {
                    return self.refuse_function_call(head).await;
                }
                let body = self.body(head).await?;
                self.simple(body).await
            }
            (Flow::Ready, kind) => {
                let body = self.body(head).await?;
                let done = self.extended(kind, body).await;
                self.after_extended(done).await
            }
        }
    }

    /// A FunctionCall names a function by its number and has no text: there is nothing that a policy could read or a reviewer
    /// be shown. It ends as a Query does, with `ReadyForQuery`.
    async fn refuse_function_call(&mut self, head: Head) -> Result<(), End> {
        self.skip(head).await?;
        let complaint = Complaint::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "FunctionCall is not supported by the gateway",
        );
        let refused = Stop::Refuse(complaint.hint("Call the function in a statement."));
        self.end_simple(Err(refused)).await
    }

    /// Drops a statement or a Bind that is too long, says so, and goes on.
    async fn take_too_long(&mut self, head: Head, most: usize) -> Result<(), End> {
        self.skip(head).await?;
        let refused = match self.flow {
            Flow::SkipToSync => return Ok(()),
            Flow::Ready => self.resolve_pending().await.and_then(|()| {
                let complaint = format!(
                    "the message is longer than {most} bytes, the most that the gateway takes"
                );
                Err(Stop::Refuse(Complaint::new(SqlState::PROGRAM_LIMIT_EXCEEDED, complaint)))
            }),
        };
        if head.kind == b'Q' {
            self.end_simple(refused).await
        } else {
            self.after_extended(refused).await
        }
    }

    async fn body(&mut self, head: Head) -> Result<Bytes, End> {
        self.reader.whole(head).await.map_err(End::agent)
    }

    async fn skip(&mut self, head: Head) -> Result<(), End> {
        self.reader.skip(head).await.map_err(End::agent)
    }

    /// An error in the extended protocol is followed by skipping up to the next Sync.
    async fn after_extended(&mut self, done: Result<(), Stop>) -> Result<(), End> {
        match done {
            Ok(()) => Ok(()),
            Err(Stop::End(end)) => Err(end),
            Err(Stop::Refuse(complaint)) => {
                self.complain(&complaint);
                self.flow = Flow::SkipToSync;
                self.pending = None;
                self.fail_transaction().await
            }
            Err(Stop::Failed) => {
                self.flow = Flow::SkipToSync;
                self.pending = None;
                Ok(())
            }
        }
    }

    /// Says an error.
    pub(super) fn complain(&mut self, complaint: &Complaint) {
        self.say_own(complaint.encode(Severity::Error));
    }

    /// Says `ReadyForQuery` with the status that agent and target agree on. The agent has it before anything else is done:
    /// what it sent behind may be held for hours.
    pub(super) async fn ready(&mut self) -> Result<(), End> {
        self.flow = Flow::Ready;
        if self.block.status() == Block::Idle.status() {
            // Whatever was bound since the last one, even if nothing of it went to the target.
            self.names.transaction_ended();
        }
        self.writer.say(Masker::own(frame::ready(self.block.status())));
        // Whoever only makes the gateway complain waits for the recording like everybody.
        self.recorded().await?;
        self.writer.flush().await.map_err(End::agent)
    }

    /// After a refusal inside a transaction the target's transaction must be as failed as the agent believes it to be.
    pub(super) async fn fail_transaction(&mut self) -> Result<(), End> {
        let failed = match self.block {
            Block::Explicit => Block::Failed,
            // The transaction of a pipeline is over with its Sync.
            Block::Implicit(_) => Block::Idle,
            Block::Idle | Block::Failed => return Ok(()),
        };
        let Link::Up(upstream) = &mut self.link else { return Ok(()) };
        let status = upstream.fail_transaction().await.map_err(End::TargetLost)?;
        self.rolled_back(status);
        self.hand_over_asides()?;
        if self.block == failed {
            Ok(())
        } else {
            Err(End::TargetLost(FrameError::Malformed { what: "ReadyForQuery" }))
        }
    }

    /// The status that the target said. Whoever knows that its transaction was rolled back says so first.
    pub(super) fn set_block(&mut self, status: u8) {
        self.block = Block::after_ready(status);
        self.accounts.stand();
        self.note_opening();
        if self.block == Block::Idle {
            self.work = Work::None;
            self.names.transaction_ended();
            self.masker.transaction_ended();
            self.retire_portals();
        }
    }

    /// A transaction that was not open before is open since now.
    pub(super) fn note_opening(&mut self) {
        self.open_since = match self.block {
            Block::Idle => {
                self.waited_in_vain = Duration::ZERO;
                None
            }
            Block::Implicit(_) | Block::Explicit | Block::Failed => {
                self.open_since.or_else(|| Some(Instant::now()))
            }
        };
    }

    /// Portals that no name means any more give no more rows.
    pub(super) fn retire_portals(&mut self) {
        let Self { accounts, names, block, .. } = self;
        accounts.retire_portals(|at_target| names.has_at_target(at_target), *block);
    }
}
