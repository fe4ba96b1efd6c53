//! COPY from the agent: both directions move at once, in pieces, until the agent says that it is done or that it failed,
//! or the target says what is no aside. Neither direction waits for the other: a target that has to say a notice before it
//! reads on can always say it, as far as the agent reads. Only the messages of the COPY sub-protocol are accepted.

use super::{End, Session, Stop, relay::Until};
use crate::{
    error::Complaint,
    frame::{BackendKind, FrameError, FrontendKind, Head, flush},
};
use bytes::Bytes;

/// Where the agent's side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sending {
    /// Between two messages.
    Between,
    /// In the body of a message whose beginning the target has: the rest must follow, whatever the target says.
    Inside(Behind),
    /// Its last message has gone.
    Ended,
}

/// What comes behind a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    More,
    Nothing,
}

/// Where the target's side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answering {
    /// It takes the data.
    NotYet,
    /// Its answer has begun; what is still sent it drops.
    Begun,
}

/// What moved.
enum Moved {
    Agent(Head),
    Piece(Option<Bytes>),
    Target(Head),
    Written,
}

impl Session {
    /// Passes COPY data on until its end, or until the target answers.
    pub(super) async fn copy_in(&mut self, until: Until) -> Result<(), Stop> {
        let (mut sending, mut answering) = (Sending::Between, Answering::NotYet);
        loop {
            let over = match sending {
                Sending::Ended => true,
                Sending::Between => answering == Answering::Begun,
                Sending::Inside(_) => false,
            };
            if over && self.upstream()?.writer.is_idle() {
                return Ok(());
            }
            match self.moved(sending, answering).await? {
                Moved::Written => {}
                Moved::Target(head) if is_aside(head)? => self.relay_aside(head).await?,
                Moved::Target(_) => answering = Answering::Begun,
                Moved::Agent(head) => sending = self.begin_message(head).await?,
                Moved::Piece(Some(piece)) => self.upstream()?.writer.queue(&piece),
                Moved::Piece(None) => sending = self.end_message(sending, until)?,
            }
        }
    }

    /// Waits for whatever can move next.
    async fn moved(&mut self, sending: Sending, answering: Answering) -> Result<Moved, End> {
        let Self { reader, writer, link, .. } = self;
        let super::Link::Up(upstream) = link else {
            return Err(End::TargetLost(FrameError::Closed));
        };
        let passed_on = upstream.writer.is_idle();
        let listens = answering == Answering::NotYet && !writer.is_full();
        let says = !writer.is_idle();
        let sends = match sending {
            Sending::Between => answering == Answering::NotYet,
            Sending::Inside(_) => true,
            Sending::Ended => false,
        };
        let agent = async {
            match sending {
                Sending::Inside(_) => reader.chunk().await.map(Moved::Piece),
                Sending::Between | Sending::Ended => reader.head().await.map(Moved::Agent),
            }
        };
        tokio::select! {
            biased;
            head = upstream.reader.head(), if listens => head.map(Moved::Target).map_err(End::TargetLost),
            flushed = upstream.writer.flush(), if !passed_on => flushed.map(|()| Moved::Written).map_err(End::TargetLost),
            flushed = writer.flush(), if says => flushed.map(|()| Moved::Written).map_err(End::agent),
            moved = agent, if passed_on && sends => moved.map_err(End::agent),
        }
    }

    /// Takes the head of the agent's next message.
    async fn begin_message(&mut self, head: Head) -> Result<Sending, Stop> {
        let behind = match FrontendKind::of(head).map_err(End::agent)? {
            FrontendKind::CopyData => Behind::More,
            FrontendKind::CopyDone | FrontendKind::CopyFail => Behind::Nothing,
            // "The backend will ignore Flush and Sync messages received during copy-in mode."
            FrontendKind::Flush | FrontendKind::Sync => {
                self.reader.skip(head).await.map_err(End::agent)?;
                return Ok(Sending::Between);
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
                let complaint =
                    Complaint::protocol("unexpected message during COPY from the agent");
                return Err(End::Violation(complaint).into());
            }
        };
        let begun = self.reader.begin(head);
        self.upstream()?.writer.queue(&begun);
        Ok(Sending::Inside(behind))
    }

    /// The body of a message has gone.
    fn end_message(&mut self, sending: Sending, until: Until) -> Result<Sending, End> {
        match sending {
            Sending::Inside(Behind::Nothing) => {
                if until == Until::Command {
                    // The Flush behind the Execute was read as a part of the COPY and dropped.
                    self.upstream()?.writer.queue(&flush());
                }
                Ok(Sending::Ended)
            }
            Sending::Inside(Behind::More) | Sending::Between => Ok(Sending::Between),
            Sending::Ended => Ok(Sending::Ended),
        }
    }
}

/// Whether the target says something on its own account, which ends nothing.
fn is_aside(head: Head) -> Result<bool, End> {
    let kind = BackendKind::of(head).map_err(End::TargetLost)?;
    Ok(matches!(
        kind,
        BackendKind::NoticeResponse
            | BackendKind::NotificationResponse
            | BackendKind::ParameterStatus
    ))
}
