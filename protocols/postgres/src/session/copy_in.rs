//! COPY from the agent: both directions move at once, in pieces, until the agent says that it is done or that it failed,
//! or the target does. Only the messages of the COPY sub-protocol are accepted.

use super::{End, Session, Stop, relay::Until};
use crate::{
    error::Complaint,
    frame::{FrameError, FrontendKind, Head, flush},
};

/// What moved.
enum Moved {
    Agent(Head),
    Target,
    Written,
}

impl Session {
    /// Passes COPY data on until its end, or until the target says something.
    pub(super) async fn copy_in(&mut self, until: Until) -> Result<(), Stop> {
        loop {
            self.writer.flush().await.map_err(End::agent)?;
            match self.moved().await? {
                Moved::Target => return Ok(()),
                Moved::Written => {}
                Moved::Agent(head) => match FrontendKind::of(head).map_err(End::agent)? {
                    FrontendKind::CopyData => self.pass_on(head).await?,
                    FrontendKind::CopyDone | FrontendKind::CopyFail => {
                        self.pass_on(head).await?;
                        if until == Until::Command {
                            // The Flush behind the Execute was read as a part of the COPY and dropped.
                            self.upstream()?.writer.queue(&flush());
                        }
                        self.upstream()?.writer.flush().await.map_err(End::TargetLost)?;
                        return Ok(());
                    }
                    // "The backend will ignore Flush and Sync messages received during copy-in mode."
                    FrontendKind::Flush | FrontendKind::Sync => {
                        self.reader.skip(head).await.map_err(End::agent)?;
                    }
                    FrontendKind::Terminate => return Err(End::Terminated.into()),
                    FrontendKind::Bind
                    | FrontendKind::Close
                    | FrontendKind::Describe
                    | FrontendKind::Execute
                    | FrontendKind::FunctionCall
                    | FrontendKind::Parse
                    | FrontendKind::Password
                    | FrontendKind::Query => {
                        return Err(End::Violation(Complaint::protocol(
                            "unexpected message during COPY from the agent",
                        ))
                        .into());
                    }
                },
            }
        }
    }

    async fn moved(&mut self) -> Result<Moved, End> {
        let Self { reader, link, .. } = self;
        let super::Link::Up(upstream) = link else {
            return Err(End::TargetLost(FrameError::Closed));
        };
        let writing = !upstream.writer.is_idle();
        tokio::select! {
            biased;
            head = upstream.reader.head() => head.map(|_| Moved::Target).map_err(End::TargetLost),
            flushed = upstream.writer.flush(), if writing => flushed.map(|()| Moved::Written).map_err(End::TargetLost),
            head = reader.head(), if !writing => head.map(Moved::Agent).map_err(End::agent),
        }
    }

    /// Passes one message on. When the target speaks meanwhile, the rest of it is passed on all the same: a message that
    /// was begun must be ended.
    async fn pass_on(&mut self, head: Head) -> Result<(), End> {
        let begun = self.reader.begin(head);
        let super::Link::Up(upstream) = &mut self.link else {
            return Err(End::TargetLost(FrameError::Closed));
        };
        upstream.writer.queue(&begun);
        while let Some(piece) = self.reader.chunk().await.map_err(End::agent)? {
            upstream.writer.queue(&piece);
            while !upstream.writer.is_idle() {
                tokio::select! {
                    biased;
                    flushed = upstream.writer.flush() => flushed.map_err(End::TargetLost)?,
                    // Keeps the target's side moving while it does not read; what arrives is taken later.
                    filled = upstream.reader.fill(), if upstream.reader.buffered() < crate::frame::CHUNK => filled.map_err(End::TargetLost)?,
                }
            }
        }
        Ok(())
    }
}
